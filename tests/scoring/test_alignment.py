import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.metric import Batch, Models
from scoring.metrics.alignment import MAX_SENTENCES, Alignment, pieces, release_pieces

WRITTEN = {
    "A dog.": [1, 0, 0],
    "It runs.": [0, 1, 0],
    "A dog": [1, 0, 0],
    " It runs": [0, 1, 0],
    "": [0, 0, 1],
}


def written(texts):
    return np.array([WRITTEN[text] for text in texts], dtype=np.float32)


def hashed(texts):
    rows = [np.random.default_rng(list(t.encode("utf-8", "replace"))).normal(size=8) for t in texts]
    return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


def score(responses, images, embed=hashed):
    batch = Batch(["q"] * len(responses), responses, images, embed)
    return Alignment(Models("none")).score(batch)


def test_worked_by_hand():
    image = np.array([[0.6, 0.0, 0.8]], dtype=np.float32)
    found = score(["A dog. It runs."], [image], written)
    # Sentences e1, e2: renormalised mean (1, 1, 0)/√2, so 0.6/√2; the worst sentence is e2: 0.
    assert found.columns["alignment"][0] == pytest.approx(0.6 / math.sqrt(2), abs=1e-6)
    assert found.columns["alignment_min"][0] == pytest.approx(0.0, abs=1e-6)
    # Pieces e1, e2 and the blank one, e3: 100 · (0.6 + 0 + 0.8) / 3, and not renormalised.
    assert found.columns["alignment_release"][0] == pytest.approx(46.6667, abs=1e-4)
    assert found.notes == [None]


def test_several_images_are_averaged():
    images = np.array([[1.0, 0, 0], [0, 1.0, 0]], dtype=np.float32)
    found = score(["A dog."], [images], written)
    assert found.columns["alignment"][0] == pytest.approx(0.5)
    assert found.columns["alignment_release"][0] == pytest.approx(25.0)


def test_text_only_is_null_with_a_reason():
    found = score(["A dog.", "A cat."], [np.zeros((0, 8), np.float32), hashed(["i"])])
    assert [column[0] for column in found.columns.values()] == [None] * 3
    assert found.notes == ["no image", None]
    assert found.columns["alignment"][1] is not None


def test_nothing_is_nan_where_vectors_are_broken():
    broken = np.full((1, 8), np.nan, dtype=np.float32)
    found = score(["A dog."], [broken])
    assert [column[0] for column in found.columns.values()] == [None] * 3
    found = score(["A dog."], [hashed(["i"])], lambda texts: np.full((len(texts), 8), np.nan))
    assert [column[0] for column in found.columns.values()] == [None] * 3
    assert found.notes[0]


def test_sentences_are_cut_where_a_reader_would():
    assert pieces("Dr. Smith has 3.5 cats.  They sleep!\n\n ") == [
        "Dr. Smith has 3.5 cats.",
        "They sleep!",
    ]
    assert release_pieces("Dr. Smith.") == ["Dr", " Smith", ""]


def test_a_longer_response_is_noted():
    long = "A dog ran. " * 9000
    assert len(pieces(long)) == MAX_SENTENCES
    assert score([long], [hashed(["i"])]).notes == ["only the first 64 of 9000 sentences"]
    assert len(release_pieces(long)) == 10


ODD = ["\x00\x01", "😀" * 5, "\ud800 x", "...", "a" * 5000]


@pytest.mark.parametrize("text", ODD)
def test_odd_text_gets_a_number(text):
    value = score([text], [hashed(["i"])]).columns["alignment"][0]
    assert value is not None
    assert -1.001 <= value <= 1.001


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6))
def test_company_and_ranges(responses):
    image = hashed(["image"])
    together = score(responses, [image] * len(responses))
    for row, response in enumerate(responses):
        alone = score([response], [image])
        for name, column in together.columns.items():
            assert column[row] == pytest.approx(alone.columns[name][0], abs=1e-5)
        assert together.columns["alignment_min"][row] <= 1.0001
        # Each piece's cosine is bounded, and so is their mean.
        assert abs(together.columns["alignment_release"][row]) <= 100.001
