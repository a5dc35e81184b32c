"""What is kept of trainings on reduced data: whose it is, what is there, how far it is."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_cards import BadInputError
from finetune.reduce import run_benchmark
from scoring.dynamics import named
from selector.coreset import Budget
from tests.finetune.test_reduce import RECIPE, digits, plan

__all__ = ["digits"]
DESCRIBED = json.dumps({"model": "linear", "side": 32, "width": 32}, sort_keys=True)


@pytest.fixture
def given():
    budgets = {"40": Budget(count=40)}
    return replace(plan("hardest", seeds=(0,)), budgets=budgets, describe=DESCRIBED)


def changes(data, given):
    longer = replace(RECIPE, epochs=9, learning_rate=0.1)
    convnet = json.dumps({"model": "convnet", "side": 32, "width": 32}, sort_keys=True)
    yield data, replace(given, recipe=longer), "epochs 6 there, 9 here; learning rate 0.3 there, 0"
    yield data, replace(given, proxy_runs=2), "starts of the proxy 1 there, 2 here"
    yield data, replace(given, proxy_epoch=2), "epoch that scores are read after not given there, 2"
    yield data, replace(given, test_share=0.3), "share held out 0.2 there, 0.3 here"
    yield replace(data, identity="x"), given, "other pictures, classes or groups"
    other = replace(given, describe=convnet, proxy_recipe=longer)
    yield replace(data, identity="x"), other, "model linear there, convnet here"
    both = replace(given, recipe=longer, proxy_recipe=longer)
    yield data, both, "epochs 6 there, 9 here; learning rate 0.3 there, 0.1 here"


def test_what_differs_is_named(digits, given, tmp_path):
    run_benchmark(digits, given, tmp_path)
    for data, other, words in changes(digits, given):
        with pytest.raises(BadInputError) as caught:
            run_benchmark(data, other, tmp_path)
        assert f"another plan: {words}" in caught.value.message
        assert "of the proxy" not in caught.value.message or "starts" in words


def test_fewer_pictures_are_counted(digits, given, tmp_path):
    run_benchmark(digits, given, tmp_path)
    fewer = replace(
        digits, ids=digits.ids[:500], labels=digits.labels[:500], identity="fewer",
        features=digits.features[:500], inputs=digits.inputs[:500],
    )  # fmt: skip
    with pytest.raises(BadInputError, match=r"another plan: pictures 600 there, 500 here\."):
        run_benchmark(fewer, given, tmp_path)


def test_what_is_there_is_taken_up_and_what_no_version_wrote_is_refused(digits, given, tmp_path):
    one = run_benchmark(digits, given, tmp_path)
    heard = []
    again = run_benchmark(digits, given, tmp_path, on_there=lambda *told: heard.append(told))
    assert again == one and heard == [(4, 4)]
    path = tmp_path / "outcomes.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"identity": "what no version wrote"}))
    with pytest.raises(BadInputError, match="made by an earlier version"):
        run_benchmark(digits, given, tmp_path)


def test_an_interrupted_one_goes_on_and_says_how_much_was_there(digits, given, tmp_path):
    class Stopped(Exception):
        pass

    def stop(stage, done, total):
        if stage == "trainings" and done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        run_benchmark(digits, given, tmp_path, on_progress=stop)
    there, heard = [], []
    run_benchmark(
        digits, given, tmp_path, on_progress=lambda *told: heard.append(told),
        on_there=lambda *told: there.append(told),
    )  # fmt: skip
    assert there == [(2, 4)]
    assert [done for stage, done, _ in heard if stage == "trainings"] == [2, 4]


def test_trainings_that_scores_come_from_have_a_progress_of_their_own(
    digits, given, tmp_path, monkeypatch
):
    monkeypatch.setattr(named, "SUBSETS", 40)
    few = np.arange(100)
    data = replace(
        digits, ids=digits.ids[few], labels=digits.labels[few], features=digits.features[few],
        inputs=digits.inputs[few],
    )  # fmt: skip
    wanted = plan("hardest", "hardest:memorization", seeds=(0, 1))
    heard = []
    run_benchmark(
        data, replace(wanted, budgets={"40": Budget(count=40)}), tmp_path,
        on_progress=lambda *told: heard.append(told),
    )  # fmt: skip
    for stage, total in (("epochs for scores", 12), ("trainings for memorization", 80)):
        seen = [done for name, done, of in heard if name == stage and of == total]
        assert seen == sorted(seen) and seen[-1] == total and len(seen) > total / 2
