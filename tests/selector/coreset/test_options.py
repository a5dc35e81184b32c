"""Options of methods: declared once, checked before a row is looked at; and methods as typed."""

import math
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

from data_cards import BadInputError
from selector.coreset import Budget, choose, methods
from selector.coreset.options import declared_options
from selector.coreset.typed import as_typed, read_typed

EVERY = [(name, option) for name, one in methods().items() for option in one.options.values()]


@pytest.mark.parametrize(("name", "option"), EVERY, ids=[f"{n}:{o.name}" for n, o in EVERY])
def test_every_option_says_what_it_is_and_its_default_is_allowed(name, option):
    assert option.meaning and not option.meaning.endswith(".")
    assert option.checked(name, option.default) == option.default
    assert option.meaning[1:] in methods()[name].pick.__doc__
    if option.typed:
        assert option.allowed in methods()[name].pick.__doc__


@pytest.mark.parametrize(
    ("name", "options", "given", "allowed"),
    [
        ("semdedup", {"greedy": "maybe"}, "greedy is 'maybe'", "true or false"),
        ("semdedup", {"greedy": 1}, "greedy is 1", "true or false"),
        ("semdedup", {"clusters": 0}, "clusters is 0", "a whole number from 1 up, or null"),
        ("semdedup", {"clusters": -1}, "clusters is -1", "a whole number from 1 up, or null"),
        ("semdedup", {"clusters": 10.5}, "clusters is 10.5", "a whole number from 1 up"),
        ("semdedup", {"clusters": 10.0}, "clusters is 10.0", "a whole number from 1 up"),
        ("semdedup", {"epsilon": "abc"}, "epsilon is 'abc'", "a number from 0 to 2, or null"),
        ("semdedup", {"epsilon": math.nan}, "epsilon is nan", "a number from 0 to 2, or null"),
        ("ccs", {"strata": 2.5}, "strata is 2.5", "a whole number from 1 to 10,000"),
        ("ccs", {"strata": True}, "strata is true", "a whole number from 1 to 10,000"),
        ("ccs", {"strata": 10**9}, "strata is 1000000000", "a whole number from 1 to 10,000"),
        ("ccs", {"cut": 1}, "cut is 1", "a number from 0, below 1"),
        ("hardest", {"offset": "abc"}, "offset is 'abc'", "a number from 0, below 1"),
        ("k-center", {"first": "middle"}, "first is 'middle'", "mean or random"),
        ("graph-cut", {"greedy": "Naive"}, "greedy is 'Naive'", "lazy, naive or stochastic"),
        ("graph-cut", {"weight": math.inf}, "weight is inf", "a number above 0"),
        ("facility-location", {"epsilon": 1.0}, "epsilon is 1.0", "a number above 0 and below 1"),
        ("robust-k-center", {"outliers": -0.1}, "outliers is -0.1", "a number from 0, below 1"),
        ("d2", {"neighbours": -1}, "neighbours is -1", "a whole number from 0 up"),
        ("d2", {"gamma": None}, "gamma is null", "a number above 0"),
        ("d2", {"gamma": 10**400}, "gamma is ", "a number above 0"),
    ],
)
def test_what_cannot_be_is_refused(name, options, given, allowed):
    some = {"features": np.eye(4), "scores": np.arange(4.0)}
    with pytest.raises(BadInputError) as caught:
        choose(range(4), Budget(count=2), name, **some, **options)
    assert caught.value.message.startswith(f"method '{name}': {given}")
    assert f"Give {allowed}" in caught.value.remedy and len(caught.value.message) < 120


def test_the_word_and_the_option_that_were_meant_are_named():
    with pytest.raises(BadInputError) as caught:
        methods()["graph-cut"].checked({"greedy": "Naive"})
    assert caught.value.remedy.startswith("Did you mean naive?")
    with pytest.raises(BadInputError, match="method 'd2' has no option gama") as caught:
        methods()["d2"].checked({"neighbours": 3, "gama": 0.5})
    assert caught.value.remedy == "Did you mean gamma?"
    with pytest.raises(BadInputError) as caught:
        methods()["d2"].checked({"x": 0.5})
    assert caught.value.remedy == "Its options are: neighbours, gamma, start, cut."
    with pytest.raises(BadInputError) as caught:
        methods()["random"].checked({"x": 0.5})
    assert caught.value.remedy == "It has none."


def test_numbers_of_numpy_are_numbers():
    given = {"gamma": np.float32(0.5), "neighbours": np.int64(3)}
    assert methods()["d2"].checked(given) == {"gamma": 0.5, "neighbours": 3}
    assert methods()["herding"].checked({"normalise": np.True_}) == {"normalise": True}


def test_what_is_for_python_alone_cannot_be_typed():
    assert methods()["k-center"].checked({"selected": ["a"]}) == {"selected": ["a"]}
    with pytest.raises(BadInputError, match="selected is an option only in Python") as caught:
        methods()["k-center"].checked({"selected": 3}, typed=True)
    assert "ids that count as picked before" in caught.value.remedy


@pytest.mark.parametrize("method", ["facility-location", "graph-cut", "d2"])
def test_as_many_neighbours_as_rows_are_all(method):
    rng = np.random.default_rng(0)
    given = {"features": rng.normal(size=(30, 4)), "scores": rng.random(30)}
    most = {} if method != "d2" else {"neighbours": 29}
    one = choose(range(30), Budget(count=8), method, **given, **most)
    other = choose(range(30), Budget(count=8), method, **given, neighbours=1000)
    assert one.rows.tolist() == other.rows.tolist() and one.gains.tolist() == other.gains.tolist()


def test_an_option_without_a_meaning_is_no_option():
    def bare(pool, count, rng, *, size: int = 3):
        """Nothing."""

    def told(pool, count, rng, *, size: Annotated[int, Field(description="how large")] = 3):
        """Nothing."""

    with pytest.raises(ValueError, match="option size does not say what it means"):
        declared_options(bare)
    assert declared_options(told)["size"].allowed == "a whole number"


def test_methods_as_typed():
    made = read_typed(" d2 : aum : gamma=0.3, neighbours=10,start=sum ")
    assert (made.name, made.words) == ("d2", ("aum",))
    assert made.options == {"gamma": 0.3, "neighbours": 10, "start": "sum"}
    assert read_typed("semdedup:epsilon=null,greedy=true").options == {
        "epsilon": None, "greedy": True
    }  # fmt: skip
    assert read_typed("random").options == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' names no method"),
        (":aum", "':aum' names no method"),
        ("herding:", "'herding:': nothing stands behind a colon"),
        ("ccs::cut=0.3", "nothing stands behind a colon"),
        ("d2:gamma=", "'gamma=' is not OPTION=VALUE"),
        ("d2:=3", "'=3' is not OPTION=VALUE"),
        ("d2:gamma=1,", "'' is not OPTION=VALUE"),
        ("d2:gamma=1,cut", "'cut' is not OPTION=VALUE"),
        ("d2:gamma=0.5,gamma=0.7", "says gamma twice"),
        ("d2:gamma=0.5:gamma=0.7", "says gamma twice"),
    ],
)
def test_empty_and_repeated_parts_are_refused(text, words):
    with pytest.raises(BadInputError, match=words) as caught:
        read_typed(text)
    assert caught.value.remedy


def test_values_as_typed():
    assert [as_typed(one) for one in (1.0, 1, 0.3, True, None, "sum", math.nan)] == [
        "1", "1", "0.3", "true", "null", "sum", "nan"
    ]  # fmt: skip
