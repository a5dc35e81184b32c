"""A pool with everything that can go wrong in it, on disk, so that any process can read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from data_cards import ImageRef, Sample, Turn
from scoring.cluster.parts import packed, unpacked

SHARD = 5
ROWS = 60


def write_pool(folder: Path) -> Path:
    """60 samples over 23 pictures: repeated pictures and contents, torn, missing and empty ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(23):
        rng = np.random.default_rng(number)
        image = Image.new("RGB", (40, 30), tuple(int(v) for v in rng.integers(0, 256, 3)))
        ImageDraw.Draw(image).ellipse((5, 5, 20, 25), fill=tuple(rng.integers(0, 256, 3).tolist()))
        image.save(folder / f"{number}.png")
    (folder / "torn.png").write_bytes((folder / "1.png").read_bytes()[:60])
    made = [
        _sample(n, folder / f"{n % 23}.png", f"A thing. Number {n % 50} of them.")
        for n in range(ROWS)
    ]
    for number in (50, 56, 59):  # as in earlier shards, word and picture
        earlier = made[number - 50]
        made[number] = Sample(f"s{number}", earlier.turns, earlier.images, "test", number, "test")
    made[3] = _sample(3, folder / "torn.png", "A torn one.")
    made[11] = _sample(11, None, "Only text.")
    made[13] = _sample(13, folder / "0.png", "")
    made[17] = _sample(17, folder / "missing.png", "Nobody there.")
    made[19] = Sample("s19", row=19, where="test:19", error="broken JSON")
    data = (folder / "2.png").read_bytes()
    made[23] = Sample("s23", made[23].turns, (ImageRef("in the record", data=data),), "test", 23)
    path = folder / "pool.arrow"
    path.write_bytes(packed(made))
    return path


def read_pool(path: Path) -> list[Sample]:
    """What :func:`write_pool` wrote."""
    return unpacked(path.read_bytes())


def _sample(number: int, image: Path | None, response: str) -> Sample:
    refs = () if image is None else (ImageRef(image.name, path=image),)
    turns = (Turn("user", "What is it?"), Turn("assistant", response))
    return Sample(f"s{number}", turns, refs, "test", number, f"test:{number}")
