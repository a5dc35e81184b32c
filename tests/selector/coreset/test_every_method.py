"""What holds of every method of the shelf, whatever it is after."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_cards import BadInputError
from selector.coreset import Budget, choose, methods

NAMES = sorted(methods())
GREEDY = [name for name, one in methods().items() if one.prefix]


def data(rows=60, dim=5, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, dim)).astype(np.float32)
    features[rows // 2] = features[rows // 3]  # a copy
    labels = [f"class {n}" for n in rng.integers(classes, size=rows)]
    return {
        "features": features,
        "scores": np.round(rng.random(rows), 2),  # with ties
        "labels": labels,
    }


def ids_of(rows):
    return [f"row {n}" for n in range(rows)]


def permuted(given, order):
    labels = [given["labels"][n] for n in order]
    return {
        "features": given["features"][order],
        "scores": given["scores"][order],
        "labels": labels,
    }


@pytest.mark.parametrize("name", NAMES)
@given(st.integers(0, 60), st.integers(0, 3))
@settings(max_examples=12)
def test_exactly_so_many_and_none_twice(name, count, seed):
    made = choose(ids_of(60), Budget(count=count), name, seed=seed, **data())
    assert len(made.rows) == len(made.gains) == count == len(set(made.rows.tolist()))
    assert np.isfinite(made.gains).all()
    if made.weights is not None:
        assert made.weights.sum() == 60


@pytest.mark.parametrize("name", NAMES)
def test_all_is_everything_and_a_share_is_its_number(name):
    given = data()
    assert sorted(choose(ids_of(60), Budget(count=60), name, **given).rows) == list(range(60))
    assert len(choose(ids_of(60), Budget(fraction=0.3), name, **given).rows) == 18


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "budget", [Budget(count=14), Budget(per_class=4), Budget(fraction=0.5, balanced=True)]
)
def test_the_order_of_the_rows_plays_no_part(name, budget):
    given, ids = data(), ids_of(60)
    order = np.random.default_rng(9).permutation(60)
    one = choose(ids, budget, name, seed=3, **given)
    other = choose([ids[n] for n in order], budget, name, seed=3, **permuted(given, order))
    assert one.rows.tolist() == order[other.rows].tolist()
    assert one.gains.tolist() == other.gains.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_again_and_the_global_generators_are_left_alone(name):
    given = data()
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    one = choose(ids_of(60), Budget(count=20), name, seed=1, **given)
    assert np.random.get_state()[1].tolist() == before
    again = choose(ids_of(60), Budget(count=20), name, seed=1, **given)
    assert one.rows.tobytes() == again.rows.tobytes()


@pytest.mark.parametrize("name", GREEDY)
def test_fewer_are_the_first_of_more(name):
    given = data()
    more = choose(ids_of(60), Budget(count=40), name, seed=2, **given).rows
    for count in (1, 7, 25):
        fewer = choose(ids_of(60), Budget(count=count), name, seed=2, **given).rows
        assert fewer.tolist() == more[:count].tolist()


@pytest.mark.parametrize(
    ("name", "fewer", "more", "options"),
    [
        ("facility-location", 5, 30, {"greedy": "stochastic", "epsilon": 0.5}),
        ("graph-cut", 5, 30, {"greedy": "stochastic", "epsilon": 0.5}),
        ("hardest", 20, 40, {"offset": 0.5}),
        ("d2", 30, 59, {"cut": 0.5}),
    ],
)
def test_options_that_break_the_prefix_are_told(name, fewer, more, options):
    given = data()
    first, second = (
        choose(ids_of(60), Budget(count=n), name, **given, **options).rows.tolist()
        for n in (fewer, more)
    )
    assert second[:fewer] != first
    words = methods()[name].unless
    assert next(iter(options)) in words and words in methods()[name].order


@pytest.mark.parametrize("name", NAMES)
def test_each_class_gets_its_share_and_they_take_turns(name):
    given = data()
    labels = np.array(given["labels"])
    made = choose(ids_of(60), Budget(per_class=5), name, **given)
    assert [int((labels[made.rows] == one).sum()) for one in sorted(set(labels))] == [5, 5, 5]
    assert len(set(labels[made.rows[:3]])) == 3
    made = choose(ids_of(60), Budget(count=31, balanced=True), name, **given)
    sizes = [int((labels == one).sum()) for one in sorted(set(labels))]
    for size, one in zip(sizes, sorted(set(labels)), strict=True):
        assert abs(int((labels[made.rows] == one).sum()) - 31 * size / 60) < 1


@pytest.mark.parametrize("name", NAMES)
def test_the_selection_tells_every_row(name):
    made = choose(ids_of(60), Budget(count=12), name, **data())
    selection = made.selection(ids_of(60))
    assert selection.ids == [f"row {n}" for n in made.rows]
    funnel = selection.funnel()
    assert funnel["chosen"] == 12 and funnel["duplicate"] + funnel["not chosen"] == 48
    assert funnel["duplicate"] == 0 or name == "semdedup"
    assert f"{name}: pick 1 of 12; " in selection.table["reason"][0].as_py()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["equal", "copies", "one class", "one column"])
def test_data_without_differences(name, kind):
    given = data()
    if kind == "equal":
        given["features"][:], given["scores"][:] = 1.0, 0.5
    elif kind == "copies":
        given["features"] = np.repeat(given["features"][:6], 10, axis=0)
    elif kind == "one class":
        given["labels"] = ["only"] * 60
    else:
        given["features"] = given["features"][:, :1]
    for count in (1, 30, 60):
        assert len(set(choose(ids_of(60), Budget(count=count), name, **given).rows)) == count


@pytest.mark.parametrize("name", [n for n in NAMES if "features" in methods()[n].needs])
def test_a_memory_map_of_float16_is_as_good(name, tmp_path):
    given = data()
    np.save(tmp_path / "f.npy", given["features"].astype(np.float16))
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    one = choose(ids_of(60), Budget(count=9), name, **{**given, "features": mapped})
    given["features"] = given["features"].astype(np.float16)
    assert one.rows.tolist() == choose(ids_of(60), Budget(count=9), name, **given).rows.tolist()


@pytest.mark.parametrize("name", [n for n in NAMES if "features" in methods()[n].needs])
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e12, 1e17])
def test_no_magnitude_makes_a_row_come_twice(name, size):
    given = data()
    given["features"] = (given["features"] / np.abs(given["features"]).max() * size).astype("f4")
    made = choose(ids_of(60), Budget(count=45), name, **given)
    assert len(set(made.rows.tolist())) == 45 and np.isfinite(made.gains).all()


@pytest.mark.parametrize("size", [1e39, 1e25, -1e20])
def test_what_float32_cannot_bear_is_named(size):
    given = data()
    given["features"] = given["features"].astype(np.float64)
    given["features"][11, 1] = size
    with pytest.raises(BadInputError, match="features of row 11 go up to"):
        choose(ids_of(60), Budget(count=9), "herding", **given)


def test_methods_say_what_they_are():
    for name, one in methods().items():
        assert one.name == name and one.keeps and one.cost and one.good_when and one.source
        assert one.gain and one.needs <= {"features", "scores", "labels"}


def test_what_is_wrong_is_said():
    given, ids = data(), ids_of(60)
    with pytest.raises(BadInputError, match="unknown method 'herdin'") as caught:
        choose(ids, Budget(count=1), "herdin", **given)
    assert "Did you mean herding?" in caught.value.remedy
    with pytest.raises(BadInputError, match="has no option k") as caught:
        choose(ids, Budget(count=1), "herding", k=3, **given)
    assert "normalise" in caught.value.remedy
    with pytest.raises(BadInputError, match=r"'d2': gamma is '0\.5;neighbours=9'") as caught:
        choose(ids, Budget(count=1), "d2", gamma="0.5;neighbours=9", **given)
    assert "a number above 0" in caught.value.remedy
    with pytest.raises(BadInputError, match="61 cannot be chosen of 60"):
        choose(ids, Budget(count=61), "random", **given)
    with pytest.raises(BadInputError, match="needs scores"):
        choose(ids, Budget(count=1), "ccs", features=given["features"])
    with pytest.raises(BadInputError, match="fewer than the 40 of each"):
        choose(ids, Budget(per_class=40), "random", **given)
    named = given | {"labels": ["few" if n < 3 else "many" for n in range(60)]}
    with pytest.raises(BadInputError, match="class few has 3 rows"):
        choose(ids, Budget(per_class=4), "random", **named)
    with pytest.raises(BadInputError, match="needs classes"):
        choose(ids, Budget(per_class=4), "random")
    broken = given["features"].copy()
    broken[7, 2] = np.nan
    with pytest.raises(BadInputError, match="features of row 7 hold NaN"):
        choose(ids, Budget(count=1), "herding", features=broken)
    scores = given["scores"].copy()
    scores[4] = np.inf
    with pytest.raises(BadInputError, match="score of row 4 is inf"):
        choose(ids, Budget(count=1), "hardest", scores=scores)
    with pytest.raises(BadInputError, match="row 2 has no label"):
        choose(ids, Budget(count=1), "random", labels=["a", "b", None, *["a"] * 57])
    with pytest.raises(BadInputError, match="an id stands on two rows"):
        choose(["a"] * 60, Budget(count=1), "random", **given)
    with pytest.raises(BadInputError, match="a budget is a count"):
        Budget(count=3, fraction=0.5)
