"""Herding, k-center, facility location, graph cut: by hand, by brute force, against the naive."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards import BadInputError
from selector.coreset import Budget, choose
from selector.coreset.herding import mean_distance
from selector.coreset.similarity import Cosine, nearest_neighbours, symmetric_graph

SEEDS = st.integers(0, 10_000)


def ids(rows):
    return np.arange(len(rows))


def pick(rows, count, method, **options):
    return choose(ids(rows), Budget(count=count), method, features=rows, **options)


def cloud(seed, rows=40, dim=4):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


# herding


def naive_herding(rows, count):
    exact = rows.astype(np.float64)
    mean, total, taken = exact.mean(0), np.zeros(exact.shape[1]), []
    for step in range(count):
        far = np.linalg.norm((step + 1) * mean - total - exact, axis=1)
        far[taken] = np.inf
        taken.append(int(far.argmin()))
        total += exact[taken[-1]]
    return taken


@given(SEEDS)
def test_herding_is_its_definition(seed):
    rows = cloud(seed)
    made = pick(rows, 15, "herding")
    assert made.rows.tolist() == naive_herding(rows, 15)
    assert made.gains[-1] == pytest.approx(mean_distance(rows, made.rows), abs=1e-5)


def test_herding_on_a_line():
    rows = np.array([[0.0], [1], [2], [3], [10]], np.float32)  # mean 3.2
    # 3; then what brings the sum to 6.4: 3.4 -> 2 is nearest of what is left (0, 1, 2, 10)
    assert pick(rows, 2, "herding").rows.tolist() == [3, 2]


@given(SEEDS)
def test_herding_is_closer_to_the_mean_than_random(seed):
    rows = cloud(seed, 200, 8)
    mine = mean_distance(rows, pick(rows, 20, "herding").rows)
    drawn = [mean_distance(rows, pick(rows, 20, "random", seed=s).rows) for s in range(10)]
    assert mine < min(drawn)


@given(SEEDS)
def test_herding_and_k_center_see_no_rotation_or_shift(seed):
    rng = np.random.default_rng(seed)
    rows = cloud(seed).astype(np.float64)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    other = (rows @ turn + rng.normal(size=4)).astype(np.float32)
    for method in ("herding", "k-center"):
        one = pick(rows.astype(np.float32), 12, method).rows
        assert one.tolist() == pick(other, 12, method).rows.tolist()


# k-center


def radius(rows, taken):
    far = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None, list(taken)], axis=2)
    return far.min(axis=1).max()


@given(SEEDS, st.integers(1, 4), st.sampled_from(["mean", "random"]))
def test_the_radius_is_at_most_twice_the_best(seed, count, first):
    rows = cloud(seed, 11, 2)
    best = min(radius(rows, taken) for taken in itertools.combinations(range(11), count))
    made = pick(rows, count, "k-center", first=first)
    mine = radius(rows, made.rows)
    assert mine <= 2 * best + 1e-5
    assert made.notes["radius"] == pytest.approx(mine, abs=1e-5)


@given(SEEDS)
def test_the_radius_never_rises(seed):
    gains = pick(cloud(seed), 20, "k-center").gains[1:]
    assert (np.diff(gains) <= 1e-6).all()


def test_a_copy_of_a_pick_comes_last():
    rows = np.repeat(cloud(1, 10, 3) * 100, 2, axis=0)
    taken = pick(rows, 20, "k-center").rows // 2
    assert sorted(taken[:10]) == list(range(10))


def test_what_is_selected_already_counts_and_is_not_picked():
    rows = np.array([[0.0], [1], [10], [11], [20]], np.float32)
    made = pick(rows, 2, "k-center", selected=[0, 4])
    assert made.rows[0] == 2 and made.rows[1] in (1, 3)  # both are 1 away then
    with pytest.raises(BadInputError, match="no id 9"):
        pick(rows, 1, "k-center", selected=[9])
    with pytest.raises(BadInputError, match="4 cannot be chosen of 3"):
        pick(rows, 4, "k-center", selected=[0, 4])


def test_outliers_are_passed_over():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(195, 2)), 1000 + rng.normal(size=(5, 2)) * 100])
    rows = rows.astype(np.float32)
    far = [
        int((pick(rows, 8, "robust-k-center", outliers=0.05, seed=s).rows >= 195).sum())
        for s in range(20)
    ]
    assert (pick(rows, 8, "k-center").rows >= 195).sum() >= 4
    assert np.mean(far) < 4
    notes = pick(rows, 8, "robust-k-center", outliers=0.05).notes
    assert notes["radius"] < 10
    with pytest.raises(BadInputError, match="slack"):
        pick(rows, 3, "robust-k-center", slack=0.0)


# facility location


def value(rows, taken):
    if not len(taken):
        return 0.0
    return float(Cosine(rows).columns(np.array(taken)).max(axis=1).sum(dtype=np.float64))


@given(SEEDS)
def test_lazy_is_naive(seed):
    rows = cloud(seed, 50, 3)
    rows[40:] = rows[:10]  # ties
    lazy, naive = (pick(rows, 12, "facility-location", greedy=g) for g in ("lazy", "naive"))
    assert lazy.rows.tolist() == naive.rows.tolist()
    assert lazy.gains.tolist() == naive.gains.tolist()
    assert (np.diff(lazy.gains) <= 1e-4).all()
    assert lazy.gains.sum() == pytest.approx(value(rows, lazy.rows), rel=1e-5)


@pytest.mark.parametrize("method", ["facility-location", "graph-cut"])
@given(SEEDS, st.sampled_from([0, 3, 39]))
def test_lazy_is_naive_among_neighbours_too(method, seed, neighbours):
    rows = cloud(seed)
    lazy, naive = (
        pick(rows, 25, method, greedy=greedy, neighbours=neighbours) for greedy in ("lazy", "naive")
    )
    assert lazy.rows.tolist() == naive.rows.tolist()
    np.testing.assert_allclose(lazy.gains, naive.gains, rtol=1e-6, atol=1e-4)
    if neighbours == 39:  # all are neighbours
        dense = pick(rows, 25, method)
        assert lazy.rows[:5].tolist() == dense.rows[:5].tolist()
        np.testing.assert_allclose(lazy.gains, dense.gains, atol=1e-4)


@given(SEEDS, st.integers(1, 3))
def test_zero_rows_are_half_like_everything_densely_and_among_neighbours(seed, zeros):
    rows = cloud(seed, 12, 3)
    rows[:zeros] = 0.0
    similar = Cosine(rows)
    dense = similar.columns(np.arange(12))
    assert (dense[:zeros] == 0.5).all() and (dense[:, :zeros] == 0.5).all()
    np.testing.assert_allclose(similar.graph(11).toarray(), dense, atol=1e-6)
    few = similar.graph(4).toarray()
    np.testing.assert_allclose(few[few > 0], dense[few > 0], atol=1e-6)
    others = dense - 2 * np.eye(12)
    fourth = np.sort(others, axis=1)[:, -4]
    assert (few[others > fourth[:, None] + 1e-6] > 0).all()  # the nearest are all there


@given(SEEDS)
def test_facility_location_among_neighbours_is_its_definition(seed):
    rows = cloud(seed, 30, 3)
    similar = Cosine(rows).columns(np.arange(30)).astype(np.float64)
    np.fill_diagonal(similar, np.inf)
    near = np.argsort(-similar, axis=1)[:, : 4 + 1]  # itself and four
    alike = np.zeros((30, 30), bool)
    np.put_along_axis(alike, near, True, axis=1)
    np.fill_diagonal(similar, 1.0)
    similar *= alike | alike.T
    made = pick(rows, 6, "facility-location", neighbours=4)
    best = np.zeros(30)
    for row, gain in zip(made.rows, made.gains, strict=True):
        every = np.maximum(similar - best[:, None], 0).sum(axis=0)
        assert gain == pytest.approx(every.max(), abs=1e-4)
        assert every[row] == pytest.approx(every.max(), abs=1e-4)
        best = np.maximum(best, similar[:, row])
    assert made.weights.sum() == 30


@pytest.mark.parametrize("method", ["facility-location", "graph-cut"])
def test_options_out_of_range(method):
    for options in ({"neighbours": -1}, {"greedy": "eager"}, {"epsilon": 0.0}):
        with pytest.raises(BadInputError, match=next(iter(options))):
            pick(cloud(0), 3, method, **options)


def test_many_renewals_change_no_gain():
    rows = cloud(5, 400, 8)  # large enough that bounds are brought up to date all at once
    lazy, naive = (pick(rows, 60, "facility-location", greedy=g) for g in ("lazy", "naive"))
    assert lazy.rows.tolist() == naive.rows.tolist()
    assert lazy.gains.tolist() == naive.gains.tolist()


@given(SEEDS, st.integers(1, 4))
def test_facility_location_reaches_its_share_of_the_best(seed, count):
    rows = cloud(seed, 10, 3)
    best = max(value(rows, taken) for taken in itertools.combinations(range(10), count))
    assert value(rows, pick(rows, count, "facility-location").rows) >= (1 - 1 / np.e) * best - 1e-6


def test_stochastic_comes_close():
    rows = cloud(3, 300, 6)
    exact = value(rows, pick(rows, 20, "facility-location").rows)
    loose = value(rows, pick(rows, 20, "facility-location", greedy="stochastic").rows)
    assert loose > 0.97 * exact  # greedy is not the best either
    whole = pick(rows, 20, "graph-cut").gains.sum()
    drawn = pick(rows, 20, "graph-cut", greedy="stochastic").gains.sum()
    assert 0.97 * whole < drawn < 1.001 * whole


def test_weights_are_who_is_most_like_whom():
    rows = np.array([[1, 0], [0.9, 0.1], [0.95, 0], [0, 1], [0.1, 1]], np.float32)
    made = pick(rows, 2, "facility-location")
    assert sorted(made.weights.tolist()) == [2, 3]


# graph cut


@given(SEEDS)
def test_graph_cut_is_its_definition(seed):
    rows = cloud(seed, 30, 3)
    similar = Cosine(rows).columns(np.arange(30)).astype(np.float64)

    def worth(taken):
        inside = similar[np.ix_(taken, taken)].sum()
        return 2.5 * similar[:, taken].sum() - inside

    made = pick(rows, 6, "graph-cut", weight=2.5)
    taken = []
    for row, gain in zip(made.rows.tolist(), made.gains.tolist(), strict=True):
        every = [worth([*taken, r]) - (worth(taken) if taken else 0) for r in range(30)]
        every = [v if r not in taken else -np.inf for r, v in enumerate(every)]
        assert gain == pytest.approx(max(every), abs=1e-3)
        assert every[row] == pytest.approx(max(every), abs=1e-3)
        taken.append(row)


# neighbours


@given(SEEDS, st.integers(0, 6))
def test_neighbours_are_the_nearest(seed, count):
    rows = cloud(seed, 25, 3)
    places, distance = nearest_neighbours(rows, count)
    far = np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2)
    np.fill_diagonal(far, np.inf)
    np.testing.assert_allclose(distance, np.sort(far, axis=1)[:, :count], atol=1e-5)
    if count:
        graph = symmetric_graph(places, 1 + distance)
        assert (graph != graph.T).nnz == 0


def test_sums_need_no_matrix():
    rows = cloud(2, 70, 5)
    similar = Cosine(rows)
    np.testing.assert_allclose(similar.sums(), similar.columns(np.arange(70)).sum(1), rtol=1e-5)
