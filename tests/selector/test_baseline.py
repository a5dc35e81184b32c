import numpy as np

from selector.baseline import beside_random, random_draws


def test_hand_worked():
    values = np.array([0.0, 1.0, 2.0, np.nan])
    draws = np.array([[0, 1], [1, 2], [0, 3]])
    (row,) = beside_random({"m": values, "none": np.full(4, np.nan)}, np.array([1, 2, 3]), draws)
    assert row.name == "m"
    assert row.chosen == 1.5
    assert row.random_mean == np.mean([0.5, 1.5, 0.0])
    assert (row.total, row.draws) == (3.0, 3)
    (count,) = beside_random({"m": values}, np.array([1, 2, 3]), draws, count=True)
    assert (count.chosen, count.random_mean) == (3.0, np.mean([1, 3, 0]))


def test_draws_do_not_depend_on_row_order():
    ids = [f"id{i}" for i in range(50)]
    shuffled = list(np.random.default_rng(3).permutation(ids))
    first = random_draws(ids, 7, [1, 2])
    second = random_draws(shuffled, 7, [1, 2])
    assert [[ids[i] for i in r] for r in first] == [[shuffled[i] for i in r] for r in second]
    assert all(len(set(row)) == 7 for row in first.tolist())
    assert random_draws(ids, 99, [0]).shape == (1, 50)


def test_the_interval_holds_the_truth():
    values = np.random.default_rng(0).normal(5, 1, 2000)
    draws = random_draws([str(i) for i in range(2000)], 100, range(300))
    (row,) = beside_random({"m": values}, draws[0], draws)
    assert row.random_low < values.mean() < row.random_high
    assert 0.25 < row.random_high - row.random_low < 0.5  # 2 x 1.96 / sqrt(100), finite pool


def test_a_measure_that_is_the_same_everywhere_is_known_as_such():
    measures = {"same": np.array([1.0, np.nan, 1.0]), "other": np.array([1.0, 1.0, 2.0])}
    same, other = beside_random(measures, np.array([0]), np.array([[0], [1]]))
    assert same.constant and not other.constant
