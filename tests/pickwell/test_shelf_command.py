"""`pickwell methods`, `prune --by` and `benchmark` as a person types them."""

import json

import pytest

from data_cards import BadInputError
from pickwell.benchmark_job import benchmark
from pickwell.prune_job import prune
from pickwell.selection_files import open_selection
from selector.coreset import methods
from tests.pickwell.test_prune_command import COLOURS, draw


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three classes of 30, one broken file."""
    home = tmp_path_factory.mktemp("shelf")
    for kind in COLOURS:
        (home / kind).mkdir()
        for number in range(30):
            draw(kind, number).save(home / kind / f"{number:02}.png")
    (home / "ring" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return home


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_pruned_by_a_method(pictures, cache, pickwell_here, tmp_path):
    words = ("--cache", cache, "--keep", "0.4", "--by", "d2:forgetting:gamma=0.5,neighbours=3")
    done = pickwell_here("prune", pictures, "--out", "kept", *words)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "kept"
    assert len((folder / "kept.txt").read_text().splitlines()) == 36
    selection = open_selection(folder)
    assert selection.funnel()["failed"] == 1 and selection.funnel()["chosen"] == 36
    reason = selection.table["reason"][0].as_py()
    assert "kept by d2:forgetting:gamma=0.5,neighbours=3: pick 1 of 36; gain" in reason
    page = (folder / "report.html").read_text()
    assert "by d2:forgetting" in page and "No probe was trained" in page
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (
        manifest["parameters"]["gamma"] == 0.5 and manifest["parameters"]["score"] == "forgetting"
    )
    command = (folder / "README.md").read_text()
    assert "--by d2:forgetting:gamma=0.5,neighbours=3" in command and "--strategy" not in command


@pytest.mark.parametrize("name", sorted(methods()))
def test_every_method_prunes(pictures, cache, tmp_path, name):
    made = prune(pictures, tmp_path / "o", cache=cache, by=name, per_class=4)
    ids = made.pruned.selection.ids
    assert len(ids) == 12
    assert [sum(i.startswith(kind) for i in ids) for kind in sorted(COLOURS)] == [4, 4, 4]


def test_options_that_mean_nothing_are_refused(pictures, cache, tmp_path):
    for options, words in (
        ({"by": "ccs", "strategy": "hard"}, "--strategy means nothing with --by"),
        ({"by": "ccs", "duplicates": 0.9}, "--duplicates means nothing"),
        ({"per_class": 3}, "--per-class means nothing without --by"),
        ({"by": "herding:el2n"}, "ranks by no score"),
        ({"by": "hardest:el3n"}, "there is no score 'el3n'"),
        ({"by": "semdedup:greedy=maybe"}, "'semdedup': greedy is 'maybe'"),
        ({"by": "herding", "per_class": 31}, "class bar has .* fewer than the 31 of each"),
    ):
        with pytest.raises(BadInputError, match=words):
            prune(pictures, tmp_path / "o", cache=cache, **options)
        assert not (tmp_path / "o").exists()


def test_a_benchmark_refuses_what_cannot_be_before_it_looks_for_pictures(tmp_path):
    for options, words in (
        ({"methods": "herding,ccs:strata=2.5"}, "'ccs': strata is 2.5"),
        ({"methods": "hardest:influence"}, "no method ranks by influence"),
        ({"methods": "herding", "score": "auum"}, "there is no score 'auum'"),
    ):
        with pytest.raises(BadInputError, match=words):
            benchmark(tmp_path / "nowhere", tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()


def test_a_benchmark_is_kept_and_goes_on(pictures, cache, pickwell_here, tmp_path):
    words = ("--methods", "herding,hardest:forgetting,ccs", "--fractions", "0.3", "--per-class", 5)
    words += ("--seeds", 2, "--epochs", 4, "--cache", cache)
    done = pickwell_here("benchmark", pictures, "--out", "b", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "b" / "benchmark.json").read_text())
    assert told["pictures"] == 90
    assert len(told["outcomes"]) == 2 * 2 * 4 * 2  # seeds, budgets, methods, rules
    assert {line["method"] for line in told["lines"]} == {
        "herding", "hardest:forgetting", "ccs:el2n", "random"
    }  # fmt: skip
    assert {line["count"] for line in told["lines"]} == {15.0, round(0.3 * 72)}
    page = (tmp_path / "b" / "README.md").read_text()
    assert "equal epochs" in page.lower() and "| herding |" in page
    assert "<svg" in (tmp_path / "b" / "benchmark.svg").read_text()
    outcomes = (tmp_path / "b" / "trainings" / "outcomes.json").read_text()
    again = pickwell_here("benchmark", pictures, "--out", "b", *words)
    assert again.returncode == 0
    assert (tmp_path / "b" / "trainings" / "outcomes.json").read_text() == outcomes
    other = pickwell_here("benchmark", pictures, "--out", "b", *words, "--epochs", 5)
    assert other.returncode == 2 and "another plan" in other.stderr


@pytest.mark.parametrize("network", [{"model": "convnet", "width": 4}, {"model": "resnet18"}])
def test_networks_on_pixels(pictures, cache, tmp_path, network):
    made = benchmark(
        pictures, tmp_path / "b", cache=cache, methods="hardest:aum", fractions=[0.5], seeds=1,
        **network, side=16, epochs=1, score_runs=1,
    )  # fmt: skip
    assert [line.verdict for line in made.lines if line.method != "random"] == [
        "one seed: cannot be told"
    ] * 2


def test_a_corpus_without_classes(tmp_path, cache):
    (tmp_path / "plain").mkdir()
    for number in range(3):
        draw("box", number).save(tmp_path / "plain" / f"{number}.png")
    with pytest.raises(BadInputError, match="says nothing of any"):
        benchmark(tmp_path / "plain", tmp_path / "out", cache=cache)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(BadInputError, match="something else than a benchmark"):
        benchmark(tmp_path / "plain", tmp_path / "mine", cache=cache)
