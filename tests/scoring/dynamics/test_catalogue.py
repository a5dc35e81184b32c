"""Every score that can be asked for is told of, and none that cannot."""

from finetune.reduce.scores import SCORES
from scoring.dynamics import subset_runs
from scoring.dynamics.catalogue import SCORES as TOLD


def test_every_score_is_told_of():
    assert {one.name for one in TOLD if one.how == "methods"} == set(SCORES)
    for one in TOLD:
        assert one.measures and one.needs and one.cost and one.good_when and one.source
    (influence,) = (one for one in TOLD if one.how != "methods")
    assert influence.name == "influence" and subset_runs.__name__ in influence.how
