from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scoring.metric import Models, Pool
from scoring.metrics.boilerplate import Boilerplate, normalise


def score(texts, status=None):
    status = status or ["ok"] * len(texts)
    ids = [str(i) for i in range(len(texts))]
    pool = Pool(ids, lambda: iter([("q", text) for text in texts]), None, None, status)
    return Boilerplate(Models("m")).score(pool)


def test_worked_by_hand():
    found = score(["Yes.", "yes", "No", " YES !", "yes", ""], ["ok", "ok", "ok", "ok", "bad", "ok"])
    assert found.columns["boilerplate"] == [2, 2, 0, 2, None, None]
    share = found.columns["boilerplate_share"]
    assert share[:4].tolist() == [2 / 3, 2 / 3, 0, 2 / 3]  # of three other scored rows
    assert all(share[4:] != share[4:])
    assert found.notes == [None] * 4 + ["not measured: the row is bad", "no response"]


def test_what_counts_as_the_same():
    assert normalise("“A  Dog\n.”") == normalise("a dog")
    assert normalise("ﬁsh") == normalise("Fish")  # a ligature
    assert normalise("A dog") != normalise("A dogs")
    assert normalise("!!!") != normalise("???")  # nothing else is left to compare


def test_one_row_and_none():
    assert score(["a"]).columns["boilerplate"] == [0]
    assert score(["a"]).columns["boilerplate_share"].tolist() == [0.0]
    assert score([]).columns["boilerplate"] == []


TEXTS = st.lists(st.sampled_from(["a", "A.", "b", "c d", "C  D!", "\ud800", "😀"]), max_size=12)


@given(TEXTS, st.randoms())
def test_equals_counting_and_ignores_order(texts, random):
    counts = Counter(map(normalise, texts))
    found = score(texts).columns["boilerplate"]
    assert found == [counts[normalise(text)] - 1 for text in texts]
    order = list(range(len(texts)))
    random.shuffle(order)
    assert score([texts[i] for i in order]).columns["boilerplate"] == [found[i] for i in order]
