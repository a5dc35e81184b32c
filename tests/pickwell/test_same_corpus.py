"""A benchmark's folder belongs to one corpus, read and embedded in one way."""

import shutil

import pytest

from data_cards import BadInputError
from pickwell.benchmark_job import benchmark
from tests.pickwell.test_prune_command import COLOURS, draw

QUICK = {"methods": "random", "fractions": [0.5], "seeds": 1, "epochs": 1, "least": 3}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    home = tmp_path_factory.mktemp("same") / "one"
    for kind in COLOURS:
        (home / kind).mkdir(parents=True)
        for number in range(6):
            draw(kind, number).save(home / kind / f"{number}.png")
    return home


def test_another_corpus_or_reading_is_refused(pictures, tmp_path, monkeypatch):
    options = {**QUICK, "cache": tmp_path / "cache"}
    out = tmp_path / "out"
    benchmark(pictures, out, **options)
    monkeypatch.chdir(pictures.parent)
    benchmark(pictures.name, out, **options)  # the same by another name
    other = shutil.copytree(pictures, tmp_path / "other")
    for corpus, changed, words in (
        (other, {}, "it holds .*one, not .*other"),
        (pictures, {"limit": 9}, "--limit was not given, and is 9"),
        (pictures, {"columns": {"label": "kind"}}, "--columns was not given"),
        (pictures, {"encoder": "embedded:mobilenet"}, "--encoder was embedded"),
    ):
        with pytest.raises(BadInputError, match=words) as caught:
            benchmark(corpus, out, **{**options, **changed})
        assert "--out" in caught.value.remedy
    shutil.copy(next(pictures.glob("*/0.png")), pictures / next(iter(COLOURS)) / "more.png")
    with pytest.raises(BadInputError, match="are not what they were"):
        benchmark(pictures, out, **options)
