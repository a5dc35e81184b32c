"""A judge in this process: ``vllm.LLM``, which batches by itself."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError, BadRowError
from scoring.judge import ratings, rubrics
from scoring.judge.base import JudgeItem, Judgement, JudgeOptions, OnResult, Usage, ignore
from scoring.judge.cache import AnswerCache
from scoring.judge.keys import identity_hash, item_key, judge_key
from scoring.judge.replies import too_long
from scoring.judge.spec import JudgeSpec

_INSTALL = "Install vllm (its extra: pickwell[vllm]), or name a server: openai:MODEL@http://..."
_AT_ONCE = 256
"""Rows handed over at a time: their answers are kept when all of them are there."""


class VllmJudge:
    """A model that vLLM runs here. It loads with the first question.

    Args:
        spec: A folder, or a hub model with its revision.
        options: How to ask; ``engine`` goes to ``vllm.LLM``.
        cache: Where answers are kept; ``None``: nowhere.
    """

    def __init__(self, spec: JudgeSpec, options: JudgeOptions, cache: AnswerCache | None) -> None:
        if options.engine.get("trust_remote_code"):
            raise BadInputError(
                "judge_options.engine: code that comes with a model is never run.",
                "Leave out trust_remote_code.",
            )
        self.spec = spec
        self.options = options
        self.usage = Usage()
        self._cache = cache

    @property
    def name(self) -> str:
        """The spec."""
        return str(self.spec)

    @cached_property
    def key(self) -> str:
        """See :func:`scoring.judge.keys.judge_key`; of a folder, the hash of its files."""
        return judge_key(self._model_identity, self.options)

    def check(self) -> tuple[bool, str]:
        """Whether vLLM is installed, and the folder a model."""
        if importlib.util.find_spec("vllm") is None:
            return False, f"{self.name} needs the Python package vllm. {_INSTALL}"
        folder = Path(self.spec.model)
        if folder.is_dir() and not (folder / "config.json").is_file():
            return False, f"{folder} holds no config.json: name the folder of a model."
        if folder.is_dir():
            return True, f"{self.name} will be loaded by vLLM in this process."
        return True, f"{self.name} will be fetched from the hub, or from its cache, and loaded."

    def judge(self, items: Sequence[JudgeItem], on_result: OnResult = ignore) -> list[Judgement]:
        """Judge every item."""
        started = time.perf_counter()
        results: dict[int, Judgement] = {}

        def done(index: int, judgement: Judgement, keep: bool = False) -> None:
            results[index] = judgement
            self.usage.count(judgement)
            if keep and self._cache is not None:
                self._cache.put(self._item_key(items[index]), judgement)
            on_result(index, judgement)

        waiting: list[tuple[int, list[dict[str, Any]]]] = []
        try:
            for index, item in enumerate(items):
                known = self._cache.get(self._item_key(item)) if self._cache else None
                if known is not None:
                    done(index, known)
                    continue
                try:
                    waiting.append((index, self._messages(item)))
                except BadRowError as error:
                    done(index, Judgement(reason=error.reason))
                if len(waiting) == _AT_ONCE:
                    self._ask(waiting, done)
                    waiting = []
            self._ask(waiting, done)
        finally:
            self.usage.seconds += time.perf_counter() - started
        return [results[index] for index in range(len(items))]

    def _ask(self, waiting: Sequence[tuple[int, list[dict[str, Any]]]], done: Any) -> None:
        if not waiting:
            return
        fitting = []
        for index, messages in waiting:
            reason = self._too_long(messages)
            if reason is None:
                fitting.append((index, messages))
            else:
                done(index, Judgement(reason=reason), keep=True)
        if not fitting:
            return
        self.usage.requests += len(fitting)
        for (index, _), judgement in zip(fitting, self._chats(fitting), strict=True):
            done(index, judgement, keep=True)

    def _chats(self, rows: Sequence[tuple[int, list[dict[str, Any]]]]) -> list[Judgement]:
        """All rows at once; where vLLM refuses them for the sake of one, one by one."""
        try:
            outputs = self._llm.chat(
                [messages for _, messages in rows], self._sampling, use_tqdm=False
            )
        except ValueError as error:
            if len(rows) > 1:
                return [judgement for row in rows for judgement in self._chats([row])]
            words = " ".join(str(error).split())
            if too_long(words):  # pictures take tokens, too, that nobody could count before
                return [Judgement(reason=f"too long for the judge ({words})")]
            raise BadInputError(
                f"The judge {self.name} cannot be asked: {words}",
                "A model that sees no images needs --no-judge-images.",
            ) from error
        return [self._judgement(output) for output in outputs]

    def _judgement(self, output: Any) -> Judgement:
        answer = output.outputs[0]
        read = len(output.prompt_token_ids or ())
        written = len(answer.token_ids)
        self.usage.prompt_tokens += read
        self.usage.completion_tokens += written
        tokens = [
            ratings.Token(
                alternatives[token].decoded_token or "",
                [(a.decoded_token or "", float(a.logprob)) for a in alternatives.values()],
            )
            for token, alternatives in zip(answer.token_ids, answer.logprobs or (), strict=False)
        ]
        try:
            found = ratings.read(self.options.rubric, answer.text, tokens)
        except ratings.UnreadableError as error:
            cut = "cut off: " if answer.finish_reason == "length" else ""
            return Judgement(reason=f"{cut}{error}", prompt_tokens=read, completion_tokens=written)
        return Judgement(
            found.ratings,
            found.method,
            found.reason,
            prompt_tokens=read,
            completion_tokens=written,
        )

    def _too_long(self, messages: list[dict[str, Any]]) -> str | None:
        """Why the text alone does not fit, if so; vLLM would refuse all rows for one such."""
        content = messages[0]["content"]
        parts = [content] if isinstance(content, str) else [p.get("text", "") for p in content]
        chat = [{"role": "user", "content": "\n".join(part for part in parts if part)}]
        ids = self._llm.get_tokenizer().apply_chat_template(
            chat, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        longest = int(self._llm.llm_engine.model_config.max_model_len)
        if len(ids) + self.options.max_tokens <= longest:
            return None
        return (
            f"too long for the judge ({len(ids)} tokens and {self.options.max_tokens} for the "
            f"answer, it takes {longest})"
        )

    def _messages(self, item: JudgeItem) -> list[dict[str, Any]]:
        shown = item.pictures if self.options.sends_images else ()
        jpegs = [picture.jpeg(self.options.image_side) for picture in shown]
        return rubrics.messages(rubrics.question(item, self.options), jpegs)

    def _item_key(self, item: JudgeItem) -> bytes:
        return item_key(identity_hash(self._model_identity, self.options), item, self.options)

    @cached_property
    def _model_identity(self) -> str:
        folder = Path(self.spec.model)
        if folder.is_dir():
            from scoring.transformers_language_model import folder_hash

            return f"vllm:{folder_hash(folder)}"
        return f"vllm:{self.spec.model}@{self.spec.revision or 'main'}"

    @cached_property
    def _sampling(self) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        return SamplingParams(
            temperature=0.0,
            max_tokens=self.options.max_tokens,
            logprobs=ratings.TOP,
            structured_outputs=StructuredOutputsParams(json=rubrics.schema(self.options.rubric)),
        )

    @cached_property
    def _llm(self) -> Any:
        fine, line = self.check()
        if not fine:
            raise BadInputError(line)
        from vllm import LLM

        try:
            return LLM(
                self.spec.model,
                revision=self.spec.revision,
                tokenizer_revision=self.spec.revision,
                **{"seed": 0, "disable_log_stats": True, **self.options.engine},
            )
        except (ValueError, OSError, RuntimeError, TypeError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise BadInputError(
                f"vLLM cannot load the judge {self.name}: {said}",
                "Check model and memory; judge_options.engine takes the arguments of vllm.LLM.",
            ) from error
