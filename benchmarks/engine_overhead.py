"""The engine's time over the bare models', and whether a second run runs any model.

Bare models: the same forward passes over the same inputs, already decoded and in memory, batched
as the engine batches them, and nothing else. Two cases: all default metrics (what the bare side
does not do, such as language detection, counts as the engine's own time), and the image-text
encoder alone, where decoding competes with the model for the same cores. Bare and engine take
turns; the ratio is of the sums over all rounds, after one round to warm up.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import picture_samples, record

ROWS = 768
SHARD = 256
CASES: dict[str, tuple[list[str] | None, int]] = {
    "all_default_metrics": (None, 2),
    "encoder_only": (["alignment"], 5),
}


def main() -> None:
    """Bare, engine, engine again, in turn."""
    samples = picture_samples(ROWS)
    figures: dict[str, Any] = {"rows": len(samples), "ratio_required": 1.15}
    for name, (metrics, rounds) in CASES.items():
        case(samples[:32], metrics)  # load everything once
        cases = [case(samples, metrics) for _ in range(rounds)]
        bare, engine, again = (sum(c[key] for c in cases) for key in ("bare", "engine", "again"))
        figures[name] = {
            "bare_seconds": [round(c["bare"], 2) for c in cases],
            "engine_seconds": [round(c["engine"], 2) for c in cases],
            "ratio": round(engine / bare, 3),
            "second_run_seconds": round(again / rounds, 2),
            "second_run_forward_passes": max(c["forwards"] for c in cases),
        }
    record("engine_overhead", figures)


def case(samples: list[Any], names: list[str] | None, models: Any = None) -> dict[str, Any]:
    """Seconds of the bare models, of the engine, and of the engine once more."""
    from scoring.engine import EngineOptions, make_metrics, score
    from scoring.models import models_from_spec

    models = models or models_from_spec("embedded")
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


def _bare(samples: list[Any], models: Any, names: list[str] | None) -> float:
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
    if names is None:
        from scoring.engine import make_metrics

        for metric in make_metrics(models, ["likelihood", "reward"]):
            for start in range(0, len(samples), SHARD):
                chunk = samples[start : start + SHARD]
                metric.score(Batch([s.instruction for s in chunk], [s.response for s in chunk]))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
