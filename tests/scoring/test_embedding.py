import numpy as np
import pytest
from sklearn.decomposition import PCA

from scoring.metric import Models, Pool
from scoring.metrics import embedding
from scoring.metrics.embedding import Embedding


def unit(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def make(n=300, dim=16, seed=0):
    rng = np.random.default_rng(seed)
    scales = np.linspace(3, 0.2, dim)
    image = unit(rng.normal(size=(n, dim)) * scales + 1).astype(np.float16)
    text = unit(rng.normal(size=(n, dim)) * scales[::-1]).astype(np.float16)
    return [f"id {i}" for i in range(n)], image, text


def score(ids, image, text, status=None):
    pool = Pool(ids, lambda: iter(()), image, text, status or ["ok"] * len(ids))
    return Embedding(Models("m")).score(pool), pool


def table(scores, side):
    return np.stack([scores.columns[f"{side}_pca_{i}"] for i in range(1, 7)], axis=1)


def test_equals_the_library_up_to_sign():
    ids, image, text = make()
    scores, pool = score(ids, image, text)
    vectors = unit(image.astype(np.float32))
    reference = PCA(6).fit(vectors.astype(np.float64))
    projected = reference.transform(vectors)
    found = table(scores, "image")
    for axis in range(6):
        sign = np.sign(found[:, axis] @ projected[:, axis])
        np.testing.assert_allclose(found[:, axis], sign * projected[:, axis], atol=1e-5)
    stored = pool.artefacts["image_pca_std"]
    np.testing.assert_allclose(stored, found.std(axis=0), rtol=1e-4)
    again = (vectors - pool.artefacts["image_pca_mean"]) @ pool.artefacts["image_pca_components"].T
    np.testing.assert_allclose(again, found, atol=1e-6)
    components = pool.artefacts["image_pca_components"]
    assert all(axis[np.abs(axis).argmax()] > 0 for axis in components)


def test_the_order_of_rows_changes_nothing(monkeypatch):
    monkeypatch.setattr(embedding, "_SAMPLE", 100)  # so that the sample is a real choice
    ids, image, text = make()
    first, pool = score(ids, image, text)
    order = np.random.default_rng(1).permutation(len(ids))
    second, shuffled = score([ids[i] for i in order], image[order], text[order])
    for name in first.columns:
        np.testing.assert_allclose(second.columns[name], first.columns[name][order], atol=1e-6)
    for name, array in pool.artefacts.items():
        np.testing.assert_array_equal(array, shuffled.artefacts[name])


def test_missing_and_bad_rows_are_null_and_left_out_of_the_fit():
    ids, image, text = make()
    clean, _ = score(ids[2:], image[2:], text[2:])
    image[0] = np.nan
    text[1] = np.nan
    scores, _ = score(ids, image, text, ["ok", "bad"] + ["ok"] * (len(ids) - 2))
    assert scores.notes[:3] == ["no image vector", "no image vector; no text vector", None]
    assert np.isnan(table(scores, "image")[:2]).all()
    assert np.isfinite(table(scores, "text")[0]).all()
    np.testing.assert_allclose(table(scores, "image")[2:], table(clean, "image"), atol=1e-6)


def test_a_pool_that_spans_too_little():
    ids, image, text = make(n=3)
    scores, _ = score(ids, image, text)
    found = table(scores, "image")
    assert np.isfinite(found[:, :2]).all()
    assert np.isnan(found[:, 2:]).all()
    assert "spans fewer than 6 image axes" in scores.notes[0]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows(n):
    ids, image, text = make()
    scores, _ = score(ids[:n], image[:n], text[:n])
    assert np.isnan(table(scores, "image")).all()
    assert len(scores.notes) == n


def test_equal_rows_give_nulls_and_no_crash():
    ids, image, _ = make(n=9)
    image[:] = image[0]
    scores, _ = score(ids, image, None)
    assert np.isnan(table(scores, "image")).all()
