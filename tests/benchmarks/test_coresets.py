"""The benchmark of the shelf, tiny: every question by itself, orderings and limits judged."""

import json

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from benchmarks.coresets import __main__ as command
from benchmarks.coresets import page, plain, questions, speed, supplied, supplied_network


def few_digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels, labels = (data.data / 16).astype(np.float32), data.target.astype(np.int64)
    return pixels[:300], labels[:300], pixels[300:500], labels[300:500]


def test_supplied_numbers_are_judged_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(supplied, "digits", few_digits)
    made = supplied.supplied(tmp_path / "s", lambda line: None, draws=2, per_class=(1, 5))
    asked = {(one["what"], one["per_class"]) for one in made["orderings"]}
    for what, count in (
        ("herding above random", 5), ("k-center equals herding", 1),
        ("inverted herding below everything", 1), ("moderate level with random", 5),
    ):  # fmt: skip
        assert (what, count) in asked
    assert made["accuracy"]["herding, inverted"][5]["mean"] > 0
    (tmp_path / "coresets").mkdir()
    told = {"answer": json.loads(json.dumps(made)), "minutes": 0.1, "cores": 2}
    (tmp_path / "coresets" / "supplied.json").write_text(json.dumps(told))
    page.write_page(tmp_path)
    text = (tmp_path / "coresets.md").read_text()
    assert "| herding, inverted |" in text and "supplied orderings appear" in text


def found(**means):
    return {
        name: {count: {"mean": mean, "spread": 1.0} for count, mean in by.items()}
        for name, by in means.items()
    }


def test_orderings_by_hand():
    full = {1: 40.0, 5: 60, 10: 70, 50: 86, 100: 88.5}
    better = {n: m + 2 for n, m in full.items()}
    worse = {n: m - 2 for n, m in full.items()}
    made = {
        "random": full, "herding": {**better, 50: 87.5}, "facility-location": {**better, 50: 88.5},
        "k-center": {**worse, 1: 42.0}, "hardest:el2n": worse, "easiest:el2n": worse,
        "moderate": {1: 41.0, 5: 61, 10: 69, 50: 85, 100: 80},
        supplied.INVERTED: {n: m - 9 for n, m in full.items()},
    }  # fmt: skip
    given = supplied.orderings(found(**made), 91.2)
    missed = [(one["what"], one["per_class"]) for one in given if not one["holds"]]
    assert missed == [("facility location not yet within 3 of the full set", 50)]


def test_orderings_of_the_network_by_hand():
    made = found(**{
        "random": {1: 50.0, 10: 90}, "herding on pixels": {1: 55.0, 10: 90},
        "herding on features": {1: 49.0, 10: 91}, "k-center on features": {1: 49.0, 10: 80},
    })  # fmt: skip
    assert [one["holds"] for one in supplied_network.orderings(made)] == [True, False, True]


def test_why_an_ordering_is_missed_comes_from_the_notes(tmp_path, monkeypatch):
    notes = tmp_path / "notes.toml"
    notes.write_text('[why]\n"a above b" = "the features are others"\n')
    monkeypatch.setattr(page, "NOTES", notes)
    one = {"per_class": 5, "gain": -1.0, "holds": False}
    told = page._verdict([{"what": "a above b", **one}, {"what": "c above d", **one}])
    assert "a above b at 5 per class (-1.0 points): the features are others" in told
    assert "c above d at 5 per class (-1.0 points): **not explained yet**" in told


def test_the_plain_way_picks_the_same():
    rows = np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32)
    told = plain.beside_plain(rows, 12)
    for one in told["methods"].values():
        assert one["same"] == 1.0 and one["plain_bytes"] > 120 * 120 * 4
        assert one["plain_seconds"] > 0 and one["ours_seconds"] > 0 and one["ours_bytes"] > 0


def asked_in_place(monkeypatch, known):
    monkeypatch.setattr(questions, "questions", lambda *a: known)
    app = Typer()
    app.command()(command.main)
    return lambda *words: CliRunner().invoke(app, list(map(str, words)))


def test_speed_is_judged_and_a_miss_ends_with_one(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "DIM", 16)
    made = {f"speed_{kind}": speed.speed(kind, 400) for kind in ("noise", "clusters")}
    for one in made.values():
        assert one["limit"] == 3.0 and len(one["methods"]) == 5
        assert all(told["ratio"] > 0 for told in one["methods"].values())
    known = {name: lambda name=name: made[name] for name in made}
    known["plain"] = lambda: speed.beside_all_pairs(200)
    for ratio, code in ((2.9, 0), (3.1, 1)):
        for one in made.values():
            for told in one["methods"].values():
                told["ratio"] = 2.9
        made["speed_noise"]["methods"]["herding (noise)"]["ratio"] = ratio
        run = asked_in_place(monkeypatch, known)
        done = run("--dir", tmp_path, "--out", tmp_path / "docs")
        assert done.exit_code == code, done.output
        text = (tmp_path / "docs" / "coresets.md").read_text()
        assert ("Over the limit: herding (noise)." in text) == bool(code)
        assert "Beside the plain n² way" in text and "| facility-location (clusters) |" in text


def test_a_question_that_fails_takes_no_other_with_it(tmp_path, monkeypatch):
    def broken():
        raise ValueError("no such picture")

    run = asked_in_place(
        monkeypatch, {"digits": broken, "speed": lambda: 1 / 0, "mnist": lambda: {"lines": []}}
    )
    monkeypatch.setattr(page, "_shelf", lambda name, *rest: f"### {name}")
    done = run("--dir", tmp_path, "--out", tmp_path / "docs")
    assert done.exit_code == 1
    assert "digits failed" in done.output and "no such picture" in done.output
    assert "failed: digits, speed" in done.output
    assert {path.name for path in (tmp_path / "docs" / "coresets").glob("*.json")} == {"mnist.json"}
    assert "### mnist" in (tmp_path / "docs" / "coresets.md").read_text()
    assert run("--only", "nothing", "--dir", tmp_path).exit_code == 2


@pytest.mark.slow
def test_digits_are_really_asked(tmp_path):
    docs = tmp_path / "docs"
    app = Typer()
    app.command()(command.main)
    words = ["--quick", "--dir", str(tmp_path), "--out", str(docs), "--only", "digits"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    answer = json.loads((docs / "coresets" / "digits.json").read_text())["answer"]
    assert answer["pictures"] == 1797 and {one["seeds"] for one in answer["lines"]} == {2}
    right = {
        (one["method"], one["budget"], one["rule"]): one["accuracy"] for one in answer["lines"]
    }
    assert len(right) == (len(questions.SHELF) + 1) * 3 * 2
    assert right["herding", "10 per class", "steps"] > right["random", "10 per class", "steps"]
    assert right["random", "30%", "steps"] > 0.8
    page_, full = (docs / "coresets.md").read_text(), (docs / "coresets" / "digits.md").read_text()
    for method in (*questions.SHELF, "random"):
        assert f"| {method}" in page_ and f"| {method} |" in full
    assert (docs / "coresets" / "digits.svg").read_text().count("points over random") == 1
