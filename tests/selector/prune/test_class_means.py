"""Supervised prototypes, by hand and against the plain formula."""

import numpy as np
import pytest

from data_cards.errors import BadInputError
from selector.prune.class_means import class_means


def test_by_hand() -> None:
    x = np.array([[2, 0], [0, 3], [0, 1], [1, 1]], dtype=np.float16)
    found = class_means(x, np.array([7, 7, 4, -1]))
    half = np.sqrt(0.5)
    assert found.names == (4, 7) and found.sizes.tolist() == [1, 2]
    assert np.allclose(found.centres, [[0, 1], [half, half]])
    assert found.labels.tolist() == [1, 1, 0, -1]
    assert np.allclose(found.distance, [1 - half, 1 - half, 0, np.nan], equal_nan=True)
    assert [line[:30] for line in found.remarks] == ["1 picture has no distance, and"]
    assert found.remarks[0].endswith("not read, or without a class.")


def test_distance_is_to_the_own_class_though_another_is_nearer() -> None:
    x = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    found = class_means(x, np.array([0, 1, 1]))
    assert found.distance[1] == pytest.approx(1 - np.sqrt(0.5))


def test_any_order_blocks_and_threads() -> None:
    rng = np.random.default_rng(0)
    x, classes = rng.standard_normal((500, 9)).astype(np.float16), rng.integers(-1, 6, 500)
    x[3] = np.nan
    one = class_means(x, classes)
    order = rng.permutation(500)
    two = class_means(x[order], classes[order], threads=3, block_rows=7)
    assert np.array_equal(one.centres, two.centres)
    assert np.array_equal(one.distance[order], two.distance, equal_nan=True)
    unit = x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    for place, name in enumerate(one.names):
        mean = np.nansum(unit[classes == name], axis=0)
        assert np.allclose(one.centres[place], mean / np.linalg.norm(mean), atol=1e-6)


def test_one_class_and_a_class_without_rows() -> None:
    x = np.eye(3, dtype=np.float32)
    assert class_means(x, np.zeros(3, int)).sizes.tolist() == [3]
    x[2] = 0
    found = class_means(x, np.array([0, 0, 5]), usable=np.array([True, True, True]))
    assert found.names == (0,) and found.dropped == 1
    assert found.remarks[0] == "1 class has no usable picture."


def test_a_class_that_cancels_out_has_no_distance() -> None:
    found = class_means(np.array([[1, 0], [-1, 0], [0, 1]], np.float32), np.array([2, 2, 3]))
    assert np.isnan(found.distance[:2]).all() and found.distance[2] == 0
    assert found.remarks == ("The members of class 2 cancel out: no mean.",)


def test_wrong_arguments() -> None:
    x = np.eye(3, dtype=np.float32)
    for classes in (np.zeros(2, int), np.zeros(3), np.full(3, -1)):
        with pytest.raises(BadInputError):
            class_means(x, classes)
