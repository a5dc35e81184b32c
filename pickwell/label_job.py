"""``label``: train on groups of a run's samples, and find out which samples are worth it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import LabelConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source
    from finetune.labels.groups import Group
    from finetune.labels.influence import Influence, Retest
    from finetune.labels.study import Findings, Plan
    from pickwell.training_pool import TrainingPool
    from pickwell.trainings import Trainings
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]
GROUPS = {"clusters": 30, "subsets": 60, "influence": 0}
SIZE = 64
CONTENT = 10
"""Clusters of content over which designed subsets are spread as the pool is."""
WARM_UP = 200
RETEST = 500
"""Samples whose influence is found a second time: enough for a rank correlation."""


@dataclass(frozen=True)
class Labelled:
    """What labelling gave.

    Attributes:
        folder: Where everything was written; labels for ``fit`` are in ``labels.json`` or
            ``labels.csv``.
        design: The design.
        plan: What was trained.
        findings: Effects, reliability, worth and cost; ``None`` while trainings are missing.
        missing: Trainings that other shares have still to do.
        left_out: Samples that could not be trained on, with reasons.
    """

    folder: Path
    design: str
    plan: Plan
    findings: Findings | None
    missing: int
    left_out: list[tuple[str, str]]

    @property
    def labels(self) -> Path:
        """The file for ``pickwell fit``."""
        return self.folder / ("labels.csv" if self.design == "influence" else "labels.json")


def label(
    run: Run | str | Path,
    target: str | Path | Sequence[Sample] | None = None,
    out: str | Path | None = None,
    *,
    config: LabelConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    on_plan: Callable[[str], None] = lambda sentence: None,
    **options: Any,
) -> Labelled:
    """Label a run's samples by what training on them does to a held-out target.

    Every training is kept as soon as it is done, in RUN/labels/outcomes: type the same again to go
    on, ask for more groups or another design and only what is new is trained.

    Args:
        run: A run, or its folder.
        target: What outcomes are measured on: a file, a folder, ``hf://owner/name``, or samples.
            It must not be what the result is tested on later. Without one, ``outcome_command``
            measures.
        out: Folder to write; RUN/labels/DESIGN by default.
        config: All options at once; ``options`` override single fields, e.g. ``groups=100``.
        on_progress: Called with stage, done and expected count.
        on_source: Called when the target's format is recognised.
        on_plan: Called with what will be trained, in words, before it is.
        **options: Single fields of :class:`~pickwell.config.LabelConfig`.

    Returns:
        The :class:`Labelled`.

    Raises:
        BadInputError: Where run, target or options cannot be used.
    """
    from finetune.labels.study import study
    from pickwell.label_files import write_labels
    from pickwell.label_plan import influence_in_words, plan_in_words, refuse_few
    from pickwell.scoring_job import open_run
    from pickwell.training_pool import training_pool
    from pickwell.trainings import open_trainings
    from scoring.run import Run

    started = time.time()
    settings = config or LabelConfig()
    if options:
        settings = checked(LabelConfig, {**settings.model_dump(), **options}, "options of label")
    opened = run if isinstance(run, Run) else open_run(run)
    folder = Path(out) if out is not None else opened.folder / "labels" / settings.design
    _refuse_foreign(folder)
    _refuse_at_odds(target, settings)
    pool = training_pool(opened, text_only=settings.text_only, above_floors=settings.above_floors)
    plan = _plan(pool, settings)
    trainings = open_trainings(
        pool, target, settings, opened.folder / "labels", on_progress, on_source
    )
    refuse_few(plan)
    said = [*pool.left_out_in_words(), *plan_in_words(plan)]
    if settings.design == "influence":
        retest = RETEST if settings.repeats > 1 else None
        said.append(influence_in_words(plan, WARM_UP, len(trainings.target), retest))
    for sentence in (*said, *trainings.kept_in_words(plan.all_tasks())):
        on_plan(sentence)
    missing = trainings.do(plan.all_tasks(), _command(opened, trainings, folder))
    if missing or settings.share is not None:
        return Labelled(folder, settings.design, plan, None, missing, [])
    found, again = _influence(trainings, plan, settings)
    features, names = pool.features()
    findings = study(
        plan,
        trainings.ledger,
        design=settings.design,
        features=features,
        clusters=trainings.bench.clusters,
        others=pool.scores(),
        found=found,
        again=again,
    )
    result = Labelled(folder, settings.design, plan, findings, 0, _left_out(trainings, folder))
    write_labels(
        result,
        {
            "run": str(opened.folder),
            "target": trainings.described | {"samples": len(trainings.bench.target)},
            "target_left_out": trainings.bench.target_left_out,
            "model": trainings.bench.model_key,
            "features": names,
            "pool": len(pool.ids),
            "options": settings.model_dump(mode="json", exclude={"cache", "devices", "share"}),
            "started": started,
        },
    )
    return result


def _left_out(trainings: Trainings, folder: Path) -> list[tuple[str, str]]:
    """What could not be trained on; as told before where nothing had to be trained again."""
    if not trainings.bench.opened and (folder / "label.json").is_file():
        told = json.loads((folder / "label.json").read_text("utf-8")).get("left_out", [])
        return [(str(id_), str(reason)) for id_, reason in told]
    return trainings.bench.left_out


def _plan(pool: TrainingPool, settings: LabelConfig) -> Plan:
    from finetune.labels.study import Plan, fresh_subsets

    size = settings.size or min(SIZE, len(pool.ids) // 2)
    return Plan(
        ids=pool.ids,
        groups=tuple(_groups(pool, settings, size)),
        fresh=tuple(fresh_subsets(pool.ids, settings.fresh, size, settings.seed)),
        repeated=settings.repeat_groups,
        repeats=settings.repeats,
        steps=settings.steps,
        seed=settings.seed,
        batch=settings.batch_size * settings.gradient_accumulation,
    )


def _groups(pool: TrainingPool, settings: LabelConfig, size: int) -> list[Group]:
    from finetune.labels import groups as making

    count = settings.groups or GROUPS[settings.design]
    if settings.design == "influence":
        return []
    if settings.design == "clusters":
        return making.clusters(pool.ids, _vectors(pool, settings), count, seed=settings.seed)
    if settings.draw == "random":
        return making.random_subsets(pool.ids, count, size, seed=settings.seed)
    features, names = pool.features()
    content = pool.content(CONTENT, settings.seed)
    return making.designed_subsets(
        pool.ids, features, names, content, count, size, seed=settings.seed
    )


def _vectors(pool: TrainingPool, settings: LabelConfig) -> Any:
    """(n, d) unit embeddings that groups are made by."""
    from selector.vectors import resolve_space, space_rows

    space = resolve_space(pool.candidates, settings.space)
    if space is None:
        raise BadInputError(
            "The run holds no embeddings to make clusters of.",
            "Score with an image-text encoder (--models), or use --design subsets.",
        )
    vectors, _ = space_rows(pool.candidates, pool.rows, space, 0.5)
    return vectors


def _influence(
    trainings: Trainings, plan: Plan, settings: LabelConfig
) -> tuple[Influence | None, Retest | None]:
    """Influence and, where repeats are asked for, how far another seed agrees; in this process."""
    if settings.design != "influence":
        return None, None
    from finetune.bench import Bench
    from finetune.labels.groups import random_subsets
    from finetune.labels.influence import influence, retest

    bench = trainings.bench
    assert isinstance(bench, Bench)

    def drawn(most: int, seed: int, name: str) -> list[int]:
        size = min(most, len(plan.ids))
        (group,) = random_subsets(plan.ids, 1, size, seed=seed, name=name)
        return [int(row) for row in group.rows]

    def made(rows: Sequence[int], seed: int) -> Influence:
        return influence(
            bench,
            [plan.ids[row] for row in rows],
            warm_up=[plan.ids[row] for row in drawn(WARM_UP, seed, "warm-up")],
            warm_up_steps=settings.steps,
            kept=trainings.folder / "gradients",
            seed=seed,
            on_progress=trainings.on_progress,
        )

    found = made(range(len(plan.ids)), settings.seed)
    if settings.repeats < 2:
        return found, None
    some = drawn(RETEST, settings.seed, "retest")
    return found, retest(found.scores[some], made(some, settings.seed + 1))


def _command(run: Run, trainings: Trainings, folder: Path) -> list[str]:
    words = ["label", str(run.folder), "--out", str(folder)]
    if "command" in trainings.described:
        return words
    target = trainings.described.get("path")
    if trainings.settings.devices and target is None:
        raise BadInputError("Several devices need a target that is a file.", "Write it to one.")
    return [*words, "--target", str(target)]


def _refuse_at_odds(target: Any, settings: LabelConfig) -> None:
    """One thing measures, and what is asked for belongs to the design."""
    if (target is None) == (settings.outcome_command is None):
        raise BadInputError(
            "Nothing says what outcomes are measured on."
            if target is None
            else "Both a target and a command would measure outcomes.",
            "Give --target DATA, or --outcome-command COMMAND.",
        )
    if settings.design == "influence" and settings.groups is not None:
        raise BadInputError(
            "Influence has no groups: every sample gets a label of its own.", "Leave out --groups."
        )
    if settings.design != "subsets" and settings.draw != "random":
        raise BadInputError(
            f"Only subsets are drawn; {settings.design} are not.", "Leave out --draw."
        )
    if settings.design == "influence" and target is None:
        raise BadInputError(
            "Influence needs gradients of a target, and a command has none.", "Give --target DATA."
        )


def _refuse_foreign(folder: Path) -> None:
    """Never write among files that are not of an earlier labelling."""
    if folder.is_file():
        raise BadInputError(f"{folder} is a file.", "Name a folder after --out.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        own = "design" in json.loads((folder / "label.json").read_text("utf-8"))
    except (OSError, ValueError):
        own = False
    if not own:
        raise BadInputError(
            f"{folder} is not empty and holds no labels.", "Name a new folder after --out."
        )
