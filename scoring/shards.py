"""Samples in shards, the images of the next shard being decoded while the models work on this."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from data_cards.images import with_name
from data_cards.sample import ImageRef, Sample
from scoring.images import ImageStage, LoadedImage
from scoring.store import content_key


@dataclass(slots=True)
class Shard:
    """Some consecutive samples and what is known of them.

    Attributes:
        samples: In input order.
        errors: Per sample, why it is bad; ``None`` where it is good.
        image_keys: Per sample, the keys of its readable images.
        contents: Per sample, the hash of instruction, response and images.
    """

    samples: list[Sample]
    errors: list[str | None]
    image_keys: list[list[bytes]] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    _loads: list[list[Future[LoadedImage]]] = field(default_factory=list)
    _loaded: list[list[LoadedImage]] = field(default_factory=list)
    _jobs: dict[bytes, Future[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def status(self) -> list[str]:
        """Per sample, ``"ok"`` or ``"bad"``."""
        return ["ok" if error is None else "bad" for error in self.errors]

    @property
    def good(self) -> list[int]:
        """Positions of the samples that are scored."""
        return [i for i, error in enumerate(self.errors) if error is None]

    def finish_images(self, images: ImageStage) -> None:
        """Wait for the images, encode them, and mark the samples whose images are bad."""
        images.finish(self._jobs)
        found = [image.key for row in self._loaded for image in row if image.key is not None]
        decoding = dict(zip(found, images.errors(found), strict=True))
        for index, row in enumerate(self._loaded):
            keys = [image.key for image in row if image.key is not None]
            refs = _readable(self.samples[index])
            for number, (ref, image) in enumerate(zip(refs, row, strict=True), 1):
                problem = image.error
                if image.key is not None and decoding[image.key] is not None:
                    # the store knows bytes, and the same bytes may have many names
                    problem = with_name(str(decoding[image.key]), ref.name)
                if problem and self.errors[index] is None:
                    place = f"image {number} of {len(row)}: " if len(row) > 1 else ""
                    self.errors[index] = place + problem
            self.image_keys.append(keys)
        self.contents = [
            content_key(sample.instruction, sample.response, *keys)
            for sample, keys in zip(self.samples, self.image_keys, strict=True)
        ]


def prepared_shards(samples: Iterable[Sample], images: ImageStage, rows: int) -> Iterator[Shard]:
    """Cut a stream into shards of ``rows`` samples, images on their way one shard ahead."""
    stream = iter(samples)
    window: deque[Shard] = deque()
    while True:
        while len(window) < 2 and (chunk := list(islice(stream, rows))):
            window.append(_start(chunk, images))
            if len(window) == 1:
                _decode(window[0], images)
        if not window:
            return
        if len(window) > 1:
            _decode(window[1], images)
        yield window.popleft()


def _start(chunk: list[Sample], images: ImageStage) -> Shard:
    shard = Shard(chunk, [_problem(sample) for sample in chunk])
    shard._loads = [images.load(_readable(sample)) for sample in chunk]
    return shard


def _decode(shard: Shard, images: ImageStage) -> None:
    if shard._loaded:
        return
    shard._loaded = [[future.result() for future in row] for row in shard._loads]
    shard._jobs = images.start_decoding([image for row in shard._loaded for image in row])


def _readable(sample: Sample) -> list[ImageRef]:
    return [ref for ref in sample.images if ref.error is None]


def _problem(sample: Sample) -> str | None:
    if sample.error is not None:
        return sample.error
    if not sample.response and not sample.is_picture:
        return "response is empty"
    return next((ref.error for ref in sample.images if ref.error is not None), None)
