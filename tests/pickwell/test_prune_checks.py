"""What is wrong with the options of `pickwell prune` is said before a picture is read."""

import json
import re
from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards import BadInputError
from pickwell.config import PruneConfig
from pickwell.prune_checks import refuse_amount, settings_of
from pickwell.prune_job import prune
from pickwell.scoring_job import score
from selector.prune.rule import keep_count
from tests.pickwell.test_prune_command import COLOURS, draw


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes of six."""
    home = tmp_path_factory.mktemp("few")
    for kind in list(COLOURS)[:2]:
        (home / kind).mkdir()
        for number in range(6):
            draw(kind, number).save(home / kind / f"{number}.png")
    return home


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"by": "herdng"}, "Did you mean herding?"),
        ({"by": "hardest:el3n"}, "there is no score 'el3n'"),
        ({"by": "herding", "group": "^x"}, "--group means nothing with --by herding"),
        ({"by": "herding,k-center"}, "--by herding,k-center names several methods"),
        ({"by": "ccs:cutt=0.1"}, "has no option cutt"),
        ({"by": "ccs", "strategy": "hard"}, "--strategy means nothing with --by"),
        ({"by": "ccs", "duplicates": 0.95}, "a method of their own, --by semdedup:epsilon=0.05."),
        ({"by": "ccs", "duplicates_share": 0.1}, "a method of their own, --by semdedup."),
        ({"by": "ccs", "duplicates_first": "easy"}, "--by semdedup:first=easy."),
        ({"by": "ccs", "chains": True}, "--by semdedup, which goes by chains."),
        ({"by": "ccs", "strategy": "hard"}, "a method takes the place of a strategy."),
        ({"by": "ccs", "random_share": 0.2}, "--by random draws all of it."),
        ({"by": "ccs", "balance": 0.2}, "--balance-by labels divides what stays"),
        ({"by": "ccs", "balance_by": "clusters"}, "--balance-by clusters means nothing with --by"),
        ({"by": "ccs", "probe": "knn"}, "pickwell benchmark tells whether a method beats random."),
        ({"by": "ccs", "robust": True}, "--robust means nothing with --by ccs."),
        ({"duplicates": 0.9, "duplicates_share": 0.1}, "--duplicates and --duplicates-share"),
        ({"per_class": 3}, "--per-class means nothing without --by"),
        ({"count": 5, "keep": 0.5}, "--keep and --count each say how much stays"),
        ({"by": "herding", "count": 5, "per_class": 2}, "--count and --per-class each say"),
        ({"keep": 0.001}, "--keep 0.001 of 12 pictures is none"),
        ({"keep": 0.001, "by": "herding"}, "Give 0.084 or more"),
        ({"count": 13}, "13 of 12 pictures cannot be kept"),
        ({"keep": 30}, "(given: 30); for 30 % write 0.3"),
        ({"duplicates_share": 5.5}, "for 5.5 % write 0.055"),
        ({"keep": 300}, "(given: 300) See"),
        ({"format": "parquet"}, "holds no .parquet files Name the folder that does"),
        ({"address": "auto"}, "--address means nothing without --engine ray"),
        ({"worker_gpus": 0.5, "engine": "local"}, "--worker-gpus means nothing"),
    ],
)
def test_a_slip_costs_no_picture(pictures, tmp_path, options, says):
    with pytest.raises(BadInputError) as caught:
        prune(pictures, tmp_path / "out", cache=tmp_path / "cache", **options)
    assert says in f"{caught.value.message} {caught.value.remedy}"
    assert not list(tmp_path.iterdir())  # neither a result nor anything in the cache


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"supervised": True}, "--supervised"),
        ({"balance_by": "labels"}, "--balance-by labels"),
        ({"by": "herding", "per_class": 2}, "--per-class"),
        ({"by": "hardest:el2n"}, "--by hardest:el2n"),
    ],
)
def test_classes_that_are_not_there(pictures, tmp_path, options, named):
    with pytest.raises(BadInputError) as caught:
        prune(pictures / "box", tmp_path / "out", cache=tmp_path / "cache", **options)
    assert caught.value.message.startswith(f"{named} needs classes")
    assert "one class alone is none" in caught.value.remedy
    assert not list(tmp_path.iterdir())


def test_one_class_is_as_good_as_none_wherever_it_is_told(pictures, tmp_path):
    lines = [json.dumps({"image": str(file), "label": "box"}) for file in pictures.rglob("*.png")]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    with pytest.raises(BadInputError, match="--supervised needs classes, and all pictures are of"):
        prune(
            tmp_path / "list.jsonl", tmp_path / "out", cache=tmp_path / "cache", supervised=True,
            images=pictures,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "says"),
    [("30%", "'30%' is not a number: write 0.3."), ("most", "'most' is not a number.")],
)
def test_a_percentage_is_told_how_it_is_written(pictures, pickwell_here, typed, says):
    done = pickwell_here("prune", pictures, "--out", "out", "--keep", typed)
    assert done.returncode == 2 and says in done.stderr


def test_an_output_folder_that_cannot_be_replaced(pictures, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(BadInputError, match=r"\. cannot be replaced"):
        prune(pictures, ".", cache=tmp_path / "cache", strategy="random")
    assert not (tmp_path / "cache").exists() and not list((tmp_path / "here").iterdir())


def test_options_of_a_cluster_mean_nothing_to_score_either(pictures, tmp_path):
    with pytest.raises(BadInputError, match="--max-workers means nothing without --engine ray"):
        score(pictures, tmp_path / "run", max_workers=2)


def test_what_is_typed_goes_over_the_file():
    file = PruneConfig(keep=0.5, engine="ray", address="auto")
    made = settings_of(file, {"count": 3, "engine": "local"})
    assert made.count == 3 and made.keep == PruneConfig().keep
    with pytest.raises(BadInputError, match="--keep and --count"):
        settings_of(PruneConfig(keep=0.5, count=3), {})


@given(st.integers(1, 10**7))
def test_the_share_that_is_advised_keeps_something(rows):
    with pytest.raises(BadInputError) as caught:
        refuse_amount(PruneConfig(keep=0.4 / rows), rows)
    least = float(re.search(r"Give (\S+) or more", caught.value.remedy)[1])
    assert keep_count(rows, least) >= 1
    assert least <= 1 and log10(least * rows) <= log10(2)
