"""The same pruning with other numbers of prototypes."""

import numpy as np
import pytest

from selector.prune.corpus import PruneOptions, prune
from selector.prune.probe import split_rows
from selector.prune.robust import over_prototypes


def test_overlap_and_probes_over_the_number_of_prototypes():
    rng = np.random.default_rng(0)
    classes = np.arange(200) % 4
    rows = rng.standard_normal((4, 8))[classes] + 0.3 * rng.standard_normal((200, 8))
    ids = np.array([f"row-{n}" for n in range(200)], dtype=object)
    errors = [None] * 199 + ["bad"]
    options = PruneOptions(keep=0.5, strategy="easy", prototypes=8, balance_by="clusters")
    made = prune(rows, ids, options, errors=errors, classes=classes)
    usable = np.arange(200) < 199
    found = over_prototypes(
        rows, ids, options, made.kept.rows, 8, errors=errors, classes=classes,
        train_test=split_rows(ids, classes, usable),
    )  # fmt: skip
    assert [one.prototypes for one in found] == [2, 8, 24, 80]  # 0.8 is no number of prototypes
    same = found[1]
    assert same.overlap == 1.0 and same.by_chance == pytest.approx(100 / 199)
    assert all(0 <= one.overlap <= 1 and one.accuracy > 0.5 for one in found)
    assert found[0].objective > found[-1].objective
    bare = over_prototypes(rows, ids, options, made.kept.rows, 8, errors=errors, factors=(1.0,))
    assert bare[0].accuracy is None and bare[0].overlap == 1.0
    content = np.arange(200).astype(np.uint64) // np.uint64(2)  # equal bytes go together
    rows = rows[np.arange(200) // 20 * 20]  # twenty of a kind: many ties where the ranking ends
    twins = prune(rows, ids, options, errors=errors, classes=classes, content=content)
    again = over_prototypes(
        rows, ids, options, twins.kept.rows, 8, errors=errors, content=content, factors=(1.0,)
    )
    assert again[0].overlap == 1.0


def test_nothing_to_train_a_probe_on_is_no_error():
    rows = np.random.default_rng(0).standard_normal((60, 4))
    ids = np.array([f"row-{n}" for n in range(60)], dtype=object)
    classes = np.arange(60) % 2
    options = PruneOptions(count=2, prototypes=4)
    kept = prune(rows, ids, options).kept.rows
    found = over_prototypes(
        rows, ids, options, kept, 4, classes=classes, factors=(1.0,),
        train_test=(np.setdiff1d(np.arange(50), kept), np.arange(50, 60)),
    )  # fmt: skip
    assert found[0].accuracy is None and found[0].overlap == 1.0


@pytest.mark.parametrize("options", [{"duplicates": 0.98}, {"duplicates_share": 0.2}])
def test_duplicates_go_on_both_sides(options):
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((60, 6)), 2, axis=0) + 0.01 * rng.standard_normal((120, 6))
    ids = np.array([f"row-{n}" for n in range(120)], dtype=object)
    asked = PruneOptions(keep=0.3, prototypes=6, **options)
    made = prune(rows, ids, asked)
    gone = len(made.duplicates.rows)
    assert gone >= 24
    found = over_prototypes(
        rows, ids, asked, made.kept.rows, 6, repeats=made.duplicates, factors=(0.5, 1.0)
    )
    assert found[1].overlap == 1.0 and found[0].overlap < 1.0
    assert found[1].by_chance == pytest.approx(36 / (120 - gone))
