"""Any local causal language model that transformers can load, as a scorer of text."""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data_cards.errors import BadInputError
from scoring.causal_passes import Tokens, common_prefix, last_logits, worth_sharing
from scoring.language_model import ResponseLikelihood

if TYPE_CHECKING:
    import torch

_PLACE = "\ue000text\ue000"  # stands for the user's text while the chat template is rendered
_CAUSAL = "Name a causal language model that needs no code of its own."
_HASHED = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")


@dataclass(frozen=True, slots=True)
class _Template:
    """Token ids around the user's text, before a response that answers nothing, after any."""

    before: Tokens
    after: Tokens
    alone: Tokens
    end: int | None


class TransformersLanguageModel:
    """Scores responses with a causal language model from a local folder.

    Weights load on first use, on the GPU where there is one. Rows are de-duplicated,
    sorted by length and run in batches of bounded size; a prompt that several rows share is run
    once and its keys and values are used again. Text is tokenised so that special tokens
    written in it (``<|im_end|>``) are ordinary characters. Code from the folder is never run.

    Args:
        folder: The model's folder (``config.json``, safetensors, tokenizer), or a function that
            makes and returns it, called on first use.
        name: What manifests call the model; the folder's name by default.
        identity: Stands for the weights in ``key``; by default a SHA-256 over the folder's files,
            computed when ``key`` is first asked for (about a second per gigabyte).
        chat_template: Jinja template to use in place of the tokenizer's own.
        max_tokens: Longest response, and longest instruction or question, that is scored.
        tokens_per_batch: Padded tokens in one forward pass.
        share_prefixes: Whether prompts that recur are computed once.
        dtype: Arithmetic. In bfloat16 a row's likelihood moves with the shapes of its batch (up to
            0.06 nats for one-token responses of SmolLM2-135M); in float32 it does not (1e-4).
    """

    def __init__(
        self,
        folder: Path | Callable[[], Path],
        *,
        name: str | None = None,
        identity: str | None = None,
        chat_template: str | None = None,
        max_tokens: int = 1024,
        tokens_per_batch: int = 2048,
        share_prefixes: bool = True,
        dtype: Literal["float32", "bfloat16"] = "bfloat16",
    ) -> None:
        if name is None:
            if callable(folder):
                raise ValueError("a model whose folder is made on first use needs a name")
            name = Path(folder).name
        self.name = name
        self.max_tokens = max_tokens
        self._make_folder = folder
        self._identity = identity
        self._chat_template = chat_template
        self._tokens_per_batch = tokens_per_batch
        self._share_prefixes = share_prefixes
        self._dtype = dtype

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with the weights, the template and the limit."""
        identity = self._identity or folder_hash(self._folder)
        parts = (identity, self._chat_template or "", str(self.max_tokens), self._dtype)
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens."""
        return [len(tokens) for tokens in self._tokenise(texts)]

    def response_likelihood(
        self, instructions: Sequence[str | None], responses: Sequence[str]
    ) -> list[ResponseLikelihood]:
        """Mean negative log-likelihood of each response's tokens, in nats per token.

        The end-of-turn token is not counted; how likely it comes next is told beside. A response
        or instruction longer than ``max_tokens`` gets ``nll=None`` and a reason; nothing is cut
        off.

        Args:
            instructions: The user's text of each row, or ``None`` for the response by itself
                (after the bare opening of an answer, or the begin-of-text token).
            responses: The responses, of the same number.
        """
        if len(instructions) != len(responses):
            raise ValueError(f"{len(instructions)} instructions for {len(responses)} responses")
        template = self._template
        asked = self._tokenise([text or "" for text in instructions])
        answered = self._tokenise(responses)
        jobs: list[tuple[Tokens, Tokens] | None] = []
        reasons: list[str | None] = []
        for text, question, answer in zip(instructions, asked, answered, strict=True):
            reason = self._refuse(question, answer)
            reasons.append(reason)
            prompt = template.before + question + template.after
            jobs.append(None if reason else (template.alone if text is None else prompt, answer))
        found = self._nll(job for job in jobs if job is not None)
        made = []
        for job, answer, reason in zip(jobs, answered, reasons, strict=True):
            nll, end = (None, None) if job is None else found[job]
            made.append(ResponseLikelihood(nll, len(answer), reason, end))
        return made

    def yes_probability(self, questions: Sequence[str]) -> list[float | None]:
        """P(yes) / (P(yes) + P(no)) for the first token of the answer to each question.

        Upper and lower case, with and without a leading space, are added up. ``None`` for a
        question longer than ``max_tokens``.
        """
        import torch

        template = self._template
        asked = self._tokenise(questions)
        prompts = [
            template.before + tokens + template.after if len(tokens) <= self.max_tokens else None
            for tokens in asked
        ]
        unique = sorted({prompt for prompt in prompts if prompt is not None})
        shared = common_prefix(unique)
        yes, no = self._answers
        found: dict[Tokens, float] = {}
        for prompt, logits in self._logits([(p, 1) for p in unique], dict.fromkeys(unique, shared)):
            margin = torch.logsumexp(logits[0, yes], 0) - torch.logsumexp(logits[0, no], 0)
            found[prompt] = float(torch.sigmoid(margin))
        return [None if prompt is None else found[prompt] for prompt in prompts]

    def _refuse(self, question: Tokens, answer: Tokens) -> str | None:
        """Why a row is not scored, if it is not."""
        if not answer:
            return "response has no tokens"
        for what, tokens in (("response", answer), ("instruction", question)):
            if len(tokens) > self.max_tokens:
                return f"{what} longer than {self.max_tokens} tokens ({len(tokens)})"
        return None

    def _nll(
        self, jobs: Iterable[tuple[Tokens, Tokens]]
    ) -> dict[tuple[Tokens, Tokens], tuple[float, float | None]]:
        """Of each distinct (prompt, response): mean loss, and log-probability of ending there."""
        import torch

        template = self._template
        unique = sorted(set(jobs))
        rows: dict[Tokens, list[Tokens]] = defaultdict(list)
        for prompt, answer in unique:
            rows[prompt].append(answer)
        # Where the end is not asked for, the last token predicts nothing, and is never run.
        wanted: dict[tuple[Tokens, int], list[tuple[Tokens, Tokens]]] = defaultdict(list)
        prefixes: dict[Tokens, int] = {}
        for prompt, answer in unique:
            ends = template.end is not None and prompt != template.alone
            run = prompt + (answer if ends else answer[:-1])
            wanted[run, len(run) - len(prompt) + 1].append((prompt, answer))
            worth = worth_sharing(len(rows[prompt]), len(prompt) - 1)
            prefixes[run] = len(prompt) - 1 if worth else 0
        found: dict[tuple[Tokens, Tokens], tuple[float, float | None]] = {}
        by_tokens = defaultdict(list)
        for tokens, count in wanted:
            by_tokens[tokens].append(count)
        # Responses can share all tokens that are run; the longest span serves them all.
        for tokens, logits in self._logits([(t, max(c)) for t, c in by_tokens.items()], prefixes):
            for count in by_tokens[tokens]:
                for prompt, answer in wanted[tokens, count]:
                    said = logits[-count:]
                    targets = torch.tensor(answer, device=logits.device)
                    losses = torch.nn.functional.cross_entropy(said[: len(answer)], targets)
                    end = None
                    if count > len(answer):
                        end = float(torch.log_softmax(said[-1], 0)[template.end])
                    found[prompt, answer] = float(losses), end
        return found

    def _logits(
        self, jobs: Sequence[tuple[Tokens, int]], prefixes: Mapping[Tokens, int]
    ) -> Iterator[tuple[Tokens, torch.Tensor]]:
        return last_logits(
            self._model,
            jobs,
            prefixes if self._share_prefixes else {},
            tokens_per_batch=self._tokens_per_batch,
        )

    @cached_property
    def _folder(self) -> Path:
        return self._make_folder() if callable(self._make_folder) else Path(self._make_folder)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        folder = self._folder
        with loading(self.name, _CAUSAL):
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        if self._chat_template is not None:
            tokenizer.chat_template = self._chat_template
        tokenizer.model_max_length = 10**12  # lengths are checked here; no warning is wanted
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        folder = self._folder
        with loading(self.name, _CAUSAL):
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, self._dtype),
                local_files_only=True,
                trust_remote_code=False,
            )
        return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def _template(self) -> _Template:
        tokenizer = self._tokenizer
        start = (
            tokenizer.bos_token_id
            if tokenizer.bos_token_id is not None
            else (tokenizer.eos_token_id or 0)
        )
        if not tokenizer.chat_template:
            return _Template((start,), self._plain("\n"), (start,), tokenizer.eos_token_id)
        user = [{"role": "user", "content": _PLACE}]
        closed = tokenizer.apply_chat_template(user, tokenize=False)
        opened = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
        if opened.count(_PLACE) != 1:
            raise BadInputError(f"{self.name}: its chat template does not show one turn.", _CAUSAL)
        before, after = opened.split(_PLACE)
        opening = opened[len(closed) :] if opened.startswith(closed) else ""
        said = [*user, {"role": "assistant", "content": _PLACE}]
        closing = tokenizer.apply_chat_template(said, tokenize=False).rpartition(_PLACE)[2]
        end = (self._plain(closing) or (tokenizer.eos_token_id,))[0]
        alone = self._plain(opening) or (start,)
        return _Template(self._plain(before), self._plain(after), alone, end)

    @cached_property
    def _answers(self) -> tuple[list[int], list[int]]:
        """Ids of the single tokens that spell yes, and of those that spell no."""
        spelled = []
        for word in ("yes", "no"):
            forms = [
                space + form for form in (word, word.title(), word.upper()) for space in ("", " ")
            ]
            ids = {tokens[0] for tokens in map(self._plain, forms) if len(tokens) == 1}
            if not ids:
                raise ValueError(f"{self.name} has no single token for {word!r}")
            spelled.append(sorted(ids))
        return spelled[0], spelled[1]

    def _plain(self, text: str) -> Tokens:
        """Tokens of a template's own text, special ones recognised."""
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()

    def _tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of other people's text, in which no special token is recognised."""
        if not texts:
            return []
        # A lone surrogate cannot be encoded; everything else passes unchanged.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        encoded = self._tokenizer(clean, add_special_tokens=False, split_special_tokens=True)
        return [tuple(tokens) for tokens in encoded["input_ids"]]


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a model folder's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _HASHED:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name}\x00{content}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def loading(name: str, remedy: str, asked: str | None = None) -> Iterator[None]:
    """Load something with transformers, without its bars; what goes wrong is said in one line.

    Args:
        name: What is loaded.
        remedy: What to do if it fails.
        asked: What to name after ``--trust-remote-code``, where code of its own may be permitted.

    Raises:
        BadInputError: It could not be loaded.
    """
    try:
        with quiet_transformers():
            yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AssertionError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        if asked is not None and "trust_remote_code" in str(error):
            remedy = f"If you trust its code: --trust-remote-code {asked}"
        raise BadInputError(f"{name} could not be loaded: {said}", remedy) from error


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Transformers without its loading bars, which would tear ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
