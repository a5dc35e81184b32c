"""Outcomes by a program of one's own: train, run a command on the model's folder, read a number.

For benchmarks that pickwell does not have, e.g. tasks of lmms-eval. The command writes a file of
results as lmms-eval does, or prints a number on its last line.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from data_cards.sample import Sample
from finetune.bench import Progress, Trained
from finetune.options import FinetuneOptions

MODEL, OUT = "{model}", "{out}"


class ExternalBench:
    """Trains on subsets of a pool; a command measures each result.

    Args:
        pool: What subsets are taken from; ids must be distinct. Read when first trained on.
        command: Run for each trained model, without a shell; ``{model}`` stands for its folder and
            ``{out}`` for an empty folder where it may write.
        options: How to train.
        cache: Folder for vision features.
        metric: Only results whose name begins with this count; all by default.
        on_progress: Called with stage, done and expected.

    Raises:
        BadInputError: The command names no ``{model}``.
    """

    def __init__(
        self,
        pool: Iterable[Sample],
        command: str,
        options: FinetuneOptions,
        cache: Path,
        metric: str | None = None,
        on_progress: Progress = lambda stage, done, total: None,
    ) -> None:
        self.words = shlex.split(command)
        if not any(MODEL in word for word in self.words):
            raise BadInputError(
                f"The command {command!r} does not say where the model goes.",
                f"Write {MODEL} where the folder of the trained model belongs.",
            )
        self.command, self.metric = command, metric
        self.options = options.checked().cached_in(cache)
        self._pool, self._on_progress = pool, on_progress
        self.target: list[Any] = []
        self.target_left_out: list[tuple[str, str]] = []
        self.left_out: list[tuple[str, str]] = []
        self.opened = True

    clusters: Sequence[object] = ("the command",)

    @cached_property
    def model_key(self) -> str:
        """Content of the model that every training begins with."""
        from finetune.models.load import load_vlm

        return load_vlm(
            self.options.model, dtype="auto", trust_remote_code=self.options.trust_remote_code
        ).key

    @property
    def key(self) -> str:
        """Hash of model, command and every option that is the same for all trainings."""
        from scoring.store import content_key

        told = (self.model_key, repr(self.options.shared()), self.command, str(self.metric))
        return content_key(*told).hex()

    @cached_property
    def rows(self) -> Mapping[str, Sample]:
        """The pool by id."""
        return {sample.id: sample for sample in self._pool}

    def run(
        self,
        ids: Sequence[str],
        *,
        seed: int,
        steps: int | None = None,
        epochs: float | None = None,
    ) -> Trained:
        """Train on these samples and let the command measure the result.

        Returns:
            One outcome as the loss of a single token: its negative, so that higher is better for
            ``Outcomes.quality`` as it is for what the command says.

        Raises:
            BadInputError: The training failed, or the command, or it says no number.
        """
        from finetune.train import finetune

        started = time.perf_counter()
        options = replace(self.options, steps=steps, epochs=epochs, seed=seed)
        with tempfile.TemporaryDirectory(prefix="pickwell-") as scratch:
            model, out = Path(scratch) / "model", Path(scratch) / "out"
            out.mkdir()
            trained = finetune([self.rows[id_] for id_ in ids if id_ in self.rows], model, options)
            value = self._measure(model, out)
        return Trained(
            losses=np.array([-value]),
            tokens=np.array([1]),
            train_losses=tuple(trained.losses),
            seconds=time.perf_counter() - started,
            passes=trained.steps * options.batch_size * options.gradient_accumulation,
        )

    def _measure(self, model: Path, out: Path) -> float:
        words = [word.replace(MODEL, str(model)).replace(OUT, str(out)) for word in self.words]
        program = shutil.which(words[0])
        if program is None:
            raise BadInputError(
                f"There is no program {words[0]!r}.", "Install it, or give its whole path."
            )
        done = subprocess.run(
            [program, *words[1:]], capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise BadInputError(
                f"The command ended with code {done.returncode}: {said}",
                "Mend it and type the same again: what was trained and measured is kept.",
            )
        return read_outcome(out, done.stdout, self.metric)


def read_outcome(out: Path, said: str, metric: str | None = None) -> float:
    """The number that a command gave.

    Args:
        out: Folder that it may have written to: the mean over tasks of the newest
            ``*results.json`` counts, each task the mean of its metrics (as lmms-eval writes them;
            standard errors do not count).
        said: What it printed; the last line counts where there is no such file.
        metric: Only metrics whose name begins with this.

    Raises:
        BadInputError: There is no number.
    """
    files = sorted(out.rglob("*results.json"), key=lambda path: path.stat().st_mtime_ns)
    if files:
        try:
            tasks = json.loads(files[-1].read_text("utf-8"))["results"]
            each = [_task(values, metric) for values in tasks.values()]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise BadInputError(
                f"{files[-1].name} of the command cannot be read: {error!r}.",
                'It must hold {"results": {TASK: {METRIC: number}}}.',
            ) from error
        found = [value for value in each if value is not None]
        if not found:
            raise BadInputError(
                f"{files[-1].name} of the command holds no number"
                + (f" whose name begins with {metric!r}." if metric else "."),
                "Name a metric that is there with --outcome-metric.",
            )
        return float(np.mean(found))
    last = said.strip().splitlines()[-1:] or [""]
    try:
        value = float(last[0].split()[-1])
    except (ValueError, IndexError):
        value = float("nan")
    if not np.isfinite(value):
        raise BadInputError(
            f"The command's last line is no number: {last[0][:200]!r}.",
            f"Print one, or write results.json into {OUT}.",
        )
    return value


def _task(values: Mapping[str, Any], metric: str | None) -> float | None:
    numbers = [
        float(value)
        for name, value in values.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and "stderr" not in name
        and np.isfinite(value)
        and name not in ("samples", "submission")
        and name.startswith(metric or "")
    ]
    return float(np.mean(numbers)) if numbers else None
