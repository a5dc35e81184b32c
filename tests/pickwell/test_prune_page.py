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
from selector.prune.pilot import Pilot, Trial

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


def test_accuracies_are_drawn_with_their_intervals(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib.axes")
    drawn = {}
    whole = matplotlib.Axes.errorbar

    def noted(self, x, y, yerr, **given):
        drawn.setdefault(given["label"], []).append((y, yerr))
        return whole(self, x, y, yerr, **given)

    monkeypatch.setattr(matplotlib.Axes, "errorbar", noted)
    trials = [
        Trial(strategy, 1.0, 100, 50, 0.5, 10, seed, 0.5 + 0.1 * seed)
        for strategy in ("hard", "easy", "random") for seed in range(2)
    ]  # fmt: skip
    assert "not held out" in probe_curve(Pilot("random", "", tuple(trials), 100))
    assert {name: len(found) for name, found in drawn.items()} == {
        "hard": 2, "easy": 2, "random": 1
    }  # fmt: skip
    for found in drawn.values():
        assert found[0] == ([pytest.approx(55)], [pytest.approx(63.531, rel=1e-4)])


def pruned(pictures, **options):
    given = {"keep": 0.5, "robust": False, "probe": "none", "prototypes": 4}
    settings = PruneConfig(**given | options)
    return prune_pictures(pictures, Path(), settings, lambda *said: None)


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
