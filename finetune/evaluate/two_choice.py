"""The right response against a wrong one: which wrong one, and which of the two the model prefers.

The wrong response is another sample's answer to the same kind of question, so that a model cannot
tell it by its style; what is left is to look at the image.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data_cards.sample import Sample
from finetune.evaluate.short_answers import normalise
from selector.order import id_digests


@dataclass(frozen=True, slots=True)
class Item:
    """A sample as the draw sees it.

    Attributes:
        id: The sample's.
        source: Name of its data set.
        question: Its instruction.
        response: Its response.
        images: What names its images; samples that share one are never each other's wrong.
    """

    id: str
    source: str
    question: str
    response: str
    images: frozenset[bytes] = frozenset()


def draw_wrong(items: Sequence[Item], seed: int = 0) -> list[str | None]:
    """Another sample's response for each sample.

    It comes from the nearest circle that offers one: the same question of the same source; a
    question of that source that begins with the same two words; the same source; any. It is
    never equal to the right one after normalisation, nor of a sample with the same image. The
    draw depends on ids and seed, not on the order of the samples.

    Returns:
        The wrong responses; ``None`` where no sample offers one.
    """
    digests = id_digests([item.id for item in items], seed, purpose="wrong").tolist()
    circles: dict[tuple[str, ...], list[tuple[list[int], int]]] = defaultdict(list)
    for row, item in enumerate(items):
        for circle in _circles(item):
            circles[circle].append((digests[row], row))
    for ring in circles.values():
        ring.sort()
    plain = [normalise(item.response) for item in items]
    return [_partner(row, items, plain, circles, digests) for row in range(len(items))]


def _circles(item: Item) -> Iterator[tuple[str, ...]]:
    words = normalise(item.question)
    yield ("question", item.source, words)
    yield ("opening", item.source, " ".join(words.split()[:2]))
    yield ("source", item.source)
    yield ("all",)


def _partner(
    row: int,
    items: Sequence[Item],
    plain: Sequence[str],
    circles: dict[tuple[str, ...], list[tuple[list[int], int]]],
    digests: Sequence[list[int]],
) -> str | None:
    mine = items[row]
    for circle in _circles(mine):
        ring = circles[circle]
        # A point on the ring of its own: else neighbours would always be each other's wrong.
        start = bisect_left(ring, (digests[row][::-1], -1))
        for step in range(len(ring)):
            other = ring[(start + step) % len(ring)][1]
            if (
                plain[other]
                and plain[other] != plain[row]
                and not mine.images & items[other].images
            ):
                return items[other].response
    return None


def has_one_response(sample: Sample) -> bool:
    """Whether there is exactly one assistant turn, which a wrong one can stand in for."""
    return sum(turn.role == "assistant" for turn in sample.turns) == 1


def prefers(right: float, wrong: float) -> float:
    """1 if the right response scores higher, 0 if lower, a half if both are the same."""
    return 0.5 if right == wrong else float(right > wrong)
