import logging
import sqlite3

import pytest

from scoring.judge.base import Judgement
from scoring.judge.cache import AnswerCache, answer_key

SAID = Judgement({"relevance": 4.25, "correctness": None}, "expected", "why", prompt_tokens=7)


def test_what_is_put_is_got_and_marked_as_cached(tmp_path):
    cache = AnswerCache(tmp_path / "deep" / "a.sqlite")
    key = answer_key("model", "text", b"bytes")
    assert cache.get(key) is None
    cache.put(key, SAID)
    cache.put(key, Judgement(reason="later"))
    for opened in (cache, AnswerCache(cache.path)):
        found = opened.get(key)
        assert (found.ratings, found.reason, found.cached) == (SAID.ratings, "why", True)


def test_keys_respect_boundaries():
    keys = [answer_key("m", *p) for p in (("a", "bc"), ("ab", "c"), ("abc",), ("abc", ""))]
    assert len({*keys, answer_key("n", "abc")}) == 5


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 400, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_broken_file_is_moved_aside_with_a_message(tmp_path, caplog, content):
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        cache = AnswerCache(path)
        assert cache.get(b"k") is None
    assert "is broken" in caplog.text and "moved to" in caplog.text
    assert (tmp_path / "a.sqlite.broken-1").read_bytes() == content
    cache.put(b"k", SAID)
    assert AnswerCache(path).get(b"k").ratings == SAID.ratings
    path.write_bytes(content)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    assert AnswerCache(path).get(b"k") is None
    assert (tmp_path / "a.sqlite.broken-2").exists()


def test_a_row_that_nobody_understands_is_asked_anew(tmp_path):
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put(b"k", SAID)
    cache.close()
    for text in ("{", '{"surprise": 1}', "[]", "null"):
        with sqlite3.connect(cache.path) as db:
            db.execute("UPDATE answers SET judgement = ?", (text,))
        db.close()
        assert AnswerCache(cache.path).get(b"k") is None


def test_no_place_to_write_is_said_once_and_harms_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = AnswerCache(tmp_path / "file" / "a.sqlite")
    for _ in range(3):
        cache.put(b"k", SAID)
        assert cache.get(b"k") is None
    assert caplog.text.count("answers are not kept") == 1
