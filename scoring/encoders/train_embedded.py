"""Train the heads of the embedded encoder on packaged pairs and write its weights folder.

``python -m scoring.encoders.train_embedded --packages DIR --out scoring/encoders/weights``

The training pairs are those of :mod:`data_cards.demo.split`. ``--tune`` compares recipes on pairs
cut out of the training side (by caption, and by leaving two sources out); without it, the chosen
recipe is fitted on training and validation pairs together and measured once on the held-out
captions and on Tux Paint, beside ConSE and ridge regression.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.split import Split, normalise, split_items, tuxpaint_items
from scoring.encoders.conse import class_names
from scoring.encoders.evaluate_embedded import GALLERY, intervals, per_picture, small_gallery, table
from scoring.encoders.heads import Heads, HeadShape, load_heads, save_heads
from scoring.encoders.lite0 import Features
from scoring.encoders.train_data import is_flag, training_hashes, write_hashes
from scoring.encoders.train_features import image_features, text_vectors
from scoring.encoders.train_heads import Pairs, Recipe, conse_floor, fit_heads, ridge_floor

LEFT_OUT = ("wordcards", "gcompris")
"""Sources left out together to tune for pictures of another kind."""


@dataclass(frozen=True)
class Table:
    """Items with their features, and the vectors of all their texts."""

    items: Sequence[CaptionedImage]
    views: Sequence[Features]
    vectors: Mapping[str, torch.Tensor]

    def take(self, keep: np.ndarray) -> Table:
        """The items where ``keep`` is true."""
        rows = torch.from_numpy(np.flatnonzero(keep))
        views = [Features(view.pooled[rows], view.stages[rows]) for view in self.views]
        return replace(self, items=[self.items[int(row)] for row in rows], views=views)

    @property
    def captions(self) -> np.ndarray:
        """Normalised captions."""
        return np.array([normalise(item.caption) for item in self.items])


def make_table(
    split: Split, items: Sequence[CaptionedImage], cache: Path, *, training: bool
) -> Table:
    """Features and text vectors of items, from the cache where they are there.

    Only for training are there changed views, and texts other than the caption.
    """
    hashes = [split.hashes[item.source, item.key] for item in items]
    features = image_features(items, hashes, cache, augmented=training)
    kept = [item.texts if training else item.texts[:1] for item in items]
    texts = sorted({t.text for some in kept for t in some if t.language == "en"})
    vectors = dict(zip(texts, text_vectors(texts, cache), strict=True))
    return Table(items, features, vectors)


def make_pairs(data: Table, names: torch.Tensor, forbidden: frozenset[str] = frozenset()) -> Pairs:
    """All pairs of picture and English text, but for flags and forbidden (normalised) texts."""
    texts: list[str] = []
    place: dict[str, int] = {}
    rows = []
    for row, item in enumerate(data.items):
        for rank, text in enumerate(item.texts):
            if (
                not is_flag(item)
                and text.language == "en"
                and normalise(text.text) not in forbidden
            ):
                if text.text not in place:
                    place[text.text] = len(texts)
                    texts.append(text.text)
                rows.append((row, place[text.text], rank == 0))
    picture, text_row, is_caption = (np.array(column) for column in zip(*rows, strict=True))
    label = np.unique(data.captions, return_inverse=True)[1]
    vectors = torch.stack([data.vectors[text] for text in texts])
    return Pairs(data.views, vectors, picture, text_row, is_caption, label, names)


def gallery(data: Table) -> tuple[torch.Tensor, np.ndarray, list[str]]:
    """Sentence vectors of the unique captions, each picture's caption, and its source."""
    _, first, gold = np.unique(data.captions, return_index=True, return_inverse=True)
    vectors = torch.stack([data.vectors[data.items[int(row)].caption] for row in first])
    return vectors, gold, [item.source for item in data.items]


def encoders(pairs: Pairs, heads: Heads, data: Table) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Vectors of pictures and unique captions by the two floors and by the heads."""
    captions, _, _ = gallery(data)
    features = data.views[0]
    with torch.inference_mode():
        return {
            "ConSE, no training": (
                conse_floor(features, pairs.class_names).numpy(),
                captions.numpy(),
            ),
            "ridge regression": (ridge_floor(pairs, features).numpy(), captions.numpy()),
            "embedded": (
                heads.embed_images(features).numpy(),
                heads.embed_texts(captions).numpy(),
            ),
        }


def tune(
    data: Table, validation: np.ndarray, names: torch.Tensor, recipes: Mapping[str, Recipe]
) -> None:
    """Print mean figures of each recipe: captions cut out, then sources left out."""
    captions = data.captions
    fifth = np.array([int(training_share(caption) < 0.2) for caption in captions], bool)
    by_caption = validation | fifth
    by_source = np.array([item.source in LEFT_OUT for item in data.items])
    for name, recipe in recipes.items():
        cells = []
        for test in (by_caption, by_source):
            train = ~test & ~np.isin(captions, captions[test])
            unseen = data.take(test)
            pairs = make_pairs(data.take(train), names, frozenset(captions[test]))
            heads = fit_heads(pairs, recipe)
            vectors, gold, sources = gallery(unseen)
            with torch.inference_mode():
                images = heads.embed_images(unseen.views[0]).numpy()
                texts = heads.embed_texts(vectors).numpy()
            figures = per_picture(images, texts, gold, sources)
            cells.append(" ".join(f"{v:.3f}" for v in np.nanmean(figures, axis=0)))
        print(f"{name:28s} | {cells[0]} | {cells[1]}", flush=True)


def training_share(caption: str) -> float:
    """A number in [0, 1) that depends on the caption alone."""
    return int(hashlib.sha256(f"tune:{caption}".encode()).hexdigest()[:8], 16) / 2**32


def tuning_recipes() -> dict[str, Recipe]:
    """The chosen recipe, and what was compared with it."""
    chosen = Recipe()
    # The closed-form part alone takes seconds; its parts are compared without perceptrons.
    shape = HeadShape(members=0)
    linear = replace(chosen, shape=shape)
    return {
        "no perceptrons": linear,
        "- no ConSE block": replace(linear, shape=replace(shape, conse_share=0.0)),
        "- ConSE share 0.4": replace(linear, shape=replace(shape, conse_share=0.4)),
        "- ConSE temperature 1": replace(linear, shape=replace(shape, temperature=1.0)),
        "- no stages": replace(linear, shape=replace(shape, stage_weights=(0.0, 0.0, 0.0))),
        "- no layout": replace(linear, shape=replace(shape, stage_weights=(0.35, 0.0, 0.0))),
        "- no class prototypes": replace(linear, prototypes=0.0),
        "- no changed views": replace(linear, augmented=False),
        "- captions only": replace(linear, other_text_weight=0.0),
        "- ridges 0.3 and 0.1": replace(linear, ridge_image=0.3, ridge_text=0.1),
        "- ridges 3 and 1": replace(linear, ridge_image=3.0, ridge_text=1.0),
        "chosen": chosen,
    }


def evaluate(pairs: Pairs, heads: Heads, data: Table) -> dict[str, dict[str, Any]]:
    """Figures with intervals by encoder: all captions to choose from, then :data:`GALLERY`."""
    _, gold, sources = gallery(data)
    result: dict[str, dict[str, Any]] = {}
    for name, (images, captions) in encoders(pairs, heads, data).items():
        whole = per_picture(images, captions, gold, sources)
        result[name] = {"all captions": intervals(whole, gold)}
        if len(captions) > GALLERY:
            drawn = small_gallery(images, captions, gold, sources)
            result[name][f"{GALLERY} captions"] = intervals(drawn, gold)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--packages", type=Path, required=True, help="folder of unpacked packages")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights")
    parser.add_argument("--cache", type=Path, default=Path(".demo/features"))
    parser.add_argument("--tune", action="store_true", help="compare recipes; write nothing")
    options = parser.parse_args(arguments)
    torch.use_deterministic_algorithms(True)
    split = split_items(options.packages)
    train, validation = split.parts["train"], split.parts["validation"]
    names = text_vectors(class_names(), options.cache)
    data = make_table(split, [*train, *validation], options.cache, training=True)
    if options.tune:
        is_validation = np.arange(len(data.items)) >= len(train)
        tune(data, is_validation, names, tuning_recipes())
        return
    recipe = Recipe()
    pairs = make_pairs(data, names)
    options.out.mkdir(parents=True, exist_ok=True)
    weights = options.out / "heads.safetensors"
    save_heads(fit_heads(pairs, recipe), weights)
    heads = load_heads(weights)  # measured as they are stored, in float16
    hashes = [split.hashes[item.source, item.key] for item in data.items]
    write_hashes(options.out / "training_hashes.npz", training_hashes(data.items, hashes))
    held_out = {"held out": split.parts["held_out"], "Tux Paint": tuxpaint_items(options.packages)}
    metrics: dict[str, Any] = {"recipe": asdict(recipe), "pictures": {}, "figures": {}}
    metrics["pictures"] = {"train": len(train), "validation": len(validation)}
    for name, items in held_out.items():
        test = make_table(split, items, options.cache, training=False)
        figures = evaluate(pairs, heads, test)
        captions = len(set(test.captions.tolist()))
        metrics["pictures"][name] = {"pictures": len(test.items), "captions": captions}
        metrics["figures"][name] = figures
        for setting in figures["embedded"]:
            print(f"\n{name}, {setting} ({len(test.items)} pictures)\n")
            print(table({encoder: figures[encoder][setting] for encoder in figures}))
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")


if __name__ == "__main__":
    main()
