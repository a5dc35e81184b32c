"""Methods with their scores and options, as typed for `prune --by` and `benchmark`."""

import pytest

from data_cards import BadInputError
from finetune.reduce import parse_entry


def test_entries_as_typed():
    entry = parse_entry("d2:aum:gamma=0.3,start=product", "el2n")
    assert (entry.method, entry.score) == ("d2", "aum")
    assert entry.options == {"gamma": 0.3, "start": "product"}
    assert parse_entry("ccs", "el2n").name == "ccs:el2n"
    assert parse_entry("herding", "x").score is None


def test_the_name_is_the_same_however_it_was_typed():
    for text in ("d2:aum:start=product,gamma=0.3", "d2 : aum : gamma=0.30 , start=product"):
        assert parse_entry(text, "el2n").name == "d2:aum:gamma=0.3,start=product"
    for text in ("d2:gamma=1", "d2:el2n:gamma=1.0"):
        assert parse_entry(text, "el2n").name == "d2:el2n:gamma=1"
    assert parse_entry("herding:normalise=true", "el2n").name == "herding:normalise=true"


@pytest.mark.parametrize(
    ("text", "words", "remedy"),
    [
        ("HERDING", "unknown method 'HERDING'", "Did you mean herding?"),
        ("qqq", "unknown method 'qqq'", "Methods are: ccs, d2"),
        ("herding:", "nothing stands behind a colon", "METHOD[:SCORE]"),
        ("herding:el2n", "herding ranks by no score", "Leave el2n out."),
        ("ccs:auum", "there is no score 'auum'", "Did you mean aum?"),
        ("ccs:EL2N", "there is no score 'EL2N'", "Did you mean el2n?"),
        ("ccs:qqq", "there is no score 'qqq'", "One of: forgetting"),
        ("ccs:aum:el2n", "names 2 scores: aum, el2n", "Name one."),
        ("hardest:influence", "no method ranks by influence", "only in Python: scoring.dynamics"),
        ("d2:gamma", "the option gamma has no value", "Write gamma=VALUE."),
        ("d2:gama=0.5", "'d2' has no option gama", "Did you mean gamma?"),
        ("ccs:a=1", "'ccs' has no option a", "Its options are: cut, strata."),
        ("semdedup:greedy=maybe", "'semdedup': greedy is 'maybe'", "Give true or false"),
        ("ccs:strata=2.5", "'ccs': strata is 2.5", "Give a whole number"),
        ("semdedup:epsilon=NaN", "epsilon is nan", "Give a number from 0 to 2, or null"),
        ("d2:gamma=0.5,gamma=0.7", "says gamma twice", "Say it once."),
        ("k-center:selected=3", "selected is an option only in Python", "choose"),
    ],
)
def test_what_cannot_be_is_refused(text, words, remedy):
    with pytest.raises(BadInputError, match=words) as caught:
        parse_entry(text, "el2n")
    assert remedy in caught.value.remedy
