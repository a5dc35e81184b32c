import numpy as np
import pytest

from data_cards.errors import BadInputError
from selector.vectors import blocks, resolve_space, space_rows, unit_rows


def test_unit_rows_from_a_memory_map(tmp_path) -> None:
    x = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float16)
    x[4] = np.nan
    x[5] = 0
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = np.array([7, 4, 30, 5, 2])
    vectors, present = unit_rows(mapped, rows)
    assert vectors.dtype == np.float32
    assert present.tolist() == [True, False, True, False, True]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1, 0, 1], abs=1e-6)
    assert vectors[2] @ x[30].astype(float) > 0
    whole, _ = unit_rows(mapped, np.arange(50))
    assert (whole[rows] == vectors).all()


def test_both_is_the_weighted_mean_of_cosines(make_pool) -> None:
    pool = make_pool(20)
    image, _ = unit_rows(pool.image_vectors, np.arange(20))
    text, _ = unit_rows(pool.text_vectors, np.arange(20))
    both, present = space_rows(pool, np.arange(20), "both", 0.3)
    assert present.all()
    assert both @ both.T == pytest.approx(0.3 * image @ image.T + 0.7 * text @ text.T, abs=1e-6)


def test_both_keeps_incomplete_rows_at_length_one(make_pool) -> None:
    pool = make_pool(3)
    pool.image_vectors[0] = np.nan
    pool.text_vectors[1] = np.nan
    pool.image_vectors[2] = pool.text_vectors[2] = np.nan
    both, present = space_rows(pool, np.arange(3), "both", 0.2)
    assert np.linalg.norm(both, axis=1) == pytest.approx([1, 1, 0], abs=1e-6)
    assert present.tolist() == [True, True, False]


def test_spaces(make_pool) -> None:
    whole, image, text = make_pool(3), make_pool(3, text=False), make_pool(3, image=False)
    bare = make_pool(3, text=False, image=False)
    for asked in (None, "both"):
        assert [resolve_space(p, asked) for p in (whole, image, text, bare)] == [
            "both",
            "image",
            "text",
            None,
        ]
    assert resolve_space(whole, "text") == "text"
    for pool, asked in ((image, "text"), (text, "image"), (bare, "image"), (whole, "sound")):
        with pytest.raises(BadInputError):
            resolve_space(pool, asked)


def test_blocks_cover_everything_once() -> None:
    rows = np.arange(10)
    assert np.concatenate([rows[b] for b in blocks(rows, 4)]).tolist() == rows.tolist()
    assert list(blocks(np.arange(0))) == []
