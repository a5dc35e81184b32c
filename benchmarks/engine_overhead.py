"""The engine's time over the bare models', and whether a second run runs any model.

Bare models: the same forward passes over the same inputs, already decoded and in memory, batched
as the engine batches them, and nothing else. Two cases: the metrics that run a model, and the
image-text encoder alone, where decoding competes with the model for the same cores.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import picture_samples, record

ROWS = 256
SHARD = 128
MODEL_METRICS = ["alignment", "likelihood", "reward"]
CASES = {"models": MODEL_METRICS, "encoder_only": ["alignment"]}


def main() -> None:
    """Bare, engine, engine again; three rounds in turn, the best of each."""
    samples = picture_samples(ROWS)
    _case(samples[:32], MODEL_METRICS)  # load everything once
    figures: dict[str, Any] = {"rows": len(samples), "ratio_required": 1.15}
    for name, metrics in CASES.items():
        rounds = [_case(samples, metrics) for _ in range(3)]
        bare = min(r["bare"] for r in rounds)
        engine = min(r["engine"] for r in rounds)
        figures[name] = {
            "bare_seconds": round(bare, 2),
            "engine_seconds": round(engine, 2),
            "ratio": round(engine / bare, 3),
            "second_run_seconds": round(min(r["again"] for r in rounds), 2),
            "second_run_forward_passes": rounds[0]["forwards"],
        }
    record("engine_overhead", figures)


def _case(samples: list[Any], names: list[str]) -> dict[str, Any]:
    from scoring.engine import EngineOptions, make_metrics, score
    from scoring.models import models_from_spec

    models = models_from_spec("embedded")
    metrics = make_metrics(models, names)
    counted = _Counting(models.encoder, models.language_model)
    bare = _bare(samples, models, names)
    with tempfile.TemporaryDirectory() as folder:
        options = EngineOptions(Path(folder) / "cache", shard_rows=SHARD)
        seconds = []
        for target in ("first", "second"):
            before = counted.calls
            started = time.perf_counter()
            score(samples, Path(folder) / target, metrics, models, options)
            seconds.append(time.perf_counter() - started)
            forwards = counted.calls - before
    counted.restore()
    return {"bare": bare, "engine": seconds[0], "again": seconds[1], "forwards": forwards}


class _Counting:
    """Counts calls that run a model, on the objects that the metrics hold."""

    NAMES = ("encode_images", "encode_texts", "response_likelihood", "yes_probability")

    def __init__(self, *owners: Any) -> None:
        self.calls = 0
        self.owners = [o for o in owners if o is not None]
        for owner in self.owners:
            for name in self.NAMES:
                if hasattr(owner, name):
                    setattr(owner, name, self._wrap(getattr(owner, name)))

    def _wrap(self, call: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return call(*args, **kwargs)

        return counted

    def restore(self) -> None:
        for owner in self.owners:
            for name in self.NAMES:
                owner.__dict__.pop(name, None)


def _bare(samples: list[Any], models: Any, names: list[str]) -> float:
    import torch
    from PIL import Image

    from scoring.metric import Batch
    from scoring.metrics.alignment import pieces, release_pieces

    encoder = models.encoder
    pixels = [encoder.preprocess(Image.open(s.images[0].path).convert("RGB")) for s in samples]
    cut = [[*pieces(s.response), *release_pieces(s.response)] for s in samples]
    texts = list(dict.fromkeys(piece for row in cut for piece in row))
    started = time.perf_counter()
    for start in range(0, len(pixels), encoder.batch_size):
        encoder.encode_images(torch.stack(pixels[start : start + encoder.batch_size]))
    for start in range(0, len(texts), SHARD):
        encoder.encode_texts(texts[start : start + SHARD])
    if "likelihood" in names:
        from scoring.engine import make_metrics

        for metric in make_metrics(models, ["likelihood", "reward"]):
            for start in range(0, len(samples), SHARD):
                chunk = samples[start : start + SHARD]
                metric.score(Batch([s.instruction for s in chunk], [s.response for s in chunk]))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
