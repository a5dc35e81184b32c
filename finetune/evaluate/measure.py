"""One model over all cases: likelihoods and outputs into a store, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data_cards.errors import BadInputError, BadRowError
from data_cards.sample import Sample
from finetune.data import pictures
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.generate import Output, generate
from finetune.evaluate.likelihood import Ask, Likelihood, Scorer
from finetune.evaluate.plan import Case, Options
from finetune.evaluate.sequences import Prompt, Reply, read, read_other
from finetune.evaluate.stores import LIKELIHOODS, OUTPUTS, Stores, longest
from selector.order import id_digests

if TYPE_CHECKING:
    from PIL.Image import Image

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
        BadInputError: The model has no chat template, or a slow tokenizer.
    """
    _require_usable(vlm)
    features = ImageFeatures(vlm.model)
    pad = vlm.processor.tokenizer.pad_token_id or 0
    scorer = Scorer(vlm.model, features, batch_size=options.batch_size, pad=pad)
    work = _Work(vlm, stores, options, features, scorer, longest(vlm.model, options))
    waiting = [case for case in cases if work.lacks(case)]
    done = len(cases) - len(waiting)
    on_progress(done)
    for shard in _shards(waiting, options.seed):
        work.run(shard)
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
        limit: int,
    ) -> None:
        self.vlm, self.stores, self.options = vlm, stores, options
        self.features, self.scorer, self.limit = features, scorer, limit
        self.replies = self.outputs = 0

    def lacks(self, case: Case) -> bool:
        output = case.output_key
        return bool(self.stores.likelihoods.missing(case.reply_keys.values())) or (
            output is not None and output not in self.stores.outputs
        )

    def run(self, shard: Sequence[Case]) -> None:
        asks: list[tuple[tuple[bytes, ...], Ask]] = []
        wanted: list[tuple[bytes, Prompt]] = []
        failed: dict[bytes, str] = {}
        mute: dict[bytes, str] = {}
        claimed: set[bytes] = set()
        for case in shard:
            try:
                images = pictures(case.sample.images)
                seeing = self._asks(case, images, claimed, failed)
            except BadRowError as error:
                failed |= dict.fromkeys(case.reply_keys.values(), error.reason)
                if case.output_key is not None:
                    mute[case.output_key] = error.reason
                continue
            asks += [(keys, ask) for keys, ask in seeing[1] if keys]
            output = case.output_key
            if output is not None and output not in self.stores.outputs:
                wanted.append((output, seeing[0]))
        found = self.scorer.score([ask for _, ask in asks])
        rows = {
            key: likelihood
            for (keys, _), likelihoods in zip(asks, found, strict=True)
            for key, likelihood in zip(keys, likelihoods, strict=True)
        }
        self._store_likelihoods(rows, failed)
        self._generate(dict(wanted), mute)

    def _asks(
        self,
        case: Case,
        images: Sequence[Image],
        claimed: set[bytes],
        failed: dict[bytes, str],
    ) -> tuple[Prompt, list[tuple[tuple[bytes, ...], Ask]]]:
        """The prompt with the images, and what to score after it and after the blind one."""
        keys = case.reply_keys
        image_key = b"".join(case.image_keys)
        prompt, right = self._read(case.sample, images, image_key)
        made = [self._ask(case, case.sample, prompt, right, "", claimed, failed)]
        if any(name.startswith("blind") for name in keys):
            sample = case.sample
            if self.options.blind == "blank":
                grey = [_blank(image) for image in images]
                sizes = b"blank" + repr([image.size for image in images]).encode()
                hidden, right = self._read(sample, grey, sizes)
            else:
                sample = replace(sample, images=())
                hidden, right = self._read(sample, [], b"")
            made.append(self._ask(case, sample, hidden, right, "blind_", claimed, failed))
        return prompt, made

    def _read(
        self, sample: Sample, images: Sequence[Image], image_key: bytes
    ) -> tuple[Prompt, Reply]:
        prompt, right = read(self.vlm.processor, sample, images, self.limit)
        seen = Prompt(prompt.ids, prompt.types, self.features.see(image_key, prompt.vision))
        self.scorer.check(Ask(seen, (right, right)), prompt.vision)
        if not self.features.reusable:
            seen = prompt
        return seen, right

    def _ask(
        self,
        case: Case,
        sample: Sample,
        prompt: Prompt,
        right: Reply,
        prefix: str,
        claimed: set[bytes],
        failed: dict[bytes, str],
    ) -> tuple[tuple[bytes, ...], Ask]:
        keys = case.reply_keys
        replies = {keys[f"{prefix}right"]: right}
        if case.wrong is not None:
            key = keys[f"{prefix}wrong"]
            try:
                replies[key] = read_other(
                    self.vlm.processor, sample, case.wrong, prompt, self.limit
                )
            except BadRowError as error:
                failed[key] = f"wrong response: {error.reason}"
        fresh = [k for k in self.stores.likelihoods.missing(replies) if k not in claimed]
        claimed.update(fresh)
        return tuple(fresh), Ask(prompt, tuple(replies[k] for k in fresh))

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

    def _generate(self, wanted: Mapping[bytes, Prompt], mute: Mapping[bytes, str]) -> None:
        lines: dict[bytes, dict[str, Any]] = {
            key: {"error": reason} for key, reason in mute.items()
        }
        said: list[Output] = generate(
            self.vlm.model,
            self.vlm.processor.tokenizer,
            list(wanted.values()),
            self.features,
            max_new_tokens=self.options.max_new_tokens,
            batch_size=2 * self.options.batch_size,
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


def _blank(image: Image) -> Image:
    from PIL import Image as Images

    return Images.new("RGB", image.size, (128, 128, 128))
