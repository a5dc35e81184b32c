import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards import BadInputError
from pickwell.watching.ledger import Ledger

NAMES = st.text(max_size=20)


@given(st.lists(st.tuples(NAMES, st.sampled_from("xyz"), st.sampled_from(["scored", "failed"]))))
def test_what_was_written_is_known_again(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("ledger")
    first = Ledger(folder)
    for number, (name, content, outcome) in enumerate(entries):
        entry = {"name": name, "signature": str(number), "sha256": content, "outcome": outcome}
        first.append(entry)
    again = Ledger(folder)
    for number, (name, content, outcome) in enumerate(entries):
        assert again.knows(name, str(number)) and not again.knows(name, "other")
        found = again.scored(content) if outcome == "scored" else again.failed(name, content)
        assert found is not None and found["sha256"] == content
    assert again.scored("w") is None


def test_a_torn_last_line_is_passed_over(tmp_path):
    ledger = Ledger(tmp_path)
    entry = {"name": "a", "signature": "1", "sha256": "x", "outcome": "scored"}
    ledger.append(entry)
    whole = ledger.path.read_bytes()
    for cut in range(1, len(whole)):
        ledger.path.write_bytes(whole + whole[:cut])
        again = Ledger(tmp_path)
        again.append(entry | {"name": "b"})
        third = Ledger(tmp_path)
        assert third.knows("a", "1") and third.knows("b", "1")
    assert json.loads(ledger.path.read_bytes().splitlines()[-1])["name"] == "b"


def test_a_failure_is_known_under_its_options_only(tmp_path):
    ledger = Ledger(tmp_path)
    failed = {"name": "a", "signature": "1", "sha256": "x", "outcome": "failed", "error": "no"}
    ledger.append(failed)
    ledger.append(failed | {"name": "b", "options": {"format": "json"}})
    ledger.append(failed | {"name": "b", "signature": "2", "outcome": "same"})
    again, stated = Ledger(tmp_path), {"format": "json"}
    assert again.knows("a", "1") and not again.knows("a", "1", stated)
    assert again.knows("b", "1", stated) and not again.knows("b", "1")
    assert again.failed("a", "x") and not again.failed("a", "x", stated)
    assert again.knows("b", "2") and not again.knows("b", "2", stated)
    again.forget_failures()
    assert not again.knows("a", "1") and not again.failed("a", "x")
    again.append({"name": "a", "signature": "1", "sha256": "x", "outcome": "scored"})
    assert again.knows("a", "1", stated)


def test_half_an_entry_is_none(tmp_path, monkeypatch):
    """A disk that fills up takes the first bytes and says how many."""
    ledger = Ledger(tmp_path)
    entry = {"name": "a", "signature": "1", "sha256": "x", "outcome": "scored"}
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:20]))
    with pytest.raises(OSError, match="No space"):
        ledger.append(entry)
    monkeypatch.undo()
    assert not ledger.knows("a", "1")
    ledger.append(entry | {"name": "b"})
    again = Ledger(tmp_path)
    assert again.knows("b", "1") and not again.knows("a", "1")


def test_runs_of_two_references_are_not_mixed(tmp_path):
    Ledger(tmp_path).belongs_to("run", "abc", None)
    Ledger(tmp_path).belongs_to("run", "abc", None)
    for other in (("run", "abd", None), ("run", "abc", "chosen"), ("other", "abc", None)):
        with pytest.raises(BadInputError, match="scored like run"):
            Ledger(tmp_path).belongs_to(*other)
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1
