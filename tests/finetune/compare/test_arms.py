"""Arms: sizes, determinism, seeds, and what is trained for which rule."""

import numpy as np

from finetune.compare.arms import cells, full_arm, k_center_arm, random_arm, top_arm

IDS = [f"s{number}" for number in range(30)]


def test_random_picks_differ_by_seed_and_not_by_the_order_of_the_pool():
    arm = random_arm(IDS)
    assert arm.choose(5, 0) != arm.choose(5, 1)
    assert set(arm.choose(5, 0)) == set(random_arm(IDS[::-1]).choose(5, 0))
    assert set(arm.choose(5, 0)) < set(arm.choose(9, 0)) and len(arm.choose(9, 0)) == 9


def test_the_highest_values_and_never_a_missing_one():
    values = np.arange(30.0)
    values[29] = np.nan
    arm = top_arm("longest", "the longest", IDS, values)
    assert arm.choose(3, 0) == ["s28", "s27", "s26"] == arm.choose(3, 4)
    assert len(arm.choose(40, 0)) == 29


def test_k_center_takes_the_farthest_each_time():
    points = np.array([[0.0, 0], [0, 1], [10, 0], [0, 10], [0.1, 0.1], [np.nan, 0]])
    found = k_center_arm([str(n) for n in range(6)], points, 4).choose(3, 0)
    assert {"2", "3"} < set(found) and "5" not in found
    again = k_center_arm([str(n) for n in range(6)][::-1], points[::-1], 4).choose(3, 0)
    assert found == again


def test_k_center_equals_a_naive_version():
    generator = np.random.default_rng(0)
    points = generator.standard_normal((30, 3))
    found = k_center_arm(IDS, points, 8).choose(8, 0)
    rows = [IDS.index(id_) for id_ in found]
    for place in range(1, 8):
        gaps = np.linalg.norm(points[:, None] - points[rows[:place]][None], axis=2).min(1)
        assert np.isclose(gaps[rows[place]], gaps.max())


def test_cells_hold_a_task_per_seed_and_rule():
    arms = [random_arm(IDS), full_arm(IDS, long_seeds=2)]
    both = {5: ["random", "full"], 10: ["random"]}
    found = cells(arms, both, 3, steps=7, epochs=2.5, batch=4)
    told = [(cell.arm, cell.budget, cell.rule) for cell in found]
    assert told == [
        ("random", 5, "steps"),
        ("random", 5, "epochs"),
        ("full", 5, "steps"),
        ("full", 5, "epochs"),
        ("random", 10, "steps"),
        ("random", 10, "epochs"),
    ]
    assert [len(cell.tasks) for cell in found] == [3, 3, 3, 2, 3, 3]
    steps = [cell.tasks[0].steps for cell in found]
    assert steps == [7, 5, 7, 20, 7, 8]  # passes of 2, 8 and 3 batches
    assert found[0].tasks[0].ids == found[1].tasks[0].ids
    keys = {task.key("bench") for cell in found for task in cell.tasks}
    assert len(keys) == 17
    later = cells(arms, both, 3, steps=7, epochs=None, batch=4, first=3)
    assert {task.seed for cell in later for task in cell.tasks} == {3, 4, 5}
