"""Throughput of the engine with an open_clip ViT-B-32 over the bare forward passes.

The checkpoint is randomly initialised: weights change no timing. Bare: the same passes over the
same pictures, decoded and preprocessed beforehand, at the same batch and precision. Engine: from
files to a finished run. They take turns; the ratio is of the sums. On a GPU, ViT-L-14 too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import picture_samples, record
from benchmarks.engine_overhead import case

ROWS = 384
ROUNDS = 3


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
