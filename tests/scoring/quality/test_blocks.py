"""Samples that share a picture are held out together, and shuffled together."""

import numpy as np
import pytest

from data_cards.errors import BadInputError
from scoring.quality.blocks import hold_pictures_together
from scoring.quality.design import Design
from scoring.quality.labels import make_labels
from scoring.quality.validation import Validated, shuffle_test, shuffled

IDS = [f"s{i}" for i in range(9)]
PICTURES = [[b"a"], [b"a"], [b"b", b"c"], [b"c", b"d"], [b"d"], [], None, [b"e"], [b"f"]]


def labels_of(ids, **options):
    return make_labels({id_: float(n) for n, id_ in enumerate(ids)}, IDS, **options)


def test_a_shared_picture_makes_a_block_also_by_way_of_others():
    held, note = hold_pictures_together(labels_of(IDS), PICTURES)
    assert held.blocks == ("s0", "s0", "s2", "s2", "s2", "s5", "s6", "s7", "s8")
    assert "5 of the labelled samples share a picture" in note


def test_only_labelled_samples_count_and_given_blocks_stay():
    held, note = hold_pictures_together(labels_of(["s0", "s2", "s4", "s5", "s7"]), PICTURES)
    assert held.blocks == held.names and not note
    given = labels_of(IDS, blocks={"s0": "x", "s8": "x"})
    assert hold_pictures_together(given, PICTURES) == (given, "")
    groups = make_labels({"g": 1.0, "h": 2.0}, IDS, members={"g": IDS[:2], "h": IDS[2:4]})
    assert hold_pictures_together(groups, PICTURES) == (groups, "")


def test_too_few_pictures_are_said():
    with pytest.raises(BadInputError, match="fall into 2 sets that share their pictures"):
        hold_pictures_together(labels_of(IDS), [[b"a"]] * 5 + [[b"b"]] * 4)


def designed(blocks, labels) -> Design:
    n = len(labels)
    return Design(np.zeros((n, 1)), np.arange(n), labels, np.ones(n), tuple(blocks), False)


def test_a_shuffle_moves_blocks_of_one_size_as_a_whole():
    blocks = [f"b{k % 4}" for k in range(12)]
    design = designed(blocks, np.arange(12.0))
    seen = set()
    for seed in range(50):
        order = shuffled(design, np.random.default_rng(seed))
        assert sorted(order) == list(range(12))
        to = {}
        for at, source in enumerate(order):
            assert to.setdefault(blocks[at], blocks[source]) == blocks[source]
        seen.add(tuple(to.items()))
    assert len(seen) > 10


@pytest.mark.parametrize("sizes", [[10] * 12, [1, 2, 3, 5, 8, 12, 20, 1, 4, 9, 15, 10]])
def test_labels_alike_inside_a_block_do_not_pass_for_many(sizes):
    """Predictions that have nothing to do with the labels; both are the same in a block.

    Dealt out sample by sample, a third of these draws would have a p below 0.05.
    """
    blocks = np.repeat([f"b{k}" for k in range(12)], sizes)
    low = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        labels, predictions = (np.repeat(rng.normal(size=12), sizes) for _ in range(2))
        losses = (predictions - labels) ** 2
        design = designed(blocks, labels)
        low += shuffle_test(Validated(predictions, losses, []), design, 99, seed) <= 0.05
    assert low <= 18  # 7.5 are expected; more than 18 come up in fewer than 1 of 1,000 tests
