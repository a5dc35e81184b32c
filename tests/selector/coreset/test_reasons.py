"""Reasons tell what a method went by, in its own numbers, and they are true."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.coreset import Budget, choose, methods
from selector.coreset.reasons import _PART, _Saying

NAMES = sorted(methods())
IDS = [f"row {n}" for n in range(60)]


def data(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "features": rng.normal(size=(60, 5)).astype(np.float32),
        "scores": np.round(rng.random(60), 1),  # with ties
        "labels": [f"class {n % 3}" for n in range(60)],
    }


def told(made):
    """Rows of the answer by id."""
    return {row["id"]: row for row in made.selection(IDS).table.to_pylist()}


def numbers(text):
    return [float(one) for one in re.findall(r"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?", text)]


def test_declared_words_have_parts_that_are_known():
    for one in methods().values():
        parts = {part for words in (*one.kept, *one.left) for part in _PART.findall(words)}
        assert all(hasattr(_Saying, f"_{part}") for part in parts)
        assert not any("{gain}" in words for words in one.left)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [Budget(count=20), Budget(per_class=5)])
def test_every_row_hears_more_than_that_it_was_not_picked(name, budget):
    made = choose(IDS, budget, name, **data())
    rows = told(made)
    assert len(rows) == 60
    for row in rows.values():
        head, _, rest = row["reason"].partition("; ")
        assert rest
        class_ = f" in class class {int(row['id'].split()[1]) % 3}"
        of = "20" if budget.count else "5"
        if row["stage"] == "chosen":
            where = f" of {of}" if budget.count else f" of the {of}{class_}"
            assert re.fullmatch(rf"{name}: pick [0-9]+{where}", head)
        else:
            assert head == f"not among the {of} picks of {name}{'' if budget.count else class_}"


@pytest.mark.parametrize("name", NAMES)
def test_quality_is_the_score_ranked_by_or_nothing(name):
    given = data()
    rows = told(choose(IDS, Budget(count=20), name, **given))
    ranks = "scores" in methods()[name].needs
    for id_, score in zip(IDS, given["scores"].tolist(), strict=True):
        assert rows[id_]["quality"] == (score if ranks else None)


def test_a_cut_is_where_the_last_pick_stands():
    scores = np.array([3.0, 3.0, 2.0, 1.0, 1.0, 0.0])
    ids = list("abcdef")
    made = choose(ids, Budget(count=4), "hardest", scores=scores)
    rows = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    assert rows["c"].endswith("score 2, not below the cut of 1; place 3 of 6 from the hardest")
    assert rows["b"].endswith("score 3, not below the cut of 1; place 1 of 6 from the hardest")
    assert rows["f"].endswith("score 0, below the cut of 1; place 6 of 6 from the hardest")
    ties = [rows["d"], rows["e"]]
    assert (
        sum("level with the cut of 1, where a hash of the id decided" in one for one in ties) == 1
    )
    assert all("place 4 of 6" in one for one in ties)
    made = choose(ids, Budget(count=2), "hardest", scores=scores, offset=0.34)
    rows = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    assert "score 3, one of 2 that the offset passes over; place" in rows["a"]
    made = choose(ids, Budget(count=1), "easiest", scores=scores)
    rows = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    assert "score 0, not above the cut of 0" in rows["f"] and "above the cut of 0" in rows["a"]


def test_ccs_tells_strata_and_what_is_too_hard():
    scores = np.arange(10.0)
    ids = [str(n) for n in range(10)]
    made = choose(ids, Budget(count=2), "ccs", scores=scores, strata=2)
    rows = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    for n in range(10):
        if n < 3:
            assert f"score {n}, stratum 1 of 2 (0 to 2): 1 of its 3 drawn" in rows[str(n)]
        elif n < 7:
            assert f"score {n}, stratum 2 of 2 (3 to 6): 1 of its 4 drawn" in rows[str(n)]
        else:
            assert "cut off as too hard: one of the 3 hardest" in rows[str(n)]


def test_moderate_tells_the_band():
    given = data()
    made = choose(IDS, Budget(count=20), "moderate", **given)
    for row in told(made).values():
        distance, low, high = numbers(row["reason"].partition("; ")[2])
        if row["stage"] == "chosen":
            assert low <= distance <= high and "in the band" in row["reason"]
        elif "nearer than" in row["reason"]:
            assert distance <= low
        else:
            assert "farther than" in row["reason"] and distance >= high


@pytest.mark.parametrize(
    ("name", "best"), [("herding", min), ("k-center", max), ("graph-cut", max), ("d2", max)]
)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_of_the_others_is_what_they_would_be_picked_for(name, best, seed):
    given = data(seed)
    made = choose(IDS, Budget(count=15), name, **given)
    more = choose(IDS, Budget(count=16), name, **given)
    left = np.setdiff1d(np.arange(60), made.rows)
    assert best(made.told.values[left]) == pytest.approx(more.gains[15], rel=1e-5)
    assert made.told.values[more.rows[15]] == pytest.approx(more.gains[15], rel=1e-5)


def test_facility_location_names_the_pick_most_alike():
    given = data()
    made = choose(IDS, Budget(count=12), "facility-location", **given)
    units = given["features"] / np.linalg.norm(given["features"], axis=1, keepdims=True)
    cosine = (units @ units[made.rows].T).astype(float)
    for row in told(made).values():
        if row["stage"] == "chosen":
            assert row["rival"] is None
            continue
        n = IDS.index(row["id"])
        assert row["rival"] == IDS[made.rows[cosine[n].argmax()]]
        assert row["similarity"] == pytest.approx(cosine[n].max(), abs=1e-6)


def test_facility_location_among_neighbours_tells_likeness_there():
    given = data()
    made = choose(IDS, Budget(count=4), "facility-location", neighbours=3, **given)
    units = given["features"] / np.linalg.norm(given["features"], axis=1, keepdims=True)
    alike = (1 + units @ units[made.rows].T).astype(float) / 2
    said = set()
    for row in told(made).values():
        rest = row["reason"].partition("; ")[2]
        if row["stage"] != "chosen" and "no pick is among its neighbours" not in rest:
            said.add("likeness")
            value = float(rest.partition(" of ")[2].split()[0])
            assert np.abs(alike[IDS.index(row["id"])] - value).min() < 1e-3
        elif row["stage"] != "chosen":
            said.add("nothing")
        assert row["rival"] is None
    assert said == {"likeness", "nothing"}


def test_words_of_stochastic_do_not_promise_the_most_of_all():
    made = choose(IDS, Budget(count=5), "facility-location", greedy="stochastic", **data())
    assert "the most of those looked at" in told(made)[IDS[made.rows[0]]]["reason"]


def copies():
    """Forty rows far from each other, ten of them again, all but the same."""
    rng = np.random.default_rng(1)
    far = rng.normal(size=(40, 64)).astype(np.float32)
    near = far[:10] + 1e-3 * rng.normal(size=(10, 64)).astype(np.float32)
    return np.concatenate([far, near]), [f"row {n}" for n in range(50)]


def test_copies_are_told_apart_from_what_went_for_the_number():
    features, ids = copies()
    made = choose(ids, Budget(count=20), "semdedup", features=features, epsilon=0.01, clusters=1)
    selection = made.selection(ids)
    assert selection.funnel()["duplicate"] == 10 and selection.funnel()["not chosen"] == 20
    assert made.parameters["found_is"]["recall"].startswith("of rows with a near copy anywhere")
    for row in selection.table.to_pylist():
        if row["stage"] == "duplicate":
            assert {int(row["id"][4:]) % 40, int(row["rival"][4:]) % 40} <= set(range(10))
            assert row["similarity"] > 0.99
            assert f"of {row['rival']} in its cluster, cosine 1.000" in row["reason"]
            assert "near copy (from cosine 0.9900 on" in row["reason"]
        else:
            assert row["rival"] is None and row["similarity"] is None
        if row["stage"] == "not chosen":
            assert "it went for the number alone (far ones stay first)" in row["reason"]
        if row["stage"] == "chosen":
            assert "no near copy of another in its cluster" in row["reason"]


def test_copies_that_come_back_say_so():
    features, ids = copies()
    made = choose(ids, Budget(count=45), "semdedup", features=features, epsilon=0.01, clusters=1)
    kept = [row["reason"] for row in made.selection(ids).table.to_pylist()[:45]]
    assert sum("a near copy that is back, as too few others were left" in one for one in kept) == 5


def test_a_chain_says_that_its_link_went_too():
    angle = np.radians([0.0, 10, 20, 30])  # near ones first: one of the middle stays
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ids = list("abcd")
    made = choose(
        ids, Budget(count=1), "semdedup", features=features, epsilon=0.02, clusters=1, first="easy"
    )
    selection = made.selection(ids)
    for row in selection.table.to_pylist()[1:]:
        assert row["stage"] == "duplicate" and "not among the 1 pick of" in row["reason"]
        chain = row["rival"] not in selection.ids
        assert ("by a chain, which went as well" in row["reason"]) == chain
        assert chain == (row["id"] == ("d" if selection.ids == ["b"] else "a"))


def test_what_went_for_the_number_alone_is_no_chain():
    rng = np.random.default_rng(0)
    far = rng.normal(size=(30, 8)).astype(np.float32)
    features = np.concatenate([far, far])  # thirty pairs
    ids = [f"row {n}" for n in range(60)]
    for greedy in (False, True):
        made = choose(
            ids, Budget(count=3), "semdedup", features=features, epsilon=0.001, greedy=greedy
        )
        selection = made.selection(ids)
        stage = {row["id"]: row["stage"] for row in selection.table.to_pylist()}
        gone = [row for row in selection.table.to_pylist() if row["stage"] == "duplicate"]
        assert len(gone) == 30 and not any("chain" in row["reason"] for row in gone)
        for row in gone:
            alone = "; the other went for the number alone) of " in row["reason"]
            assert alone == (stage[row["rival"]] == "not chosen")


def test_a_zero_row_has_no_cluster_and_no_distance():
    features = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    features[3] = 0.0
    ids = [f"row {n}" for n in range(20)]
    said = set()
    for first, count in (("hard", 10), ("easy", 10), ("hard", 20)):
        made = choose(ids, Budget(count=count), "semdedup", features=features, first=first)
        rows = {row["id"]: row for row in made.selection(ids).table.to_pylist()}
        row = rows.pop("row 3")
        assert "; it has no direction, and so no cluster" in row["reason"]
        assert "distance" not in row["reason"] and np.isfinite(made.gains).all()
        alone = row["reason"].endswith("; it went for the number alone")
        assert alone == (row["stage"] == "not chosen")
        said.add(row["stage"])
        assert all("no direction" not in one["reason"] for one in rows.values())
    assert "chosen" in said


@pytest.mark.parametrize("count", [0, 2])
def test_what_counted_as_picked_before_says_so(count):
    features = np.array([[0.0], [1], [10], [11], [20]], np.float32)
    ids = list("abcde")
    made = choose(ids, Budget(count=count), "k-center", features=features, selected=["a", "e"])
    rows = {row["id"]: row for row in made.selection(ids).table.to_pylist()}
    for id_, row in rows.items():
        before = "; it counted as picked before, and is not picked again" in row["reason"]
        assert before == (id_ in "ae")
        assert not before or (row["stage"] == "not chosen" and "distance" not in row["reason"])


def test_numbers_that_are_told_apart_are_written_apart():
    scores = np.array([1.41403, 1.41402, 1.0, np.nextafter(1.41403, 0), 2.0])
    ids = list("abcde")
    made = choose(ids, Budget(count=2), "hardest", scores=scores)
    rows = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    assert "score 1.414, not below the cut of 1.414; " in rows["a"]
    assert "score 1.41402, below the cut of 1.41403; " in rows["b"]
    assert "score 1, below the cut of 1.414; " in rows["c"]
    assert "score 1.4140299999999997, below the cut of 1.4140299999999999; " in rows["d"]
    made = choose(ids, Budget(count=2), "easiest", scores=-scores)
    rows = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    assert "score -1.41402, above the cut of -1.41403; " in rows["b"]


@given(st.lists(st.floats(-1e308, 1e308), min_size=2, max_size=30), st.data())
def test_no_reason_contradicts_its_numbers(scores, data):
    ids = [f"row {n}" for n in range(len(scores))]
    count = data.draw(st.integers(1, len(scores)))
    made = choose(ids, Budget(count=count), "hardest", scores=scores)
    for row in made.selection(ids).table.to_pylist():
        mine, cut = re.findall(r"(?:score|cut of) (\S+?)[,;]", row["reason"])
        if " below" in row["reason"] and "not below" not in row["reason"]:
            assert float(mine) < float(cut)
        else:
            assert float(mine) >= float(cut)


def test_a_row_beside_the_band_is_written_beside_it():
    rows = np.array([[0.0], [1.41401], [-1.41402], [1.41403], [-1.41404], [5], [-5]])
    ids = list("abcdefg")
    made = choose(ids, Budget(count=2), "moderate", features=rows, labels=["x"] * 7)
    said = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    for row in ids:
        distance, low, high = numbers(said[row].partition("; ")[2])
        if "nearer than" in said[row]:
            assert distance < low
        elif "farther than" in said[row]:
            assert distance > high


def test_thousands_have_commas_everywhere():
    ids = [f"row {n}" for n in range(3000)]
    labels = ["a"] * 2500 + ["b"] * 500
    for budget, of in ((Budget(count=1800), ""), (Budget(count=1800, balanced=True), "the ")):
        made = choose(ids, budget, "hardest", scores=np.arange(3000.0), labels=labels)
        reasons = made.selection(ids).table["reason"].to_pylist()
        bare = r"(?:pick|place|of|the) [0-9]{4}|[0-9]{4} (?:of|from|picks)"
        assert not any(
            re.search(bare, re.sub("(?:score|cut of) [0-9]+", "", one)) for one in reasons
        )
        assert any(f"pick 1,234 of {of}1," in one for one in reasons)
        assert any(re.search("not among the 1,[0-9]{3} picks of", one) for one in reasons)
        assert any(re.search("place 2,[0-9]{3} of [23],[05]00 from", one) for one in reasons)


def test_nothing_chosen_of_nothing_is_an_empty_selection():
    made = choose([], Budget(per_class=0), "random", labels=[])
    assert made.selection([]).table.num_rows == 0
    made = choose([], Budget(count=0), "hardest", scores=[])
    assert made.selection([]).table.num_rows == 0


def test_classes_of_the_same_text_are_told_apart():
    ids = [f"row {n}" for n in range(30)]
    labels = [1] * 10 + ["1"] * 20
    features = np.random.default_rng(0).normal(size=(30, 3))
    made = choose(
        ids, Budget(fraction=0.2, balanced=True), "k-center", features=features, labels=labels
    )
    assert made.parameters["shares"] == {"1": 2, "'1'": 4}
    assert set(made.parameters["found"]) == {"1", "'1'"}
    reasons = {row["id"]: row["reason"] for row in made.selection(ids).table.to_pylist()}
    assert "in class 1; " in reasons["row 0"] and "in class '1'; " in reasons["row 29"]
