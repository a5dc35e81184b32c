"""Fit a quality to labels: compare regressors honestly, keep the winner, or say that none is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from scoring.quality.comparison import (
    about_labels,
    above_floors,
    adjusted,
    beside_consensus,
    compare,
    finite,
    simplest_of_the_best,
    verdict,
)
from scoring.quality.consensus import AGREEMENT_COLUMNS
from scoring.quality.design import Design, make_design, make_folds, prepare
from scoring.quality.labels import Labels
from scoring.quality.model import QualityModel, consensus_model
from scoring.quality.regressor import DEFAULT, find_regressor, fit_all, registry
from scoring.quality.usable import usable
from scoring.quality.validation import (
    Validated,
    calibration,
    cross_validate,
    importances,
    refit_test,
)
from scoring.threads import one_thread

LEAVE_ONE_OUT = 40
"""Up to so many units each is held out alone; above, ten folds."""
LEVEL = 0.05
REFITTED = "labels shuffled, everything fitted again"


@dataclass(frozen=True)
class FitOptions:
    """How a quality is fitted.

    Attributes:
        regressors: Names from the registry; ``mean``, the bar, is always there.
        columns: Features to learn from; ``None``: all that are given.
        components: Principal components of the standardised features; ``None``: no reduction.
        folds: Outer folds; ``None``: each unit alone up to 40 of them, else 10.
        permutations: Shuffles of the labels in a test.
        seed: Of folds, fits, shuffles and draws.
        directions: Whether higher or lower is better, of the columns that the fall-back is made of.
            As features they are turned into percentiles among the reference.
        reference: (N,) bool, rows that the fall-back ranks among; ``None``: all.
        rising: Features in which ``forest`` may only rise.
    """

    regressors: tuple[str, ...] = DEFAULT
    columns: tuple[str, ...] | None = None
    components: int | None = None
    folds: int | None = None
    permutations: int = 200
    seed: int = 0
    directions: Mapping[str, str] = field(default_factory=dict)
    reference: np.ndarray | None = None
    rising: tuple[str, ...] = AGREEMENT_COLUMNS


@dataclass(frozen=True)
class FitResult:
    """What a fit gave.

    Attributes:
        model: The winner, or the consensus where nothing beat the mean.
        report: Everything that was measured, as plain JSON values.
        messages: The outcome in plain words, most important first.
    """

    model: QualityModel
    report: dict[str, Any]
    messages: tuple[str, ...]


def fit_quality(
    features: Mapping[str, np.ndarray],
    ids: Sequence[str],
    labels: Labels,
    options: FitOptions | None = None,
    *,
    on_progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> FitResult:
    """Fit and judge all regressors, keep the simplest that is as good as the best.

    Nested cross-validation by unit (and block): outer folds say what each regressor is worth,
    inner ones choose its setting. The winner is the simplest within one standard error of the
    best; it must beat the mean predictor by a shuffle test (p times the number of regressors
    tried at most 0.05) and by the bootstrap interval of its R². Else the consensus is kept.

    Args:
        features: Name to (N,) float columns of the run, NaN where missing.
        ids: N ids.
        labels: What is to be learned, with row positions into the columns.
        options: See :class:`FitOptions`.
        on_progress: Called with stage, done and total.

    Returns:
        The model, the report and the messages.

    Raises:
        BadInputError: For labels that nothing can be learned from: too few, all equal, too few
            blocks, or features that are not there or do not vary.
    """
    with one_thread():
        return _fit(features, labels, options or FitOptions(), on_progress)


def _fit(
    features: Mapping[str, np.ndarray],
    labels: Labels,
    settings: FitOptions,
    on_progress: Callable[[str, int, int | None], None],
) -> FitResult:
    kept, labels, notes = usable(features, labels, settings.columns)
    columns = tuple(kept)
    values = np.stack(list(kept.values()), axis=1)
    seen = values[np.concatenate(labels.members)]
    _check_components(settings.components, len(columns))
    preparation = prepare(seen, settings.components, _pools(kept, settings))
    untouched = prepare(seen) | {"center": np.zeros(len(kept)), "scale": np.ones(len(kept))}
    names = ("mean", *(n for n in dict.fromkeys(settings.regressors) if n != "mean"))
    regressors = {name: find_regressor(name) for name in names}
    regressors = {name: regressors[name] for name in registry() if name in regressors}
    used = {name: untouched if r.raw else preparation for name, r in regressors.items()}
    folds, how = _folds(labels, settings)
    signs = np.array([int(name in settings.rising) for name in columns])
    found: dict[str, Validated] = {}
    for done, (name, regressor) in enumerate(regressors.items()):
        on_progress("cross-validate", done, len(regressors))
        design = make_design(values, labels, used[name], signs)
        found[name] = cross_validate(regressor, design, folds, settings.seed)
    on_progress("cross-validate", len(regressors), len(regressors))
    design = make_design(values, labels, preparation)
    rows = compare(found, design, settings.permutations, settings.seed)
    best = simplest_of_the_best(found, design)
    if best != "mean" and regressors[best].linear:
        on_progress("test", 0, None)
        p = refit_test(regressors[best], found, design, folds, settings.permutations, settings.seed)
        rows[best] |= {"p": p, "p_adjusted": adjusted(p, len(found) - 1), "test": REFITTED}
    won = best != "mean" and rows[best]["p_adjusted"] <= LEVEL and rows[best]["r2_low"] > 0
    report: dict[str, Any] = {
        "labels": about_labels(labels),
        "features": list(columns),
        "components": settings.components,
        "folds_how": how,
        "regressors": list(rows.values()),
        "winner": best if won else "consensus",
        "calibration": None,
        "importances": None,
        "setting": None,
        "seed_agreement": None,
        "consensus_spearman": None,
        "beyond_groups": None,
        "r2_above_floors": None,
    }
    messages = [verdict(report, labels), *notes]
    fitted_on = {
        "unit": labels.unit,
        "labels": len(labels),
        "rows": len(seen),
        "label_mean": float(labels.values.mean()),
        "label_sd": float(labels.values.std()),
        "source": labels.source,
        "labels_sha256": labels.digest(),
        "seed": settings.seed,
    }
    if any(settings.directions.get(name, "none") != "none" for name in features):
        rule = fallback(features, settings, columns, [])
        report["consensus_spearman"] = unlearned(rule, features, labels)
    if not won:
        model = fallback(features, settings, columns, messages)
    else:
        report["r2_above_floors"], above = above_floors(found[best], labels, settings.reference)
        said = above, beside_consensus(report, rows[best])
        messages[1:1] = [sentence for sentence in said if sentence]
        on_progress("importances", 0, None)
        design = make_design(values, labels, used[best], signs)
        report["calibration"] = finite(calibration(found[best], design, settings.seed))
        report["importances"] = importances(
            regressors[best], found[best], values, columns, labels, used[best], folds, settings.seed
        )
        arrays, report["setting"], report["seed_agreement"] = fit_all(
            regressors[best], design, settings.seed
        )
        ranges = np.stack([np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)])
        model = QualityModel(best, columns, arrays, used[best], ranges)
        if labels.grouped:
            report["beyond_groups"] = share = _beyond_groups(design)
            messages.append(
                f"Samples vary more than groups: {share:.0%} of the values lie beyond all group "
                "means. The order of samples is extrapolated from that of groups."
            )
    told = tuple(messages)
    model = replace(model, fitted_on=fitted_on, worth=report, messages=told)
    return FitResult(model, report, told)


def _pools(kept: Mapping[str, np.ndarray], settings: FitOptions) -> dict[int, np.ndarray]:
    """Place of each feature with a direction to its values in the pool of reference."""
    rows = slice(None) if settings.reference is None else settings.reference
    ways = settings.directions
    return {
        c: values[rows]
        for c, (name, values) in enumerate(kept.items())
        if ways.get(name, "none") != "none"
    }


def _check_components(components: int | None, features: int) -> None:
    if components is not None and not 1 <= components < features:
        raise BadInputError(
            f"{components} components of {features} features is no reduction.",
            f"Give --components from 1 to {features - 1}, or leave it out.",
        )


def unlearned(
    rule: QualityModel, features: Mapping[str, np.ndarray], labels: Labels
) -> float | None:
    """Spearman's rho of the consensus, which has seen no label, and the labels."""
    from scipy.stats import spearmanr

    quality = rule.predict(features)
    sizes = np.array([np.isfinite(quality[rows]).sum() for rows in labels.members])
    means = np.array([np.nansum(quality[rows]) for rows in labels.members]) / np.maximum(sizes, 1)
    there = sizes > 0
    if not there.any() or np.ptp(means[there]) == 0 or np.ptp(labels.values[there]) == 0:
        return None
    return float(spearmanr(means[there], labels.values[there]).statistic)


def _beyond_groups(design: Design) -> float:
    """Share of feature values of samples that lie outside the range of the group means."""
    low, high = design.means.min(axis=0), design.means.max(axis=0)
    return float(((design.rows < low) | (design.rows > high)).mean())


def _folds(labels: Labels, settings: FitOptions) -> tuple[np.ndarray, str]:
    blocks = len(set(labels.blocks))
    count = settings.folds or (blocks if blocks <= LEAVE_ONE_OUT else 10)
    count = min(count, blocks)
    unit = labels.unit if blocks == len(labels) else "group"
    how = f"leave one {unit} out" if count == blocks else f"{count} folds by {unit}"
    return make_folds(labels.blocks, count, settings.seed), how


def fallback(
    features: Mapping[str, np.ndarray],
    settings: FitOptions,
    columns: Sequence[str],
    messages: list[str],
) -> QualityModel:
    """The consensus that is kept where nothing was learned.

    It is made of the columns that declare a direction; where none does, of all features with a
    note that higher was taken as better.
    """
    rows = slice(None) if settings.reference is None else settings.reference
    directions = {
        name: way for name, way in settings.directions.items() if name in features and way != "none"
    }
    if not directions:
        barred = {name for name, way in settings.directions.items() if way == "none"}
        directions = {name: "higher" for name in columns if name not in barred}
        if not directions:
            raise BadInputError(
                "No column has a direction: there is nothing to make a consensus of.",
                "Say with --direction NAME=higher or NAME=lower what is better.",
            )
        messages.append(
            f"Nothing says whether more or less of {', '.join(directions)} is better: the "
            "consensus takes more as better (--direction NAME=lower or NAME=none says otherwise)."
        )
    return consensus_model({name: features[name][rows] for name in directions}, directions)
