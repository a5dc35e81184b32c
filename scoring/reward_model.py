"""Reward models with a classification head: one number for a response to an instruction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from data_cards.errors import BadInputError
from scoring.hub_models import HubModel, fetch_weights, hub_model, only_pickled
from scoring.transformers_language_model import folder_hash, quiet_transformers

if TYPE_CHECKING:
    import torch

PREFIX = "hf-reward:"
FORMS = "Write hf-reward:owner/name[@revision], or hf-reward:/folder/of/the/model."
LONGEST = 4096
"""Tokens read of a pair where the model itself names no limit, or a larger one."""


@dataclass(frozen=True, slots=True)
class Reward:
    """What a reward model says of one pair.

    Attributes:
        value: The head's single logit, higher is better; ``None`` if it was not computed.
        cut: Tokens of the response (or, where that is not enough, the instruction) that were
            beyond the model's length and were not read.
        reason: Why ``value`` is missing, if it is.
    """

    value: float | None
    cut: int = 0
    reason: str | None = None


class RewardModel(Protocol):
    """Rates text pairs. Constructing one is cheap; weights load on first use."""

    @property
    def name(self) -> str:
        """The spec, with the revision that it was resolved to."""

    @property
    def key(self) -> str:
        """Identity of weights and arithmetic (hash); known without loading."""

    def rewards(self, instructions: Sequence[str], responses: Sequence[str]) -> list[Reward]:
        """One :class:`Reward` a pair, in order."""


class SequenceRewardModel:
    """A ``...ForSequenceClassification`` model of transformers with one label.

    A model whose tokenizer has a chat template gets the pair as a chat of one user and one
    assistant turn (as reward models on top of chat models are trained); any other gets it as a
    text pair (as the DeBERTa ones are). Pairs are sorted by length and padded in batches of
    bounded size. In bfloat16 a value moves a little with its batch, in float32 by 1e-5.

    Args:
        spec: ``hf-reward:`` and a name on the hub (``@revision`` allowed) or a local folder.
        dtype: ``"auto"``: bfloat16 where the hardware has it, float32 elsewhere.
        tokens_per_batch: Padded tokens in one pass.
        allow_pickle: Whether weights that are only there as pickles may be read.
        trust_remote_code: Whether code of the repository may run.
        device: Where it runs; the GPU where there is one.

    Raises:
        BadInputError: The form is not known, the folder is not there, or the hub says no.
    """

    def __init__(
        self,
        spec: str,
        *,
        dtype: Literal["auto", "bfloat16", "float32"] = "auto",
        tokens_per_batch: int = 8192,
        allow_pickle: bool = False,
        trust_remote_code: bool = False,
        device: str | None = None,
    ) -> None:
        body = spec.removeprefix(PREFIX)
        if not spec.startswith(PREFIX) or not body:
            raise BadInputError(f"{spec!r} is not the spec of a reward model.", FORMS)
        self._wanted_dtype, self._wanted_device = dtype, device
        self._tokens_per_batch = tokens_per_batch
        self._pickle, self._code = allow_pickle, trust_remote_code
        self.hub: HubModel | None = None
        self._local: Path | None = None
        if body.startswith(("/", "./", "../", "~")):
            self._local = Path(body).expanduser()
            if not (self._local / "config.json").is_file():
                raise BadInputError(f"{spec}: {self._local} holds no config.json.", FORMS)
            self.name = spec
            if not any(self._local.glob("*.safetensors")) and not allow_pickle:
                raise only_pickled(body)
        else:
            self.hub = hub_model(body)
            self.name = f"{PREFIX}{self.hub}"

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with weights, length limit and arithmetic."""
        identity = str(self.hub) if self.hub else folder_hash(self._folder)
        parts = ("1", identity, self._wanted_dtype)
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]

    def rewards(self, instructions: Sequence[str], responses: Sequence[str]) -> list[Reward]:
        """One :class:`Reward` a pair; the same pair is run once."""
        import math

        pairs = list(zip(instructions, responses, strict=True))
        unique = list(dict.fromkeys(pairs))
        encoded = [self._encode(*pair) for pair in unique]
        found: dict[tuple[str, str], Reward] = {}
        for places in self._batches([len(tokens) for tokens, _, _ in encoded]):
            values = self._run([encoded[place] for place in places])
            for place, value in zip(places, values, strict=True):
                cut = encoded[place][2]
                good = math.isfinite(value)
                found[unique[place]] = Reward(
                    value if good else None, cut, None if good else "the model gave no number"
                )
        return [found[pair] for pair in pairs]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
            if batch and lengths[place] * (len(batch) + 1) > self._tokens_per_batch:
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _encode(self, instruction: str, response: str) -> tuple[list[int], list[int] | None, int]:
        """Token ids, segment ids where the tokenizer has them, and how many were cut."""
        if self._template is not None:
            before, between, after = self._template
            question, answer = self._plain(instruction), self._plain(response)
            fixed = len(before) + len(between) + len(after)
            over = max(0, fixed + len(question) + len(answer) - self._longest)
            kept = max(0, len(answer) - over)
            asked = max(0, len(question) - (over - (len(answer) - kept)))
            tokens = [*before, *question[:asked], *between, *answer[:kept], *after]
            return tokens, None, over
        texts = [text.encode("utf-8", "replace").decode() for text in (instruction, response)]
        whole = self._tokenizer(*texts, split_special_tokens=True)
        over = max(0, len(whole["input_ids"]) - self._longest)
        if over:
            way = "only_second" if len(self._plain(response)) > over else "longest_first"
            whole = self._tokenizer(
                *texts, split_special_tokens=True, truncation=way, max_length=self._longest
            )
        return list(whole["input_ids"]), whole.get("token_type_ids"), over

    def _run(self, rows: Sequence[tuple[list[int], list[int] | None, int]]) -> list[float]:
        import torch

        model = self._model
        width = max(len(tokens) for tokens, _, _ in rows)
        pad = self._pad
        shape = (len(rows), width)
        inputs = {
            "input_ids": torch.full(shape, pad, dtype=torch.long),
            "attention_mask": torch.zeros(shape, dtype=torch.long),
        }
        if rows[0][1] is not None:
            inputs["token_type_ids"] = torch.zeros(shape, dtype=torch.long)
        for row, (tokens, segments, _) in enumerate(rows):
            inputs["input_ids"][row, : len(tokens)] = torch.tensor(tokens)
            inputs["attention_mask"][row, : len(tokens)] = 1
            if segments is not None:
                inputs["token_type_ids"][row, : len(tokens)] = torch.tensor(segments)
        with torch.inference_mode():
            logits = model(**{k: v.to(model.device) for k, v in inputs.items()}).logits
        return [float(value) for value in logits.float()[:, 0]]

    @cached_property
    def _folder(self) -> Path:
        if self._local is not None:
            return self._local
        assert self.hub is not None
        return fetch_weights(self.hub, pickled=self._pickle)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=self._code
            )
        tokenizer.model_max_length, self._own_limit = 10**12, tokenizer.model_max_length
        return tokenizer

    @cached_property
    def _longest(self) -> int:
        """The least of what tokenizer and position embeddings allow, and :data:`LONGEST`."""
        self._tokenizer  # noqa: B018 (reading it sets the tokenizer's own limit)
        places = getattr(self._model.config, "max_position_embeddings", None)
        known = [self._own_limit, places if places and places > 0 else LONGEST, LONGEST]
        return int(min(known))

    @cached_property
    def _template(self) -> tuple[list[int], list[int], list[int]] | None:
        """What stands before the instruction, between, and after the response."""
        tokenizer = self._tokenizer
        if not tokenizer.chat_template:
            return None
        first, second = "\ue000one\ue000", "\ue000two\ue000"
        turns = [{"role": "user", "content": first}, {"role": "assistant", "content": second}]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        start = tokenizer.bos_token or ""
        if start and text.startswith(start + start):
            text = text.removeprefix(start)
        before, found, rest = text.partition(first)
        between, also, after = rest.partition(second)
        if not found or not also:
            raise BadInputError(
                f"{self.name}: its chat template does not show both turns.",
                "Use another reward model.",
            )
        pieces = [
            tokenizer(part, add_special_tokens=False)["input_ids"]
            for part in (before, between, after)
        ]
        return pieces[0], pieces[1], pieces[2]

    def _plain(self, text: str) -> list[int]:
        """Tokens of other people's text, in which no special token is recognised."""
        clean = text.encode("utf-8", "replace").decode()
        encoded = self._tokenizer(clean, add_special_tokens=False, split_special_tokens=True)
        return list(encoded["input_ids"])

    @property
    def _pad(self) -> int:
        known = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0)
        return next(token for token in known if token is not None)

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification

        device = self._wanted_device or ("cuda" if torch.cuda.is_available() else "cpu")
        given = {"local_files_only": True, "trust_remote_code": self._code}
        try:
            labels = int(AutoConfig.from_pretrained(self._folder, **given).num_labels)
            if labels != 1:
                raise BadInputError(
                    f"{self.name} has {labels} labels; a reward model has one.",
                    "Name a model with a classification head of one label.",
                )
            with quiet_transformers():
                model, about = AutoModelForSequenceClassification.from_pretrained(
                    self._folder,
                    dtype=self._dtype(device),
                    use_safetensors=None if self._pickle else True,
                    output_loading_info=True,
                    **given,
                )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            said = " ".join(str(error).split())[:300] or type(error).__name__
            remote = "trust_remote_code" in said
            remedy = (
                f"If you trust its code: --trust-remote-code {self._asked}" if remote else FORMS
            )
            raise BadInputError(f"{self.name} could not be loaded: {said}", remedy) from error
        if about["missing_keys"]:
            raise BadInputError(
                f"{self.name} has no weights for {sorted(about['missing_keys'])[0]}: it is not a "
                "trained reward model.",
                "Name a model with a trained classification head.",
            )
        if model.config.pad_token_id is None:
            model.config.pad_token_id = self._pad
        return model.eval().requires_grad_(False).to(device)

    @property
    def _asked(self) -> str:
        return self.hub.repo if self.hub else str(self._local)

    def _dtype(self, device: str) -> torch.dtype:
        import torch

        if self._wanted_dtype != "auto":
            return getattr(torch, self._wanted_dtype)
        if device.startswith("cuda"):
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
