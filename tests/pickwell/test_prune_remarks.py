"""What is said at once of a pruned corpus."""

from pathlib import Path

import numpy as np

from pickwell.config import PruneConfig
from pickwell.prune_corpus import Corpus
from pickwell.prune_job import prune_pictures
from pickwell.prune_remarks import headline, lost_classes


def corpus():
    """Class a: five unlike pictures, one broken; b: a copy of the first of them; c: the nearest."""
    rows = np.eye(6, dtype=np.float16)[[0, 1, 2, 3, 4, 5, 0, 5]]
    rows[7, 0] = 0.5
    rows[5] = np.nan
    ids = np.array(["a1", "a2", "a3", "a4", "a5", "broken", "b", "c"], object)
    classes = np.array([0, 0, 0, 0, 0, 0, 1, 2])
    errors = [None] * 5 + ["no picture"] + [None] * 2
    content = np.arange(8, dtype=np.uint64)
    return Corpus(ids, errors, Path(), rows, classes, ["a", "b", "c"], content, None)


def pruned(**options):
    settings = PruneConfig(
        strategy="hard",
        probe="none",
        robust=False,
        prototypes=1,
        duplicates_first="hard",
        **options,
    )
    return prune_pictures(corpus(), Path(), settings, lambda *said: None)


def test_duplicates_leave_fewer_and_take_a_class():
    made = pruned(duplicates=0.99, keep=1.0, seed=0)
    assert "a1" in made.pruned.selection.ids  # of the two that are the same the seed keeps this
    assert headline(made) == (
        "6 of 8 pictures stay: 7 asked for, 6 pictures left when duplicates had gone."
    )
    gone = "1 class is gone: b; every picture was a duplicate of another."
    assert lost_classes(corpus(), made.pruned) == [gone]


def test_a_class_without_a_floor_may_go_by_rank():
    made = pruned(count=2, balance=0.5)  # a floor of int(0.5 * 2 / 3) = 0
    assert headline(made) == "2 of 8 pictures stay."
    gone = "2 classes are gone: b, c; no floor held a picture back."
    assert lost_classes(corpus(), made.pruned) == [gone]
    whole = pruned(keep=1.0)
    assert headline(whole) == "7 of 8 pictures stay." and lost_classes(corpus(), whole.pruned) == []
