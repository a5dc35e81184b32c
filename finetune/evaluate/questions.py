"""From cases to what the model must read, each prompt once, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadRowError
from data_cards.sample import Sample
from finetune.data import pictures
from finetune.evaluate.batching import Ask
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.likelihood import Scorer
from finetune.evaluate.plan import Case
from finetune.evaluate.sequences import Prompt, Reply, read, read_other
from finetune.evaluate.stores import Stores

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(slots=True)
class _Asked:
    """A prompt and the replies to score after it, by their address in the store."""

    prompt: Prompt
    replies: dict[bytes, Reply] = field(default_factory=dict)
    keep: bytes | None = None


class Questions:
    """What some cases need that the stores lack.

    Attributes:
        wanted: Prompts to answer, by the answer's address.
        failed: Why a likelihood cannot be had, by its address.
        mute: Why an answer cannot be had.

    Args:
        processor: The model's.
        stores: Of the model.
        features: Of the model.
        scorer: Tries its way on the first prompts.
        limit: Longest sequence in tokens.
    """

    def __init__(
        self, processor: Any, stores: Stores, features: ImageFeatures, scorer: Scorer, limit: int
    ) -> None:
        self.processor, self.stores, self.limit = processor, stores, limit
        self.features, self.scorer = features, scorer
        self.wanted: dict[bytes, Prompt] = {}
        self.failed: dict[bytes, str] = {}
        self.mute: dict[bytes, str] = {}
        self._asked: dict[tuple[bytes, tuple[int, ...]], _Asked] = {}

    def asks(self) -> list[tuple[tuple[bytes, ...], Ask]]:
        """Addresses of the likelihoods, and what to score for them."""
        return [
            (tuple(one.replies), Ask(one.prompt, tuple(one.replies.values()), one.keep))
            for one in self._asked.values()
            if one.replies
        ]

    def add(self, case: Case) -> None:
        """Note what a case needs, or why it cannot be had."""
        keys, blind = _divided(case)
        output = case.output_key
        try:
            images = pictures(case.sample.images)
            asked = self._ask(case, case.sample, images, b"".join(case.image_keys), keys)
            if output is not None and output not in self.stores.outputs:
                self.wanted[output] = asked.prompt
                asked.keep = output
        except BadRowError as error:
            self.failed |= dict.fromkeys(keys.values(), error.reason)
            if output is not None:
                self.mute[output] = error.reason
        if not self.stores.likelihoods.missing(blind.values()):
            return
        try:  # what fails without the image does not touch the rest, nor the other way round
            self._ask_blind(case, blind)
        except BadRowError as error:
            self.failed |= dict.fromkeys(blind.values(), error.reason)

    def _ask_blind(self, case: Case, keys: Mapping[str, bytes]) -> None:
        if case.blind == "without":
            self._ask(case, replace(case.sample, images=()), [], b"", keys)
            return
        grey = [_blank(image) for image in pictures(case.sample.images)]
        sizes = b"blank" + repr([image.size for image in grey]).encode()
        self._ask(case, case.sample, grey, sizes, keys)

    def _ask(
        self,
        case: Case,
        sample: Sample,
        images: Sequence[Image],
        image_key: bytes,
        keys: Mapping[str, bytes],
    ) -> _Asked:
        """The case's prompt with its replies; that of an earlier case where it is the same."""
        plain, right = read(self.processor, sample, images, self.limit)
        prompt = Prompt(plain.ids, plain.types, self.features.see(image_key, plain.vision))
        self.scorer.check(Ask(prompt, (right, right)), plain.vision)
        if not self.features.reusable:
            prompt = plain
        replies = {keys["right"]: right}
        if case.wrong is not None:
            try:
                replies[keys["wrong"]] = read_other(
                    self.processor, sample, case.wrong, prompt, self.limit
                )
            except BadRowError as error:
                self.failed[keys["wrong"]] = f"wrong response: {error.reason}"
        asked = self._asked.setdefault((image_key, prompt.ids), _Asked(prompt))
        for key in self.stores.likelihoods.missing(replies):
            asked.replies[key] = replies[key]
        return asked


def _divided(case: Case) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Addresses of ``right`` and ``wrong``, with the image and without seeing it."""
    seeing: dict[str, bytes] = {}
    blind: dict[str, bytes] = {}
    for name, key in case.reply_keys.items():
        (blind if name.startswith("blind_") else seeing)[name.removeprefix("blind_")] = key
    return seeing, blind


def _blank(image: Image) -> Image:
    from PIL import Image as Images

    return Images.new("RGB", image.size, (128, 128, 128))
