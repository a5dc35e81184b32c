import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from scoring.metric import Batch, Models, Pool
from scoring.metrics.length import Length, LengthRelease


def pool(texts, status=None):
    status = status or ["ok"] * len(texts)
    ids = [f"row {i}" for i in range(len(texts))]
    return Pool(ids, lambda: iter([("q", text) for text in texts]), None, None, status)


class Spaces:
    key = "spaces"
    name = "spaces"

    def count_tokens(self, texts):
        return [len(text.split(" ")) for text in texts]


def test_counts():
    found = Length(Models("m", language_model=Spaces())).score(Batch(["q"] * 2, ["a  b", "日本"]))
    assert found.columns == {"characters": [4, 2], "words": [2, 1], "tokens": [3, 1]}
    assert found.notes == [None, None]


def test_without_a_language_model_tokens_are_null():
    found = Length(Models("m")).score(Batch(["q"], ["a b"]))
    assert found.columns["tokens"] == [None]
    assert found.columns["words"] == [2]
    assert found.notes == ["no language model"]


def test_the_published_form_on_the_published_rows(shared):
    table = pq.read_table(shared / "data/instructiongpt4/samples.parquet")
    captions = table["caption"].to_pylist()
    assert len(captions) == 3439
    assert max(map(len, captions)) == 1009
    found = LengthRelease(Models("m")).score(pool(captions)).columns["length_release"]
    assert found.tolist() == table["length"].to_pylist()


def test_a_bad_row_is_null_and_does_not_count():
    found = LengthRelease(Models("m")).score(pool(["ab", "abcdefgh", "abcd"], ["ok", "bad", "ok"]))
    values = found.columns["length_release"]
    assert values[[0, 2]].tolist() == [5.0, 10.0]
    assert values[1] != values[1]
    assert found.notes == [None, "not measured: the row is bad", None]


def test_no_rows():
    assert len(LengthRelease(Models("m")).score(pool([])).columns["length_release"]) == 0


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.randoms())
def test_the_order_of_rows_changes_nothing(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    metric = LengthRelease(Models("m"))
    first = metric.score(pool(texts)).columns["length_release"]
    second = metric.score(pool([texts[i] for i in order])).columns["length_release"]
    assert second.tolist() == first[order].tolist()
    assert first.max() == 10.0
