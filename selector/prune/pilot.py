"""Hard or easy? A pilot decides: cheap probes trained on what each strategy would keep.

The paper gives no threshold (Sorscher et al. 2022, arXiv 2206.14486): keeping hard images wins
where data are plentiful and keeping easy ones where they are scarce, and both can lose to random.
So it is tried out, on rows that no probe has seen, at the target fraction and several sizes; where
no probe can be trained, the amount of data has to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import numpy as np

from data_cards.counted import counted
from selector.prune.class_means import class_means
from selector.prune.duplicates import find_duplicates
from selector.prune.probe import Probe, accuracy, split_rows
from selector.prune.prototypes import default_prototype_count, fit_prototypes
from selector.prune.rule import Strategy, keep, keep_count

STRATEGIES: tuple[Strategy, ...] = ("hard", "easy", "random")
LEAST = 50
"""Rows to train on, below which a size says nothing."""
PLENTY = 1_000
"""Images per prototype from which hard is taken untried.

The paper gives no threshold. Its ImageNet runs, where hard won, have some 1,280 images per class
and prototype. Ours end at 400 (MNIST in docs/pruning.md), and up to there hard was better than
random in 1 of 48 comparisons of probes, which is what chance gives.
"""
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Trial:
    """One probe.

    Attributes:
        strategy: What was kept.
        share: Of the rows that could be trained on (``most`` of them at most), those that were
            there before pruning.
        rows: Rows that were there before pruning.
        kept: Rows that the probe was trained on.
        fraction: Of them.
        prototypes: Prototypes that the difficulty was measured from.
        seed: Of the division, the sample and the draws.
        accuracy: On rows held out.
    """

    strategy: str
    share: float
    rows: int
    kept: int
    fraction: float
    prototypes: int
    seed: int
    accuracy: float


@dataclass(frozen=True)
class Pilot:
    """What was tried, and what it says.

    Attributes:
        strategy: What to do.
        why: The same in words, with its evidence.
        trials: Every probe.
        pool: Rows that could be trained on, of which the trials are a part, where they are more
            than ``run_pilot`` takes; else 0.
        evidence: The gains at the fraction asked for and the largest size, in words.
        better: Strategies whose gain there has its whole 95 % interval above zero.
        worse: The same, below zero.
    """

    strategy: Strategy
    why: str
    trials: tuple[Trial, ...] = field(default=())
    pool: int = 0
    evidence: str = ""
    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()

    def verdict(self, strategy: str) -> str:
        """What the probes say of a strategy that was given rather than found, beside random."""
        if strategy == "random":
            better = " and ".join(self.better)
            said = f"{better} better" if better else "neither hard nor easy better"
        elif strategy in self.better:
            said = "it better"
        else:
            said = "it worse" if strategy in self.worse else "it no better"
        return f"Probes found {said} than random. {self.evidence}"

    @property
    def part(self) -> str:
        """What the largest size is, in words."""
        largest = max((trial.rows for trial in self.trials), default=0)
        if largest < self.pool:
            return f"{largest:,} of the {self.pool:,} pictures that are not held out"
        return "all pictures that are not held out"

    def table(self) -> list[dict[str, Any]]:
        """One line for each size, fraction and strategy: mean accuracy, and the gain over random.

        Gains are paired by seed; ``low`` and ``high`` are their 95 % interval over seeds (Student's
        t), ``accuracy_low`` and ``accuracy_high`` that of the accuracy by itself, cut off at 0 and
        1, which no accuracy leaves.
        """
        lines = []
        cells: dict[tuple[float, float, str], list[Trial]] = {}
        for trial in self.trials:
            cells.setdefault((trial.share, trial.fraction, trial.strategy), []).append(trial)
        for (share, fraction, strategy), here in cells.items():
            mine = {trial.seed: trial.accuracy for trial in here}
            other = {t.seed: t.accuracy for t in cells.get((share, fraction, "random"), [])}
            gain, low, high = gain_over(mine, other)
            right, right_low, right_high = _mean(np.array(list(mine.values())))
            lines.append(
                {
                    "share": share,
                    "rows": round(float(np.mean([trial.rows for trial in here]))),
                    "fraction": fraction,
                    "strategy": strategy,
                    "accuracy": right,
                    "accuracy_low": float(np.maximum(right_low, 0.0)),
                    "accuracy_high": float(np.minimum(right_high, 1.0)),
                    "gain": gain,
                    "low": low,
                    "high": high,
                    "seeds": len(mine),
                }
            )
        return lines


NO_CLASSES = (
    "there are no classes; with two or more (--columns label=NAME, or a folder for each) probes "
    "test it"
)


def by_amount(rows: int, prototypes: int, reason: str = NO_CLASSES) -> Pilot:
    """What to do where no probe can be trained: hard from :data:`PLENTY` on, else random.

    Args:
        rows: Images that have an embedding.
        prototypes: Prototypes that their difficulty is measured from.
        reason: Why no probe was trained, and what would let one.

    Returns:
        A pilot without trials, which says by what rule it decides.
    """
    amount = round(rows / max(1, prototypes))
    strategy: Strategy = "hard" if rows >= PLENTY * max(1, prototypes) else "random"
    each = "the one prototype" if prototypes == 1 else f"each of {prototypes:,} prototypes"
    there = f"{counted(amount, 'image')} for {each}"
    thumb = "(a rule of thumb after Sorscher et al., who give no threshold)"
    said = {
        "hard": f"Keep hard: there {_are(amount)} {there}, and hard is taken from {PLENTY:,} on "
        f"{thumb}.",
        "random": f"Random: there {_are(amount)} {there}, and below {PLENTY:,} nothing was shown "
        f"to beat random; hard is taken from {PLENTY:,} on {thumb}.",
    }[strategy]
    return Pilot(strategy, f"{said} It was not tested on this corpus, as {reason}.")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def gain_over(mine: dict[int, float], other: dict[int, float]) -> tuple[float, float, float]:
    """Mean difference, paired by seed, with its 95 % interval; NaN where there is no pair."""
    pairs = np.array([mine[seed] - other[seed] for seed in mine if seed in other])
    return _mean(pairs)


def _mean(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and its 95 % interval (Student's t); NaN for what too few values do not say."""
    if not len(values):
        return (np.nan,) * 3
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan
    from scipy import stats

    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def run_pilot(
    matrix: np.ndarray,
    classes: np.ndarray,
    ids: np.ndarray,
    *,
    fraction: float,
    usable: np.ndarray,
    groups: np.ndarray | None = None,
    supervised: bool = False,
    prototypes: int | None = None,
    balance: float = 0.5,
    balance_by: Literal["labels", "clusters"] = "labels",
    random_share: float = 0.0,
    duplicates: Mapping[str, Any] | None = None,
    sizes: Sequence[float] = (0.1, 0.3, 1.0),
    fractions: Sequence[float] = (),
    strategies: Sequence[Strategy] = STRATEGIES,
    seeds: int = 5,
    probe: Probe = "linear",
    most: int = 50_000,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Pilot | None:
    """Try the strategies out, and decide.

    For every seed a fifth of the rows (or groups) is held out; of the others samples of several
    sizes are pruned as the corpus would be, prototypes and all, and a probe learns from the rest.

    Args:
        matrix: (n, d) embeddings, array or memory map.
        classes: (n,) whole numbers; negative: not known. What the probe is to tell.
        ids: (n,) distinct ids.
        fraction: What shall be kept, in (0, 1].
        usable: (n,) true where a row counts.
        groups: (n,) what must not be divided between training and test; ``None``: nothing.
        supervised: Difficulty from class means rather than k-means.
        prototypes: k at full size, less in proportion in smaller samples; ``None``: the default.
        balance: As in :func:`selector.prune.rule.keep`.
        balance_by: What the floor is for.
        random_share: As in :func:`selector.prune.rule.keep`.
        duplicates: How :func:`selector.prune.duplicates.find_duplicates` looks for what goes before
            any strategy; ``None``: nothing does.
        sizes: Shares of the rows that are pruned; the last decides.
        fractions: Further kept fractions, tried at the last size.
        strategies: Tried; random is always among them.
        seeds: Repetitions.
        probe: The kind.
        most: Rows that are pruned at most; of more a part is drawn, and ``why`` says so.
        seed: Of everything.
        on_progress: Called with ``("pilot", done, expected)``.

    Returns:
        The pilot. It says ``"random"`` where no 95 % interval of a gain lies above zero at the
        largest size (over seeds that divide the same rows, uncorrected for the better of two);
        ``None`` where no probe of ``fraction`` can be trained: too few rows with a class, one class
        only, or nothing left to train on.
    """
    tried = tuple(dict.fromkeys([*strategies, "random"]))
    plan = {share: [fraction] for share in sizes}
    plan[sizes[-1]] += [f for f in fractions if f != fraction]
    trials: list[Trial] = []
    pools: list[int] = []
    for number in range(seeds):
        train, test = split_rows(ids, classes, usable, groups=groups, seed=seed + number)
        if len(train) < LEAST or not len(test) or len(np.unique(classes[train])) < 2:
            continue
        pools.append(len(train))
        pool = train[:most]
        for share, shares_kept in plan.items():
            part = np.sort(pool[: round(share * len(pool))])
            if len(part) >= LEAST:
                trials += _trials(
                    matrix, classes, ids, part, test, share, shares_kept, tried,
                    supervised=supervised,
                    prototypes=prototypes and max(2, round(prototypes * len(part) / len(train))),
                    balance=balance, balance_by=balance_by, random_share=random_share,
                    duplicates=duplicates, probe=probe, seed=seed + number,
                )  # fmt: skip
        if on_progress is not None:
            on_progress("pilot", number + 1, seeds)
    if not any(trial.fraction == fraction for trial in trials):
        return None
    cut = max(pools) if max(pools) > most else 0  # groups divide otherwise for every seed
    return _decided(tuple(trials), fraction, cut)


def _trials(
    matrix: np.ndarray,
    classes: np.ndarray,
    ids: np.ndarray,
    part: np.ndarray,
    test: np.ndarray,
    share: float,
    fractions: Sequence[float],
    strategies: Sequence[str],
    *,
    supervised: bool,
    prototypes: int | None,
    balance: float,
    balance_by: str,
    random_share: float,
    duplicates: Mapping[str, Any] | None,
    probe: Probe,
    seed: int,
) -> list[Trial]:
    """Prune one sample by every strategy to every fraction, and probe what is left."""
    rows, own = np.asarray(matrix[part]), classes[part]
    if supervised:
        found = class_means(rows, own)
    else:
        count = prototypes or default_prototype_count(len(part), len(np.unique(own)))
        found = fit_prototypes(rows, count, seed=seed)
    known = int((~np.isnan(found.distance)).sum())
    left = found.distance.copy()
    if duplicates is not None:
        asked = {"seed": seed, **duplicates}
        left[find_duplicates(rows, found.labels, found.distance, ids[part], **asked).rows] = np.nan
    able = int((~np.isnan(left)).sum())
    groups = own if balance_by == "labels" else found.labels
    made = []
    for fraction, strategy in product(fractions, strategies):
        wanted = min(able, keep_count(known, fraction))
        if not wanted:
            continue  # nothing to learn from
        kept = keep(
            left, ids[part],
            strategy=strategy,  # type: ignore[arg-type]
            count=wanted, groups=groups, balance=balance,
            random_share=0.0 if strategy == "random" else random_share, seed=seed,
        )  # fmt: skip
        right = accuracy(matrix, classes, part[kept.rows], test, probe=probe)
        counts = len(part), len(kept.rows)
        made.append(Trial(strategy, share, *counts, fraction, len(found.centres), seed, right))
    return made


def _decided(trials: tuple[Trial, ...], fraction: float, pool: int = 0) -> Pilot:
    share = max(trial.share for trial in trials if trial.fraction == fraction)
    lines = [
        line
        for line in Pilot("random", "", trials).table()
        if line["fraction"] == fraction and line["share"] == share and line["strategy"] != "random"
    ]
    best = max(lines, key=lambda line: (line["gain"], line["strategy"]))
    size = lines[0]["rows"]
    prototypes = next(t.prototypes for t in trials if t.share == share)
    amount = f"{counted(round(size / prototypes), 'image')} per prototype"
    gains = "; ".join(
        f"keep {line['strategy']} {100 * line['gain']:+.1f} points "
        f"({100 * line['low']:+.1f} to {100 * line['high']:+.1f})"
        for line in lines
    )
    evidence = (
        f"Probes on {fraction:.0%} of {size:,} images ({amount}, {lines[0]['seeds']} seeds), "
        f"beside random picks: {gains}."
    )
    if size < pool:
        evidence += f" The {size:,} were drawn from {pool:,}: the whole of them was not probed."
    told: dict[str, Any] = {
        "evidence": evidence,
        "better": tuple(line["strategy"] for line in lines if line["low"] > 0),
        "worse": tuple(line["strategy"] for line in lines if line["high"] < 0),
    }
    if best["low"] > 0:
        return Pilot(best["strategy"], f"Keep {best['strategy']}. {evidence}", trials, pool, **told)
    why = f"Neither hard nor easy is better than random, so random. {evidence}"
    return Pilot("random", why, trials, pool, **told)
