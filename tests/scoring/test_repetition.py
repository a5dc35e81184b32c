import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.metric import Batch, Models
from scoring.metrics.repetition import Repetition


def score(*texts):
    return Repetition(Models("m")).score(Batch(["q"] * len(texts), texts)).columns


def one(text):
    return {name: column[0] for name, column in score(text).items()}


@pytest.mark.parametrize(
    "text",
    [
        "dog",
        "banana",
        "Mississippi",
        "1000000",
        "bye bye",
        "New York",
        "A small brown dog runs over the green grass towards the house.",
        "The cat sat on the mat. The dog sat on the rug.",
        "一只棕色的小狗在绿色的草地上奔跑。",
        "\x00",
        "!!!",
    ],
)
def test_ordinary_text_has_none(text):
    assert one(text)["repetition"] == 0.0


def test_loops_by_hand():
    assert one("dog dog dog")["repetition_loop"] == pytest.approx(2 / 3)  # the last two of three
    assert one("A cat. A cat.")["repetition_loop"] == pytest.approx(2 / 4)
    assert one("see a cat, a cat, a cat")["repetition_loop"] == pytest.approx(4 / 7)
    assert one("a" * 10)["repetition_loop"] == pytest.approx(9 / 10)
    assert one("ha" * 10)["repetition_loop"] == pytest.approx(18 / 20)


def test_ngrams_by_hand():
    # Ten words; "the big red dog" comes again as the last four.
    text = "the big red dog saw how the big red dog"
    assert one(text)["repetition_ngrams"] == pytest.approx(4 / 10)
    # Case and punctuation around words do not matter.
    assert one("The big red dog saw how: 'the big, red dog!'")["repetition_ngrams"] == (
        pytest.approx(4 / 10)
    )


def test_lines_by_hand():
    assert one("one\ntwo\none\nfour")["repetition_lines"] == pytest.approx(3 / 13)
    assert one("one\n\n\n")["repetition_lines"] == 0.0


def test_scripts_without_spaces():
    sentence = "一只棕色的小狗在草地上奔跑"  # 13 characters
    assert one(sentence + "看到" + sentence)["repetition_ngrams"] == pytest.approx(13 / 28)
    assert one(sentence * 4)["repetition_loop"] == pytest.approx(3 / 4)
    assert one("สวัสดีครับ" * 5)["repetition"] == pytest.approx(4 / 5)


def test_emoji():
    assert one("😀" * 20)["repetition"] == pytest.approx(19 / 20)
    assert one("😀🐶🌳")["repetition"] == 0.0


@pytest.mark.parametrize("text", ["a" * 100_000, "word " * 20_000, "ab c\n" * 20_000])
def test_long_text_is_quick(text):
    start = time.process_time()
    assert one(text)["repetition"] > 0.99
    assert time.process_time() - start < 3


@given(st.lists(st.text(alphabet="ab .\n漢字😀é", min_size=1, max_size=60), min_size=1, max_size=5))
def test_ranges_and_company(texts):
    together = score(*texts)
    for row, text in enumerate(texts):
        alone = one(text)
        for name, column in together.items():
            assert column[row] == alone[name]
            assert 0.0 <= column[row] <= 1.0
        parts = [alone[f"repetition_{part}"] for part in ("loop", "ngrams", "lines")]
        assert alone["repetition"] == max(parts)


@given(st.text(alphabet="abcdefgh ", min_size=12, max_size=60).filter(lambda t: len(t.split()) > 2))
def test_said_four_times_is_found(text):
    assert one(" ".join([text.strip()] * 4))["repetition"] >= 0.6
