"""k-means over partitions held elsewhere, as Ray would do it: the same bits as on one machine."""

import numpy as np
import pytest

from selector.prune.kmeans import run_kmeans
from selector.prune.prototypes import fit_prototypes, partial_sums, reduce
from selector.prune.starts import merge_samples, sample_block


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
