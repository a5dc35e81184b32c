"""Quality without labels: the mean of the percentile ranks of several metrics."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from data_cards.errors import BadInputError
from scoring.metric import Direction

MARGIN_COLUMNS = ("alignment_margin", "alignment_csls")
AGREEMENT_COLUMNS = ("alignment", "alignment_min", *MARGIN_COLUMNS)
"""Image-text agreement: more of it is better whatever the other metrics say."""
CONSENSUS_COLUMNS = (*MARGIN_COLUMNS, "repetition", "boilerplate", "response_end")
"""What the consensus is made of unless told otherwise: columns that speak of the pair itself and
declare that more (or less) of them is better. Image-text agreement counts twice, as the image sees
it and as both sides do, since nothing else here looks at image and text together; it is taken
against the best other responses, since a plain cosine is high for whatever is easily described. In
a run without those two columns, `alignment` and `alignment_min` stand in for them.
`response_end` sees answers that were cut off; without a language model it is missing, and the rest
decides.
Left out: lengths, likelihood, IFD and the small judge (they declare no direction), size and
blankness of the image and the language (floors: they tell broken from sound, and ranking by them
would favour photographs over drawings), distances and density (clusters and the near-duplicate
test see to diversity)."""


def consensus_columns(numbers: Mapping[str, np.ndarray]) -> list[str]:
    """The columns of the default consensus that a run can give.

    Args:
        numbers: Name to (n,) values of the run, NaN where missing.
    """
    there = {name for name, values in numbers.items() if not np.isnan(values).all()}
    agreement = MARGIN_COLUMNS if there.issuperset(MARGIN_COLUMNS) else AGREEMENT_COLUMNS[:2]
    rest = (name for name in CONSENSUS_COLUMNS if name not in MARGIN_COLUMNS)
    return [name for name in (*agreement, *rest) if name in numbers]


def percentile_ranks(values: np.ndarray, direction: Direction = "higher") -> np.ndarray:
    """Rank of each value among the values that are there, as a share.

    The k-th smallest of m distinct values gets (k - 1/2) / m; equal values share the mean of
    their ranks (mid-ranks).

    Args:
        values: (n,) float, NaN where missing; infinities are the largest and smallest values.
        direction: ``"lower"`` turns the ranks round, so that the result is higher-better.

    Returns:
        (n,) in (0, 1), mean 1/2 over the non-missing; NaN where missing.
    """
    from scipy.stats import rankdata

    values = np.asarray(values, dtype=np.float64)
    result = np.full(values.shape, np.nan)
    there = ~np.isnan(values)
    signed = values[there] if direction == "higher" else -values[there]
    result[there] = (rankdata(signed, method="average") - 0.5) / max(int(there.sum()), 1)
    return result


def percentile_among(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of the ``known`` values below each value, equal ones counted half.

    For a value that is among them this is its mid-rank in :func:`percentile_ranks`, to the last
    bit.

    Args:
        known: (m,) ascending, no NaN.
        values: (n,) float, NaN where missing.

    Returns:
        (n,) in [0, 1]; NaN where missing, or where nothing is known.
    """
    below = np.searchsorted(known, values, side="left")
    share = (below + np.searchsorted(known, values, side="right")) / (2 * max(len(known), 1))
    return np.where(np.isnan(values) | (len(known) == 0), np.nan, share)


def mean_of_known(
    columns: Sequence[np.ndarray], weights: Sequence[float] | None = None
) -> np.ndarray:
    """(n,) weighted mean of the values that each row has; NaN for rows without any.

    It is summed column by column, so that no row's rounding depends on the other rows.

    Args:
        columns: (n,) each, NaN where missing; at least one.
        weights: One for each; 1 by default.
    """
    total = np.zeros(len(columns[0]))
    weight_there = np.zeros_like(total)
    for values, weight in zip(columns, weights or [1.0] * len(columns), strict=True):
        there = ~np.isnan(values)
        total[there] += weight * values[there]
        weight_there[there] += weight
    return np.divide(total, weight_there, out=np.full_like(total, np.nan), where=weight_there > 0)


def consensus(
    columns: Mapping[str, np.ndarray],
    directions: Mapping[str, Direction],
    *,
    weights: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Mean percentile rank over the metrics; in [0, 1], higher is better.

    quality_i = sum_m w_m p_m(i) / sum_m w_m, over the metrics m that row i has. Ranks make
    metrics of different scales comparable without any fitted constant, and no outlier can
    dominate. A row that lacks a metric is judged by the others; it is neither punished nor
    helped.

    Args:
        columns: Name to (n,) float values, NaN where missing.
        directions: Name to declared direction. A column with ``"none"`` does not count.
        weights: Name to weight, 0 or more; 1 where not given.

    Returns:
        (n,) float64; NaN for rows that lack every metric.

    Raises:
        BadInputError: If no column counts, a direction is unknown, lengths differ, or a weight is
            negative or names no column that counts.
    """
    weights = dict(weights or {})
    counting = [name for name in columns if _direction(name, directions) != "none"]
    for name, weight in weights.items():
        if name not in counting:
            raise BadInputError(
                f"a weight is given for {name!r}, which does not count in the consensus",
                _suggestion(name, counting),
            )
        if not (np.isfinite(weight) and weight >= 0):
            raise BadInputError(f"the weight of {name!r} is {weight}", "Give a number from 0 up.")
    counting = [name for name in counting if weights.get(name, 1.0) > 0]
    if not counting:
        raise BadInputError(
            "no column has a direction and a weight: there is nothing to make a consensus of",
            "Score with a metric that declares one, or rank by one column.",
        )
    lengths = {len(columns[name]) for name in counting}
    if len(lengths) > 1:
        raise BadInputError("the columns differ in length", "Give one value per row in each.")
    names = sorted(counting)
    return mean_of_known(
        [percentile_ranks(columns[name], directions[name]) for name in names],
        [weights.get(name, 1.0) for name in names],
    )


def _direction(name: str, directions: Mapping[str, Direction]) -> Direction:
    if directions.get(name) not in ("higher", "lower", "none"):
        raise BadInputError(
            f"the direction of {name!r} is {directions.get(name)!r}",
            "Declare it as higher, lower or none.",
        )
    return directions[name]


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"These count: {', '.join(known)}."
