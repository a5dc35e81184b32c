"""What the report of a pruned corpus shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pickwell.config import PruneConfig
from pickwell.prune_balance import balance
from pickwell.prune_corpus import Corpus
from pickwell.prune_job import prune_pictures
from pickwell.prune_page import SHOWN, _galleries
from pickwell.prune_plots import probe_curve
from pickwell.prune_probes import probe_blocks
from selector.prune.pilot import NO_CLASSES, Pilot, Trial

ROWS = 400


@pytest.fixture(scope="module")
def pictures():
    """Pictures of two classes that are known by their vectors alone."""
    rng = np.random.default_rng(0)
    return Corpus(
        np.array([f"row-{n}" for n in range(ROWS)], object), [None] * ROWS, Path(),
        rng.standard_normal((ROWS, 6)), np.arange(ROWS) % 2, ["even", "odd"],
        np.arange(ROWS, dtype=np.uint64), None,
    )  # fmt: skip


def probes(*sizes, spread=0.1):
    """Two seeds of each strategy at half the data, right 0.5 and 0.5 + spread of the time."""
    return Pilot("random", "", tuple(
        Trial(strategy, rows / sizes[-1], rows, rows // 2, 0.5, 10, seed, 0.5 + spread * seed)
        for rows in sizes for strategy in ("hard", "easy", "random") for seed in range(2)
    ))  # fmt: skip


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn with bars: axes, label, places and the two ends of the bars."""
    matplotlib = pytest.importorskip("matplotlib.axes")
    found = []
    whole = matplotlib.Axes.errorbar

    def noted(self, x, y, yerr, **given):
        found.append((self, given["label"], x, y, yerr))
        return whole(self, x, y, yerr, **given)

    monkeypatch.setattr(matplotlib.Axes, "errorbar", noted)
    return found


def test_accuracies_are_drawn_with_their_intervals(drawn):
    assert "not held out" in probe_curve(probes(100, spread=0.02))
    labels = [label for _, label, *_ in drawn]
    assert {name: labels.count(name) for name in labels} == {"hard": 2, "easy": 2, "random": 1}
    near = pytest.approx([12.7062], rel=1e-4)  # s = 1.414 %, t(0.975, 1) = 12.706
    for axes, _, at, value, (down, up) in drawn:
        if axes is drawn[0][0]:
            assert (at, value, down, up) == ([0.5], [pytest.approx(51)], near, near)


def test_bars_of_accuracies_end_at_nothing_and_at_everything(drawn):
    probe_curve(probes(100, spread=0.4))
    _, _, _, value, ends = drawn[0]
    assert (value, ends) == ([pytest.approx(70)], [[pytest.approx(70)], [pytest.approx(30)]])


@pytest.mark.parametrize("sizes", [(116,), (100, 300, 1000)])
def test_sizes_are_drawn_where_they_are(drawn, sizes):
    """Strategies stand beside each other by points on the page, never by false numbers."""
    probe_curve(probes(*sizes))
    right = [entry for entry in drawn if entry[0] is not drawn[0][0]]
    axes = right[0][0]
    assert [at for _, _, at, *_ in right] == [list(sizes)] * 2
    assert axes.get_xticks().tolist() == list(sizes) and not len(axes.get_xticks(minor=True))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [f"{n:,}" for n in sizes]
    low, high = axes.get_xlim()
    assert low < sizes[0] <= sizes[-1] < high and low * high == pytest.approx(sizes[0] * sizes[-1])
    places = [line.get_transform().transform((sizes[0], 0))[0] for line in axes.lines[:2]]
    assert 0 < places[1] - places[0] < 12  # side by side, by a hand's breadth of points


def test_the_legend_covers_no_axes(drawn):
    probe_curve(probes(116))
    figure = drawn[0][0].figure
    (legend,) = figure.legends
    box = legend.get_window_extent()
    for axes in figure.axes:
        assert axes.get_legend() is None and not box.overlaps(axes.bbox)


def test_the_table_of_the_probes_goes_by_size_and_by_kept_fraction():
    """The fraction asked for, 0.5, comes first in the trials and in its place in the table."""
    trials = [
        Trial(strategy, rows / 1000, rows, rows // 2, fraction, 10, seed, 0.5)
        for rows, fraction in ((100, 0.5), (1000, 0.5), (1000, 0.2), (1000, 0.8))
        for strategy in ("hard", "easy", "random") for seed in range(2)
    ]  # fmt: skip
    blocks = probe_blocks(Pilot("random", "", tuple(trials)))
    assert [(b["share"], b["whole"], b["pictures"]) for b in blocks] == [
        ("100 %", True, 1000), ("10 %", False, 100)
    ]  # fmt: skip
    asked = [(row["fraction"], row["strategy"]) for row in blocks[0]["rows"]]
    assert asked == [(f, s) for f in (0.2, 0.5, 0.8) for s in ("hard", "easy", "random")]
    part = probe_blocks(Pilot("random", "", tuple(trials), 8000))
    assert [(b["share"], b["whole"]) for b in part] == [("12.5 %", False), ("1.25 %", False)]


def pruned(pictures, **options):
    given = {"keep": 0.5, "robust": False, "probe": "none", "prototypes": 4}
    settings = PruneConfig(**given | options)
    return prune_pictures(pictures, Path(), settings, lambda *said: None)


@pytest.mark.parametrize("strategy", ["hard", "easy", "random", "moderate"])
def test_a_strategy_that_was_given_is_told_with_its_verdict_or_that_there_is_none(
    pictures, strategy
):
    given = {"strategy": strategy, "probe": "knn", "probe_seeds": 2}
    made = pruned(pictures, **given)
    assert made.strategy == strategy and made.why.startswith(f"--strategy {strategy} was given. ")
    assert made.why.endswith(made.pilot.verdict(strategy))
    assert f"keep {'hard' if strategy == 'random' else strategy} " in made.why
    what = "hard or easy is" if strategy == "random" else "it is"
    for corpus, change, reason in (
        (pictures, {"probe": "none"}, "--probe none was given; without it probes test it"),
        (replace(pictures, classes=None, class_names=[]), {}, NO_CLASSES),
    ):
        why = pruned(corpus, **given | change).why
        assert why.endswith(
            f"Whether {what} better than random was not tested on this corpus, as {reason}."
        )


def test_the_galleries_of_random_are_drawn(pictures):
    made = pruned(pictures, strategy="random")
    stays, goes = _galleries(pictures, made, 0)
    assert len(set(stays)) == len(set(goes)) == SHOWN
    assert set(stays) <= set(made.pruned.kept.rows) and set(goes) <= set(made.pruned.kept.removed)
    distance = made.pruned.prototypes.distance
    nearest = np.sort(distance[made.pruned.kept.removed])[:SHOWN]
    assert np.median(distance[goes]) > nearest.max()
    assert _galleries(pictures, made, 0) == (stays, goes) != _galleries(pictures, made, 1)


def test_the_galleries_of_a_ranking_are_its_ends(pictures):
    made = pruned(pictures, strategy="hard", balance=0)
    stays, goes = _galleries(pictures, made, 0)
    distance = made.pruned.prototypes.distance
    np.testing.assert_array_equal(distance[stays], np.sort(distance)[::-1][:SHOWN])
    np.testing.assert_array_equal(distance[goes], np.sort(distance)[:SHOWN])
    assert _galleries(pictures, replace(made, strategy="random"), 0) != (stays, goes)


def test_classes_and_clusters_before_and_after(pictures):
    made = pruned(pictures, strategy="hard")
    stays = np.isin(np.arange(ROWS), made.pruned.kept.rows)
    classes, clusters = balance(pictures, made, stays)
    assert (classes["noun"], clusters["noun"]) == ("class", "cluster")
    assert {line["name"] for line in classes["groups"]} == {"even", "odd"}
    assert {line["floor"] for line in classes["groups"]} == {50}
    assert len(clusters["groups"]) == 4 and {line["floor"] for line in clusters["groups"]} == {None}
    for kind in (classes, clusters):
        assert sum(line["before"] for line in kind["groups"]) == ROWS
        assert sum(line["after"] for line in kind["groups"]) == ROWS // 2
    unlabelled = replace(pictures, classes=None, class_names=[])
    (only,) = balance(unlabelled, pruned(unlabelled, strategy="hard"), stays)
    assert only["noun"] == "cluster" and all(line["floor"] == 25 for line in only["groups"])
    (means,) = balance(pictures, pruned(pictures, strategy="hard", supervised=True), stays)
    assert means["noun"] == "class"


@pytest.mark.parametrize(("many", "between"), [(30, None), (31, "1 other"), (45, "15 others")])
def test_rows_of_the_balance_add_up(pictures, many, between):
    """Of many classes those between the ends share a row; what has no class has one, too."""
    classes = np.arange(ROWS) % many
    classes[:7] = -1
    of_many = replace(pictures, classes=classes, class_names=[f"c{n}" for n in range(many)])
    made = pruned(of_many, strategy="hard")
    stays = np.isin(np.arange(ROWS), made.pruned.kept.rows)
    table = balance(of_many, made, stays)[0]
    rows, total = table["groups"], table["total"]
    assert (total["before"], total["after"], total["share"]) == (ROWS, ROWS // 2, 0.5)
    for column in ("before", "after"):
        assert sum(row[column] for row in rows) == total[column]
    assert rows[-1] | {"share": 0} == {
        "name": "no class", "before": 7, "after": int(stays[:7].sum()), "share": 0, "floor": None
    }  # fmt: skip
    assert len(rows) == 31 + (between is not None)
    assert table["ends"] == (15 if between else 0)
    if between:
        assert rows[15]["name"] == f"... and {between}"
        shares = [row["share"] for row in rows[:-1]]
        assert max(shares[:15]) <= shares[15] <= min(shares[16:])
    assert total["floor"] == sum(made.pruned.kept.floors.values())
