"""Reward models with a classification head: one number for a response to an instruction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from data_cards.errors import BadInputError
from scoring.encoders.probe import has_bfloat16
from scoring.hub_models import (
    HubModel,
    Permission,
    fetch_weights,
    hub_model,
    only_pickled,
    permits,
)
from scoring.transformers_language_model import folder_hash, loading

PREFIX = "hf-reward:"
FORMS = "Write hf-reward:owner/name[@revision], or hf-reward:/folder/of/the/model."
LONGEST = 4096
"""Tokens read of a pair where the model itself names no limit, or a larger one."""


@dataclass(frozen=True, slots=True)
class Reward:
    """What a reward model says of one pair.

    Attributes:
        value: The head's single logit, higher is better; ``None`` if it was not computed.
        cut: Tokens beyond the model's length; they are cut off the end of the response and not
            read.
        reason: Why ``value`` is missing, if it is.
    """

    value: float | None
    cut: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """A pair as the model reads it.

    Attributes:
        tokens: Ids.
        segments: Where the tokenizer has them.
        cut: How many were too many.
        reason: Why the row is not run, if it is not.
    """

    tokens: list[int]
    segments: list[int] | None = None
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
    bounded size; the logit is the one that the model gives for the row alone. In bfloat16 a value
    moves a little with its batch, in float32 by 1e-5.

    Args:
        spec: ``hf-reward:`` and a name on the hub (``@revision`` allowed) or a local folder.
        dtype: ``"auto"``: bfloat16 where the hardware has it, float32 elsewhere.
        tokens_per_batch: Padded tokens in one pass.
        allow_pickle: Whether weights that are only there as pickles may be read, or of which
            models (:func:`scoring.hub_models.permits`).
        trust_remote_code: Whether code of the repository may run, likewise.
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
        allow_pickle: Permission = False,
        trust_remote_code: Permission = False,
        device: str | None = None,
    ) -> None:
        body = spec.removeprefix(PREFIX)
        if not spec.startswith(PREFIX) or not body:
            raise BadInputError(f"{spec!r} is not the spec of a reward model.", FORMS)
        self._wanted_dtype, self._wanted_device = dtype, device
        self._tokens_per_batch = tokens_per_batch
        self.hub: HubModel | None = None
        self._local: Path | None = None
        if body.startswith(("/", "./", "../", "~")):
            self._local = Path(body).expanduser()
            if not (self._local / "config.json").is_file():
                raise BadInputError(f"{spec}: {self._local} holds no config.json.", FORMS)
            self.name = spec
        else:
            self.hub = hub_model(body)
            self.name = f"{PREFIX}{self.hub}"
        asked = self.hub or self._local
        assert asked is not None
        self._pickle, self._code = permits(allow_pickle, asked), permits(trust_remote_code, asked)
        if self._local and not self._pickle and not any(self._local.glob("*.safetensors")):
            raise only_pickled(body)

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with weights, length limit and arithmetic."""
        identity = str(self.hub) if self.hub else folder_hash(self._folder)
        parts = ("2", identity, self._arithmetic, str(LONGEST))
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]

    def rewards(self, instructions: Sequence[str], responses: Sequence[str]) -> list[Reward]:
        """One :class:`Reward` a pair; the same pair is run once."""
        import math

        pairs = list(zip(instructions, responses, strict=True))
        rows = {pair: self._encode(*pair) for pair in dict.fromkeys(pairs)}
        found = {pair: Reward(None, row.cut, row.reason) for pair, row in rows.items()}
        fitting = [pair for pair, row in rows.items() if row.reason is None]
        for places in self._batches([len(rows[pair].tokens) for pair in fitting]):
            batch = [fitting[place] for place in places]
            for pair, value in zip(batch, self._run([rows[pair] for pair in batch]), strict=True):
                good = math.isfinite(value)
                found[pair] = Reward(
                    value if good else None,
                    rows[pair].cut,
                    None if good else "the model gave no number",
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

    def _encode(self, instruction: str, response: str) -> _Row:
        """A pair as it is read: what is too long loses the end of its response."""
        if self._template is not None:
            before, between, after = self._template
            question, answer = self._plain(instruction), self._plain(response)
            fixed = len(before) + len(question) + len(between) + len(after)
            room = self._longest - fixed
            if len(answer) > room and room < 1:
                return self._no_room(fixed, len(answer) - room)
            tokens = [*before, *question, *between, *answer[:room], *after]
            return _Row(tokens, cut=max(0, len(answer) - room))
        texts = [text.encode("utf-8", "replace").decode() for text in (instruction, response)]
        whole = self._tokenizer(*texts, split_special_tokens=True)
        cut = max(0, len(whole["input_ids"]) - self._longest)
        if cut:
            marks = int(self._tokenizer.num_special_tokens_to_add(pair=True))
            fixed = len(self._plain(instruction)) + marks
            if fixed >= self._longest:
                return self._no_room(fixed, cut)
            whole = self._tokenizer(
                *texts,
                split_special_tokens=True,
                truncation="only_second",
                max_length=self._longest,
            )
        if not whole["input_ids"]:
            return _Row([], reason="the pair has no tokens")
        return _Row(list(whole["input_ids"]), whole.get("token_type_ids"), cut)

    def _no_room(self, fixed: int, cut: int) -> _Row:
        """A row whose reward would be that of an empty response."""
        why = f"{fixed} tokens without it, the model reads {self._longest}"
        return _Row([], cut=cut, reason=f"no room for the response after its instruction ({why})")

    def _run(self, rows: Sequence[_Row]) -> list[float]:
        import torch

        model = self._model
        shape = (len(rows), max(len(row.tokens) for row in rows))
        inputs = {
            "input_ids": torch.full(shape, self._padding(rows), dtype=torch.long),
            "attention_mask": torch.zeros(shape, dtype=torch.long),
        }
        if rows[0].segments is not None:
            inputs["token_type_ids"] = torch.zeros(shape, dtype=torch.long)
        for place, row in enumerate(rows):
            size = len(row.tokens)
            inputs["input_ids"][place, :size] = torch.tensor(row.tokens)
            inputs["attention_mask"][place, :size] = 1
            if row.segments is not None:
                inputs["token_type_ids"][place, :size] = torch.tensor(row.segments)
        with torch.inference_mode():
            logits = model(**{k: v.to(model.device) for k, v in inputs.items()}).logits
        return [float(value) for value in logits.float()[:, 0]]

    @cached_property
    def _folder(self) -> Path:
        if self._local is not None:
            return self._local
        assert self.hub is not None
        return fetch_weights(self.hub, pickled=self._pickle, code=self._code)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        folder = self._folder
        with loading(self.name, FORMS, self._asked):
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=self._code
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
        try:
            text = tokenizer.apply_chat_template(turns, tokenize=False)
        except Exception as error:  # whatever a template raises by itself
            said = " ".join(str(error).split())[:300]
            message = f"{self.name}: its chat template cannot be used: {said}"
            raise BadInputError(message, "Use another reward model.") from error
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

    def _padding(self, rows: Sequence[_Row]) -> int:
        """The id to pad with: the one that the model looks for, so that it sees where rows end.

        The head is read at the last token that is not the padding id of the model's text
        configuration. Where that names none, or none of its vocabulary, a row alone is read at its
        last token: so one is put there in which no row ends.
        """
        size = self._model.get_input_embeddings().num_embeddings
        if self._own_pad is not None and 0 <= self._own_pad < size:
            return self._own_pad
        ends = {row.tokens[-1] for row in rows}
        known = (self._tokenizer.pad_token_id, *range(size))
        pad = next((id_ for id_ in known if id_ is not None and id_ < size and id_ not in ends), 0)
        self._model.config.get_text_config().pad_token_id = pad
        return pad

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification

        given = {"local_files_only": True, "trust_remote_code": self._code}
        folder = self._folder
        with loading(self.name, FORMS, self._asked):
            labels = int(AutoConfig.from_pretrained(folder, **given).num_labels)
            if labels != 1:
                raise BadInputError(
                    f"{self.name} has {labels} labels; a reward model has one.",
                    "Name a model with a classification head of one label.",
                )
            model, about = AutoModelForSequenceClassification.from_pretrained(
                folder,
                dtype=getattr(torch, self._arithmetic),
                use_safetensors=None if self._pickle else True,
                output_loading_info=True,
                **given,
            )
        if about["missing_keys"]:
            raise BadInputError(
                f"{self.name} has no weights for {sorted(about['missing_keys'])[0]}: it is not a "
                "trained reward model.",
                "Name a model with a trained classification head.",
            )
        self._own_pad = model.config.get_text_config().pad_token_id
        return model.eval().requires_grad_(False).to(self._device)

    @property
    def _asked(self) -> str:
        return self.hub.repo if self.hub else str(self._local)

    @cached_property
    def _device(self) -> str:
        import torch

        return self._wanted_device or ("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def _arithmetic(self) -> str:
        """What ``auto`` means on this hardware; no weights are needed to tell."""
        if self._wanted_dtype != "auto":
            return self._wanted_dtype
        return "bfloat16" if has_bfloat16(self._device) else "float32"
