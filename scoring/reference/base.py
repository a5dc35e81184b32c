"""Opening a run as a reference: the models and metrics it was scored with, and its own rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_cards.errors import BadInputError
from scoring.engine import make_metrics
from scoring.judge.base import JudgeOptions
from scoring.metric import Metric, Models, Pool, metric_key, registry
from scoring.metrics.boilerplate import response_hashes
from scoring.metrics.diversity import JointSpace
from scoring.metrics.map import LAID_OUT
from scoring.metrics.margin import Landmarks
from scoring.metrics.pool_vectors import hash_order
from scoring.model_specs import with_roles
from scoring.models import models_from_spec, pinned_text
from scoring.pool import open_pool
from scoring.reference.held import HELD_BYTES, HeldSpace
from scoring.run import Run

_CHAIN = 100
IDENTITY = ["id", "content", "status"]
"""What tells whether two rows are the same."""


@dataclass(frozen=True)
class Reference:
    """A finished run that new rows are scored like.

    What is asked of it again and again is worked out once.

    Attributes:
        run: The run; never one that was itself scored like another.
        warm: Whether vectors are held in memory too, as far as :data:`HELD_BYTES` goes: for many
            rows, one after the other.
    """

    run: Run
    warm: bool = False

    @classmethod
    def open(cls, folder: Path, warm: bool = False) -> Reference:
        """Open a run as a reference; a run scored like another leads to that other.

        Raises:
            BadInputError: If there is no finished run, or the one it was scored like is gone or
                was scored again since.
        """
        run = Run.open(folder)
        for _ in range(_CHAIN):
            first = run.manifest.get("like")
            if first is None:
                return cls(run, warm)
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
    def space(self) -> JointSpace | HeldSpace:
        """The joint space of image and response, rows of the reference."""
        space = JointSpace.of(self.pool)
        matrices = [m for m in (space.image, space.text) if m is not None]
        size = 4 * sum(matrix.size for matrix in matrices)
        return HeldSpace.of(space) if self.warm and 0 < size <= HELD_BYTES else space

    @cached_property
    def laid(self) -> np.ndarray:
        """Positions of the rows that the map laid out."""
        known = np.flatnonzero(self.space.usable)
        return hash_order(self.pool.ids, known, self.seed)[:LAID_OUT]

    @cached_property
    def landmarks(self) -> Landmarks:
        """The rows that stand for the reference in margins."""
        return Landmarks.of(self.pool, self.seed)

    @cached_property
    def responses(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct hashes of the responses, ascending, and how many rows have each."""
        hashes, known = response_hashes(self.pool)
        values, counts = np.unique(hashes[known], return_counts=True)
        return values, counts

    @cached_property
    def longest(self) -> int:
        """Characters of the longest response of a good row; 0 without any."""
        texts = zip(self.pool.texts(), self.pool.status, strict=True)
        return max((len(response) for (_, response), status in texts if status == "ok"), default=0)

    @cached_property
    def _artefacts(self) -> dict[str, np.ndarray | None]:
        return {}

    def artefact(self, name: str) -> np.ndarray | None:
        """A fitted array of the run, read once."""
        if name not in self._artefacts:
            self._artefacts[name] = self.run.artefact(name)
        return self._artefacts[name]

    @cached_property
    def numbers(self) -> dict[str, np.ndarray]:
        """Numeric columns of the reference; NaN in its bad rows."""
        bad = np.asarray(self.pool.status, dtype=object) == "bad"
        return {n: np.where(bad, np.nan, v) for n, v in self.run.numeric().items()}

    @cached_property
    def _places(self) -> tuple[dict[tuple[str, bytes], int], dict[bytes, int]]:
        """Where the good rows stand, by id and content, and by content (the first)."""
        first: dict[bytes, int] = {}
        named: dict[tuple[str, bytes], int] = {}
        for row, (id_, content, status) in enumerate(_identities(self.run.samples(IDENTITY))):
            if status == "ok":
                first.setdefault(content, row)
                named[id_, content] = row
        return named, first

    def same_rows(self, samples: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Which rows of another run the reference holds already.

        Args:
            samples: The other's ``samples.parquet``, with the columns :data:`IDENTITY` at least.

        Returns:
            (n,) position in the reference of the row with the same id and content; (n,) of a row
            with the same content under whatever id (the first); -1 where there is none. Bad rows
            equal nothing.
        """
        named, first = self._places
        own = np.full(len(samples), -1, dtype=np.int64)
        same = np.full(len(samples), -1, dtype=np.int64)
        for row, (id_, content, status) in enumerate(_identities(samples)):
            if status == "ok":
                own[row] = named.get((id_, content), -1)
                same[row] = own[row] if own[row] >= 0 else first.get(content, -1)
        return own, same

    def models_and_metrics(
        self,
        judge_spec: str | None = None,
        judge_options: JudgeOptions | None = None,
        judge_cache: Path | None = None,
        *,
        allow_pickle: Collection[str] = (),
        trust_remote_code: Collection[str] = (),
    ) -> tuple[Models, list[Metric]]:
        """The models and metrics of the reference, as installed here, in its order.

        Args:
            judge_spec: Where its judge is now.
            judge_options: How it is asked now.
            judge_cache: Where its answers are kept.
            allow_pickle: Permissions now, beside those that were given then.
            trust_remote_code: Likewise.

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
        options = manifest["options"]
        models = models_from_spec(
            with_roles(pinned_text(manifest["models"]) or options["models"], {"judge": judge_spec}),
            list(stored),
            allow_pickle=[*options.get("allow_pickle", ()), *allow_pickle],
            trust_remote_code=[*options.get("trust_remote_code", ()), *trust_remote_code],
            judge_options=judge_options or JudgeOptions(**options.get("judge_options", {})),
            judge_cache=judge_cache,
        )
        metrics = make_metrics(models, list(stored))
        changed = [m.spec.name for m in metrics if metric_key(m) != stored[m.spec.name]]
        was = manifest["models"]
        now: dict[str, Any] = {
            "encoder": models.encoder and models.encoder.key,
            "language_model": models.language_model and models.language_model.key,
            "reward": models.reward and models.reward.key,
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


def _identities(samples: pa.Table) -> Iterator[tuple[str, bytes, str]]:
    return zip(*(samples[name].to_pylist() for name in IDENTITY), strict=True)


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
