"""Throughput of the engine with an open_clip ViT-B-32 over the bare forward passes.

The checkpoint is randomly initialised: weights change no timing. Bare: the same passes over the
same pictures, decoded and preprocessed beforehand, at the same batch and precision. Engine: from
files to a finished run. They take turns; the ratio is of the sums. On a GPU, ViT-L-14 too.

``photographs``: the same with JPEGs of 1,600 x 1,200 pixels (parts of the two photographs that
come with scikit-learn, enlarged), where decoding weighs most: every pixel is decoded, for
open_clip's own preprocessing sees pictures at full size. ``decode`` says what one core takes for
one of them, by Pillow and by torchvision.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import picture_samples, record
from benchmarks.engine_overhead import case

ROWS = 384
ROUNDS = 3
PHOTOGRAPHS = 192
SIZE = (1600, 1200)


def main() -> None:
    """Bare and engine in turn, for each architecture."""
    import torch

    gpu = torch.cuda.is_available()
    samples = picture_samples(ROWS * (8 if gpu else 1))
    figures: dict[str, Any] = {
        "rows": len(samples),
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "ratio_required": 0.9,
    }
    for arch in ("ViT-B-32", "ViT-L-14") if gpu else ("ViT-B-32",):
        with tempfile.TemporaryDirectory() as folder:
            figures[arch] = _measured(arch, Path(folder), samples)
            large = photographs(samples[: PHOTOGRAPHS * (8 if gpu else 1)], Path(folder))
            figures[arch]["photographs"] = _measured(arch, Path(folder), large)
            figures[arch]["photographs"]["decode"] = _decoding(large[:32])
    record("open_clip_speed", figures)


def _measured(arch: str, folder: Path, samples: list[Any]) -> dict[str, Any]:
    from scoring.models import models_from_spec

    models = models_from_spec(f"none,encoder=open_clip:{arch}@{checkpoint(arch, folder)}")
    case(samples[:32], ["alignment"], models)
    cases = [case(samples, ["alignment"], models) for _ in range(ROUNDS)]
    bare, engine = (sum(c[key] for c in cases) for key in ("bare", "engine"))
    assert models.encoder is not None
    return {
        "precision": "bfloat16" if models.encoder._parts()["half"] else "float32",  # type: ignore[attr-defined]
        "batch": models.encoder.batch_size,
        "bare_pairs_per_second": round(ROUNDS * len(samples) / bare, 1),
        "engine_pairs_per_second": round(ROUNDS * len(samples) / engine, 1),
        "ratio": round(bare / engine, 3),
    }


def photographs(samples: list[Any], folder: Path) -> list[Any]:
    """The same texts with large photographs, each another part of a real one."""
    import random
    from dataclasses import replace

    from PIL import Image
    from sklearn.datasets import load_sample_images

    from data_cards.sample import ImageRef

    rng = random.Random(0)
    whole = [Image.fromarray(array) for array in load_sample_images().images]
    made = []
    for number, sample in enumerate(samples):
        picture = whole[number % len(whole)]
        widest = min(picture.width, picture.height * SIZE[0] // SIZE[1])
        width = rng.randrange(picture.width // 2, widest)
        height = width * SIZE[1] // SIZE[0]
        left, top = rng.randrange(picture.width - width), rng.randrange(picture.height - height + 1)
        part = picture.crop((left, top, left + width, top + height))
        path = folder / f"photograph-{number}.jpg"
        part.resize(SIZE, Image.Resampling.BICUBIC).save(path, quality=90)
        made.append(replace(sample, images=(ImageRef(path.name, path=path),)))
    return made


def _decoding(samples: list[Any]) -> dict[str, float]:
    """Milliseconds of one core for one picture, by two decoders that both use libjpeg-turbo."""
    import io
    import time

    import torch
    from PIL import Image
    from torchvision.io import ImageReadMode, decode_jpeg

    data = [sample.images[0].path.read_bytes() for sample in samples]
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    ways = {
        "pillow_ms": lambda one: Image.open(io.BytesIO(one)).convert("RGB").load(),
        "torchvision_ms": lambda one: decode_jpeg(
            torch.frombuffer(bytearray(one), dtype=torch.uint8), ImageReadMode.RGB
        ),
    }
    took = {}
    for name, way in ways.items():
        way(data[0])
        started = time.perf_counter()
        for one in data:
            way(one)
        took[name] = round(1000 * (time.perf_counter() - started) / len(data), 1)
    torch.set_num_threads(cores)
    return took


def checkpoint(arch: str, folder: Path) -> Path:
    """Random weights of an architecture, saved as a checkpoint."""
    import open_clip
    import torch

    torch.manual_seed(0)
    path = folder / f"{arch}.pt"
    torch.save(open_clip.create_model(arch).state_dict(), path)
    return path


if __name__ == "__main__":
    main()
