import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.pick import select
from selector.release import release_picks, select_release


def by_the_book(scores, clusters, budget, oversample):
    """Section 5 of the published code, written as loops."""
    files = {}
    for row, label in enumerate(clusters):
        files.setdefault(int(label), []).append(row)
    merged = []
    for label in sorted(files):
        n_c = max(1, int(oversample * len(files[label]) / len(scores)))
        merged += sorted(files[label], key=lambda row: int(scores[row]), reverse=True)[:n_c]
    return sorted(sorted(merged, key=lambda row: int(scores[row]), reverse=True)[:budget])


def test_by_hand() -> None:
    # 10 rows, 6 and 4; oversample 5: n_0 = 3, n_1 = 2; 4 are kept.
    scores = np.array([1.9, 1.1, 3.2, 0.5, 2.9, 2.0, 5.0, 1.5, 1.0, 0.0])
    clusters = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    kept, granted = release_picks(scores, clusters, 4, oversample=5)
    # Cut: 1 1 3 0 2 2 | 5 1 1 0. Cluster 0 gives rows 2, 4, 5; cluster 1 rows 6 and 7 (7 stands
    # before 8). Of 3, 2, 2, 5, 1 the four best stay, in file order.
    assert kept.tolist() == [2, 4, 5, 6] and granted == {0: 3, 1: 2}


def test_scores_are_cut_towards_zero() -> None:
    # -0.9 and 0.9 are both 0 and tie, so that the file decides; -1.5 is -1, above -2.
    kept, _ = release_picks(np.array([-0.9, 0.9, -2.0, -1.5]), np.zeros(4, int), 3, oversample=3)
    assert kept.tolist() == [0, 1, 3]
    kept, _ = release_picks(np.array([-0.9, 0.9]), np.zeros(2, int), 1, oversample=2)
    assert kept.tolist() == [0]
    kept, _ = release_picks(np.array([2.5, 2.9, 3.0]), np.zeros(3, int), 2, oversample=3)
    assert kept.tolist() == [0, 2]


def test_tiny_cluster_gets_one() -> None:
    _, granted = release_picks(np.zeros(1000), np.r_[np.zeros(999, int), 1], 5, oversample=10)
    assert granted == {0: 9, 1: 1}


def test_cluster_order_decides_ties_between_clusters() -> None:
    scores, clusters = np.zeros(4), np.array([0, 0, 1, 1])
    assert release_picks(scores, clusters, 2, oversample=4)[0].tolist() == [0, 1]
    kept, _ = release_picks(scores, clusters, 2, oversample=4, cluster_order=[1, 0])
    assert kept.tolist() == [2, 3]
    with pytest.raises(BadInputError):
        release_picks(scores, clusters, 2, cluster_order=[1])


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=1, max_size=60),
    st.integers(1, 40),
    st.integers(1, 60),
)
def test_equals_the_loops(rows, budget, oversample) -> None:
    scores, clusters = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    kept, _ = release_picks(scores, clusters, budget, oversample=oversample)
    assert kept.tolist() == by_the_book(scores, clusters, budget, oversample)


def test_selection_says_why(make_pool) -> None:
    scores = np.array([1.9, 1.1, 3.2, 0.5, 2.9, 2.0, 5.0, 1.5, 1.0, np.nan])
    clusters = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    got = select_release(scores, clusters, 4, oversample=5)
    assert got.ids == ["2", "4", "5", "6"] and got.quotas == {0: 3, 1: 1}
    rows = {row["id"]: row for row in got.table.to_pylist()}
    assert rows["4"]["reason"] == "score 2.9, cut to 2: one of the first 3 of cluster 0"
    assert rows["0"]["reason"] == (
        "score cut to 1: not among the first 3 of cluster 0; the last one taken had 2"
    )
    assert rows["9"]["stage"] == "floored"
    assert sum(got.funnel().values()) == 10


def test_no_refill(make_pool) -> None:
    got = select_release(np.arange(9.0), np.arange(9) % 3, 200, oversample=6)
    assert len(got.ids) == 6 and "no refill" in got.parameters["shortfall"]


def test_by_name_without_given_clusters(make_pool) -> None:
    got = select(make_pool(120), 20, method="release")
    assert len(got.ids) == 20 and got.parameters["algorithm"] == "spectral"
    assert got.parameters["space"] == "image"


def test_on_the_published_scores(shared) -> None:
    table = pq.read_table(shared / "data" / "instructiongpt4" / "samples.parquet")
    clusters = table["spectral_cluster"].to_numpy()
    ids = table["image_id"].to_pylist()
    got = select_release(table["reward"].to_numpy(), clusters, ids=ids)
    # 204 is there so that the floors of these ten sizes add up to 200: the merge drops nothing.
    sizes = np.bincount(clusters)
    assert sizes.tolist() == [1234, 300, 286, 325, 85, 59, 13, 177, 80, 880]
    assert got.quotas == {0: 73, 1: 17, 2: 16, 3: 19, 4: 5, 5: 3, 6: 1, 7: 10, 8: 4, 9: 52}
    assert sum(got.quotas.values()) == len(got.ids) == 200
    place = {id_: row for row, id_ in enumerate(ids)}
    rows = [place[id_] for id_ in got.ids]
    assert rows == sorted(rows)
    taken = np.bincount(clusters[rows], minlength=10)
    assert taken.tolist() == list(got.quotas.values())
    assert rows == by_the_book(table["reward"].to_numpy(), clusters, 200, 204)
    # The corrected rule on the same scores and clusters: exactly 200, and not the same 200.
    from selector.selection import Candidates

    pool = Candidates(
        np.array(ids, dtype=object),
        table["reward"].to_numpy(),
        np.full(len(ids), None),
        np.zeros(len(ids), bool),
    )
    corrected = select(pool, 200, clusters=clusters)
    assert len(corrected.ids) == 200
    assert 100 < len(set(corrected.ids) & set(got.ids)) < 200
