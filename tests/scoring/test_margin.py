import numpy as np
import pytest

from scoring.metric import Models, Pool
from scoring.metrics import margin
from scoring.metrics.margin import Landmarks, Margin, margins, paired_rows


def unit(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def make(n=120, dim=16, seed=0):
    rng = np.random.default_rng(seed)
    image = unit(rng.normal(size=(n, dim))).astype(np.float16)
    text = unit(image + 0.5 * unit(rng.normal(size=(n, dim)))).astype(np.float16)
    return [f"id {i}" for i in range(n)], image, text


def pool(ids, image, text, status=None, seed=0):
    return Pool(ids, lambda: iter(()), image, text, status or ["ok"] * len(ids), seed)


def score(*parts, **more):
    return Margin(Models("m")).score(pool(*parts, **more))


def test_worked_by_hand():
    image = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float16)
    text = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float16)
    found = score(["a", "b", "c"], image, text).columns
    # Row a: cos 1; other responses fit its image 0 and 1, its response other images 0 and 0.6.
    assert found["alignment_margin"][0] == pytest.approx(1 - 0.5, abs=1e-3)
    assert found["alignment_csls"][0] == pytest.approx(2 - 0.5 - 0.3, abs=1e-3)


def test_equals_the_plain_way():
    ids, image, text = make()
    found = score(ids, image, text).columns
    cosines = unit(image.astype(np.float64)) @ unit(text.astype(np.float64)).T
    for row in range(0, len(ids), 7):
        own = cosines[row, row]
        to_texts = np.sort(np.delete(cosines[row], row))[-10:].mean()
        to_images = np.sort(np.delete(cosines[:, row], row))[-10:].mean()
        assert found["alignment_margin"][row] == pytest.approx(own - to_texts, abs=1e-5)
        assert found["alignment_csls"][row] == pytest.approx(
            2 * own - to_texts - to_images, abs=1e-5
        )


def test_the_order_of_rows_changes_nothing(monkeypatch):
    monkeypatch.setattr(margin, "LANDMARKS", 50)
    ids, image, text = make()
    first = score(ids, image, text).columns
    order = np.random.default_rng(1).permutation(len(ids))
    moved = score([ids[i] for i in order], image[order], text[order]).columns
    for name, values in first.items():
        np.testing.assert_allclose(moved[name], values[order], atol=1e-6)


def test_the_landmarks_stand_for_a_larger_pool(monkeypatch):
    ids, image, text = make(n=600)
    whole = score(ids, image, text).columns["alignment_csls"]
    monkeypatch.setattr(margin, "LANDMARKS", 300)
    sampled = score(ids, image, text).columns["alignment_csls"]
    assert np.corrcoef(whole, sampled)[0, 1] > 0.7


def test_a_swapped_image_is_lowest():
    ids, image, text = make()
    image[[3, 90]] = image[[90, 3]]
    values = score(ids, image, text).columns["alignment_csls"]
    assert set(np.argsort(values)[:2]) == {3, 90}


def test_a_new_row_gets_what_it_would_get_in_the_pool():
    ids, image, text = make()
    whole = score(ids, image, text).columns
    old = pool(ids[1:], image[1:], text[1:])
    new = pool(ids[:1], image[:1], text[:1])
    found = margins(new, paired_rows(new), Landmarks.of(old, 0), own=False).columns
    for name, values in whole.items():
        assert found[name][0] == pytest.approx(values[0], abs=1e-6)


def test_rows_without_a_vector_are_null_with_a_reason():
    ids, image, text = make(n=5)
    image[2] = np.nan
    scores = score(ids, image, text, ["ok", "bad", "ok", "ok", "ok"])
    lost = np.isnan(scores.columns["alignment_margin"])
    assert lost.tolist() == [False, True, True, False, False]
    assert scores.notes[2] == "no image" and scores.notes[0] is None
    alone = score(ids[:1], image[:1], text[:1])
    assert alone.notes == ["no other row to compare with"]
