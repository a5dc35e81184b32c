"""What is recorded of a proxy's training: memory-mapped, one folder, several runs.

At every **presentation** (each sample, once an epoch, in training mode, as Toneva et al. count):
whether it was right, the margin of its probabilities, its loss. At chosen epochs (**snapshots**),
in evaluation mode: logits, and the features that go into the last linear layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from scoring.dynamics.plans import differences, flat
from scoring.store import atomic_path

VERSION = 1
TOLD = ("epochs", "seeds", "snapshots", "classes")
"""What is told of a training outside of its plan, also by versions that kept no plan."""
PRESENTED = {"correct": np.dtype(np.bool_), "margin": np.dtype("<f4"), "loss": np.dtype("<f4")}


@dataclass(frozen=True)
class Signals:
    """Signals of R runs over n samples, in the samples' own order.

    Attributes:
        folder: Where they lie.
        labels: (n,) classes from 0 up.
        seeds: Of the runs.
        epochs: Presentations of each sample in a run.
        snapshots: Epochs, counted from 1, after which logits and features were kept.
        classes: How many.
        seconds: The trainings took, whenever they were done and however often interrupted.
    """

    folder: Path
    labels: np.ndarray
    seeds: tuple[int, ...]
    epochs: int
    snapshots: tuple[int, ...]
    classes: int
    seconds: float = 0.0
    _open: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> np.ndarray:
        """(R, epochs, n) whether a sample was right when it was presented."""
        return self._mapped("correct")

    @property
    def margins(self) -> np.ndarray:
        """(R, epochs, n) probability of the own class less the largest other, when presented."""
        return self._mapped("margin")

    @property
    def losses(self) -> np.ndarray:
        """(R, epochs, n) cross-entropy in nats, when presented."""
        return self._mapped("loss")

    def logits(self, epoch: int | None = None) -> np.ndarray:
        """(R, n, classes) after an epoch; by default the last one kept."""
        return self._mapped(f"logits-{self._at(epoch)}")

    def features(self, epoch: int | None = None) -> np.ndarray:
        """(R, n, d) what goes into the last linear layer."""
        return self._mapped(f"features-{self._at(epoch)}")

    def _at(self, epoch: int | None) -> int:
        if not self.snapshots or (epoch is not None and epoch not in self.snapshots):
            kept = ", ".join(map(str, self.snapshots)) or "none"
            raise BadInputError(f"no logits were kept after epoch {epoch}", f"Epochs kept: {kept}.")
        return self.snapshots[-1] if epoch is None else epoch

    def _mapped(self, name: str) -> np.ndarray:
        if name not in self._open:
            self._open[name] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return self._open[name]

    @classmethod
    def open(cls, folder: Path) -> Signals:
        """Open finished signals.

        Raises:
            BadInputError: There are none, or they are not finished.
        """
        try:
            told = json.loads((folder / "signals.json").read_text("utf-8"))
            labels = np.load(folder / "labels.npy")
        except (OSError, ValueError) as error:
            raise BadInputError(
                f"{folder} holds no signals: {error}", "Train the proxy that they come from."
            ) from error
        if not told["finished"]:
            raise BadInputError(
                f"The training whose signals lie in {folder} is not finished.",
                "Start it again: it goes on where it stopped.",
            )
        return cls(
            folder,
            labels,
            tuple(told["seeds"]),
            told["epochs"],
            tuple(told["snapshots"]),
            told["classes"],
            told.get("seconds", 0.0),
        )


class Recorder:
    """Files of signals that are being recorded; opened again, it knows what is there.

    Args:
        folder: Made if needed.
        labels: (n,) classes.
        seeds: Of the runs.
        epochs: Of each.
        snapshots: Epochs whose logits and features are kept.
        identity: Of everything that decides the numbers.
        plan: The same as far as it can be told in words, so that a difference can be named.

    Raises:
        BadInputError: The folder holds signals of something else; naming what differs.
    """

    def __init__(
        self,
        folder: Path,
        labels: np.ndarray,
        seeds: Sequence[int],
        epochs: int,
        snapshots: Sequence[int],
        identity: str,
        plan: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder, self.labels = folder, labels
        self.shape = (len(seeds), epochs, len(labels))
        self.told: dict[str, Any] = {
            "version": VERSION,
            "identity": identity,
            "plan": dict(plan or {}),
            "seeds": list(seeds),
            "epochs": epochs,
            "snapshots": sorted(snapshots),
            "classes": int(labels.max()) + 1 if len(labels) else 0,
            "seconds": 0.0,
            "finished": False,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "signals.json"
        if path.is_file():
            before = json.loads(path.read_text("utf-8"))
            if before.get("identity") != identity:
                raise BadInputError(
                    f"{folder} holds the signals of another training: "
                    f"{_differs(before, self.told)}.",
                    "Name another folder, or train as was trained there.",
                )
            self.told = before
        else:
            with atomic_path(folder / "labels.npy") as temporary, temporary.open("wb") as file:
                np.save(file, labels)
            self._tell()
        self._files: dict[str, np.ndarray] = {}

    def presented(self, name: str) -> np.ndarray:
        """Where a signal of :data:`PRESENTED` is written, (R, epochs, n)."""
        return self._file(name, self.shape, PRESENTED[name])

    def snapshot(self, name: str, epoch: int, width: int) -> np.ndarray:
        """Where ``"logits"`` or ``"features"`` after an epoch are written, (R, n, width)."""
        shape = (self.shape[0], self.shape[2], width)
        return self._file(f"{name}-{epoch}", shape, np.dtype("<f4"))

    def flush(self) -> None:
        """Everything written so far is on disk."""
        for file in self._files.values():
            file.flush()  # type: ignore[attr-defined]

    def took(self, seconds: float) -> None:
        """An epoch took so long."""
        self.told["seconds"] = self.told.get("seconds", 0.0) + seconds
        self._tell()

    def finish(self) -> Signals:
        """All runs are through."""
        self.flush()
        self.told["finished"] = True
        self._tell()
        return Signals.open(self.folder)

    def _file(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        if name not in self._files:
            path = self.folder / f"{name}.npy"
            mode = "r+" if path.is_file() else "w+"
            opened = np.lib.format.open_memmap(path, mode, dtype=dtype, shape=shape)
            self._files[name] = opened
        return self._files[name]

    def _tell(self) -> None:
        with atomic_path(self.folder / "signals.json") as temporary:
            temporary.write_text(json.dumps(self.told, indent=1), "utf-8")


def _differs(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What is not as it was, in words; data alone where nothing else is."""
    before, now = (
        {name: told[name] for name in TOLD if name in told}
        | {key.removeprefix("recipe."): value for key, value in flat(told.get("plan", {})).items()}
        for told in (there, here)
    )
    other = "other inputs, labels or ids"
    if "plan" not in there:
        other = "another recipe, or other inputs, labels or ids"
    return "; ".join(differences(before, now, {})) or other
