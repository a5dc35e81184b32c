"""The demo: real pairs with known defects, scored, chosen, and held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from pickwell.report.data import Comparison
    from scoring.run import Run
    from selector.selection import Selection

DRAWS = 1000


def build(
    folder: Path, packages: Path | None, seed: int, say: Callable[[str], None] = print
) -> Path:
    """Fetch the packages and build the pool; both are left alone where they are done already.

    Returns:
        The pool's annotation file.
    """
    from data_cards.demo.fetch import fetch_packages, unpack_folder
    from data_cards.demo.pool import build_pool

    root = folder / "packages"
    if packages is not None and (packages / "usr" / "share").is_dir():
        root = packages
    elif packages is not None:
        say(str(unpack_folder(packages, root)))
    elif not _unpacked_by_hand(root):
        say(str(fetch_packages(root)))
    say(str(build_pool(root, folder / "pool", seed=seed)))
    return folder / "pool" / "pool.json"


def _unpacked_by_hand(root: Path) -> bool:
    return root.is_symlink() and (root / "usr" / "share").is_dir()


def choose(folder: Path, pool: Path, budget: int, seed: int) -> tuple[Run, Selection, list[str]]:
    """Score, select, and count the known defects among random and chosen.

    Returns:
        Run, selection and the lines that tell the outcome.
    """
    from data_cards.demo.records import read_truth
    from pickwell.console import progress
    from pickwell.scoring_job import score
    from pickwell.selection_job import select
    from pickwell.summary import print_source

    truth = read_truth(pool)
    with progress() as update:
        run = score(pool, folder / "run", seed=seed, on_progress=update, on_source=print_source)
        ids = run.scores["id"].to_pylist()
        selection = select(
            run,
            folder / "selection",
            budget=budget,
            seed=seed,
            on_progress=update,
            truth=lambda chosen: compare_defects(ids, truth, chosen),
        )
    return run, selection, tell(compare_defects(ids, truth, selection))


def compare_defects(
    ids: Sequence[str], truth: Mapping[str, Any], selection: Selection
) -> list[Comparison]:
    """How many known defects the chosen hold, and how many random picks of the same size do."""
    import numpy as np

    from selector.baseline import beside_random, random_draws

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
    chosen = np.array([place[id_] for id_ in selection.ids], np.int64)
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
