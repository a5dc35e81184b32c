"""k-means over partitions held elsewhere, as Ray would do it: the same bits as on one machine."""

import numpy as np
import pytest

from selector.prune.grid import GRID, row_scales, unit_grid
from selector.prune.kmeans import run_kmeans
from selector.prune.prototypes import fit_prototypes, partial_sums, reduce
from selector.prune.starts import merge_samples, sample_block
from selector.prune.streams import Rows


class Partitions:
    """Rows in several places; only sums and samples travel."""

    def __init__(self, parts) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def sums(self, centres):
        return reduce([partial_sums(part, centres) for part in reversed(self.parts)])

    def sample(self, count, seed, keys=None):
        return merge_samples([sample_block(part, count, seed) for part in self.parts], count)


@pytest.mark.parametrize("ends", [(), (1,), (10, 500, 501), (250, 250, 900)])
def test_partitions_give_the_bits_of_one_machine(ends) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 20)).astype(np.float16)
    x[::7] = x[0]  # copies, so that prototypes meet them
    x[5] = np.nan
    whole = fit_prototypes(x, 40, seed=4)
    run = run_kmeans(Partitions(np.split(x, ends)), 40, seed=4)
    assert np.array_equal(run.centres, whole.centres) and run.history == whole.history


def test_what_changes_comes_to_the_same_as_all() -> None:
    """Rows adds up changes after the first pass; other centres, other numbers of them, a mask."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((700, 9)).astype(np.float16)
    x[3], x[4] = np.inf, 0
    usable = rng.random(700) < 0.9
    over = Rows(x, usable, threads=3, block_rows=50)
    for count in (5, 5, 5, 8, 8, 5):
        centres = rng.standard_normal((count, 9)).astype(np.float32)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        found, fresh = over.sums(centres), Rows(x, usable).sums(centres)
        assert np.array_equal(found.sums, fresh.sums)
        assert np.array_equal(found.counts, fresh.counts)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_on_the_grid_are_unit_rows(dtype) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((40, 30)).astype(dtype)
    x[0], x[1], x[2] = 0, np.nan, np.inf
    if dtype != np.float16:
        x[3] *= 1e-38 if dtype == np.float32 else 1e-100
        x[4] *= 1e37 if dtype == np.float32 else 1e150
    rows, present = unit_grid(x)
    assert rows.dtype == np.float32 and np.array_equal(rows, np.rint(rows))
    assert present.tolist() == [False] * 3 + [True] * 37 and not rows[:3].any()
    exact = x[3:].astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    # half a step, and what float32 loses on the way there
    np.testing.assert_allclose(rows[3:] / GRID, exact, atol=0.5 / GRID + 2.0**-23)
    again, _ = unit_grid(x, scales=row_scales(x))
    assert np.array_equal(again, rows)
