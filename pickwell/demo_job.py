"""The demo: the whole loop on real pairs with known defects, held against the truth."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from data_cards.demo.parts import Parts
    from finetune.evaluate.result import Evaluation
    from finetune.result import FinetuneResult
    from pickwell.report.data import Comparison
    from scoring.quality.fit import FitResult
    from scoring.run import Run
    from selector.selection import Selection

Progress = Callable[[str, int, int | None], None]
DRAWS = 1000
EPOCHS = 2
LEARNING_RATE = 1e-3
GENERATIONS = 12
NEW_TOKENS = 24


def build(
    folder: Path, packages: Path | None, seed: int, say: Callable[[str], None] = print
) -> Path:
    """Fetch the packages and build the pool; both are left alone where they are done already.

    Returns:
        The pool's annotation file.
    """
    from data_cards.demo.pool import build_pool
    from data_cards.demo.sources import PACKAGES

    root = _unpacked(folder, packages, PACKAGES, say)
    say(str(build_pool(root, folder / "pool", seed=seed)))
    return folder / "pool" / "pool.json"


def build_pictures(folder: Path, packages: Path | None, say: Callable[[str], None] = print) -> Path:
    """Fetch what is needed of the packages and list their pictures as a corpus without words.

    Returns:
        ``pictures.jsonl``, beside the unpacked files.
    """
    from data_cards.demo.corpus import GROUP, PACKAGES, write_corpus

    path, count, links = write_corpus(_unpacked(folder, packages, PACKAGES, say))
    say(f"{path}: {count:,} pictures, {links:,} of them links to another")
    say(f"Prune it with: pickwell prune {path} --out pruned --group '{GROUP}' --duplicates 0.97")
    return path


def _unpacked(
    folder: Path, packages: Path | None, names: Iterable[str], say: Callable[[str], None]
) -> Path:
    """The folder that the packages are unpacked in."""
    from data_cards.demo.fetch import fetch_packages, unpack_folder

    root = folder / "packages"
    if packages is not None and (packages / "usr" / "share").is_dir():
        return packages
    if packages is not None:
        say(str(unpack_folder(packages, root)))
    elif not _unpacked_by_hand(root):
        say(str(fetch_packages(root, names)))
    return root


def _unpacked_by_hand(root: Path) -> bool:
    return root.is_symlink() and (root / "usr" / "share").is_dir()


@dataclass(frozen=True)
class Outcome:
    """What the demo made.

    Attributes:
        run: The scored part that is chosen from.
        fitted: What the marks taught.
        selection: The chosen.
        trained: The fine-tuning; ``None`` without training.
        evaluation: The fine-tuned model beside the model before; likewise.
        batch: The later batch, scored against the run.
        lines: The known defects among the picks, as text.
    """

    run: Run
    fitted: FitResult
    selection: Selection
    trained: FinetuneResult | None
    evaluation: Evaluation | None
    batch: Run
    lines: list[str]


def go_all_the_way(
    folder: Path, pool: Path, budget: int, seed: int, *, train: bool = True
) -> Outcome:
    """Score, fit, select, fine-tune, evaluate, score the next batch; finished steps are not redone.

    The pool is divided by picture: what is evaluated on is seen by no selector and no training,
    and the batch is new to everything.

    Args:
        folder: Where everything goes.
        pool: The built pool.
        budget: How many to choose.
        seed: Of every step.
        train: Whether to fine-tune and evaluate, which takes most of the time after scoring.
    """
    from data_cards.demo.parts import divide
    from data_cards.demo.records import read_truth
    from pickwell.console import progress
    from pickwell.fit_job import fit
    from pickwell.report_job import report_again
    from pickwell.scoring_job import score
    from pickwell.selection_job import select
    from pickwell.summary import print_source

    parts = divide(pool, seed)
    truth = read_truth(pool)
    marked = frozenset(read_marks(parts.marks))
    chosen_in = folder / "selection"
    with progress() as update:
        run = score(
            parts.pool, folder / "run", seed=seed, on_progress=update, on_source=print_source
        )
        fitted = fit(run, parts.marks, seed=seed, on_progress=update)
        ids = run.scores["id"].to_pylist()
        selection = select(
            run,
            chosen_in,
            budget=budget,
            seed=seed,
            on_progress=update,
            truth=lambda chosen: compare_defects(ids, truth, chosen, marked),
        )
        trained = _tune(folder, seed, update) if train else None
        evaluation = _evaluate(folder, parts, seed, update) if train else None
        batch = score(
            parts.batch,
            folder / "batch",
            like=chosen_in,
            on_progress=update,
            on_source=print_source,
        )
        report_again(
            chosen_in,
            evaluation=folder / "evaluation" if evaluation is not None else None,
            batch=batch.folder,
        )
    lines = tell(compare_defects(ids, truth, selection, marked))
    if not fitted.model.is_fallback:
        plain = by_consensus(run, budget, seed)
        count = compare_defects(ids, truth, plain, marked)[0]["chosen"]
        lines.append(f"  chosen by the consensus instead, without the marks: {count:,.0f} defects")
    return Outcome(run, fitted, selection, trained, evaluation, batch, lines)


def by_consensus(run: Run, budget: int, seed: int) -> Selection:
    """What would have been chosen without labels; nothing is written."""
    from pickwell.config import SelectConfig
    from pickwell.judging import judge, make_candidates
    from selector.pick import select

    judged = judge(run, SelectConfig(quality="consensus", seed=seed))
    return select(make_candidates(run, judged), budget, seed=seed)


def _tune(folder: Path, seed: int, update: Progress) -> FinetuneResult:
    """Fine-tune the embedded model on the chosen."""
    from pickwell.finetune_job import finetune

    return finetune(
        folder / "selection",
        folder / "tuned",
        model="embedded",
        train="lora",
        learning_rate=LEARNING_RATE,
        epochs=EPOCHS,
        bf16=True,
        cache_features=True,
        seed=seed,
        on_progress=update,
    )


def _evaluate(folder: Path, parts: Parts, seed: int, update: Progress) -> Evaluation:
    """Hold the trained model beside the model before."""
    from pickwell.evaluate_job import evaluate

    return evaluate(
        folder / "tuned",
        parts.held_out,
        folder / "evaluation",
        baseline="embedded",
        generations=GENERATIONS,
        max_new_tokens=NEW_TOKENS,
        dtype="bfloat16",
        seed=seed,
        on_progress=update,
    )


def read_marks(path: Path) -> dict[str, int]:
    """Id to label of the samples that count as looked at."""
    with path.open(newline="", encoding="utf-8") as handle:
        return {row["id"]: int(row["label"]) for row in csv.DictReader(handle)}


def compare_defects(
    ids: Sequence[str],
    truth: Mapping[str, Any],
    selection: Selection,
    marked: frozenset[str] = frozenset(),
) -> list[Comparison]:
    """How many known defects the chosen hold, and how many random picks of the same size do.

    Args:
        ids: The pool.
        truth: By id.
        selection: The chosen.
        marked: Ids whose truth was given away to the quality; they count on neither side.
    """
    import numpy as np

    from selector.baseline import beside_random, random_draws

    ids = [id_ for id_ in ids if id_ not in marked]
    rows = [truth[id_] for id_ in ids]
    bad = np.array([row.quality != "good" for row in rows])
    measures: dict[str, np.ndarray] = {
        "all defects": bad.astype(float),
        "natural": np.array([row.quality == "natural" for row in rows], float),
        "planted": np.array([row.quality == "planted" for row in rows], float),
    }
    for kind in sorted({row.defect for row in rows if row.quality == "planted"}):
        measures[f"planted: {kind.replace('_', ' ')}"] = np.array(
            [row.defect == kind for row in rows], float
        )
    place = {id_: row for row, id_ in enumerate(ids)}
    chosen = np.array([place[id_] for id_ in selection.ids if id_ not in marked], np.int64)
    draws = random_draws(ids, len(chosen), range(DRAWS))
    return [
        {
            "name": row.name,
            "chosen": row.chosen,
            "random_mean": row.random_mean,
            "random_low": row.random_low,
            "random_high": row.random_high,
            "seeds": row.draws,
            "direction": "lower",
            "total": row.total,
        }
        for row in beside_random(measures, chosen, draws, count=True)
    ]


def tell(defects: Sequence[Comparison]) -> list[str]:
    """The comparison as a small table of text."""
    lines = [
        "",
        f"{'known defects among the picks':34}{'pool':>7}{'random (95 %)':>18}{'chosen':>8}",
    ]
    for row in defects:
        interval = f"{row['random_mean']:.1f} ({row['random_low']:.0f}-{row['random_high']:.0f})"
        lines.append(f"  {row['name']:32}{row['total']:>7,.0f}{interval:>18}{row['chosen']:>8,.0f}")
    return lines
