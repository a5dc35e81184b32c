"""The arms of ``compare``: names as typed, turned into ways of choosing from a run."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import CompareConfig, SelectConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    import numpy as np

    from finetune.compare.arms import Arm
    from pickwell.training_pool import TrainingPool
    from selector.selection import Selection

ARMS = (
    "selected",
    "random",
    "reward-only",
    "alignment-only",
    "length-only",
    "longest",
    "consensus",
    "k-center",
    "full",
)
"""Those of ``--arms all``, in their order."""
MORE = ("quality-only", "clusters-only", "random-above-floors")
_COLUMNS = {"reward-only": ("reward", "judge_yes"), "alignment-only": ("alignment",)}
"""By what such an arm chooses: the first that the run has."""
_OPTIONS = (
    *("by", "method", "clusters", "clustering", "space", "quality"),
    *("near_duplicate", "tempering", "seed"),
)
"""Options of ``select`` that an arm may change, e.g. ``selected:clusters=30``."""


@dataclass
class Arms:
    """Makes arms for one run.

    Attributes:
        pool: The rows that can be trained on.
        settings: Of the comparison; ``settings.select`` is how the arm ``selected`` chooses.
        largest: Largest budget that will be asked for.
    """

    pool: TrainingPool
    settings: CompareConfig
    largest: int
    _seconds: dict[str, float] = field(default_factory=dict)

    def make(self, names: Sequence[str]) -> list[Arm]:
        """Arms by name, random first.

        Raises:
            BadInputError: There is no such arm, or the run lacks what it needs.
        """
        listed = list(dict.fromkeys(name.strip() for name in names))
        ordered = ["random", *(name for name in listed if name != "random")]
        return [self._make(name) for name in ordered]

    def _make(self, name: str) -> Arm:
        from finetune.compare.arms import full_arm, random_arm

        if Path(name).is_dir():
            return self._folder(name)
        base, _, rest = name.partition(":")
        if base == "random" and not rest:
            return random_arm(self.pool.ids)
        if base == "full" and not rest:
            return full_arm(self.pool.ids, self.settings.full_seeds)
        if base == "longest" and not rest:
            return self._longest()
        if base == "k-center" and not rest:
            return self._k_center()
        if base in ("clusters-only", "random-above-floors"):
            return self._without_quality(name, base, _changes(name, rest))
        if base not in (*ARMS, *MORE) or base in ("random", "full", "longest", "k-center"):
            near = difflib.get_close_matches(base, (*ARMS, *MORE), 1)
            raise BadInputError(
                f"There is no arm {name!r}.",
                f"Did you mean {near[0]!r}?"
                if near
                else f"Arms: {', '.join((*ARMS, *MORE))}, or a selection folder.",
            )
        changes: dict[str, Any] = _changes(name, rest)
        if base == "consensus":
            changes = {"quality": "consensus", "by": None} | changes
        elif base == "quality-only":
            changes = {"method": "top"} | changes
        elif base == "length-only":
            changes = {"by": self._length()} | changes
        elif base in _COLUMNS:
            known = self.pool.run.columns()
            by = next((c for c in _COLUMNS[base] if c in known), _COLUMNS[base][-1])
            changes = {"by": by} | changes
        return self._by_select(name, changes)

    def _by_select(self, name: str, changes: dict[str, Any]) -> Arm:
        from finetune.compare.arms import Arm

        settings = _select_settings(self.settings.select, changes, name)
        judged = self._judged(settings)
        about = f"select by {judged.source}, {settings.method}"
        if settings.clusters is not None and settings.method == "clusters":
            about += f", {settings.clusters} clusters"
        choose = self._chooser(settings, judged.quality, judged.refused)
        return Arm(name, about, choose, self._timed(choose))

    def _timed(self, choose: Callable[[int, int], Sequence[str]]) -> float | None:
        """Seconds of scoring the run and of one choice; ``None`` if scoring is not known."""
        started = time.perf_counter()
        choose(min(self.largest, len(self.pool.ids)), 0)
        took, scoring = time.perf_counter() - started, self._scoring_seconds()
        return None if scoring is None else scoring + took

    def _without_quality(self, name: str, base: str, changes: dict[str, Any]) -> Arm:
        """Picks by chance, others for every seed: inside clusters, or above the floors."""
        import numpy as np

        from finetune.compare.arms import Arm
        from selector.order import id_digests

        method = {"method": "top"} if base == "random-above-floors" else {}
        settings = _select_settings(self.settings.select, changes | method, name)
        refused = self._judged(settings).refused
        ids = np.asarray(self.pool.candidates.ids)

        def choose(budget: int, seed: int) -> Sequence[str]:
            luck = id_digests(ids.tolist(), seed, purpose="compare")[:, 0] / 2.0**64
            return self._chooser(settings, luck, refused)(budget, seed)

        words = "drawn inside clusters of content" if not method else "drawn above the floors"
        return Arm(name, f"{words}, no quality, anew for every seed", choose, self._timed(choose))

    def _judged(self, settings: SelectConfig) -> Any:
        from pickwell.judging import judge

        return judge(self.pool.run, settings)

    def _chooser(
        self, settings: SelectConfig, quality: np.ndarray, refused: np.ndarray
    ) -> Callable[[int, int], Sequence[str]]:
        import numpy as np

        from pickwell.selection_job import picker_options
        from selector.pick import select

        barred = np.asarray(refused, object).copy()
        outside = np.ones(len(barred), bool)
        outside[self.pool.rows] = False
        barred[outside & (barred == None)] = "cannot be trained on"  # noqa: E711  (elementwise)
        candidates = replace(self.pool.candidates, quality=quality, refused=barred)
        known: dict[int, Selection] = {}

        def choose(budget: int, seed: int) -> Sequence[str]:
            if budget not in known:
                known[budget] = select(
                    candidates, budget, method=settings.method, **picker_options(settings)
                )
            return list(known[budget].ids)

        return choose

    def _longest(self) -> Arm:
        from finetune.compare.arms import top_arm

        column = self._length()
        about = f"most {column} in the response, nothing else (no floors, no clusters)"
        started = time.perf_counter()
        values = self.pool.run.numeric()[column][self.pool.rows]
        arm = top_arm("longest", about, self.pool.ids, values)
        took, counting = time.perf_counter() - started, self._stage_seconds("length")
        return replace(arm, seconds=None if counting is None else counting + took)

    def _length(self) -> str:
        """Tokens where a language model has counted them, else characters."""
        import numpy as np

        numbers = self.pool.run.numeric()
        for name in ("tokens", "characters"):
            if name in numbers and np.isfinite(numbers[name][self.pool.rows]).any():
                return name
        raise BadInputError(
            "The run does not say how long the responses are.",
            "Score with the metric length, or leave out the arm.",
        )

    def _k_center(self) -> Arm:
        from finetune.compare.arms import k_center_arm
        from selector.vectors import resolve_space, space_rows

        space = resolve_space(self.pool.candidates, None)
        if space is None:
            raise BadInputError(
                "The run holds no embeddings: there is nothing to cover.",
                "Score with an image-text encoder, or leave out the arm k-center.",
            )
        started = time.perf_counter()
        vectors, _ = space_rows(self.pool.candidates, self.pool.rows, space, 0.5)
        arm = k_center_arm(self.pool.ids, vectors, self.largest)
        took = time.perf_counter() - started
        encoding = self._stage_seconds("images", "text encoder")
        return replace(arm, seconds=None if encoding is None else encoding + took)

    def _folder(self, name: str) -> Arm:
        from finetune.compare.arms import Arm
        from pickwell.selection_files import open_selection

        known = set(self.pool.ids)
        ids = [id_ for id_ in open_selection(name).ids if id_ in known]
        if not ids:
            raise BadInputError(
                f"None of what {name} holds stands in the run.", "Compare selections of this run."
            )
        about = "the selection in this folder, in its order"
        return Arm(name, about, lambda b, s: ids[:b], self._folder_seconds(Path(name)))

    def _folder_seconds(self, folder: Path) -> float | None:
        """Of scoring and of choosing, where the folder was chosen from this very run and timed."""
        from pickwell.selection_files import sha256

        try:
            told = json.loads((folder / "manifest.json").read_text("utf-8"))
            took = float(told["seconds"])
            same = told["run_sha256"] == sha256(self.pool.run.folder / "run.json")
        except (OSError, ValueError, KeyError, TypeError):
            return None
        scoring = self._scoring_seconds()
        return scoring + took if same and scoring is not None else None

    def _stage_seconds(self, *stages: str) -> float | None:
        """Of parts of scoring, summed over workers; ``None`` if not known."""
        told = self.pool.run.manifest.get("seconds_by_stage", {})
        known = self._scoring_seconds() is not None and any(name in told for name in stages)
        return float(sum(told.get(name, 0.0) for name in stages)) if known else None

    def _scoring_seconds(self) -> float | None:
        """Of the whole run, an upper bound for arms that use few of its metrics.

        Not known where something came from the cache: then they are not what it costs.
        """
        manifest = self.pool.run.manifest
        if not all(manifest.get("computed", {"": 0}).values()):
            return None
        return float(manifest["seconds"])


def _changes(name: str, rest: str) -> dict[str, Any]:
    """``clusters=30:space=image`` as a mapping.

    Raises:
        BadInputError: A part is not OPTION=VALUE, or no arm has the option.
    """
    found = {}
    for part in filter(None, rest.split(":")):
        option, sign, value = part.partition("=")
        if not sign or option not in _OPTIONS:
            raise BadInputError(
                f"The arm {name!r} cannot be read: {part!r}.",
                f"After a colon stands OPTION=VALUE, with one of {', '.join(_OPTIONS)}.",
            )
        found[option] = value
    return found


def _select_settings(base: SelectConfig, changes: dict[str, Any], name: str) -> SelectConfig:
    made: SelectConfig = checked(SelectConfig, {**base.model_dump(), **changes}, f"arm {name}")
    return made
