import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.evaluate.short_answers import chance, is_short, match, normalise


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A wolf.", "wolf"),
        ("The  Two WOLVES!", "2 wolves"),
        ("Don’t", "dont"),
        ("1,000 men", "1000 men"),
        ("about 1.5 metres", "about 1.5 metres"),
        ("end. 3", "end 3"),
        ("A", "a"),
        ("ＦＵＬＬ", "full"),
        ("Straße", "strasse"),
        ("none", "0"),
        ("", ""),
        ("?!", ""),
        ("日本", "日本"),
    ],
)
def test_normalised(text, words):
    assert normalise(text) == words


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


def test_matches_worked_by_hand():
    found = match("It is a wolf.", "A wolf", cut=3)
    assert (found.exact, found.contained, found.contained_cut, found.words) == (0, 1, 1, 3)
    late = match("I think that this one may be a wolf", "wolf", cut=3)
    assert late.contained and not late.contained_cut
    assert match("wolf", "the wolf").exact
    assert not match("werewolf", "wolf").contained
    nothing = match("", "wolf")
    assert (nothing.exact, nothing.contained, nothing.words) == (False, False, 0)
    assert not match("", "?").exact


@given(st.text(max_size=30), st.text(max_size=15))
def test_exact_implies_early_implies_contained(output, reference):
    found = match(output, reference)
    assert found.exact <= found.contained_cut <= found.contained


def test_short_means_words_not_characters():
    assert is_short("the United Arab Emirates", 3)
    assert not is_short("one two three four", 3)
    assert not is_short("...", 3)


def test_saying_every_answer_is_contained_but_no_better_than_chance():
    references = [f"thing {i}" for i in range(12)]
    ids, sources = [f"s{i}" for i in range(12)], ["a"] * 12
    everything = chance([" ".join(references)] * 12, references, ids, sources)
    assert everything["contained"] == 1
    assert everything["exact"] == 0
    right = chance(references, references, ids, sources)
    assert right == {"exact": 0, "contained": 0, "contained_cut": 0}


def test_chance_of_one_answer_for_all_is_the_share_of_its_reference():
    references = ["yes"] * 3 + ["no"] * 7
    ids = [f"s{i}" for i in range(10)]
    found = chance(["yes"] * 10, references, ids, ["a"] * 10, shuffles=400)
    assert found["exact"] == pytest.approx(0.3, abs=1e-12)


def test_chance_stays_within_the_source_and_copes_with_lonely_ones():
    outputs, references = ["red", "blue", "red"], ["red", "red", "red"]
    found = chance(outputs, references, ["1", "2", "3"], ["a", "a", "b"], shuffles=50)
    assert found["exact"] == pytest.approx(2 / 3)
    assert math.isnan(chance(["x"], ["x"], ["1"], ["a"])["exact"])
