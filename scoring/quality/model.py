"""The fitted quality: what turns the columns of a ScoreTable into one number, and can be saved."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from scoring.quality.consensus import mean_of_known, percentile_among
from scoring.quality.design import apply_preparation
from scoring.quality.forward import FORWARD, score_rows

FORMAT_VERSION = 1
FEWEST = 0.5
"""Share of its features that a row must have to get a score."""
KINDS = (*FORWARD, "consensus")
FILES = ("quality.json", "quality.safetensors", "README.md")


@dataclass(frozen=True)
class QualityModel:
    """A fitted artefact: preparation, regressor, what it was fitted on and what it is worth.

    Attributes:
        kind: The regressor, or ``"consensus"``: the fall-back where nothing beats the mean.
        columns: ScoreTable columns that it looks at, in order.
        arrays: What was learned (see :mod:`scoring.quality.forward`); for the consensus
            ``reference.0`` ... with the sorted values of the pool, column by column.
        preparation: See :func:`scoring.quality.design.prepare` (none for the consensus).
        ranges: (2, d) smallest and largest value of each column in the fit.
        directions: The consensus: whether higher or lower is better, by column.
        fitted_on: Labels, rows, metric keys, seed, version.
        worth: Cross-validated figures; see ``docs/quality.md``.
        messages: What must be said about it, in plain words.
    """

    kind: str
    columns: tuple[str, ...]
    arrays: Mapping[str, np.ndarray]
    preparation: Mapping[str, np.ndarray]
    ranges: np.ndarray
    directions: Mapping[str, str] = field(default_factory=dict)
    fitted_on: Mapping[str, Any] = field(default_factory=dict)
    worth: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @property
    def is_fallback(self) -> bool:
        """Nothing was learned: the labels are not predicted better than by their mean."""
        return self.kind in ("consensus", "mean")

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Quality of each row, higher is better.

        Learned kinds: the label expected of the sample (or of a group of such samples). The
        consensus: mean percentile among the pool that it was fitted on, in [0, 1]. A row's score
        depends on that row alone (``release`` excepted). A missing value counts as the average of
        the fit (the consensus leaves it out).

        Args:
            columns: Name to (n,) float values, NaN where missing; more than needed may be given.

        Returns:
            (n,) float64; NaN for rows that lack more than half of the features (the consensus:
            all of them).

        Raises:
            BadInputError: If a column is not there at all.
        """
        rows = self._rows(columns)
        if self.kind == "consensus":
            return self._consensus(rows)
        there = np.isfinite(rows)
        rows = np.where(there, rows, np.nan)
        result = np.full(len(rows), np.nan)
        enough = there.mean(axis=1) >= FEWEST
        if enough.any():
            prepared = apply_preparation(self.preparation, rows[enough])
            result[enough] = score_rows(self.kind, self.arrays, prepared)
        return result

    def outside(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n,) share of each row's features that lie outside the range of the fit."""
        return self._beyond(self._rows(columns)).mean(axis=1)

    def outside_message(self, columns: Mapping[str, np.ndarray]) -> str | None:
        """In words, how many rows lie outside the range of the fit; ``None`` if none does."""
        beyond = self._beyond(self._rows(columns))
        rows = int(beyond.any(axis=1).sum())
        if not rows:
            return None
        counts = beyond.sum(axis=0)
        order = np.argsort(-counts, kind="stable")[:3]
        named = ", ".join(f"{self.columns[c]} ({counts[c]:,})" for c in order if counts[c])
        return (
            f"{rows:,} of {len(beyond):,} rows ({rows / len(beyond):.1%}) have values outside the "
            f"range that the quality was fitted on: {named}. Their quality is extrapolated."
        )

    def save(self, folder: Path) -> None:
        """Write ``quality.json``, ``quality.safetensors`` and a card ``README.md``.

        The folder appears whole or not at all; an older model in it is replaced.

        Raises:
            BadInputError: If the folder holds something else.
        """
        from safetensors.numpy import save_file

        from scoring.quality.model_card import card_text

        foreign = folder.is_dir() and {p.name for p in folder.iterdir()} - set(FILES)
        if folder.is_file() or foreign:
            raise BadInputError(
                f"{folder} is not empty and holds no quality model.", "Name a new folder."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent)
        )
        try:
            tensors = {f"arrays.{n}": np.asarray(v, order="C") for n, v in self.arrays.items()}
            tensors |= {
                f"prepare.{n}": np.asarray(v, order="C") for n, v in self.preparation.items()
            }
            tensors["ranges"] = np.asarray(self.ranges, order="C")
            save_file(tensors, work / "quality.safetensors")
            data = (work / "quality.safetensors").read_bytes()
            content = {
                "format_version": FORMAT_VERSION,
                "kind": self.kind,
                "columns": list(self.columns),
                "directions": dict(self.directions),
                "fitted_on": dict(self.fitted_on),
                "worth": dict(self.worth),
                "messages": list(self.messages),
                "tensors_sha256": hashlib.sha256(data).hexdigest(),
            }
            text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
            (work / "quality.json").write_text(text + "\n", "utf-8")
            (work / "quality.safetensors").chmod(0o644)
            (work / "README.md").write_text(card_text(self), "utf-8")
            work.chmod(0o755)
            if folder.exists():
                shutil.rmtree(folder)
            work.rename(folder)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise

    @classmethod
    def load(cls, folder: Path) -> QualityModel:
        """Open a saved model.

        Raises:
            BadInputError: If there is none, it is damaged, or from a newer pickwell.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = folder / "quality.json"
        if not path.is_file():
            raise BadInputError(
                f"{folder} holds no quality model (no quality.json).",
                "Make one with `pickwell fit RUN --labels FILE`.",
            )
        remedy = "Fit it again with `pickwell fit`."
        try:
            content = json.loads(path.read_text("utf-8"))
            version = int(content["format_version"])
            if version > FORMAT_VERSION:
                raise BadInputError(
                    f"{path} was written by a newer pickwell (format {version}).",
                    "Upgrade pickwell.",
                )
            data = (folder / "quality.safetensors").read_bytes()
            if hashlib.sha256(data).hexdigest() != content["tensors_sha256"]:
                raise ValueError("quality.safetensors does not belong to it")
            tensors = load(data)
            parts: dict[str, dict[str, np.ndarray]] = {"arrays": {}, "prepare": {}}
            for name, value in tensors.items():
                head, _, rest = name.partition(".")
                if rest:
                    parts[head][rest] = value
            model = cls(
                content["kind"],
                tuple(content["columns"]),
                parts["arrays"],
                parts["prepare"],
                tensors["ranges"],
                content["directions"],
                content["fitted_on"],
                content["worth"],
                tuple(content["messages"]),
            )
            if model.kind not in KINDS:
                raise ValueError(f"unknown kind {model.kind!r}")
            _check_shapes(model)
            model.predict({name: np.zeros(1) for name in model.columns})
        except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
            raise BadInputError(f"{path} cannot be read: {error}.", remedy) from error
        return model

    def _rows(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        missing = [name for name in self.columns if name not in columns]
        if missing:
            raise BadInputError(
                f"The quality model needs columns that are not there: {', '.join(missing)}.",
                "Score with the metrics that write them, or fit on the columns that there are.",
            )
        return np.stack([np.asarray(columns[n], dtype=np.float64) for n in self.columns], axis=1)

    def _beyond(self, rows: np.ndarray) -> np.ndarray:
        return (rows < self.ranges[0]) | (rows > self.ranges[1])

    def _consensus(self, rows: np.ndarray) -> np.ndarray:
        shares = [
            percentile_among(self.arrays[f"reference.{c}"], rows[:, c])
            for c in range(len(self.columns))
        ]
        higher = [self.directions[name] == "higher" for name in self.columns]
        return mean_of_known([s if up else 1 - s for s, up in zip(shares, higher, strict=True)])


def _check_shapes(model: QualityModel) -> None:
    """What numpy would broadcast without a word, and trees that could be walked for ever."""
    wide = len(model.columns)
    given = {model.ranges.shape[-1]}
    given |= {v.shape[0] for n, v in model.preparation.items() if not n.startswith("percentile.")}
    if model.kind == "consensus":
        given.add(len(model.arrays))
    if given != {wide} or not wide:
        raise ValueError(f"{wide} columns do not go with its arrays")
    for side in ("left", "right"):  # children stand behind their parents
        child = model.arrays.get(side, np.zeros(0, np.int64))
        if ((child >= 0) & (child <= np.arange(len(child)))).any():
            raise ValueError("its trees are no trees")


def consensus_model(
    columns: Mapping[str, np.ndarray],
    directions: Mapping[str, str],
    *,
    fitted_on: Mapping[str, Any] | None = None,
    worth: Mapping[str, Any] | None = None,
    messages: tuple[str, ...] = (),
) -> QualityModel:
    """The consensus as an artefact: new rows are ranked among the pool that is given here.

    On rows of that pool it equals :func:`scoring.quality.consensus.consensus`.

    Args:
        columns: Name to (n,) values of the pool, NaN where missing; columns without any value are
            left out.
        directions: ``"higher"`` or ``"lower"`` by column.
        fitted_on: See :class:`QualityModel`.
        worth: See :class:`QualityModel`.
        messages: See :class:`QualityModel`.

    Raises:
        BadInputError: If no column holds a value.
    """
    names: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    ranges: list[tuple[float, float]] = []
    for name in sorted(columns):
        values = np.asarray(columns[name], dtype=np.float64)
        known = np.sort(values[~np.isnan(values)])
        if len(known):
            arrays[f"reference.{len(names)}"] = known
            ranges.append((known[0], known[-1]))
            names.append(name)
    if not names:
        raise BadInputError("There is no value to make a consensus of.", "Score more metrics.")
    return QualityModel(
        "consensus",
        tuple(names),
        arrays,
        {},
        np.array(ranges).T,
        {name: directions[name] for name in names},
        dict(fitted_on or {}),
        dict(worth or {}),
        messages,
    )
