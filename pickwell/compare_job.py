"""``compare``: is the choice better than random, and than everything, on your data and model?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import CompareConfig
from pickwell.config_file import checked
from pickwell.words import many

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source
    from finetune.compare.arms import Arm
    from finetune.compare.paired import Difference
    from finetune.compare.table import Line
    from finetune.labels.outcomes import Outcomes, Task
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Comparison:
    """What a comparison gave.

    Attributes:
        folder: Where it was written.
        lines: One per arm, budget and rule; empty while trainings are missing.
        arms: What was compared.
        budget: The one at which all arms stand.
        curve: Arms that are trained at other budgets too.
        before: Loss of the model before any training, nats per response token.
        untrained: The model before any training as a line of each table; not one of the arms.
        missing: Trainings that other shares have still to do.
        about: Run, target, options, as JSON values.
        plots: SVG documents by name.
        same: Budget to arms for which both rules are the very same trainings.
        outcomes: What was measured, by arm, budget and rule.
        images: Label of each target sample; those of one image have the same.
    """

    folder: Path
    lines: list[Line]
    arms: list[Arm]
    budget: int
    curve: list[str]
    before: float | None = None
    untrained: list[Line] = field(default_factory=list)
    missing: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    plots: dict[str, str] = field(default_factory=dict)
    same: dict[int, list[str]] = field(default_factory=dict)
    outcomes: dict[tuple[str, int, str], Outcomes] = field(default_factory=dict, repr=False)
    images: Sequence[object] = field(default=(), repr=False)

    def line(self, arm: str, rule: str = "steps", budget: int | None = None) -> Line:
        """One of the lines.

        Raises:
            KeyError: There is none.
        """
        for line in self.lines:
            if (line.arm, line.rule, line.budget) == (arm, rule, budget or self.budget):
                return line
        raise KeyError(f"{arm} at {budget or self.budget} under {rule}")

    def between(
        self, arm: str, other: str, rule: str = "steps", budget: int | None = None
    ) -> Difference:
        """One arm minus another, paired by seed; its p is not corrected for any number.

        Raises:
            KeyError: One of them was not trained so.
        """
        from finetune.compare.table import between

        size = budget or self.budget
        one, two = self.outcomes[arm, size, rule], self.outcomes[other, size, rule]
        return between(one, two, self.images, seed=self.about["options"]["seed"])


def compare(
    run: Run | str | Path,
    target: str | Path | Sequence[Sample],
    out: str | Path | None = None,
    *,
    config: CompareConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    on_plan: Callable[[str], None] = lambda sentence: None,
    **options: Any,
) -> Comparison:
    """Train on what several ways of choosing take, all alike, and measure a held-out target.

    Every training is kept as soon as it is done, in RUN/labels/outcomes: type the same again to go
    on, and a training that two arms or two comparisons share is done once.

    Args:
        run: A run, or its folder.
        target: What every arm is measured on; no choice may have seen it.
        out: Folder to write; RUN/comparison by default.
        config: All options at once; ``options`` override single fields, e.g. ``seeds=10``.
        on_progress: Called with stage, done and expected count.
        on_source: Called when the target's format is recognised.
        on_plan: Called with what will be trained, sentence by sentence, before it is.
        **options: Single fields of :class:`~pickwell.config.CompareConfig`.

    Returns:
        The :class:`Comparison`; ``comparison.line("selected").beside_random`` and the like.

    Raises:
        BadInputError: Where run, target or options cannot be used.
    """
    from finetune.compare.arms import cells
    from finetune.compare.plots import plots
    from finetune.compare.table import lines_of, same_by_both_rules, untrained_lines
    from finetune.labels.outcomes import Task
    from pickwell.compare_arms import ARMS, Arms
    from pickwell.compare_files import write_comparison
    from pickwell.scoring_job import open_run
    from pickwell.training_pool import training_pool
    from pickwell.trainings import open_trainings
    from scoring.run import Run

    settings = config or CompareConfig()
    if options:
        settings = checked(
            CompareConfig, {**settings.model_dump(), **options}, "options of compare"
        )
    opened = run if isinstance(run, Run) else open_run(run)
    folder = Path(out) if out is not None else opened.folder / "comparison"
    refuse_foreign(folder)
    pool = training_pool(opened, text_only=settings.text_only)
    budget = settings.budget
    curve = list(dict.fromkeys(["random", *settings.curve])) if settings.budgets else []
    sizes = sorted({len(pool.ids) if b == "all" else int(b) for b in settings.budgets} | {budget})
    trainings = open_trainings(
        pool, target, settings, opened.folder / "labels", on_progress, on_source
    )
    names = settings.arms or list(ARMS)
    arms = Arms(pool, settings, min(sizes[-1], len(pool.ids))).make([*names, *curve])
    if sizes[-1] > len(pool.ids):
        raise BadInputError(
            f"{sizes[-1]:,} cannot be chosen from {len(pool.ids):,} rows that can be trained on.",
            "Lower --budget and --budgets; `all` stands for all of them.",
        )
    _refuse_empty(arms, budget)
    everywhere = [arm.name for arm in arms if arm.name in (*names, "random")]
    planned = cells(
        arms,
        {size: everywhere if size == budget else curve for size in sizes},
        settings.seeds,
        steps=settings.steps,
        epochs=settings.epochs,
        batch=settings.batch_size * settings.gradient_accumulation,
        first=settings.seed,
    )
    before = Task((pool.ids[0],), settings.seed, 0)
    tasks = [before, *_seed_by_seed([cell.tasks for cell in planned])]
    command = ["compare", str(opened.folder), "--target", str(trainings.described.get("path"))]
    if settings.devices and trainings.described.get("path") is None:
        raise BadInputError("Several devices need a target that is a file.", "Write it to one.")
    made_on = _labels_on(opened.folder, trainings.described)
    said = [
        *seen_before(made_on),
        *pool.left_out_in_words(),
        *plan_in_words(tasks, settings),
        *trainings.kept_in_words(tasks),
    ]
    for sentence in said:
        on_plan(sentence)
    missing = trainings.do(tasks, [*command, "--out", str(folder)])
    if missing or settings.share is not None:
        return Comparison(folder, [], arms, budget, curve, missing=missing)
    ledger = trainings.ledger
    clusters = trainings.bench.clusters
    lines = lines_of(planned, arms, ledger, clusters, seed=settings.seed)
    nothing = ledger.read([before])
    made = Comparison(
        folder,
        lines,
        arms,
        budget,
        curve,
        before=-float(nothing.quality[0]),
        untrained=untrained_lines(planned, nothing, ledger, clusters, seed=settings.seed),
        about={
            "run": str(opened.folder),
            "pool": len(pool.ids),
            "target": trainings.described
            | {
                "samples": len(trainings.bench.target),
                "images": len(set(clusters)),
                "tokens": int(nothing.tokens.sum()),
            },
            "labels_on_target": made_on,
            "model": trainings.bench.model_key,
            "options": settings.model_dump(
                mode="json",
                exclude={"cache": True, "devices": True, "share": True, "select": {"budget"}},
            ),
        },
        plots=dict(plots(lines, budget, curve)),
        same=same_by_both_rules(lines),
        outcomes={(c.arm, c.budget, c.rule): ledger.read(c.tasks) for c in planned},
        images=clusters,
    )
    write_comparison(made)
    return made


FEW_SEEDS = 3
"""Seeds below which an interval over them is next to useless."""


def plan_in_words(tasks: Sequence[Task], settings: CompareConfig) -> list[str]:
    """How much is going to be trained, and what will not be known in the end."""
    steps = [task.steps for task in tasks if task.steps]
    span = many(max(steps), "step")
    if min(steps) < max(steps):
        span = f"{min(steps):,} to {span}"
    batch = settings.batch_size * settings.gradient_accumulation
    said = f"{many(len(steps), 'training')} of {span} of {batch}, {sum(steps):,} steps in all."
    return [said, *few_seeds(settings.seeds)]


def few_seeds(seeds: int) -> list[str]:
    """That so few seeds tell nothing; empty where there are enough."""
    if seeds >= FEW_SEEDS:
        return []
    return [
        f"{many(seeds, 'seed')} can hardly tell one arm from another: --seeds {FEW_SEEDS} or more,"
        " 5 by default."
    ]


def seen_before(designs: Sequence[str]) -> list[str]:
    """That the target is no test, where labels of the run were made on it."""
    if not designs:
        return []
    return [
        f"Labels of this run ({', '.join(designs)}) were made on this very target: for whatever was"
        " learned from them or chosen by them it is no test. Take other held-out samples."
    ]


def _labels_on(run: Path, described: Mapping[str, Any]) -> list[str]:
    """Designs of labels of the run that were made on the same samples."""
    found = set()
    for path in sorted((run / "labels").glob("*/label.json")):
        try:
            told = json.loads(path.read_text("utf-8"))
            content = told["target"].get("content")
        except (OSError, ValueError, KeyError, AttributeError):
            continue
        if content is not None and content == described.get("content"):
            found.add(str(told.get("design")))
    return sorted(found)


def _seed_by_seed(tasks: Sequence[Sequence[Any]]) -> list[Any]:
    """Seed after seed, so that what is done first is a whole comparison with fewer seeds."""
    longest = max(len(row) for row in tasks)
    ordered = [row[seed] for seed in range(longest) for row in tasks if seed < len(row)]
    return list(dict.fromkeys(ordered))


def _refuse_empty(arms: Sequence[Arm], budget: int) -> None:
    for arm in arms:
        if not arm.choose(budget, 0):
            raise BadInputError(
                f"The arm {arm.name!r} chooses nothing.",
                "Leave it out, or look at its floors and columns.",
            )


def refuse_foreign(folder: Path) -> None:
    """Never write among files that are not of an earlier comparison.

    Raises:
        BadInputError: It is a file, or holds something else.
    """
    if folder.is_file():
        raise BadInputError(f"{folder} is a file.", "Name a folder after --out.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        own = "arms" in json.loads((folder / "comparison.json").read_text("utf-8"))
    except (OSError, ValueError):
        own = False
    if not own:
        raise BadInputError(
            f"{folder} is not empty and holds no comparison.", "Name a new folder after --out."
        )
