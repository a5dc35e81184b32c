"""`pickwell methods` as a person reads it, at a terminal of any width and in a pipe."""

import pytest

from finetune.reduce.scores import SCORES
from pickwell import console
from selector.coreset import methods


@pytest.fixture(params=[80, 140, 200])
def width(request, monkeypatch):
    monkeypatch.setattr(console.out, "_width", request.param)
    return request.param


def test_every_method_is_listed(pickwell_here, width):
    done = pickwell_here("methods")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for name in (*methods(), *SCORES, "influence"):
        assert any(line.startswith(f"{name} ") for line in lines), name
    assert max(map(len, lines)) <= width
    assert len(lines) < 85  # no column is so narrow that an entry is long
    assert "the mean: every prefix matches" in done.stdout
    assert ("1 to 10 of each" in done.stdout) == (width >= 140)
    assert ("O(nkd)" in done.stdout) == (width == 200)


def test_a_method_tells_its_options_and_where_it_is_used(pickwell_here, width):
    def told(name):
        done = pickwell_here("methods", name)
        assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= width
        return " ".join(done.stdout.split())

    page = told("ccs")
    assert "arXiv 2210.15809" in page and "one sort" in page and "labels are noisy" in page
    assert "cut=0.3 a number from 0, below 1: share of the rows, the hardest" in page
    assert "strata=50 a whole number from 1 to 10,000: how many strata" in page
    assert "prune --by ccs:SCORE benchmark --methods ccs:SCORE cost" in page
    page = told("d2")
    assert "select --diversity d2, where quality takes the place of a score" in page
    page = told("k-center")
    assert "selected only in Python: ids that count as picked before" in page
    assert "select --diversity k-center" in page
    assert "clusters=null a whole number from 1 up, or null" in told("semdedup")
    assert "options none" in told("easiest")
    page = told("forgetting")
    assert "arXiv 1812.05159" in page and "METHOD:forgetting" in page
    assert "only in Python: scoring.dynamics.subset_runs" in told("influence")


@pytest.mark.parametrize(("typed", "meant"), [("cc", "ccs"), ("HERDING", "herding")])
def test_what_was_meant_is_named(pickwell_here, typed, meant):
    done = pickwell_here("methods", typed)
    assert done.returncode == 2 and f"Did you mean {meant}?" in done.stderr
