"""Whether the embedded model looks at the picture: figures on pictures that it never saw.

Two sets: pictures of the training sources held out by caption, and Tux Paint, a source that was
never trained on. Every answer's likelihood is taken three times: with its own picture, with
another picture of the same source (the shuffled one), and with its own picture through an
untrained projector.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.draw import Draw
from data_cards.demo.split import Split, normalise, tuxpaint_items
from finetune.models.train_losses import FrozenReader
from finetune.models.train_pairs import Asked, ask_all, thinned
from finetune.models.train_places import place_features
from finetune.models.train_rows import Chat, Row, collate, make_rows

if TYPE_CHECKING:
    from torch import nn

SIZES = {"held out": 200, "Tux Paint": 120}
"""Pictures of each set, drawn by hash."""
WRONG = "wrong"
TOKENS = 4096
BOOTSTRAP = 1000
SEED = 0

Answer = tuple[int, str]  # picture, kind of question
Sums = dict[Answer, tuple[float, int]]  # summed loss in nats, tokens


def measure(
    packages: Path,
    split: Split,
    cache: Path,
    model: Any,
    processor: Any,
    states: Mapping[str, Mapping[str, torch.Tensor]],
) -> dict[str, dict[str, Any]]:
    """Figures by set.

    Args:
        packages: Folder of unpacked packages.
        split: The parts.
        cache: For features.
        model: The embedded model; it is put to bfloat16.
        processor: Its processor.
        states: Weights of the projectors ``"trained"`` and ``"untrained"``.

    Returns:
        By set: counts, and every figure as (mean, lower, upper), 95 % by drawing pictures anew.
    """
    chat = Chat(processor)
    reader = FrozenReader(model, chat.image_start)
    projector = model.model.multi_modal_projector
    found = {}
    sets = {"held out": split.parts["held_out"], "Tux Paint": tuxpaint_items(packages)}
    for name, every in sets.items():
        items = chosen(every, SIZES[name])
        hashes = [split.hashes[item.source, item.key] for item in items]
        features = place_features(items, hashes, cache, augmented=False)[:, 0]
        rows = make_rows(chat, questions(packages, items), longest=10_000)
        other = shuffled(items)
        sums: dict[str, Sums] = {}
        for label, state, shown in (
            ("own picture", states["trained"], np.arange(len(items))),
            ("shuffled picture", states["trained"], other),
            ("untrained", states["untrained"], np.arange(len(items))),
        ):
            projector.load_state_dict(dict(state))
            pad = processor.tokenizer.pad_token_id
            sums[label] = answer_losses(reader, projector, chat, features[shown], rows, pad)
            print(f"{name}, {label}: done", flush=True)
        found[name] = {"pictures": len(items), **figures(sums, len(items))}
    return found


def chosen(items: Sequence[CaptionedImage], count: int) -> list[CaptionedImage]:
    """Some pictures with captions, by hash, none twice under one caption."""
    draw = Draw(SEED)
    by_caption = {normalise(item.caption): item for item in items}
    ordered = draw.order((((i.source, i.key), i) for i in by_caption.values()), "measure")
    return ordered[:count]


def shuffled(items: Sequence[CaptionedImage]) -> np.ndarray:
    """For each picture the next one of its source (of any, where there is only one)."""
    by_source: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        by_source[item.source].append(row)
    alone = [rows.pop() for rows in by_source.values() if len(rows) == 1]
    other = np.arange(len(items))
    for rows in by_source.values():
        other[rows] = np.roll(rows, -1)
    for row in alone:
        other[row] = (row + 1) % len(items)
    return other


def questions(packages: Path, items: Sequence[CaptionedImage]) -> list[Asked]:
    """All questions (long ones thinned), and each caption's question with another's caption."""
    asked = thinned(ask_all(packages, items, SEED), SEED)
    captions = {one.row: one for one in asked if one.kind == "caption"}
    other = shuffled(items)
    wrong = [
        Asked(row, WRONG, one.prompt, captions[int(other[row])].answer)
        for row, one in captions.items()
        if int(other[row]) in captions
    ]
    return [*asked, *wrong]


def answer_losses(
    reader: FrozenReader,
    projector: nn.Module,
    chat: Chat,
    features: np.ndarray,
    rows: Sequence[Row],
    pad: int,
) -> Sums:
    """Summed loss and tokens of every answer.

    Args:
        reader: The frozen language model.
        projector: 1,280 to 576 numbers.
        chat: For collating.
        features: (n, 49, 1280); a row's picture is looked up here.
        rows: What is asked.
        pad: Token that fills up rows.
    """
    found: Sums = {}
    ordered = sorted(rows, key=lambda row: row.length)
    while ordered:
        width = len(chat.prefix) + ordered[-1].length
        count = max(1, TOKENS // width)
        part, ordered = ordered[-count:], ordered[:-count]
        batch = collate(chat, part, pad)
        seen = torch.from_numpy(features[[row.picture for row in part]]).float()
        with torch.inference_mode():
            losses, owner = reader.token_losses(batch, projector(seen))
        for number, segment in enumerate(batch.segments):
            own = losses[owner == number]
            found[segment.asked.row, segment.asked.kind] = (float(own.sum()), len(own))
    return found


def figures(sums: Mapping[str, Sums], pictures: int) -> dict[str, Any]:
    """Means with 95 % bootstrap intervals over pictures.

    ``nll``: nats per answer token, its end-of-turn token counted, by what was shown; ``by kind``
    the same for each kind of question. ``right caption``: how often the caption is likelier per
    token than that of another picture of the source, under its own picture; ``right picture``: how
    often a caption is likelier under its own picture than under the shuffled one. Chance is 0.5.

    Args:
        sums: Of :func:`answer_losses`, by what was shown.
        pictures: Number of pictures.
    """
    draws = np.random.default_rng(SEED).integers(pictures, size=(BOOTSTRAP, pictures))
    result: dict[str, Any] = {"nll": {}, "by kind": defaultdict(dict)}
    for label, found in sums.items():
        true = {key: value for key, value in found.items() if key[1] != WRONG}
        result["nll"][label] = _interval(*_by_picture(true, pictures), draws)
        for kind in sorted({kind for _, kind in true}):
            some = {key: value for key, value in true.items() if key[1] == kind}
            if len(some) >= 10:
                interval = _interval(*_by_picture(some, pictures), draws)
                result["by kind"][kind][label] = (*interval, len(some))
    for label, found in sums.items():
        wins = {
            (row, "caption"): (float(_mean(found, row, "caption") < _mean(found, row, WRONG)), 1)
            for row, kind in found
            if kind == WRONG
        }
        result.setdefault("right caption", {})[label] = _interval(
            *_by_picture(wins, pictures), draws
        )
    own, other = sums["own picture"], sums["shuffled picture"]
    seen = {key: (float(own[key][0] < other[key][0]), 1) for key in own if key[1] == "caption"}
    result["right picture"] = _interval(*_by_picture(seen, pictures), draws)
    result["by kind"] = dict(result["by kind"])
    return result


def _mean(sums: Sums, row: int, kind: str) -> float:
    total, tokens = sums[row, kind]
    return total / tokens


def _by_picture(sums: Sums, pictures: int) -> tuple[np.ndarray, np.ndarray]:
    totals, counts = np.zeros(pictures), np.zeros(pictures)
    for (row, _), (total, count) in sums.items():
        totals[row] += total
        counts[row] += count
    return totals, counts


def _interval(
    totals: np.ndarray, counts: np.ndarray, draws: np.ndarray
) -> tuple[float, float, float]:
    """Ratio of sums, and its 2.5 and 97.5 percentiles over the draws."""
    drawn_counts = counts[draws].sum(1)
    ratios = totals[draws].sum(1)[drawn_counts > 0] / drawn_counts[drawn_counts > 0]
    low, high = np.percentile(ratios, (2.5, 97.5))
    return tuple(round(float(v), 4) for v in (totals.sum() / counts.sum(), low, high))  # type: ignore[return-value]


def print_figures(found: Mapping[str, Mapping[str, Any]]) -> None:
    """The tables of the model card, as Markdown."""

    def cell(values: Sequence[float]) -> str:
        return f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})"

    for name, result in found.items():
        labels = list(result["nll"])
        print(f"\n**{name}**, {result['pictures']} pictures\n")
        print("| | answers |", " | ".join(labels), "|")
        print("|---|---|" + "---|" * len(labels))
        print("| all questions | |", " | ".join(cell(result["nll"][la]) for la in labels), "|")
        for kind, values in result["by kind"].items():
            print(f"| {kind} | {values[labels[0]][3]} |", end=" ")
            print(" | ".join(cell(values[la]) for la in labels), "|")
        print("| right caption of two | |", end=" ")
        print(" | ".join(cell(result["right caption"][la]) for la in labels), "|")
        print(f"| right picture of two | | {cell(result['right picture'])} | | |")
