"""One model over all cases: likelihoods and outputs into a store, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data_cards.errors import BadInputError
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.generate import Output, generate
from finetune.evaluate.likelihood import Likelihood, Scorer
from finetune.evaluate.plan import Case, Options
from finetune.evaluate.questions import Questions
from finetune.evaluate.sequences import Prompt
from finetune.evaluate.stores import LIKELIHOODS, OUTPUTS, Stores, longest
from selector.order import id_digests

if TYPE_CHECKING:
    from finetune.models.load import LoadedVlm

_SHARD = 64


@dataclass(frozen=True, slots=True)
class Effort:
    """What was done in this run, rather than found in the store."""

    replies: int
    outputs: int
    images: int
    way: str


def measure(
    cases: Sequence[Case],
    vlm: LoadedVlm,
    stores: Stores,
    options: Options,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Effort:
    """Fill the stores with what the cases need; a killed run goes on where it stopped.

    Args:
        cases: All of them.
        vlm: The model with its processor.
        stores: Of this model.
        options: Batch size and limits.
        on_progress: Called with the number of cases that are done.

    Raises:
        BadInputError: The model has no chat template, or a slow tokenizer; or it does not fit.
    """
    import torch

    _require_usable(vlm)
    features = ImageFeatures(vlm.model)
    pad = vlm.processor.tokenizer.pad_token_id or 0
    scorer = Scorer(vlm.model, features, batch_size=options.batch_size, pad=pad)
    work = _Work(vlm, stores, options, features, scorer)
    waiting = [case for case in cases if work.lacks(case)]
    done = len(cases) - len(waiting)
    on_progress(done)
    for shard in _shards(waiting, options.seed):
        shown = done

        def on_share(share: float, begin: int = done, size: int = len(shard)) -> None:
            nonlocal shown
            if begin + int(share * (size - 1)) > shown:  # the last one when all are stored
                shown = begin + int(share * (size - 1))
                on_progress(shown)

        try:
            work.run(shard, on_share)
        except torch.OutOfMemoryError as error:
            raise BadInputError(
                f"The memory of {vlm.model.device} does not suffice for this many prompts at once.",
                f"Pass a --batch-size below {options.batch_size}; what was computed is kept.",
            ) from error
        done += len(shard)
        on_progress(done)
    return Effort(work.replies, work.outputs, features.computed, scorer.way)


class _Work:
    """Everything that the shards of one run share."""

    def __init__(
        self,
        vlm: LoadedVlm,
        stores: Stores,
        options: Options,
        features: ImageFeatures,
        scorer: Scorer,
    ) -> None:
        self.vlm, self.stores, self.options = vlm, stores, options
        self.features, self.scorer = features, scorer
        self.limit = longest(vlm.model, options)
        self.replies = self.outputs = 0

    def lacks(self, case: Case) -> bool:
        output = case.output_key
        return bool(self.stores.likelihoods.missing(case.reply_keys.values())) or (
            output is not None and output not in self.stores.outputs
        )

    def run(self, shard: Sequence[Case], on_share: Callable[[float], None]) -> None:
        """Measure some cases; what each step made is stored before the next one begins."""
        questions = Questions(
            self.vlm.processor, self.stores, self.features, self.scorer, self.limit
        )
        for case in shard:
            questions.add(case)
        asks = questions.asks()
        units = max(1, len(asks) + len(questions.wanted))
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            on_share(done / units)

        found = self.scorer.score([ask for _, ask in asks], count)
        rows = {
            key: likelihood
            for (keys, _), likelihoods in zip(asks, found, strict=True)
            for key, likelihood in zip(keys, likelihoods, strict=True)
        }
        self._store_likelihoods(rows, questions.failed)
        self._generate(questions.wanted, questions.mute, count)

    def _store_likelihoods(
        self, rows: Mapping[bytes, Likelihood], failed: Mapping[bytes, str]
    ) -> None:
        lines: dict[bytes, dict[str, Any]] = {
            key: {"error": reason} for key, reason in failed.items()
        }
        for key, found in rows.items():
            whole = found.total == found.total and abs(found.total) != float("inf")
            lines[key] = {
                "total": found.total if whole else None,
                "tokens": found.tokens,
                "end_total": found.end_total if whole else None,
                "end_tokens": found.end_tokens,
                "error": None if whole else "the model gives no finite likelihood",
            }
        keys = self.stores.likelihoods.missing(lines)
        table = pa.Table.from_pylist([lines[key] for key in keys], schema=LIKELIHOODS)
        self.stores.likelihoods.append(keys, table)
        self.replies += len(rows)

    def _generate(
        self,
        wanted: Mapping[bytes, Prompt],
        mute: Mapping[bytes, str],
        on_batch: Callable[[int], None],
    ) -> None:
        lines: dict[bytes, dict[str, Any]] = {
            key: {"error": reason} for key, reason in mute.items()
        }
        reads = self.scorer.kept.take_all()
        said: list[Output] = generate(
            self.vlm.model,
            self.vlm.processor.tokenizer,
            list(wanted.values()),
            self.features,
            reads=[reads.get(key) for key in wanted],
            max_new_tokens=self.options.max_new_tokens,
            batch_size=2 * self.options.batch_size,
            on_batch=on_batch,
        )
        for key, output in zip(wanted, said, strict=True):
            lines[key] = {
                "text": output.text,
                "tokens": output.tokens,
                "finished": output.finished,
                "error": None,
            }
        keys = self.stores.outputs.missing(lines)
        table = pa.Table.from_pylist([lines[key] for key in keys], schema=OUTPUTS)
        self.stores.outputs.append(keys, table)
        self.outputs += len(wanted)


def _require_usable(vlm: LoadedVlm) -> None:
    tokenizer = getattr(vlm.processor, "tokenizer", None)
    if not getattr(tokenizer, "is_fast", False):
        raise BadInputError(
            f"The tokenizer of {vlm.spec} is a slow one and does not say where its tokens stand.",
            "Convert it to a fast tokenizer (tokenizer.json).",
        )
    if not vlm.processor.chat_template:
        raise BadInputError(
            f"{vlm.spec} has no chat template.",
            "Give it one (chat_template.jinja in its folder).",
        )


def _shards(cases: Sequence[Case], seed: int) -> Iterator[list[Case]]:
    """Neighbours in length of prompt, so that many prompts of a shard have the same length."""
    digests = id_digests([case.sample.id for case in cases], seed, purpose="shard").tolist()
    order = sorted(
        range(len(cases)), key=lambda row: (len(cases[row].sample.instruction), digests[row])
    )
    for start in range(0, len(order), _SHARD):
        yield [cases[row] for row in order[start : start + _SHARD]]
