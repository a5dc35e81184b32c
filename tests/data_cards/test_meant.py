"""The word that was meant."""

from data_cards.meant import meant


def test_the_closest_word_whatever_its_capitals():
    known = ["herding", "random", "AUM"]
    assert meant("HERDING", known) == "Did you mean herding?"
    assert meant("auum", known) == "Did you mean AUM?"
    assert meant("zzz", known) == "" and meant("x", []) == ""
