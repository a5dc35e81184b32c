"""What is no number is null, everywhere."""

import json

import numpy as np

from pickwell.plain_json import finite, plain_json


def test_nan_and_infinity_are_null_at_every_depth():
    nan = float("nan")
    value = {"a": nan, "b": [1.0, (nan, float("inf"))], "c": {"d": np.float64("nan"), "e": 2}}
    assert finite(value) == {"a": None, "b": [1.0, [None, None]], "c": {"d": None, "e": 2}}
    text = plain_json(value)
    assert "NaN" not in text and text.endswith("}\n")
    assert json.loads(text) == finite(value)


def test_the_rest_is_kept():
    value = {"x": [1, "NaN", None, True, -0.5]}
    assert json.loads(plain_json(value)) == value
