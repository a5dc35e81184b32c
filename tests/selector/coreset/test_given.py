"""What callers of the shelf give: converted where that is safe, else refused in plain words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_cards.errors import BadInputError
from selector.coreset import Budget, choose

IDS = list(range(20))
FEATURES = np.random.default_rng(0).random((20, 4)).astype(np.float32)


@pytest.mark.parametrize("make", [list, np.ndarray.tolist, torch.from_numpy, np.asfortranarray])
def test_what_makes_an_array_is_as_good(make):
    chosen = choose(IDS, Budget(count=5), "k-center", features=FEATURES)
    again = choose(IDS, Budget(count=5), "k-center", features=make(FEATURES))
    assert again.rows.tolist() == chosen.rows.tolist()
    ranked = choose(IDS, Budget(count=5), "hardest", scores=FEATURES[:, 0])
    again = choose(IDS, Budget(count=5), "hardest", scores=make(FEATURES[:, 0]))
    assert again.rows.tolist() == ranked.rows.tolist()


@pytest.mark.parametrize(
    "make", [list, tuple, np.array, torch.tensor, lambda x: np.array(x, dtype=object)]
)
def test_classes_of_any_sequence(make):
    labels = [n % 3 for n in IDS]
    chosen = choose(IDS, Budget(per_class=2), "random", labels=labels)
    again = choose(IDS, Budget(per_class=2), "random", labels=make(labels))
    assert again.rows.tolist() == chosen.rows.tolist() and len(again.rows) == 6


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"count": 10.5}, "the count is 10.5"),
        ({"count": True}, "the count is True"),
        ({"count": "3"}, "the count is '3'"),
        ({"count": -1}, "the count is -1"),
        ({"per_class": 2.5}, "the number per class is 2.5"),
        ({"fraction": 2}, "the kept fraction is 2"),
        ({"fraction": -0.1}, "the kept fraction is -0.1"),
        ({"fraction": "half"}, "the kept fraction is 'half'"),
        ({"fraction": np.nan}, "the kept fraction is nan"),
    ],
)
def test_a_budget_is_a_number_in_range(budget, said):
    with pytest.raises(BadInputError, match=said):
        Budget(**budget)


def test_numbers_of_numpy_are_numbers():
    assert len(choose(IDS, Budget(count=np.int64(3)), "random", seed=np.int32(1)).rows) == 3
    assert Budget(fraction=np.float32(0.5)).total(20) == 10
    assert not len(choose(IDS, Budget(count=0), "random").rows)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"features": "abc"}, "features are the text 'abc'"),
        ({"features": [[1], [2, 3]]}, "features are of type list and make no array"),
        ({"features": FEATURES.astype(str)}, r"features are .* \(20, 4\): <U32"),
        ({"features": FEATURES > 0}, "bool"),
        ({"features": FEATURES * 1j}, "complex"),
        ({"features": FEATURES[:, 0]}, r"features of shape \(20,\)"),
        ({"features": FEATURES[:, :0]}, r"features of shape \(20, 0\)"),
        ({"features": FEATURES[1:]}, r"20 ids, but features of shape \(19, 4\)"),
        ({"scores": "abc"}, "scores are the text 'abc'"),
        ({"scores": ["a"] * 20}, "scores are of type list"),
        ({"scores": FEATURES}, r"scores of shape \(20, 4\)"),
        ({"labels": "ab" * 10}, "labels are the text 'abab"),
        ({"labels": np.eye(20)}, r"labels are of type ndarray of shape \(20, 20\)"),
        ({"labels": np.eye(20).tolist()}, "labels are of type list"),
        ({"labels": 3}, "labels are of type int"),
        ({"labels": IDS[1:]}, "20 ids, but 19 labels"),
        ({"seed": -1}, "the seed is -1"),
        ({"seed": 1.5}, "the seed is 1.5"),
        ({"seed": 2**200}, "the seed is 160693"),
    ],
)
def test_what_is_no_such_thing_is_refused(given, said):
    with pytest.raises(BadInputError, match=said):
        choose(IDS, Budget(count=3), "random", **given)


def test_ids_and_budgets_are_what_they_are_called():
    with pytest.raises(BadInputError, match="ids are the text 'abc'"):
        choose("abc", Budget(count=1), "random")
    with pytest.raises(BadInputError, match="ids are of type int"):
        choose(5, Budget(count=1), "random")
    with pytest.raises(BadInputError, match="the budget is 3") as caught:
        choose(IDS, 3, "random")
    assert "Budget(count=100)" in caught.value.remedy
    with pytest.raises(BadInputError, match="selected is of type int"):
        choose(IDS, Budget(count=1), "k-center", features=FEATURES, selected=3)
    with pytest.raises(BadInputError, match=r"there is no id \[1\]"):
        choose(IDS, Budget(count=1), "k-center", features=FEATURES, selected=[[1]])


def test_a_generator_is_as_good_as_a_seed():
    made = choose(IDS, Budget(count=5), "random", seed=np.random.default_rng(3))
    again = choose(IDS, Budget(count=5), "random", seed=np.random.default_rng(3))
    told = choose(IDS, Budget(count=5), "random", seed=made.parameters["seed"])
    assert made.rows.tolist() == again.rows.tolist() == told.rows.tolist()
    rng = np.random.default_rng(3)
    drawn = [choose(IDS, Budget(count=5), "random", seed=rng).rows.tolist() for _ in range(4)]
    assert len(set(map(tuple, drawn))) > 1


def test_ids_may_be_pairs():
    pairs = [("a", n) for n in IDS]
    made = choose(pairs, Budget(count=3), "random")
    assert made.selection(pairs).funnel()["chosen"] == 3


def test_shares_by_class_need_classes_and_reasons_say_within_which():
    for budget in (Budget(count=5, balanced=True), Budget(fraction=0.5, balanced=True)):
        with pytest.raises(BadInputError, match="needs classes"):
            choose(IDS, budget, "random")
        made = choose(IDS, budget, "k-center", features=FEATURES, labels=["a", "b"] * 10)
        for reason in made.selection(IDS).table["reason"].to_pylist():
            assert "; within it: distance " in reason and " in class " in reason


@pytest.mark.parametrize("budget", [{"count": 4}, {"count": 0}, {"per_class": 1}, {"per_class": 0}])
def test_a_selection_is_of_all_ids_that_were_chosen_from(budget):
    made = choose(IDS, Budget(**budget), "random", labels=[n % 2 for n in IDS])
    assert sum(made.selection(IDS).funnel().values()) == 20
    with pytest.raises(BadInputError, match="5 ids, and the choice was made of 20 rows"):
        made.selection(IDS[:5])
