"""Captions tell pictures apart, and a cosine of nearly 1 is not called 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickwell.prune_captions import LETTERS, below_one, captions, shortened


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clipart/computers", "clipart/computing"], ["computers", "computing"]),
        (["a/same", "a/same"], ["same", "same"]),
        (["a/", "a/b"], ["a/", "b"]),
        (["one"], ["one"]),
        ([], []),
        (
            ["clipart/computers/hardware", "terrain/castle/hardware"],
            ["clipa…rs/hardware", "terra…le/hardware"],
        ),
    ],
)
def test_the_folders_of_all_are_left_out_and_ends_are_read(words, told):
    assert captions(words) == told


@given(st.text(max_size=60), st.integers(3, 40))
def test_a_shortened_word_has_its_start_and_its_end(word, letters):
    short = shortened(word, letters)
    assert len(short) == min(len(word), letters)
    if short != word:
        start, end = short.split("…", 1) if "…" not in word else (word[:0], word[-1:])
        assert word.startswith(start) and word.endswith(end) and end


def test_words_that_differ_in_their_last_letters_differ_as_captions():
    words = [f"{'long/' * 9}{n:03}" for n in range(100)]
    assert len(set(captions(["other", *words]))) == 101
    assert max(map(len, captions(["other", *words]))) == LETTERS


@pytest.mark.parametrize(
    ("cosine", "told"),
    [
        (0.97, "0.970"), (0.9994, "0.999"), (0.9996, "0.9996"), (0.99998, "0.99998"),
        (0.999998, "0.999998"), (0.99999996, "1"), (1.0, "1"), (1.0000002, "1"), (-0.5, "-0.500"),
    ],
)  # fmt: skip
def test_only_what_is_one_to_six_digits_is_called_one(cosine, told):
    assert below_one(cosine) == told
