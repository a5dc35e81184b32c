import numpy as np
import pytest

from data_cards.errors import BadInputError
from selector.explain import explain
from selector.pick import select


@pytest.fixture
def selection(make_pool):
    x = np.array([[1, 0], [1, 0], [0.6, 0.8], [0.8, 0.6], [-1, 0], [0, -1]], dtype=np.float32)
    pool = make_pool(
        6,
        ids=np.array(["cat-1", "cat-2", "cat-3", "cat-4", "dog-1", "dog-2"], dtype=object),
        quality=np.array([0.9, 0.8, 0.7, 0.6, 0.5, np.nan]),
        image_vectors=x,
        text=False,
    )
    return select(pool, 3, clusters=np.array([0, 0, 0, 0, 1, 1]))


def test_chosen(selection) -> None:
    got = explain(selection, "cat-1")
    assert got.stage == "chosen"
    assert got.lines[0] == "cat-1: chosen, pick 1 of 3"
    assert got.lines[1].startswith("best of cluster 0 (4 samples, 2 places)")
    assert "quality 0.9: 0 of 5 samples have a higher one; place 1 of cluster 0" in got.lines
    assert got.lines[-1] == "it stands for a duplicate: cat-2"
    assert str(got) == "\n".join(got.lines)


def test_near_miss_names_the_chosen_that_beat_it(selection) -> None:
    got = explain(selection, "cat-4")
    assert got.stage == "not chosen"
    assert got.lines[-1] == (
        "the most similar chosen sample: cat-3, pick 2, quality 0.7; cosine 0.960"
    )


def test_duplicate_names_its_keeper(selection) -> None:
    got = explain(selection, "cat-2")
    assert got.stage == "duplicate"
    assert got.lines[-1] == "it is represented by cat-1, pick 1, quality 0.9; cosine 1.000"


def test_floored(selection) -> None:
    got = explain(selection, "dog-2")
    assert got.lines == ("dog-2: floored", "no quality: every score it rests on is missing")


def test_unknown_id_names_the_closest(selection) -> None:
    with pytest.raises(BadInputError) as caught:
        explain(selection, "cot-3")
    assert "cat-3" in caught.value.remedy
    with pytest.raises(BadInputError) as caught:
        explain(selection, "DOG")
    assert "dog-1, dog-2" in caught.value.remedy
    with pytest.raises(BadInputError) as caught:
        explain(selection, "completely different")
    assert caught.value.remedy.startswith("Ids look like this: cat-1, ")
    assert "column `id` of selection.parquet" in caught.value.remedy


def test_the_closest_are_looked_for_among_all_ids(make_pool) -> None:
    ids = [f"zoo/{n:03}.png" for n in range(60)] + ["photos/cat-long-name.png"]
    pool = make_pool(61, ids=np.array(ids, object), quality=np.arange(61.0), text=False)
    chosen = select(pool, 3, clusters=np.zeros(61, int))
    with pytest.raises(BadInputError) as caught:
        explain(chosen, "cat-long-name.png")  # its length alone kept it out
    assert caught.value.remedy.startswith("The closest ids are: photos/cat-long-name.png")
    with pytest.raises(BadInputError) as caught:
        explain(chosen, "zoo/17.png")
    assert caught.value.remedy.startswith("The closest ids are: zoo/017.png")


def test_one_is_not_many(make_pool) -> None:
    pool = make_pool(3, quality=np.array([0.9, 0.8, np.nan]), text=False)
    chosen = select(pool, 1, clusters=np.array([0, 1, 1]))
    assert "best of cluster 0 (1 sample, 1 place)" in str(explain(chosen, "s0"))
    assert "1 of 2 samples has a higher one" in str(explain(chosen, "s1"))


def test_a_copy_of_what_went_itself_is_like_it() -> None:
    from selector.coreset import Budget, choose

    rows = np.array([[1, 0], [1, 0], [0, 1], [-1, 0.1], [0.2, -1]], dtype=np.float32)
    ids = [f"p{number}" for number in range(5)]
    options = {"features": rows, "epsilon": 0.0, "clusters": 1}  # the pair lies near the centre
    made = choose(ids, Budget(count=1), "semdedup", **options).selection(ids)
    stages = dict(zip(made.table["id"].to_pylist(), made.table["stage"].to_pylist(), strict=True))
    copy, other = sorted(("p0", "p1"), key=stages.get)
    assert (stages[copy], stages[other]) == ("duplicate", "not chosen")
    assert explain(made, copy).lines[-1].startswith(f"it is like {other}, not chosen; cosine 1")
    assert f"a duplicate of it: {copy}" in explain(made, other).lines
