"""Many short trainings on a run: the bench, the ledger that does each once, and who does which."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from data_cards.errors import BadInputError
from pickwell.config import EvaluateConfig

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source
    from finetune.bench import Bench
    from finetune.labels.external import ExternalBench
    from finetune.labels.outcomes import Ledger, Task
    from pickwell.config import CompareConfig, LabelConfig
    from pickwell.training_pool import TrainingPool

Progress = Callable[[str, int, int | None], None]
OUTCOMES = "outcomes"


@dataclass
class Trainings:
    """Trainings on parts of a run, measured on one target.

    Attributes:
        pool: What is trained on.
        target: Samples that are measured on; no choice sees them.
        described: What the target is, for records.
        settings: How to train.
        folder: Where outcomes are kept, for all designs and comparisons of the run.
        on_progress: Called with stage, done and expected.
    """

    pool: TrainingPool
    target: list[Sample]
    described: dict[str, Any]
    settings: LabelConfig | CompareConfig
    folder: Path
    on_progress: Progress

    @cached_property
    def bench(self) -> Bench | ExternalBench:
        """Opened when first asked for; the pool is read when first trained on."""
        from finetune.bench import Bench
        from finetune.labels.external import ExternalBench
        from finetune.options import FinetuneOptions
        from pickwell.scoring_job import default_cache

        names = set(FinetuneOptions.__dataclass_fields__) - {"cache", "steps", "epochs"}
        options = FinetuneOptions(
            steps=self.settings.steps, **self.settings.model_dump(include=names)
        )
        cache = self.settings.cache or default_cache()
        command = getattr(self.settings, "outcome_command", None)
        if command is not None:
            metric = getattr(self.settings, "outcome_metric", None)
            return ExternalBench(
                self.pool.samples(), command, options, cache, metric, self.on_progress
            )
        return Bench(self.pool.samples(), self.target, options, cache, self.on_progress)

    @property
    def ledger(self) -> Ledger:
        """Opened anew: other processes may have added to it."""
        from finetune.labels.outcomes import Ledger

        return Ledger(self.folder / OUTCOMES, self.bench.key, self.pool.contents)

    def kept_in_words(self, tasks: Sequence[Task]) -> list[str]:
        """How much need not be trained again; empty where nothing is there."""
        trained = [task for task in dict.fromkeys(tasks) if task.steps]
        wanted, left = len(trained), len(self.ledger.missing(trained))
        if left == wanted:
            return []
        return [f"{wanted - left:,} of them are kept from before: {left:,} remain."]

    def do(self, tasks: Sequence[Task], command: Sequence[str]) -> int:
        """Train what is missing: here, or on several devices.

        Args:
            tasks: All of them.
            command: What a worker is started with, after ``python -m pickwell``.

        Returns:
            How many trainings of ``tasks`` are still missing (other shares do them).
        """
        settings = self.settings
        ledger = self.ledger
        if settings.devices and settings.share is None and ledger.missing(tasks):
            self._fill()
            _spawn(settings.devices, settings, command, lambda: self._look(tasks))
            ledger = self.ledger
        share = parse_share(settings.share)
        ledger.do(
            tasks,
            lambda: self.bench,
            share=share,
            on_progress=lambda done, total: self.on_progress("trainings", done, total),
        )
        return len(self.ledger.missing(tasks))

    def _fill(self) -> None:
        """Vision features are computed once, here, and not by every worker."""
        from finetune.bench import Bench

        if self.settings.cache_features and isinstance(self.bench, Bench):
            _ = self.bench.rows

    def _look(self, tasks: Sequence[Task]) -> None:
        """Tell how far the workers are, by what stands in the ledger."""
        distinct = list(dict.fromkeys(tasks))
        done = len(distinct) - len(self.ledger.missing(distinct))
        self.on_progress("trainings", done, len(distinct))


def open_trainings(
    pool: TrainingPool,
    target: str | Path | Sequence[Sample] | None,
    settings: LabelConfig | CompareConfig,
    folder: Path,
    on_progress: Progress,
    on_source: Callable[[Source], None],
) -> Trainings:
    """Read the target; without one, a command measures.

    Raises:
        BadInputError: There is no sample in it, or it cannot be read.
    """
    from pickwell.evaluate_data import read_data

    if target is None:
        command = getattr(settings, "outcome_command", None)
        return Trainings(pool, [], {"command": command}, settings, folder, on_progress)
    reading = {"format", "images", "card", "columns", "split", "instruction", "seed"}
    asked = EvaluateConfig(
        **settings.model_dump(include=reading), limit=settings.target_limit, wrong="none"
    )
    samples, _, described = read_data(target, asked, on_source)
    known = set(pool.ids)
    both = [sample.id for sample in samples if sample.id in known]
    if both:  # told before pictures are read; those are compared once they are
        raise BadInputError(
            f"{len(both)} of {len(samples)} samples of the target stand in the pool too (the first:"
            f" {both[0]}).",
            "Measure on samples that nothing is chosen from.",
        )
    return Trainings(pool, samples, described, settings, folder, on_progress)


def parse_share(text: str | None) -> tuple[int, int]:
    """``2/4`` as the second of four, counted from 0.

    Raises:
        BadInputError: The first number is larger than the second.
    """
    if text is None:
        return 0, 1
    number, _, of = text.partition("/")
    if int(number) > int(of):
        raise BadInputError(f"--share {text}: there is no share {number} of {of}.", "E.g. 1/4.")
    return int(number) - 1, int(of)


LOOK = 2.0
"""Seconds between two looks at what the workers have done, at least; a look is a small part."""


def _spawn(
    devices: Sequence[str], settings: Any, command: Sequence[str], look: Callable[[], None]
) -> None:
    """One process per device, each with its share; all are waited for, ``look`` meanwhile.

    Raises:
        BadInputError: One failed; what it printed is shown.
    """
    verb = command[0]
    plain = settings.model_dump(mode="json", exclude={"devices", "share"})
    threads = str(max(1, (os.cpu_count() or 1) // len(devices)))
    with tempfile.TemporaryDirectory(prefix="pickwell-") as scratch:
        file = Path(scratch) / "options.yaml"
        file.write_text(yaml.safe_dump({verb: plain}), "utf-8")
        running = []
        for place, device in enumerate(devices, 1):
            seen = {"CUDA_VISIBLE_DEVICES": "" if device == "cpu" else device}
            if device == "cpu":
                seen["OMP_NUM_THREADS"] = threads
            said = Path(scratch) / f"{place}.log"
            with said.open("w", encoding="utf-8") as log:
                worker = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "pickwell", *command),
                        *("--config", str(file), "--share", f"{place}/{len(devices)}"),
                    ],
                    env=os.environ | seen,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            running.append((device, worker, said))
        try:
            while any(worker.poll() is None for _, worker, _ in running):
                began = time.perf_counter()
                look()
                time.sleep(max(LOOK, 20 * (time.perf_counter() - began)))
            codes = [worker.wait() for _, worker, _ in running]
        except BaseException:
            for _, worker, _ in running:
                worker.terminate()
            raise
        for (device, _, said), code in zip(running, codes, strict=True):
            if code:
                last = said.read_text("utf-8", "replace").strip()[-600:]
                raise BadInputError(
                    f"The trainings on device {device} ended with code {code}: {last}",
                    "What was trained is kept; mend it and type the same again.",
                )
