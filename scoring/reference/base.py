"""Opening a run as a reference: the models and metrics it was scored with, and its own rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from scoring.engine import make_metrics
from scoring.judge.base import JudgeOptions
from scoring.metric import Metric, Models, Pool, metric_key, registry
from scoring.metrics.diversity import JointSpace
from scoring.models import models_from_spec
from scoring.pool import open_pool
from scoring.run import Run

_CHAIN = 100


@dataclass(frozen=True)
class Reference:
    """A finished run that new rows are scored like.

    Attributes:
        run: The run; never one that was itself scored like another.
    """

    run: Run

    @classmethod
    def open(cls, folder: Path) -> Reference:
        """Open a run as a reference; a run scored like another leads to that other.

        Raises:
            BadInputError: If there is no finished run, or the one it was scored like is gone or
                was scored again since.
        """
        run = Run.open(folder)
        for _ in range(_CHAIN):
            first = run.manifest.get("like")
            if first is None:
                return cls(run)
            here, run = run, Run.open(Path(first))
            stated = here.manifest.get("reference", {}).get("run_sha256")
            if stated is not None and stated != run_digest(run.folder):
                raise BadInputError(
                    f"{run.folder} was scored again after {here.folder} was scored like it.",
                    f"Score the data of {here.folder} again with --like {run.folder}.",
                )
        raise BadInputError(f"{folder} was scored like itself.", "Score it without --like.")

    @property
    def seed(self) -> int:
        """The seed of the reference's pool metrics."""
        return int(self.run.manifest.get("seed", 0))

    @cached_property
    def pool(self) -> Pool:
        """What the pool metrics of the reference saw."""
        return open_pool(self.run.folder, self.seed)

    @cached_property
    def space(self) -> JointSpace:
        """The joint space of image and response, rows of the reference."""
        return JointSpace.of(self.pool)

    @cached_property
    def numbers(self) -> dict[str, np.ndarray]:
        """Numeric columns of the reference; NaN in its bad rows."""
        bad = np.asarray(self.pool.status, dtype=object) == "bad"
        return {n: np.where(bad, np.nan, v) for n, v in self.run.numeric().items()}

    def same_rows(self, folder: Path) -> tuple[np.ndarray, np.ndarray]:
        """Which rows of another run folder the reference holds already.

        Args:
            folder: A run folder whose ``samples.parquet`` is written.

        Returns:
            (n,) position in the reference of the row with the same id and content; (n,) of a row
            with the same content under whatever id (the first); -1 where there is none. Bad rows
            equal nothing.
        """
        columns = ["id", "content", "status"]
        mine = self.run.samples(columns)
        first: dict[bytes, int] = {}
        named: dict[tuple[str, bytes], int] = {}
        values = (mine[name].to_pylist() for name in columns)
        for row, (id_, content, status) in enumerate(zip(*values, strict=True)):
            if status == "ok":
                first.setdefault(content, row)
                named[id_, content] = row
        theirs = Run(folder, {}).samples(columns)
        own = np.full(len(theirs), -1, dtype=np.int64)
        same = np.full(len(theirs), -1, dtype=np.int64)
        values = (theirs[name].to_pylist() for name in columns)
        for row, (id_, content, status) in enumerate(zip(*values, strict=True)):
            if status == "ok":
                own[row] = named.get((id_, content), -1)
                same[row] = own[row] if own[row] >= 0 else first.get(content, -1)
        return own, same

    def models_and_metrics(
        self,
        judge_spec: str | None = None,
        judge_options: JudgeOptions | None = None,
        judge_cache: Path | None = None,
    ) -> tuple[Models, list[Metric]]:
        """The models and metrics of the reference, as installed here, in its order.

        Args:
            judge_spec: Where its judge is now.
            judge_options: How it is asked now.
            judge_cache: Where its answers are kept.

        Raises:
            BadInputError: If what is installed would give other numbers than the reference has:
                another encoder, another version of a metric or of a model.
        """
        manifest = self.run.manifest
        stored: dict[str, str] = manifest["metrics"]
        unknown = [name for name in stored if name not in registry()]
        if unknown:
            raise BadInputError(
                f"{self.run.folder} was scored with metrics that this pickwell does not have: "
                f"{', '.join(unknown)}.",
                "Use the pickwell that scored it, or score it again.",
            )
        models = models_from_spec(
            manifest["options"]["models"], list(stored), judge_spec, judge_options, judge_cache
        )
        metrics = make_metrics(models, list(stored))
        changed = [m.spec.name for m in metrics if metric_key(m) != stored[m.spec.name]]
        was = manifest["models"]
        now: dict[str, Any] = {
            "encoder": models.encoder and models.encoder.key,
            "language_model": models.language_model and models.language_model.key,
            "judge": models.judge and models.judge.key,
        }
        other = [
            f"{role.replace('_', ' ')} {was.get(role)} there, {key} here"
            for role, key in now.items()
            if was.get(role) != key and (changed or role == "encoder")
        ]
        if changed or other:
            what = f"metrics {', '.join(changed)}" if changed else "vectors"
            because = f" ({'; '.join(other)})" if other else ""
            raise BadInputError(
                f"What is installed here gives other {what} than {self.run.folder} was scored "
                f"with{because}: the numbers could not be compared.",
                "Install the versions that scored it, or score it again here.",
            )
        return models, metrics


def run_digest(folder: Path) -> str:
    """SHA-256 of a run's ``run.json``: another one means scored again."""
    import hashlib

    return hashlib.sha256((folder / "run.json").read_bytes()).hexdigest()


def manifest_of(folder: Path, name: str) -> dict[str, Any]:
    """A JSON manifest of a folder.

    Raises:
        BadInputError: If it is not there or is no JSON object.
    """
    path = folder / name
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(f"{folder} holds no {name}.", "Check the folder.") from error
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.", "Make it again.") from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path} is no JSON object.", "Make it again.")
    return content
