"""Ratings out of answers, by hand-worked probabilities."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.judge.ratings import Token, UnreadableError, expected, read

ANSWER = '{"relevance": 4, "correctness": 3, "completeness": 5, "helpfulness": 1}'


def spread(**shares: float) -> list[tuple[str, float]]:
    return [(text.strip("_"), math.log(share)) for text, share in shares.items()]


def tokens(relevance: list[tuple[str, float]], written: str = "4") -> list[Token]:
    """The answer, one token a digit; relevance with these alternatives, the others certain."""
    sure = lambda text: Token(text, [(text, 0.0)])  # noqa: E731
    return [
        sure('{"relevance": '),
        Token(written, relevance),
        sure(', "correctness": '),
        sure("3"),
        sure(', "completeness": '),
        sure("5"),
        sure(', "helpfulness":'),
        sure(" 1"),
        sure("}"),
    ]


def test_the_mean_over_the_tokens_at_the_place_of_the_digit():
    # 0.6 * 4 + 0.2 * 3 + 0.1 * 5 = 3.5 on a mass of 0.9
    found = read("aspects", ANSWER, tokens(spread(_4=0.6, _3=0.2, _5=0.1, x=0.1)))
    assert found.ratings["relevance"] == pytest.approx(3.5 / 0.9)
    assert found.ratings["correctness"] == pytest.approx(3)
    assert found.ratings["helpfulness"] == pytest.approx(1)
    assert (found.method, found.reason) == ("expected", None)
    assert found.rating == pytest.approx((3.5 / 0.9 + 3 + 5 + 1) / 4)


def test_the_same_digit_with_and_without_a_space_is_one_rating():
    top = [*spread(_4=0.3, _2=0.2), (" 4", math.log(0.3)), ("4,", math.log(0.2))]
    assert expected("aspects", Token("4", top), "") == pytest.approx((3.6, 1.0))


def test_what_is_no_rating_counts_nothing():
    top = [*spread(_4=0.5, _7=0.1, _0=0.1, _45=0.1, _4a=0.1), ("-4", math.log(0.05)), ("٤", -3)]
    assert expected("aspects", Token("4", top), "") == pytest.approx((4.0, 0.5))


def test_a_token_that_begins_before_the_digit():
    top = [(' "4', math.log(0.5)), (' "2', math.log(0.5)), (" 5", -1.0)]
    assert expected("aspects", Token(' "4', top), ' "') == pytest.approx((3.0, 1.0))


def test_a_rating_that_the_model_hardly_considers_is_null_with_a_reason():
    found = read("aspects", ANSWER, tokens(spread(_4=0.3, _5=0.1, x=0.6)))
    assert found.ratings["relevance"] is None and found.rating is None
    assert found.ratings["completeness"] == pytest.approx(5)
    assert found.reason == "relevance: only 40% of the probability is on ratings"


def test_a_place_that_is_not_found_is_null_with_a_reason():
    found = read("aspects", ANSWER, [Token("something else", [("something else", 0.0)])])
    assert set(found.ratings.values()) == {None}
    assert "relevance: its place among the tokens was not found" in found.reason


def test_without_probabilities_the_number_that_was_written():
    found = read("aspects", f"Sure!\n```json\n{ANSWER}\n```", None)
    assert found.method == "parsed" and found.ratings["relevance"] == 4.0


def test_thinking_aloud_before_the_answer_moves_nothing():
    thought = Token('It is {"relevance": 1} I think. ', [])
    found = read("aspects", ANSWER, [thought, *tokens(spread(_4=1.0))])
    assert found.ratings["relevance"] == pytest.approx(4)


def test_zero_to_a_hundred_in_one_token():
    top = [("85", math.log(0.5)), ("90", math.log(0.25)), ("100", math.log(0.05)), ("x", -1.6)]
    answer = [Token('{"rating": ', []), Token("85", top), Token("}", [])]
    found = read("paper", '{"rating": 85}', answer)
    assert found.ratings["rating"] == pytest.approx((42.5 + 22.5 + 5) / 0.8)
    assert found.method == "expected"


def test_zero_to_a_hundred_digit_by_digit_is_the_number_that_was_written():
    answer = [Token('{"rating": ', []), Token("8", spread(_8=0.6, _9=0.4)), Token("5", [])]
    found = read("paper", '{"rating": 85}', [*answer, Token("}", [])])
    assert (found.ratings, found.method) == ({"rating": 85.0}, "parsed")
    one = [Token('{"rating": ', []), Token("7", spread(_7=0.6, _8=0.4)), Token("}", [])]
    assert read("paper", '{"rating": 7}', one).method == "parsed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Four out of five.",
        "{",
        '{"relevance": 4, "correctness": 3, "completeness": 5',
        '{"relevance": 4, "correctness": 3, "completeness": 5}',
        ANSWER.replace("4", "6"),
        ANSWER.replace("4", "0"),
        ANSWER.replace("4", "4.5"),
        ANSWER.replace("4", "true"),
        ANSWER.replace("4", "null"),
        ANSWER.replace("4", "[4]"),
        ANSWER.replace('"correctness": 3', '"relevance": 3'),
        ANSWER.replace("4", "9" * 5000),
        '{"relevance": ' * 5000,
    ],
)
def test_an_answer_without_the_ratings_is_no_rating(text):
    with pytest.raises(UnreadableError, match="the answer holds no"):
        read("aspects", text, None)


@given(st.lists(st.tuples(st.sampled_from(["1", "2", " 3", "4", "5,", "x"]), st.floats(-30, 0))))
def test_an_expected_rating_lies_between_the_ratings(top):
    value, mass = expected("aspects", Token("4", top), "")
    assert (value is None) == (mass < 0.5)
    if value is not None:
        there = [int(text.strip(" ,")) for text, _ in top if text != "x"]
        assert min(there) - 1e-9 <= value <= max(there) + 1e-9


@given(
    st.lists(st.integers(1, 5), min_size=4, max_size=4),
    st.sampled_from([None, 0, 2]),
    st.integers(1, 7),
)
def test_certain_tokens_give_what_is_written_however_the_answer_is_cut(numbers, indent, step):
    names = ("relevance", "correctness", "completeness", "helpfulness")
    text = json.dumps(dict(zip(names, numbers, strict=True)), indent=indent)
    cut = [text[i : i + step] for i in range(0, len(text), step)]
    found = read("aspects", text, [Token(piece, [(piece, 0.0)]) for piece in cut])
    for name, number in zip(names, numbers, strict=True):
        value = found.ratings[name]
        assert value is None or value == pytest.approx(number)
    if step == 1:
        assert None not in found.ratings.values()


@given(st.text())
def test_no_text_breaks_the_reader(text):
    try:
        read("aspects", text, None)
    except UnreadableError as error:
        assert str(error)
