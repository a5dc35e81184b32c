"""`pickwell benchmark` says what took no part, what is refused, what its columns are."""

import json
import re
import shutil

import pytest

from data_cards import BadInputError
from finetune.reduce import Line
from pickwell.benchmark_files import points
from pickwell.benchmark_job import benchmark
from pickwell.benchmark_plot import plot
from pickwell.benchmark_rows import NAMED, LeftOut
from pickwell.benchmark_summary import columns_for, folded
from pickwell.config import BenchmarkConfig
from pickwell.console import _Terminal
from tests.pickwell.test_prune_command import draw, draw_corpus

LONG = "d2:forgetting:gamma=0.5,neighbours=10"
WORDS = ("--methods", f"herding,{LONG}", "--fractions", 0.5, "--seeds", 2, "--epochs", 1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three classes of 12, one of 4, one broken file."""
    home = tmp_path_factory.mktemp("benchmark") / "photos"
    draw_corpus(home, 12)
    (home / "rare").mkdir()
    for number in range(4):
        draw("box", 100 + number).save(home / "rare" / f"{number}.png")
    return home


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_what_took_no_part_and_what_was_there_already_is_said(
    pictures, cache, pickwell_here, tmp_path
):
    done = pickwell_here("benchmark", pictures, "--out", "b", "--cache", cache, *WORDS)
    assert done.returncode == 0, done.stderr
    assert "there already" not in done.stderr
    small = "1 class with 4 pictures takes no part: fewer than 10 readable pictures (--least): rare"
    page = (tmp_path / "b" / "README.md").read_text()
    for text in (done.stdout, page):
        assert f"{small}." in text and "1 picture takes no part: it cannot be read." in text
        assert "standard deviation over the seeds" in text and "paired Student's t" in text
    assert "36 pictures of 3 classes" in page
    told = json.loads((tmp_path / "b" / "benchmark.json").read_text())
    assert told["pictures"] == 36 and told["classes"] == 3
    assert told["left_out"] == {
        "unreadable": 1, "without_class": 0, "least": 10, "small_classes": {"rare": 4}
    }  # fmt: skip
    for line in told["lines"]:  # in a pipe, a line each, however narrow
        assert re.search(rf"^50% +{re.escape(line['method'])} .*", done.stdout, re.MULTILINE)

    again = pickwell_here("benchmark", pictures, "--out", "b", "--cache", cache, *WORDS)
    assert "All 12 trainings were there already: nothing is trained anew." in again.stderr
    assert again.stdout == done.stdout
    kept = tmp_path / "b" / "trainings" / "outcomes.json"
    cut = json.loads(kept.read_text())
    kept.write_text(json.dumps(cut | {"outcomes": cut["outcomes"][:5]}))
    again = pickwell_here("benchmark", pictures, "--out", "b", "--cache", cache, *WORDS)
    assert "5 of 12 trainings were there already." in again.stderr
    more = pickwell_here(
        "benchmark", pictures, "--out", "b", "--cache", cache, *WORDS, "--epochs", 2
    )
    assert more.returncode == 2 and "another plan: epochs 1 there, 2 here." in more.stderr


def test_many_small_classes_are_named_in_part():
    left = LeftOut(0, 2, {f"k{number}": 3 for number in range(NAMED + 2)}, 10)
    first, second = left.sentences()
    assert first.startswith("12 classes with 36 pictures take no part: fewer than 10 readable")
    assert first.endswith("k9 and 2 more.") and len(left.record()["small_classes"]) == 12
    assert second == "2 pictures take no part: they have no class."
    assert LeftOut(0, 0, {}, 10).sentences() == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"methods": "herding", "score": "foo"}, "--score: there is no score 'foo'"),
        ({"score": "forgeting"}, "Did you mean forgetting?"),
        ({"methods": "hardest:agm"}, "hardest:agm: there is no score 'agm' Did you mean aum?"),
        ({"methods": "herding", "score": "aum"}, "--score means nothing with these methods: herd"),
        ({"methods": "hardest:aum", "score": "el2n"}, "--score means nothing"),
        ({"methods": "herding,hardest:prototype", "score_runs": 2}, "--score-runs means nothing"),
        ({"methods": "hardest:memorization", "score_runs": 2}, "--score-runs means nothing"),
        ({"methods": "hardest:aum", "score_epoch": 2}, "--score-epoch means nothing"),
        ({"methods": "hardest", "score_epoch": 99}, "--score-epoch is 99"),
        ({"methods": ""}, "--methods: name one or more"),
        ({"fractions": []}, "There is no budget"),
        ({"width": 8}, "width means nothing with --model linear: it has none"),
        ({"side": 16}, "side means nothing with --model linear: it sees vectors"),
        ({"model": "convnet", "score_epochs": 3}, "score_epochs means nothing with --model convn"),
    ],
)
def test_a_slip_is_told_before_a_picture_is_read(pictures, tmp_path, options, says):
    with pytest.raises(BadInputError) as caught:
        benchmark(pictures, tmp_path / "out", cache=tmp_path / "cache", **options)
    assert says in f"{caught.value.message} {caught.value.remedy}"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        {"methods": ["herding", "ccs"], "score": "el2n"},
        {"methods": ["hardest:prototype", "ccs"], "score": "prototype"},
        {"methods": ["hardest:aum"], "score_runs": 2},
        {"methods": ["hardest:memorization", "ccs:margin"], "score_runs": 2, "score_epoch": 2},
        {"methods": ["hardest"], "score_epoch": 2},
        {"methods": ["herding"]},
        {"methods": ["herding"], "score_epoch": None},
    ],
)
def test_options_of_scores_that_are_used(options):
    from pickwell.benchmark_plan import entries_of

    assert len(entries_of(BenchmarkConfig(**options))) == len(options["methods"])


def test_a_flat_folder_is_refused_before_anything_is_embedded(pictures, tmp_path):
    flat = shutil.copytree(pictures / "box", tmp_path / "flat")
    with pytest.raises(BadInputError) as caught:
        benchmark(flat, tmp_path / "out", cache=tmp_path / "cache")
    assert "says nothing of any" in caught.value.message and "flat" in caught.value.message
    assert "folder of its own" in caught.value.remedy
    assert "--columns label=NAME" in caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["flat"]
    (tmp_path / "list.jsonl").write_text('{"image": "flat/00.png", "kind": "box"}\n')
    with pytest.raises(BadInputError, match="says nothing of any") as caught:
        benchmark(tmp_path / "list.jsonl", tmp_path / "out", cache=tmp_path / "cache")
    assert caught.value.remedy == "Name their column with --columns label=NAME."


def test_the_page_says_what_its_tables_rest_on(pictures, cache, tmp_path):
    given = {"cache": cache, "fractions": [0.5], "seeds": 1, "epochs": 1}
    made = benchmark(pictures, tmp_path / "b", methods="hardest:memorization,herding", **given)
    page = (made.folder / "README.md").read_text()
    told = f"pickwell benchmark {pictures} --out {made.folder} --methods "
    assert told + "hardest:memorization,herding --fractions 0.5" in page
    assert "Scores come from a linear layer on the vectors: 60 trainings on seven tenths," in page
    assert "The score memorization comes from a linear proxy: it can learn next to nothing" in page
    assert json.loads((made.folder / "benchmark.json").read_text())["corpus"] == str(pictures)
    fewer = benchmark(pictures, tmp_path / "b", methods="herding", **given)
    page = (fewer.folder / "README.md").read_text()
    assert "2 trainings of other methods, budgets or seeds are kept in `trainings/`" in page
    assert "Scores come from" not in page


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.056, "+5.6"), (-0.0004, "-0.04"), (0.0, "+0.0"), (-1e-9, "+0.0"), (0.00004, "+0.004")],
)
def test_what_seems_nothing_has_more_digits(share, words):
    assert points(share) == words


def test_too_few_large_classes(pictures, cache, tmp_path):
    with pytest.raises(BadInputError, match=r"None of 4 classes has 50 readable pictures or more"):
        benchmark(pictures, tmp_path / "out", cache=cache, least=50)


def line(method, gain=0.0, half=0.0, budget="10%", rule="epochs"):
    return Line(
        method, budget, rule, 1000.0, 0.8, 0.01, gain, gain - half, gain + half, 0.1, 1, 0, 5
    )


@pytest.mark.parametrize("width", [50, 60, 80, 100, 160])
def test_no_name_is_cut_at_a_narrow_terminal(width, monkeypatch, capsys, tmp_path):
    from pickwell import benchmark_summary
    from pickwell.benchmark_job import Benchmark

    lines = [line("random"), line("herding", 0.1, 0.2), line(LONG, -0.01, 0.2)]
    screen = _Terminal(force_terminal=True, width=width, highlight=False, no_color=True)
    monkeypatch.setattr(benchmark_summary, "out", screen)
    left_out = LeftOut(0, 0, {}, 10)
    made = Benchmark(tmp_path, [], lines, 9, 3, left_out, 0, "here", 0, BenchmarkConfig())
    benchmark_summary.print_benchmark(made)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "…" not in shown and "verdict" in shown and "no better than random" in shown
    rows = shown.split("verdict:")[0].splitlines()
    assert max(map(len, rows)) <= width
    start = rows[1].index("method")
    place = next(n for n, row in enumerate(rows) if "d2:" in row)
    name = "".join(row[start:].split("  ")[0].strip() for row in rows[place : place + 4])
    assert LONG in name
    assert ("No room here for: " in shown) == (width < 160)
    assert ("95 %" in rows[1]) == (width > 60)


def test_columns_go_as_room_does():
    lines = [line("random"), line(LONG, 0.1, 0.2)]
    assert len(columns_for(lines, None)) == 9
    assert columns_for(lines, 40)[-1] == "verdict" and "method" in columns_for(lines, 40)
    assert folded(LONG, 24) == "d2:forgetting:gamma=0.5,\nneighbours=10"
    assert folded("herding", 24) == "herding" and folded("x" * 9, 4) == "xxxx\nxxxx\nx"


def test_the_axis_of_gains_of_nothing():
    ticks = re.compile(r">\s*[-−]?([0-9.]+)(?:e.\d+)?</text>")
    flat = plot([line("random"), line("herding"), line("k-center", 1e-17)])
    assert max(float(tick) for tick in ticks.findall(flat)) == 1
    assert "e-17" not in flat and "e−17" not in flat and "Equal epochs" in flat
    wide = plot([line("random"), line("herding", 0.02, 1.7)])
    assert max(float(tick) for tick in ticks.findall(wide)) == 100
    assert "Equal epochs" in plot([line("random")])  # nothing to show is no failure
    assert plot([line("herding")]) == plot([line("herding")])
