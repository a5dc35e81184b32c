"""Which shard scores what."""

from hypothesis import given
from hypothesis import strategies as st

from scoring.cluster.claims import ANYBODY, NOBODY, Claims, split
from scoring.store import KEY_BYTES


def key(number):
    return number.to_bytes(KEY_BYTES, "big")


def keys(*numbers):
    return b"".join(map(key, numbers))


def test_a_content_is_the_first_shards():
    claims = Claims()
    assert claims.claim(0, keys(1, 2), "a") == b""
    assert claims.claim(1, keys(2, 3, 2), "b") == key(2)  # told once
    assert claims.claim(2, keys(3), "a") == key(3)
    assert claims.claim(0, keys(1, 2), "c") == b""  # done again, after its worker was killed


def test_who_stored_it_reads_it():
    claims = Claims()
    claims.claim(0, keys(1), "a")
    claims.stored(0, "a")
    assert claims.claim(1, keys(1), "a") == b""
    assert claims.claim(2, keys(1), "b") == key(1)
    claims.stored(0, NOBODY)  # it died: those who opened the stores before do not find it
    assert claims.claim(1, keys(1), "a") == key(1) == claims.claim(2, keys(1), "b")
    claims.stored(0, ANYBODY)  # of an earlier run
    assert claims.claim(2, keys(1), "b") == b""


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=12))
def test_every_content_is_scored_by_one_shard(shards):
    claims = Claims()
    scored = []
    for number, numbers in enumerate(shards):
        foreign = set(split(claims.claim(number, keys(*numbers), f"worker {number}")))
        scored += {key(n) for n in numbers} - foreign
        claims.stored(number, f"worker {number}")
    assert len(scored) == len(set(scored))
    assert set(scored) == {key(n) for numbers in shards for n in numbers}
