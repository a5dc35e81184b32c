import numpy as np
import pytest
from PIL import Image, ImageDraw

from data_cards.errors import BadInputError
from scoring.metric import Models, registry
from scoring.metrics.image_quality import ImageQuality
from scoring.quality.floors import (
    DEFAULT_FLOORS,
    Floor,
    applicable,
    apply_floors,
    override_floors,
    parse_floor,
)

NAN = np.nan


def test_reasons_say_value_and_limit() -> None:
    columns = {"repetition": np.array([0.1, 0.72, 0.5, NAN])}
    reasons = apply_floors(columns, [Floor("repetition", "<=", 0.5, "it repeats itself")])
    assert reasons.tolist() == [
        None,
        "it repeats itself: repetition 0.72 is above 0.5",
        None,
        None,
    ]


def test_all_reasons_are_given() -> None:
    columns = {"a": np.array([0.0, 1.0]), "b": np.array([9.0, 9.0])}
    reasons = apply_floors(columns, [Floor("a", ">", 0.5, "x"), Floor("b", "<", 5, "y")])
    assert reasons[0] == "x: a 0 is not above 0.5; y: b 9 is not below 5"
    assert reasons[1] == "y: b 9 is not below 5"


def test_quantile_is_of_the_pool() -> None:
    values = np.r_[np.arange(100.0), NAN]
    reasons = apply_floors(
        {"alignment": values}, [Floor("alignment", ">=", 0.05, "low", quantile=True)]
    )
    assert [r is not None for r in reasons] == [True] * 5 + [False] * 96
    assert reasons[0] == "low: alignment 0 is below 4.95 (the 5% quantile of the pool)"


def test_quantile_of_equal_or_missing_values_throws_nothing_out() -> None:
    floor = Floor("a", ">=", 0.05, quantile=True)
    for values in (np.full(10, 0.3), np.full(10, NAN)):
        assert all(r is None for r in apply_floors({"a": values}, [floor]))


def test_truth_values_and_none() -> None:
    column = np.array([True, False, None], dtype=object)
    reasons = apply_floors({"language_match": column}, [parse_floor("language_match==true")])
    assert reasons.tolist() == [None, "language_match is false", None]


def test_condition_limits_where_a_floor_applies() -> None:
    columns = {"boilerplate": np.array([50, 50, 3, 50]), "words": np.array([1, 5, 5, NAN])}
    reasons = apply_floors(columns, [parse_floor("boilerplate<=10 when words>=3", columns)])
    assert [r is not None for r in reasons] == [False, True, False, False]


@pytest.mark.parametrize(
    ("text", "column", "op", "threshold", "quantile"),
    [
        ("repetition<=0.5", "repetition", "<=", 0.5, False),
        (" alignment >= q0.05 ", "alignment", ">=", 0.05, True),
        ("characters>0", "characters", ">", 0.0, False),
        ("language_match=true", "language_match", "==", 1.0, False),
        ("x != -1e3", "x", "!=", -1000.0, False),
    ],
)
def test_parse(text, column, op, threshold, quantile) -> None:
    assert parse_floor(text) == Floor(column, op, threshold, "", quantile)
    assert parse_floor(str(parse_floor(text))) == parse_floor(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "repetition",
        "repetition<=",
        "<=0.5",
        "a<=b",
        "a<=nan",
        "a>=q1.5",
        "a<=1 b<=2",
        "a<=1 when",
        "a<=1 when b<=1 when c<=1",
    ],
)
def test_parse_errors(text) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_floor(text)
    assert "repetition<=0.5" in caught.value.remedy


def test_misspelt_column() -> None:
    with pytest.raises(BadInputError, match="Did you mean 'repetition'"):
        parse_floor("repitition<=0.5", ["words", "repetition"])
    with pytest.raises(BadInputError, match="Did you mean 'words'"):
        apply_floors({"words": np.zeros(2)}, [Floor("word", ">", 1)])


def test_defaults_read_back_and_explain_themselves() -> None:
    for floor in DEFAULT_FLOORS:
        assert floor.reason
        read = parse_floor(str(floor))
        assert (read.column, read.op, read.threshold) == (floor.column, floor.op, floor.threshold)


def test_default_columns_exist() -> None:
    declared = {c.name for metric in registry().values() for c in metric.spec.columns}
    assert all(declared.issuperset(floor.columns()) for floor in DEFAULT_FLOORS)


def test_applicable_and_override() -> None:
    assert [f.column for f in applicable(DEFAULT_FLOORS, ["boilerplate", "alignment"])] == [
        "alignment"
    ]
    own = parse_floor("repetition<=0.9")
    floors = override_floors(DEFAULT_FLOORS, [own])
    assert [f for f in floors if f.column == "repetition"] == [own]
    assert len(floors) == len(DEFAULT_FLOORS)


def test_no_columns_no_rows() -> None:
    assert len(apply_floors({}, [])) == 0


def test_line_art_is_not_blank_and_a_page_number_makes_no_picture() -> None:
    page = Image.new("RGB", (744, 1052), "white")
    numbered, drawn = page.copy(), page.copy()
    ImageDraw.Draw(numbered).text((370, 1020), "17", "black")
    ImageDraw.Draw(drawn).ellipse((340, 400, 420, 500), outline="black", width=4)  # a thin ring
    measured = [
        ImageQuality(Models("m")).measure(image.reduce(3), {})["image_blankness"]
        for image in (page, numbered, drawn)
    ]
    floor = next(floor for floor in DEFAULT_FLOORS if floor.column == "image_blankness")
    assert measured[2] > 0.98
    assert floor.holds(np.array(measured)).tolist() == [False, False, True]
