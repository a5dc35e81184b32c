import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from scoring.quality.consensus import consensus
from scoring.quality.model import QualityModel, consensus_model

FIXTURES = Path(__file__).parents[2] / "fixtures"
MODELS = sorted(p.parent for p in FIXTURES.glob("quality-*/*/quality.json"))
LEARNED = ("mean", "ridge", "gbm", "mlp", "attention")


def load(kind: str, release: str = "quality-0.2") -> QualityModel:
    return QualityModel.load(FIXTURES / release / kind)


def some_rows(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 4)) * [0.2, 0.1, 20, 0.3] + [0.4, 0.2, 30, 0.8]
    return dict(zip(("alignment", "repetition", "words", "ifd"), values.T, strict=True))


@pytest.mark.parametrize("folder", MODELS, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_models_of_every_release_load_and_give_the_same_numbers(folder):
    stored = json.loads((folder.parent / "expected.json").read_text())
    columns = {n: np.array(v, dtype=float) for n, v in stored["columns"].items()}
    wanted = np.array(stored["quality"][folder.name], dtype=float)
    model = QualityModel.load(folder)
    np.testing.assert_allclose(model.predict(columns), wanted, rtol=0, atol=1e-9)
    assert model.kind == folder.name


def test_there_is_a_fixture_for_every_kind():
    assert {p.name for p in MODELS} == {*LEARNED, "release", "consensus"}


@pytest.mark.parametrize("kind", [*LEARNED, "release", "consensus"])
def test_saved_and_loaded_is_the_same(tmp_path, kind):
    model = load(kind)
    model.save(tmp_path / "q")
    model.save(tmp_path / "q")  # replaces itself
    again = QualityModel.load(tmp_path / "q")
    rows = some_rows(50)
    assert np.array_equal(again.predict(rows), model.predict(rows), equal_nan=True)
    assert again.columns == model.columns and again.fitted_on == model.fitted_on
    assert {p.name for p in (tmp_path / "q").iterdir()} == {
        "quality.json",
        "quality.safetensors",
        "README.md",
    }
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("kind", [*LEARNED, "consensus"])
@given(seed=st.integers(0, 1000), n=st.integers(1, 30))
def test_a_score_does_not_depend_on_its_company(kind, seed, n):
    model, rows = load(kind), some_rows(n, seed)
    together = model.predict(rows)
    alone = np.array(
        [model.predict({k: v[i : i + 1] for k, v in rows.items()})[0] for i in range(n)]
    )
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-12)
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_allclose(
        model.predict({k: v[order] for k, v in rows.items()}), together[order], rtol=0, atol=1e-12
    )


def test_the_published_network_does_depend_on_it():
    model, rows = load("release"), some_rows(6)
    part = {k: v[:3] for k, v in rows.items()}
    assert np.abs(model.predict(rows)[:3] - model.predict(part)).max() > 1e-6


@pytest.mark.parametrize("kind", LEARNED)
def test_missing_values_count_as_average_until_most_are_missing(kind):
    model, rows = load(kind), some_rows(3)
    fill = {name: model.preparation["fill"][c] for c, name in enumerate(model.columns)}
    holed = {k: v.copy() for k, v in rows.items()}
    holed["words"][0] = np.nan
    holed["ifd"][1] = np.inf  # no number either
    filled = {k: np.where(np.isfinite(v), v, fill[k]) for k, v in holed.items()}
    assert np.array_equal(model.predict(holed), model.predict(filled))
    for name in ("words", "ifd", "repetition"):
        holed[name][2] = np.nan
    assert np.isnan(model.predict(holed)[2]) and np.isfinite(model.predict(holed)[:2]).all()


def test_a_column_that_is_not_there_is_named():
    rows = some_rows(3)
    del rows["ifd"]
    with pytest.raises(BadInputError, match="ifd"):
        load("ridge").predict(rows)


WAYS = {"a": "higher", "b": "lower", "c": "higher"}
numbers = st.one_of(st.just(np.nan), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=40))
def test_the_consensus_as_an_artefact_equals_the_consensus_on_its_pool(rows):
    columns = dict(zip("abc", np.array(rows).T, strict=True))
    if all(np.isnan(v).all() for v in columns.values()):
        with pytest.raises(BadInputError):
            consensus_model(columns, WAYS)
        return
    model = consensus_model(columns, WAYS)
    np.testing.assert_allclose(model.predict(columns), consensus(columns, WAYS), rtol=0, atol=1e-12)


def test_the_consensus_ranks_new_rows_among_its_pool():
    model = consensus_model({"a": np.array([1.0, 2, 3, 4])}, {"a": "lower"})
    assert model.predict({"a": np.array([0.0, 2.5, 9, 2])}).tolist() == [1.0, 0.5, 0.0, 0.625]


def test_what_lies_outside_the_fit_is_flagged():
    model = consensus_model(
        {"a": np.arange(5.0), "b": np.arange(5.0)}, {"a": "higher", "b": "higher"}
    )
    inside = {"a": np.array([0.0, 4, np.nan]), "b": np.array([2.0, 2, 2])}
    assert model.outside(inside).tolist() == [0, 0, 0] and model.outside_message(inside) is None
    beyond = {"a": np.array([-1.0, 5, 2]), "b": np.array([2.0, 9, 2])}
    assert model.outside(beyond).tolist() == [0.5, 1.0, 0.0]
    assert "2 of 3 rows" in model.outside_message(
        beyond
    ) and "a (2), b (1)" in model.outside_message(beyond)


def test_newer_damaged_and_foreign_folders_are_refused(tmp_path):
    load("gbm").save(tmp_path / "q")
    path = tmp_path / "q" / "quality.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"format_version": 99}))
    with pytest.raises(BadInputError, match="newer pickwell"):
        QualityModel.load(tmp_path / "q")
    for spoilt in (
        content | {"kind": "magic"},
        content | {"columns": ["a"]},
        {"format_version": 1},
    ):
        path.write_text(json.dumps(spoilt))
        with pytest.raises(BadInputError, match="cannot be read"):
            QualityModel.load(tmp_path / "q")
    path.write_text(json.dumps(content))
    with (tmp_path / "q" / "quality.safetensors").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(BadInputError, match="does not belong"):
        QualityModel.load(tmp_path / "q")
    with pytest.raises(BadInputError, match="no quality model"):
        QualityModel.load(tmp_path / "nothing")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    with pytest.raises(BadInputError, match="not empty"):
        load("gbm").save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "dear"


def test_trees_that_go_round_in_circles_are_refused(tmp_path):
    model = load("gbm")
    arrays = dict(model.arrays)
    arrays["left"] = np.where(arrays["left"] >= 0, 0, -1)
    replace(model, arrays=arrays).save(tmp_path / "q")
    with pytest.raises(BadInputError, match="no trees"):
        QualityModel.load(tmp_path / "q")
