import numpy as np

from selector.pick import select
from selector.random_picks import random_selections


def test_plain_draws_take_from_all_that_could_be_read(make_pool) -> None:
    pool = make_pool(60, content=np.repeat(np.arange(30), 2).astype(object))
    pool.refused[:20] = "floored"
    pool.quality[20:40] = np.nan
    pool.failed[:5] = True
    drawn = random_selections(pool, 55, [0])[0]
    assert sorted(drawn.ids) == sorted(f"s{i}" for i in range(5, 60))
    assert drawn.funnel() == {
        "failed": 5,
        "floored": 0,
        "duplicate": 0,
        "not chosen": 0,
        "chosen": 55,
    }
    careful = random_selections(pool, 55, [0], floors=True)[0]
    assert len(careful.ids) == 10 and "shortfall" in careful.parameters


def test_seeds_differ_and_repeat(make_pool) -> None:
    pool = make_pool(200)
    first = [s.ids for s in random_selections(pool, 10, [0, 1, 2])]
    again = [s.ids for s in random_selections(pool, 10, [0, 1, 2])]
    assert first == again and len({tuple(ids) for ids in first}) == 3


def test_draws_are_uniform(make_pool) -> None:
    pool = make_pool(20)
    counts = np.zeros(20)
    for drawn in random_selections(pool, 5, range(400)):
        counts[[int(id_[1:]) for id_ in drawn.ids]] += 1
    # Expected 100 each, standard deviation 8.7.
    assert counts.min() > 60 and counts.max() < 140


def test_quality_plays_no_part(make_pool) -> None:
    pool, other = make_pool(80), make_pool(80, quality=np.linspace(0, 1, 80))
    assert random_selections(pool, 9, [4])[0].ids == random_selections(other, 9, [4])[0].ids


def test_quotas_are_those_of_the_clusters(make_pool) -> None:
    pool = make_pool(150)
    real = select(pool, 30)
    for drawn in random_selections(pool, 30, [0, 5], quotas=True, floors=True):
        assert drawn.quotas == real.quotas
        rows = drawn.table.to_pylist()
        taken = np.bincount([r["cluster"] for r in rows if r["stage"] == "chosen"])
        assert taken.tolist() == list(real.quotas.values())


def test_reasons(make_pool) -> None:
    got = select(make_pool(9), 2, method="random", seed=7)
    rows = got.table.to_pylist()
    assert rows[0]["reason"] == "drawn at random (seed 7): draw 1 of 2"
    assert rows[-1]["reason"] == "not drawn (seed 7)"
