import numpy as np
import pytest

import scoring.metrics.map as map_module
from scoring.metric import Models, Pool
from scoring.metrics.map import MapMetric


def pool(rows: int, order: np.ndarray | None = None) -> Pool:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(3, 16))
    vectors = centres[np.arange(rows) % 3] + rng.normal(size=(rows, 16)) * 0.1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    image, text = vectors.astype(np.float16), np.roll(vectors, 1, axis=1).astype(np.float16)
    image[4] = np.nan  # text only
    image[5] = text[5] = np.nan
    order = np.arange(rows) if order is None else order
    return Pool(
        ids=[f"i{n}" for n in order],
        texts=lambda: [],
        image_embedding=image[order],
        text_embedding=text[order],
        status=["bad" if n == 5 else "ok" for n in order],
    )


@pytest.mark.parametrize("limit", [10_000, 40])
def test_groups_stay_together_and_order_has_no_influence(limit, monkeypatch):
    monkeypatch.setattr(map_module, "LAID_OUT", limit)
    scores = MapMetric(Models("x")).score(pool(90))
    x, y = np.asarray(scores.columns["map_x"]), np.asarray(scores.columns["map_y"])
    assert np.isnan(x[5]) and scores.notes[5] == "no vector"
    known = [n for n in range(90) if n not in (4, 5)]
    assert np.all((x[known] >= 0) & (x[known] <= 1))
    places = np.stack([x, y], axis=1)
    own, other = [], []
    for a in known:
        for b in known:
            if a < b:
                (own if a % 3 == b % 3 else other).append(np.linalg.norm(places[a] - places[b]))
    assert np.mean(own) < 0.5 * np.mean(other)
    order = np.random.default_rng(2).permutation(90)
    again = MapMetric(Models("x")).score(pool(90, order))
    np.testing.assert_allclose(np.asarray(again.columns["map_x"]), x[order], atol=1e-6)


def test_a_pool_too_small_for_a_map():
    scores = MapMetric(Models("x")).score(
        Pool(["a", "b"], lambda: [], np.eye(2, dtype=np.float16), None, ["ok", "ok"])
    )
    assert np.isnan(scores.columns["map_x"]).all()
