import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.duplicates import NearDuplicate
from selector.pick import select
from selector.picker import registry
from selector.selection import SCHEMA, STAGES, Candidates


def spoiled(make_pool, n: int = 400, seed: int = 0) -> Candidates:
    """Copies, near-duplicates, floored, failed, unrated rows and missing images together."""
    rng = np.random.default_rng(seed)
    pool = make_pool(n, seed=seed)
    content = np.array([f"content {i}" for i in range(n)], dtype=object)
    for target, source in rng.integers(0, n, (n // 10, 2)):
        content[target] = content[source]
        pool.image_vectors[target] = pool.image_vectors[source]
        pool.text_vectors[target] = pool.text_vectors[source]
    for target, source in rng.integers(0, n, (n // 5, 2)):
        pool.image_vectors[target] = pool.image_vectors[source]
        pool.text_vectors[target] = pool.text_vectors[source]
    pool.image_vectors[rng.integers(0, n, n // 20)] = np.nan
    pool.quality[rng.integers(0, n, n // 20)] = np.nan
    pool.quality[:] = np.round(pool.quality, 2)  # many ties
    pool.refused[rng.integers(0, n, n // 20)] = "the image is all but blank"
    failed = rng.integers(0, n, n // 20)
    pool.failed[failed] = True
    pool.refused[failed] = "image truncated"
    return Candidates(**{**pool.__dict__, "content": content})


@pytest.mark.parametrize("method", ["clusters", "top", "random"])
@pytest.mark.parametrize("budget", [1, 37, 150])
def test_every_row_ends_in_exactly_one_stage(make_pool, method, budget) -> None:
    pool = spoiled(make_pool)
    table = select(pool, budget, method=method).table
    assert table.schema == SCHEMA
    rows = {row["id"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == len(pool)
    chosen = [row for row in rows.values() if row["stage"] == "chosen"]
    assert sorted(row["rank"] for row in chosen) == list(range(1, budget + 1))
    for at, id_ in enumerate(pool.ids):
        row = rows[id_]
        assert row["stage"] in STAGES and row["reason"]
        assert (row["rank"] is not None) == (row["stage"] == "chosen")
        if pool.failed[at]:
            assert (row["stage"], row["reason"]) == ("failed", "image truncated")
        elif pool.refused[at]:
            assert (row["stage"], row["reason"]) == ("floored", pool.refused[at])
        elif np.isnan(pool.quality[at]):
            assert row["stage"] == "floored" and row["reason"].startswith("no quality: ")
        else:
            assert row["stage"] in ("duplicate", "not chosen", "chosen")
        if row["stage"] == "duplicate":
            assert rows[row["rival"]]["quality"] >= row["quality"] or method == "random"
            assert row["similarity"] >= 0.95
        assert (row["rival"] is None) == (row["similarity"] is None)
        if row["rival"] is not None and row["stage"] == "not chosen":
            rival = rows[row["rival"]]
            assert rival["stage"] == "chosen" and rival["cluster"] == row["cluster"]


def test_table_is_in_order(make_pool) -> None:
    rows = select(spoiled(make_pool), 20).table.to_pylist()
    assert [row["rank"] for row in rows[:20]] == list(range(1, 21))
    rest = [row["quality"] for row in rows[20:] if row["quality"] is not None]
    assert rest == sorted(rest, reverse=True)
    assert all(row["quality"] is None for row in rows[20 + len(rest) :])


@pytest.mark.parametrize("method", ["clusters", "top", "random"])
def test_row_order_changes_nothing(make_pool, permuted, method) -> None:
    pool = spoiled(make_pool)
    one = select(pool, 60, method=method)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(pool))
        two = select(permuted(pool, order), 60, method=method)
        assert two.table.equals(one.table)
        assert two.quotas == one.quotas and two.parameters == one.parameters


@pytest.mark.parametrize("algorithm", ["kmeans", "spectral"])
@pytest.mark.parametrize("space", ["image", "text", "both"])
def test_exactly_the_budget(make_pool, algorithm, space) -> None:
    pool = spoiled(make_pool)
    for budget in (1, 2, 99):
        got = select(pool, budget, algorithm=algorithm, space=space)
        assert len(got.ids) == len(set(got.ids)) == budget
        assert sum(got.quotas.values()) == budget
        assert "shortfall" not in got.parameters


def test_chosen_hold_no_near_duplicates(make_pool) -> None:
    pool = spoiled(make_pool)
    chosen = select(pool, 150).ids
    place = {id_: at for at, id_ in enumerate(pool.ids)}
    rows = np.array([place[id_] for id_ in chosen])

    def cosines(vectors):
        x = vectors[rows].astype(float)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return x @ x.T

    image, text = cosines(pool.image_vectors), cosines(pool.text_vectors)
    no_image = np.isnan(image.diagonal())
    alike = np.where(no_image[:, None] & no_image[None, :], True, image >= 0.95) & (text >= 0.95)
    assert not np.triu(alike, 1).any()


@given(st.integers(0, 10_000), st.floats(0.001, 2.0))
def test_raising_the_quality_of_a_chosen_one_keeps_it_chosen(make_pool, seed, rise) -> None:
    pool = spoiled(make_pool, 80, seed)
    labels = np.random.default_rng(seed).integers(0, 4, len(pool))
    first = select(pool, 12, clusters=labels)
    raised = first.ids[seed % 12]
    quality = pool.quality.copy()
    quality[pool.ids == raised] += rise
    second = select(Candidates(**{**pool.__dict__, "quality": quality}), 12, clusters=labels)
    assert raised in second.ids


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 6))
def test_small_pools_equal_the_plain_rule(make_pool, seed, budget, k) -> None:
    """Without near-duplicates the rule is: the first places of each cluster by quality."""
    pool = make_pool(40, seed=seed)
    labels = np.random.default_rng(seed).integers(0, k, 40)
    got = select(pool, budget, clusters=labels, near_duplicate=None)
    expected = set()
    for c, places in got.quotas.items():
        members = [i for i in range(40) if labels[i] == c]
        members.sort(key=lambda i: -pool.quality[i])
        expected |= {pool.ids[i] for i in members[:places]}
    assert set(got.ids) == expected and len(expected) == min(budget, 40)
    ranked = [row["quality"] for row in got.table.to_pylist() if row["stage"] == "chosen"]
    assert ranked == sorted(ranked, reverse=True)


def test_budget_equal_to_the_pool_returns_all(make_pool) -> None:
    pool = make_pool(50)
    got = select(pool, 50, near_duplicate=None)
    assert sorted(got.ids) == sorted(pool.ids) and "shortfall" not in got.parameters


def test_shortfall_is_said(make_pool) -> None:
    pool = spoiled(make_pool, 60)
    got = select(pool, 1000)
    funnel = got.funnel()
    assert funnel["not chosen"] == 0
    assert funnel["chosen"] + funnel["duplicate"] + funnel["floored"] + funnel["failed"] == 60
    assert f"1,000 asked for, {funnel['chosen']} taken" in got.parameters["shortfall"]
    assert "near-duplicates" in got.parameters["shortfall"]


@pytest.mark.parametrize("method", ["clusters", "top", "random", "release"])
def test_nothing_to_choose_from(make_pool, method) -> None:
    for pool in (make_pool(0), make_pool(6, quality=np.full(6, np.nan))):
        got = select(pool, 3, method=method)
        assert got.ids == [] and "shortfall" in got.parameters
        assert got.table.num_rows == len(pool)
        assert got.funnel()["floored"] == len(pool)


def test_all_copies_of_one(make_pool) -> None:
    pool = make_pool(9, content=np.full(9, "same", dtype=object))
    got = select(pool, 3)
    assert got.ids == [pool.ids[pool.quality.argmax()]]
    assert got.funnel()["duplicate"] == 8
    for row in got.table.to_pylist()[1:]:
        assert row["rival"] == got.ids[0] and row["similarity"] == 1.0
        assert row["reason"].startswith(f"same content as {got.ids[0]}")
        assert row["cluster"] == 0 and row["cluster_rank"] is None


def test_all_near_duplicates_of_one(make_pool) -> None:
    pool = make_pool(9, image_vectors=np.ones((9, 4), np.float16), text=False)
    got = select(pool, 3)
    assert len(got.ids) == 1 and got.funnel()["duplicate"] == 8
    assert select(pool, 3, near_duplicate=None).funnel()["chosen"] == 3


@pytest.mark.parametrize("budget", [0, -3, 2.5, True])
def test_impossible_budgets(make_pool, budget) -> None:
    with pytest.raises(BadInputError, match="budget"):
        select(make_pool(5), budget)


def test_reasons_by_hand(make_pool) -> None:
    # Two clusters, 4 and 2 samples, 3 places: 2 and 1. "b" repeats "a".
    x = np.array([[1, 0], [1, 0], [0.6, 0.8], [0.8, 0.6], [-1, 0], [0, -1]], dtype=np.float32)
    pool = make_pool(
        6,
        ids=np.array(list("abcdef"), dtype=object),
        quality=np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]),
        image_vectors=x,
        text=False,
    )
    got = select(pool, 3, clusters=np.array([0, 0, 0, 0, 1, 1]))
    rows = {row["id"]: row for row in got.table.to_pylist()}
    assert got.ids == ["a", "c", "e"] and got.quotas == {0: 2, 1: 1}
    assert rows["a"]["reason"] == (
        "best of cluster 0 (4 samples, 2 places): quality 0.9, place 1 of 2"
    )
    assert rows["c"]["reason"].endswith("quality 0.7, place 2 of 2")
    assert rows["e"]["reason"].startswith("best of cluster 1 (2 samples, 1 place)")
    assert rows["b"]["stage"] == "duplicate" and rows["b"]["rival"] == "a"
    assert rows["b"]["reason"] == ("near-duplicate of a, which was picked before it: cosine 1.000")
    assert rows["d"]["reason"] == (
        "place 4 in cluster 0, which had 2 places; the last one taken had quality 0.7"
    )
    assert rows["d"]["rival"] == "c" and rows["d"]["similarity"] == pytest.approx(0.96)
    assert rows["f"]["reason"] == (
        "place 2 in cluster 1, which had 1 place; the last one taken had quality 0.5"
    )
    assert rows["f"]["rival"] == "e" and rows["f"]["similarity"] == pytest.approx(0, abs=1e-6)


def test_refill_by_hand(make_pool) -> None:
    # Cluster 0 (three copies of one picture) has two of three places and fills one.
    x = np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 2]]
    pool = make_pool(
        5,
        ids=np.array(list("abcde"), dtype=object),
        quality=np.array([0.9, 0.8, 0.7, 0.3, 0.2]),
        image_vectors=x,
        text=False,
    )
    got = select(pool, 3, clusters=np.array([0, 0, 0, 1, 1]))
    rows = {row["id"]: row for row in got.table.to_pylist()}
    assert got.ids == ["a", "d", "e"] and got.quotas == {0: 2, 1: 1}
    assert got.parameters["refills"] == 1
    assert rows["e"]["reason"].startswith("refill: near-duplicates left 1 of the places empty")


def test_ties_go_by_hash_not_by_row_or_name(make_pool) -> None:
    pool = make_pool(200, quality=np.full(200, 0.5))
    one, two = select(pool, 20, method="top").ids, select(pool, 20, method="top", seed=1).ids
    assert one != two and one != sorted(pool.ids.tolist())[:20] and one != pool.ids[:20].tolist()


def test_near_misses_are_bounded(make_pool) -> None:
    pool = make_pool(300)
    rows = select(pool, 20, near_misses=30).table.to_pylist()
    known = [row for row in rows if row["rival"] is not None and row["stage"] == "not chosen"]
    assert len(known) <= 30
    assert all(row["rival"] for row in select(pool, 20).table.to_pylist() if row["rank"] is None)


def test_pools_without_vectors(make_pool) -> None:
    pool = make_pool(30, image=False, text=False)
    got = select(pool, 5)
    assert set(got.ids) == set(pool.ids[np.argsort(-pool.quality)[:5]])
    assert got.quotas == {0: 5} and got.parameters["algorithm"] == "none: there are no vectors"
    with pytest.raises(BadInputError, match="image"):
        select(pool, 5, space="image")


def test_text_only_samples_get_places(make_pool) -> None:
    pool = make_pool(100)
    pool.image_vectors[:40] = np.nan
    image = select(pool, 20, space="image", near_duplicate=None)
    lonely = image.parameters["cluster_without_vector"]
    assert image.quotas[lonely] == 8
    texts = {f"s{i}" for i in range(40)}
    assert len(texts & set(image.ids)) == 8
    assert select(pool, 20, space="both").parameters["cluster_without_vector"] is None


def test_infinite_quality_is_refused(make_pool) -> None:
    pool = make_pool(5)
    pool.quality[2] = np.inf
    row = next(r for r in select(pool, 2).table.to_pylist() if r["id"] == "s2")
    assert row["stage"] == "floored" and row["reason"] == "no quality: it is infinite"


def test_lengths_and_ids_are_checked(make_pool) -> None:
    pool = make_pool(5)
    with pytest.raises(BadInputError, match="4 entries of quality"):
        select(Candidates(**{**pool.__dict__, "quality": pool.quality[:4]}), 2)
    pool.ids[3] = "s0"
    with pytest.raises(BadInputError, match="positions 0 and 3"):
        select(pool, 2)


def test_methods_and_options_are_checked(make_pool) -> None:
    pool = make_pool(5)
    assert {"clusters", "random", "release", "top", "herding"} <= set(registry())
    assert all(picker.summary for picker in registry().values())
    with pytest.raises(BadInputError, match="Did you mean clusters"):
        select(pool, 2, method="cluster")
    with pytest.raises(BadInputError, match="does not use tempering"):
        select(pool, 2, method="top", tempering=0.5)
    with pytest.raises(BadInputError, match="clusters"):
        select(pool, 2, clusters=0)


def test_parameters_say_everything(make_pool) -> None:
    got = select(make_pool(50), 7, near_duplicate=NearDuplicate(0.9, 0.8), seed=3, tempering=0.5)
    assert got.parameters == {
        "method": "clusters",
        "budget": 7,
        "pool": 50,
        "seed": 3,
        "near_duplicate": {"image": 0.9, "text": 0.8},
        "clusters": 3,
        "algorithm": "kmeans",
        "space": "both",
        "image_weight": 0.5,
        "cluster_without_vector": None,
        "tempering": 0.5,
        "max_share": 1.0,
        "refills": 0,
        "eligible": 50,
    }
