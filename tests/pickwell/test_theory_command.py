"""``pickwell theory``: the tables, the files, and what is refused."""

import csv
import json

import pytest

QUICK = ("--alpha", "2", "--fraction", "1,0.5", "--theta", "0")


def test_tables(pickwell_here):
    done = pickwell_here("theory", "--alpha", "2", "--fraction", "1,0.5", "--theta", "0,20")
    assert done.returncode == 0, done.stderr
    for number in ("18.85", "13.61", "18.01", "at 0.01*", "0.5: 5.0"):
        assert number in done.stdout, number
    assert "keep hard, probe 20° off" in done.stdout
    lines = [line for line in done.stdout.splitlines() if " at " in line]
    assert len({line.index(" at ") for line in lines}) == 1  # columns stand below each other


def test_rows_are_told_as_soon_as_they_are_known(monkeypatch):
    import threadpoolctl

    from pickwell import theory_job

    said, threads = [], set()
    solve = theory_job.solve

    def noted(alpha, fraction, **options):
        said.append(f"solve {alpha:g} {fraction:g}")
        threads.update(lib["num_threads"] for lib in threadpoolctl.threadpool_info()
                       if lib["user_api"] == "blas")  # fmt: skip
        return solve(alpha, fraction, **options)

    monkeypatch.setattr(theory_job, "solve", noted)
    made = theory_job.theory(
        alphas=[1, 2], fractions=[1, 0.5], thetas=[0],
        on_row=lambda theta, row, best: said.append(f"row {len(row)} at {best.alpha:g}"),
        on_angle=lambda theta, found: said.append(f"angle {theta:g}: {list(found)}"),
    )  # fmt: skip
    assert said == [
        "solve 1 1", "solve 1 0.5", "row 2 at 1", "solve 2 1", "solve 2 0.5", "row 2 at 2",
        "angle 0: [0.5]",
    ]  # fmt: skip
    assert len(made.points) == 4 and threads == {1}


def test_keep_easy_and_students_beside(pickwell_here):
    words = ("--alpha", "1", "--fraction", "0.5", "--theta", "0", "--keep", "easy")
    done = pickwell_here("theory", *words, "--simulate", 3, "--dimension", 100)
    assert done.returncode == 0, done.stderr
    assert "18.18 (1" in done.stdout and "3 trained students in 100 dimensions" in done.stdout


@pytest.fixture
def few(monkeypatch):
    import numpy as np

    from pickwell import theory_plots

    monkeypatch.setattr(theory_plots, "ALPHAS", np.array([1.0, 4.0]))
    monkeypatch.setattr(theory_plots, "FRONTIER_ALPHAS", np.array([1.0, 4.0]))
    monkeypatch.setattr(theory_plots, "CROSSED", np.array([0.3, 0.7]))


def test_files(pickwell_here, tmp_path, few):
    words = ("--alpha", "2", "--fraction", "1,0.5", "--theta", "0,40", "--simulate", 2)
    done = pickwell_here("theory", *words, "--dimension", 60, "--out", "theory")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "theory"
    record = json.loads((folder / "theory.json").read_text())
    assert record["parameters"]["thetas"] == [0, 40] and len(record["points"]) == 4
    pruned = record["points"][1]
    assert pruned["error"] == pytest.approx(0.13610, abs=5e-5)
    assert pruned["margin"] == pytest.approx(0.25015, abs=1e-4)
    assert pruned["alpha_total"] == 4 and 0 < pruned["simulated_error"] < 0.5
    assert record["best"][0]["at_bound"] and record["hard_from"][0]["alpha_total"] > 5
    rows = list(csv.DictReader((folder / "theory.csv").open()))
    assert [float(row["error"]) for row in rows] == [p["error"] for p in record["points"]]
    first, second = ((folder / f"figure{n}.svg").read_text() for n in (1, 2))
    assert "keep easy, perfect probe" in first and "the better of the two" in first
    assert "keep hard, probe 40° off" in second and "the best fraction" in second
    again = pickwell_here("theory", *words, "--dimension", 60, "--out", "again")
    assert again.returncode == 0
    for name in ("theory.json", "theory.csv", "figure1.svg", "figure2.svg"):
        assert (tmp_path / "again" / name).read_text() == (folder / name).read_text()


def test_a_perfect_probe_alone_has_one_figure(pickwell_here, tmp_path, few):
    assert pickwell_here("theory", *QUICK, "--out", "one").returncode == 0
    assert not (tmp_path / "one" / "figure2.svg").exists()


@pytest.mark.parametrize(
    "words",
    [("--alpha", "two"), ("--alpha", "0"), ("--alpha", ","), ("--fraction", "1.5"),
     ("--theta", "100"), ("--keep", "best"), ("--smallest", "0")],
)  # fmt: skip
def test_wrong_words_end_with_two(pickwell_here, words):
    done = pickwell_here("theory", *QUICK, *words)
    assert done.returncode == 2 and "Error:" in done.stderr


def test_without_matplotlib_it_says_so(pickwell_here, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = pickwell_here("theory", *QUICK, "--out", "none")
    assert done.returncode == 2 and "matplotlib" in done.stderr
    assert not (tmp_path / "none").exists()
