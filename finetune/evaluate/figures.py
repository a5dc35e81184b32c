"""From rows to figures: which samples count in what, and how sure the number is."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from finetune.evaluate import short_answers
from finetune.evaluate.bootstrap import (
    Estimate,
    bootstrap,
    mean,
    never,
    ratio,
    ratio_difference,
)
from finetune.evaluate.plan import Options
from finetune.evaluate.result import Difference, Direction, Figure
from finetune.evaluate.two_choice import prefers

Columns = dict[str, np.ndarray]
Parts = Callable[[Columns], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a figure is made: a numerator and a denominator per row, NaN where it does not count."""

    name: str
    unit: str
    direction: Direction
    what: str
    parts: Parts
    chance: float | None = None


def _per_row(name: str) -> Parts:
    return lambda c: (c[name], np.ones(len(c[name])))


def _weighted(name: str, tokens: str) -> Parts:
    return lambda c: (c[name] * c[tokens], c[tokens])


def _preferred(right: str, wrong: str) -> Callable[[Columns], np.ndarray]:
    def choose(columns: Columns) -> np.ndarray:
        pairs = zip(columns[right].tolist(), columns[wrong].tolist(), strict=True)
        seen = _in_choice(columns)
        values = [prefers(*p) if all(map(math.isfinite, p)) else math.nan for p in pairs]
        return np.where(seen, values, math.nan)

    return choose


def _in_choice(columns: Columns) -> np.ndarray:
    """Rows scored in all four ways, so that seeing and blind are about the same samples.

    Data without any image are compared by text alone.
    """
    ways = ("", "blind_") if np.isfinite(columns["blind_right_mean"]).any() else ("",)
    names = [f"{way}{side}_mean" for way in ways for side in ("right", "wrong")]
    return np.all([np.isfinite(columns[name]) for name in names], axis=0)


def _choice(blind: str, kind: str) -> Parts:
    choose = _preferred(f"{blind}right_{kind}", f"{blind}wrong_{kind}")
    return lambda c: (choose(c), np.ones(len(c["nll"])))


def _gain(kind: str) -> Parts:
    seeing, blind = _choice("", kind), _choice("blind_", kind)
    return lambda c: (seeing(c)[0] - blind(c)[0], np.ones(len(c["nll"])))


def _shorter(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    pairs = zip(columns["tokens"].tolist(), columns["wrong_tokens"].tolist(), strict=True)
    values = [prefers(-a, -b) if math.isfinite(a + b) else math.nan for a, b in pairs]
    return np.where(_in_choice(columns), values, math.nan), np.ones(len(values))


def _unfinished(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    counted = np.where(np.isfinite(columns["exact"]), 1 - columns["finished"], math.nan)
    return counted, np.ones(len(counted))


def _kinds(options: Options) -> tuple[_Kind, ...]:
    without = "without the image" if options.blind == "without" else "with a blank image"
    cut = f"{options.cut:g}"
    return (
        _Kind("nll", "nats/token", "lower", "Negative log-likelihood of held-out responses, the "
              "end of the turn included, over all tokens.", _weighted("nll", "tokens")),
        _Kind("nll_per_sample", "nats/token", "lower", "The same, each sample's mean counting "
              "alike, long or short.", _per_row("nll")),
        _Kind("nll_text", "nats/token", "lower", "Over all tokens but those that end a turn.",
              _weighted("text_nll", "text_tokens")),
        _Kind("nll_image_gain", "nats/token", "higher", "How much the image helps: the mean per "
              f"sample {without} minus that with it.",
              lambda c: (c["blind_nll"] - c["nll"], np.ones(len(c["nll"])))),
        _Kind("two_choice_mean", "share", "higher", "The right response has the higher "
              "log-probability per token than a wrong one.", _choice("", "mean"), 0.5),
        _Kind("two_choice_mean_blind", "share", "higher", f"The same choice {without}: what "
              "text alone gives away.", _choice("blind_", "mean"), 0.5),
        _Kind("two_choice_mean_image_gain", "share", "higher", "With the image minus "
              "without seeing it, sample by sample.", _gain("mean")),
        _Kind("two_choice_total", "share", "higher", "The right response has the higher total "
              "log-probability; every further token lowers a total, so this favours short "
              "responses.", _choice("", "total"), 0.5),
        _Kind("two_choice_total_blind", "share", "higher", f"The same choice {without}.",
              _choice("blind_", "total"), 0.5),
        _Kind("two_choice_total_image_gain", "share", "higher", "With the image minus "
              "without seeing it, sample by sample.", _gain("total")),
        _Kind("two_choice_shorter", "share", "none", "How often the right response is the one "
              "with fewer tokens (a tie counts half): what choosing the shorter one reaches "
              "without any model.", _shorter, 0.5),
        _Kind("exact", "share", "higher", "Generated answers equal to the reference of at most "
              f"{options.short_words} words, after normalisation.", _per_row("exact")),
        _Kind("contained", "share", "higher", "The reference stands in the answer; long answers "
              "reach this more easily.", _per_row("contained")),
        _Kind("contained_cut", "share", "higher", f"The reference stands in the answer's first "
              f"{cut} x as many words as the reference has.", _per_row("contained_cut")),
        _Kind("output_words", "words", "none", "Mean length of the generated short answers.",
              _per_row("output_words")),
        _Kind("reference_words", "words", "none", "Mean length of their references.",
              _per_row("reference_words")),
        _Kind("unfinished", "share", "none", f"Short answers still going on at the limit of "
              f"{options.max_new_tokens} tokens.", _unfinished),
    )  # fmt: skip


def figures(
    rows: pa.Table, clusters: Sequence[Hashable], options: Options, *, names: Sequence[str] = ()
) -> dict[str, Figure]:
    """All figures of one model.

    Args:
        rows: As :func:`finetune.evaluate.rows.make_rows` gives them.
        clusters: Labels of the rows; equal ones are drawn together.
        options: Resamples and seed.
        names: Only these; all if empty.
    """
    columns = _columns(rows)
    by_chance = _chance(rows, options) if not names or set(names) & set(_SHORT) else {}
    made = {}
    for kind in _kinds(options):
        if names and kind.name not in names:
            continue
        found = _estimate(kind, columns, clusters, options)
        made[kind.name] = Figure(
            kind.name, _known(found.value), _known(found.low), _known(found.high),
            found.samples, found.clusters, kind.unit, kind.direction, kind.what,
            _known(by_chance.get(kind.name, kind.chance)),
        )  # fmt: skip
    return made


def by_source(
    rows: pa.Table, clusters: Sequence[Hashable], options: Options
) -> dict[str, dict[str, Figure]]:
    """The main figures of each source, where there are two to fifty of them."""
    names = rows["source"].to_pylist()
    sources = sorted(set(names))
    if not 2 <= len(sources) <= 50:
        return {}
    found = {}
    for source in sources:
        places = [place for place, name in enumerate(names) if name == source]
        labels = [clusters[place] for place in places]
        found[source] = figures(rows.take(places), labels, options, names=_MAIN)
    return found


def differences(
    rows: pa.Table, baseline: pa.Table, clusters: Sequence[Hashable], options: Options
) -> dict[str, Difference]:
    """Model minus baseline, paired: both from the same resamples of the same samples."""
    one, two = _columns(rows), _columns(baseline)
    made = {}
    for kind in _kinds(options):
        if kind.name in ("two_choice_shorter", "reference_words"):
            continue
        parts = np.column_stack([*kind.parts(one), *kind.parts(two)])
        counts = np.isfinite(parts).all(axis=1)
        found = _bootstrap(parts[counts], _where(clusters, counts), ratio_difference, options)
        same = kind.unit == "share" and (parts[counts][:, 0] == parts[counts][:, 2]).all()
        if same and found.low is not None:
            # Resampling cannot move a difference that never occurred; it is not certain for that.
            far = never(found.clusters)
            found = replace(found, low=-far, high=far)
        made[kind.name] = Difference(
            kind.name, _known(found.value), _known(found.low), _known(found.high),
            found.samples, found.clusters, kind.unit, kind.direction,
            _verdict(found, kind.direction),
        )  # fmt: skip
    return made


def same_tokens(rows: pa.Table, baseline: pa.Table) -> bool:
    """Whether both models cut every response into as many tokens."""
    one, two = _columns(rows)["tokens"], _columns(baseline)["tokens"]
    both = np.isfinite(one) & np.isfinite(two)
    return bool((one[both] == two[both]).all())


_FEWEST = 6
"""Fewest images for a verdict: five on one side happen by chance alone once in sixteen times."""
_MAIN = ("nll", "two_choice_mean", "two_choice_mean_blind")
_SHORT = ("exact", "contained", "contained_cut")


def _estimate(
    kind: _Kind, columns: Columns, clusters: Sequence[Hashable], options: Options
) -> Estimate:
    top, bottom = kind.parts(columns)
    counts = np.isfinite(top) & np.isfinite(bottom)
    labels = _where(clusters, counts)
    if kind.unit == "share":
        found = mean(top[counts], labels, draws=options.draws, seed=options.seed)
        if kind.name.endswith("_gain") and not top[counts].any() and found.high is not None:
            return replace(found, low=-found.high)  # a gain may also be a loss
        return found
    return _bootstrap(np.column_stack([top, bottom])[counts], labels, ratio, options)


def _bootstrap(
    parts: np.ndarray,
    clusters: Sequence[Hashable],
    statistic: Callable[[np.ndarray], np.ndarray],
    options: Options,
) -> Estimate:
    return bootstrap(parts, clusters, statistic, draws=options.draws, seed=options.seed)


def _where(clusters: Sequence[Hashable], counts: np.ndarray) -> list[Hashable]:
    return [label for label, count in zip(clusters, counts.tolist(), strict=True) if count]


def _columns(rows: pa.Table) -> Columns:
    """Numeric columns as float64, NaN where null."""
    found = {}
    for field in rows.schema:
        column = rows[field.name]
        if pa.types.is_boolean(field.type):
            column = column.cast(pa.int8())
        if not pa.types.is_string(field.type):
            values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            found[field.name] = np.array(values, np.float64)
    return found


def _chance(rows: pa.Table, options: Options) -> dict[str, float]:
    """Chance levels of the short answers, from shuffled references."""
    names = ["id", "source", "reference", "generated", "exact"]
    table = [row for row in rows.select(names).to_pylist() if row["exact"] is not None]
    return short_answers.chance(
        [row["generated"] for row in table],
        [row["reference"] for row in table],
        [row["id"] for row in table],
        [row["source"] for row in table],
        cut=options.cut,
        seed=options.seed,
    )


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _verdict(
    found: Estimate, direction: Direction
) -> Literal["better", "worse", "different", "no difference shown", "not known"]:
    if found.low is None or found.high is None or found.clusters < _FEWEST:
        return "not known"
    if found.low <= 0 <= found.high:
        return "no difference shown"
    if direction == "none":
        return "different"
    return "better" if (found.low > 0) == (direction == "higher") else "worse"
