"""A judge in this process: ``vllm.LLM``, which batches by itself."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError, BadRowError
from scoring.hub_models import HubModel, hub_model
from scoring.judge import ratings, rubrics
from scoring.judge.base import JudgeItem, Judgement, JudgeOptions, OnResult, Usage, ignore
from scoring.judge.cache import AnswerCache
from scoring.judge.keys import identity_hash, item_key, judge_key, places, shared
from scoring.judge.replies import blind, too_long
from scoring.judge.spec import JudgeSpec

_INSTALL = "Install vllm (its extra: pickwell[vllm]), or name a server: openai:MODEL@http://..."
_BLIND = "A model that sees no images needs --no-judge-images."
_AT_ONCE = 256
"""Rows handed over at a time: their answers are kept when all of them are there."""
_HOPELESS = 32
"""Rows that vLLM refuses, none ever answered, after which the run ends."""
_HOW = {
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "gpu_memory_utilization",
    "kv_cache_memory_bytes",
    "max_num_seqs",
    "max_num_batched_tokens",
    "cpu_offload_gb",
    "swap_space",
    "enforce_eager",
    "enable_prefix_caching",
    "disable_log_stats",
    "download_dir",
}
"""Arguments of ``vllm.LLM`` that say where and how fast, not what: no part of the key."""

Messages = list[dict[str, Any]]
Done = Callable[[bytes, Judgement, bool], None]


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
        self._refused = 0  # rows that vLLM refused

    @cached_property
    def hub(self) -> HubModel | None:
        """Repository and commit, looked up when first asked for; ``None``: a folder."""
        if Path(self.spec.model).is_dir():
            return None
        revision = f"@{self.spec.revision}" if self.spec.revision else ""
        return hub_model(f"{self.spec.model}{revision}")

    @property
    def name(self) -> str:
        """The spec, with the commit that it was resolved to."""
        return f"vllm:{self.hub}" if self.hub else str(self.spec)

    @cached_property
    def key(self) -> str:
        """See :func:`scoring.judge.keys.judge_key`; of a folder, the hash of its files."""
        return judge_key(self._model_identity, self.options)

    def check(self) -> tuple[bool, str]:
        """Whether vLLM is installed, and the model there; says at which commit."""
        if importlib.util.find_spec("vllm") is None:
            return False, f"{self.spec} needs the Python package vllm. {_INSTALL}"
        folder = Path(self.spec.model)
        if folder.is_dir() and not (folder / "config.json").is_file():
            return False, f"{folder} holds no config.json: name the folder of a model."
        if folder.is_dir():
            return True, f"{self.name} will be loaded by vLLM in this process."
        try:
            return True, f"{self.name} will be fetched from the hub, or from its cache, and loaded."
        except BadInputError as error:
            return False, f"{error.message} {error.remedy}"

    def missing(self) -> str | None:
        """Why the model cannot be loaded here; ``None`` where it seems that it can."""
        fine, line = self.check()
        return None if fine else line

    def judge(self, items: Sequence[JudgeItem], on_result: OnResult = ignore) -> list[Judgement]:
        """Judge every item.

        Raises:
            BadInputError: If the model cannot be loaded, sees no pictures and was never asked
                without, or refuses one row after the other.
        """
        started = time.perf_counter()
        results: dict[int, Judgement] = {}
        identity = identity_hash(self._model_identity, self.options)
        rows = places([item_key(identity, item, self.options) for item in items])

        def done(key: bytes, judgement: Judgement, keep: bool) -> None:
            if keep and self._cache is not None:
                self._cache.put(key, judgement)
            equal = rows[key]
            for index, one in zip(equal, shared(judgement, len(equal)), strict=True):
                results[index] = one
                self.usage.count(one)
                on_result(index, one)

        waiting: list[tuple[bytes, Messages]] = []
        try:
            for key, equal in rows.items():
                known = self._cache.get(key) if self._cache else None
                if known is not None:
                    done(key, known, False)
                    continue
                try:
                    waiting.append((key, self._messages(items[equal[0]])))
                except BadRowError as error:  # it may be there next time
                    done(key, Judgement(reason=error.reason, retryable=True), False)
                if len(waiting) == _AT_ONCE:
                    self._ask(waiting, done)
                    waiting = []
            self._ask(waiting, done)
        finally:
            self.usage.seconds += time.perf_counter() - started
        return [results[index] for index in range(len(items))]

    def _ask(self, waiting: Sequence[tuple[bytes, Messages]], done: Done) -> None:
        fitting = []
        for key, messages in waiting:
            reason = self._too_long(messages)
            if reason is None:
                fitting.append((key, messages))
            else:
                done(key, Judgement(reason=reason), True)
        if fitting:
            self.usage.requests += len(fitting)
            self._chats(fitting, done)

    def _chats(self, rows: Sequence[tuple[bytes, Messages]], done: Done) -> None:
        """All rows at once; where vLLM refuses them for the sake of one, one by one."""
        try:
            outputs = self._llm.chat(
                [messages for _, messages in rows], self._sampling, use_tqdm=False
            )
        except ValueError as error:
            for row in rows if len(rows) > 1 else ():
                self._chats([row], done)
            if len(rows) == 1:
                judgement = self._refusal(error)
                done(rows[0][0], judgement, not judgement.retryable)
            return
        for (key, _), output in zip(rows, outputs, strict=True):
            done(key, self._judgement(output), True)

    def _refusal(self, error: ValueError) -> Judgement:
        """What one refused row means: for itself, or for all of them."""
        words = " ".join(str(error).split())
        if too_long(words):  # pictures take tokens, too, that nobody could count before
            return Judgement(reason=f"too long for the judge ({words})")
        self._refused += 1
        never = not self.usage.answered + self.usage.unrated
        if never and (blind(words) or self._refused >= _HOPELESS):
            raise BadInputError(
                f"The judge {self.name} cannot be asked: {words}", _BLIND if blind(words) else ""
            ) from error
        remedy = f". {_BLIND}" if blind(words) else ""
        return Judgement(reason=f"vLLM refused it ({words}){remedy}", retryable=True)

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
        try:
            ids = self._llm.get_tokenizer().apply_chat_template(
                chat, add_generation_prompt=True, tokenize=True, return_dict=False
            )
        except Exception as error:  # none at all, or one that cannot be rendered
            said = " ".join(str(error).split())[:300]
            raise BadInputError(
                f"The chat template of the judge {self.name} cannot be used: {said}",
                "Name a model that was trained to answer questions (an Instruct one).",
            ) from error
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

    @cached_property
    def _model_identity(self) -> str:
        given = {name: v for name, v in self.options.engine.items() if name not in _HOW}
        engine = json.dumps(given, sort_keys=True, default=str)
        if self.hub is not None:
            return f"{self.name} {engine}"
        from scoring.transformers_language_model import folder_hash

        return f"vllm:{folder_hash(Path(self.spec.model))} {engine}"

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

        commit = self.hub.commit if self.hub else None
        try:
            return LLM(
                self.spec.model,
                revision=commit,
                tokenizer_revision=commit,
                **{"seed": 0, "disable_log_stats": True, **self.options.engine},
            )
        except (ValueError, OSError, RuntimeError, TypeError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise BadInputError(
                f"vLLM cannot load the judge {self.name}: {said}",
                "Check model and memory; judge_options.engine takes the arguments of vllm.LLM.",
            ) from error
