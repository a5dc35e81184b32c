"""What is to be measured, the same for every model: cases, their images and their wrong answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_cards.errors import BadRowError
from data_cards.images import read_bytes
from data_cards.sample import Sample
from finetune.evaluate.bootstrap import shared_images
from finetune.evaluate.short_answers import is_short, normalise
from finetune.evaluate.two_choice import Item, draw_wrong, has_one_response
from scoring.store import content_key
from selector.order import canonical_order, id_digests

Blind = Literal["without", "blank"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate.

    Attributes:
        max_tokens: Longest sequence; a longer one is left out. By default what the language model
            was made for, 2,048 at most.
        batch_size: Prompts in one pass.
        blind: What stands for "not seeing the image": the question ``without`` it, or with a
            ``blank`` mid-grey one of the same size.
        short_words: Longest reference of a short-answer question, in words.
        cut: Outputs are cut to this many times the reference's words for ``contained_cut``.
        generate: Whether answers are generated at all.
        generations: Sample generations for the report.
        max_new_tokens: Longest generated answer.
        draws: Bootstrap resamples.
        seed: Of wrong responses, sample generations, shuffles and resamples.
    """

    max_tokens: int | None = None
    batch_size: int = 8
    blind: Blind = "without"
    short_words: int = 3
    cut: float = 3.0
    generate: bool = True
    generations: int = 24
    max_new_tokens: int = 48
    draws: int = 2000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One sample and what is asked about it.

    Attributes:
        sample: As read.
        image_keys: Hashes of its images' bytes.
        cluster: Equal for samples that share an image.
        error: Why it cannot be measured at all.
        wrong: The wrong response of the two-choice question.
        note: Why there is none.
        short: Whether its answer is generated and compared.
        shown: Whether it is one of the sample generations.
        blind: What stands for not seeing the image.
    """

    sample: Sample
    image_keys: tuple[bytes, ...]
    cluster: Hashable
    error: str | None = None
    wrong: str | None = None
    note: str | None = None
    short: bool = False
    shown: bool = False
    blind: Blind = "without"

    @property
    def reply_keys(self) -> dict[str, bytes]:
        """Addresses of the likelihoods: ``right``, ``wrong``, ``blind_right``, ``blind_wrong``.

        Without the image only texts matter, so samples that ask and answer the same share these.
        """
        if self.error is not None:
            return {}
        found = {"right": _key(self.sample, None, self.image_keys)}
        if self.wrong is not None:
            found["wrong"] = _key(self.sample, self.wrong, self.image_keys)
        if self.image_keys:
            hidden = self.image_keys if self.blind == "blank" else ()
            for name in list(found):
                response = None if name == "right" else self.wrong
                found[f"blind_{name}"] = _key(self.sample, response, hidden, self.blind)
        return found

    @property
    def output_key(self) -> bytes | None:
        """Address of the generated answer, if one is wanted."""
        if self.error is not None or not (self.short or self.shown):
            return None
        return _key(self.sample, "", self.image_keys)


def make_cases(
    samples: Iterable[Sample],
    options: Options,
    wrong: Mapping[str, str] | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Case]:
    """Read and hash the images, draw the wrong responses, choose what is generated.

    Args:
        samples: With distinct ids.
        options: Seed and limits.
        wrong: Id to wrong response, where the data have them; others are drawn.
        on_progress: Called with the number read.

    Returns:
        One case per sample, in input order.

    Raises:
        BadInputError: An id stands on two rows.
    """
    read: list[tuple[Sample, tuple[bytes, ...], str | None]] = []
    for done, sample in enumerate(samples, 1):
        try:
            read.append((sample, _image_keys(sample), None))
        except BadRowError as refusal:
            read.append((sample, (), refusal.reason))
        on_progress(done)
    canonical_order([sample.id for sample, _, _ in read])  # refuses repeated ids
    clusters = shared_images([keys for _, keys, _ in read], [sample.id for sample, _, _ in read])
    partners = _wrong_responses(read, options.seed, wrong or {})
    shown = _shown(read, options)
    cases = []
    for (sample, keys, error), cluster in zip(read, clusters, strict=True):
        response, note = partners.get(sample.id, (None, None))
        single = error is None and has_one_response(sample)
        cases.append(
            Case(
                sample,
                keys,
                cluster,
                error,
                response,
                note,
                short=options.generate
                and single
                and is_short(sample.response, options.short_words),
                shown=sample.id in shown,
                blind=options.blind,
            )
        )
    return cases


def _image_keys(sample: Sample) -> tuple[bytes, ...]:
    if sample.error is not None:
        raise BadRowError(sample.error)
    if not sample.response:
        raise BadRowError("response is empty")
    return tuple(content_key(read_bytes(ref)) for ref in sample.images)


def _wrong_responses(
    read: list[tuple[Sample, tuple[bytes, ...], str | None]], seed: int, given: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    """Id to wrong response, or to why there is none."""
    found: dict[str, tuple[str | None, str | None]] = {}
    items = []
    for sample, keys, error in read:
        if error is not None:
            continue
        if not has_one_response(sample):
            found[sample.id] = (None, "several responses: not in the two-choice question")
            continue
        items.append(
            Item(sample.id, sample.source, sample.instruction, sample.response, frozenset(keys))
        )
    for item, drawn in zip(items, draw_wrong(items, seed), strict=True):
        stated = given.get(item.id, "").strip()
        if stated and stated != item.response.strip() and _differ(stated, item.response):
            found[item.id] = (stated, None)
        elif stated:
            found[item.id] = (None, "the wrong response that the data give is the right one")
        else:
            note = None if drawn is not None else "no other sample has a different response"
            found[item.id] = (drawn, note)
    return found


def _differ(one: str, two: str) -> bool:
    """Whether two texts differ in more than case and marks; texts of marks alone always do."""
    plain = normalise(one)
    return not plain or plain != normalise(two)


def _shown(
    read: list[tuple[Sample, tuple[bytes, ...], str | None]], options: Options
) -> frozenset[str]:
    """Ids of the sample generations: drawn source by source in turn, each image once."""
    if not options.generate:
        return frozenset()
    usable = [(sample, keys) for sample, keys, error in read if error is None]
    digests = id_digests([s.id for s, _ in usable], options.seed, purpose="shown")
    turns: dict[str, int] = {}
    ranked: list[tuple[int, int, str]] = []
    seen: set[tuple[bytes, ...]] = set()
    for row in np.lexsort((digests[:, 1], digests[:, 0])).tolist() if usable else []:
        sample, keys = usable[row]
        if keys and keys in seen:
            continue
        seen.add(keys)
        turns[sample.source] = turns.get(sample.source, 0) + 1
        ranked.append((turns[sample.source], len(ranked), sample.id))
    return frozenset(id_ for _, _, id_ in sorted(ranked)[: options.generations])


def _key(
    sample: Sample, response: str | None, images: tuple[bytes, ...], seen: str = "seeing"
) -> bytes:
    turns = [
        (t.role, response if t.role == "assistant" and response is not None else t.text)
        for t in sample.turns
    ]
    return content_key(json.dumps(turns), seen, *images)
