"""Influence on a tiny model: bounded, repeatable, and right about a sample like the target."""

import math
from dataclasses import replace

import numpy as np
import pytest

from finetune.bench import Bench
from finetune.labels.influence import Influence, influence, retest
from finetune.options import FinetuneOptions


def test_a_sample_like_the_target_has_more_influence(vlm_folder, make_sample, tmp_path):
    pool = [make_sample(number) for number in range(8)]
    like, unlike = ("user", "What is shown here?"), ("user", "Describe this short picture")
    twin = make_sample(40, like, ("assistant", "zebra zebra zebra"))
    other = make_sample(41, unlike, ("assistant", "4711 4711 4711 4711"))
    target = [
        replace(make_sample(50 + n, like, ("assistant", "zebra zebra zebra")), id=f"t{n}")
        for n in range(3)
    ]
    options = FinetuneOptions(
        model=str(vlm_folder("llava")), train="all", batch_size=4, learning_rate=1e-3, bf16=False
    )
    bench = Bench([*pool, twin, other], target, options, tmp_path)
    ids = [*(sample.id for sample in pool), "s40", "s41", "absent"]

    def run(folder="kept", **more):
        kept = tmp_path / folder
        wanted = {"warm_up": ids[:8], "warm_up_steps": 2, "dimensions": 512}
        return influence(bench, ids, kept=kept, **wanted, **more)

    found = run()
    assert np.isfinite(found.scores[:-1]).all() and np.isnan(found.scores[-1])
    assert np.abs(found.scores[:-1]).max() <= 1.001
    assert found.scores[8] == np.nanmax(found.scores) > found.scores[9]
    again = run()
    assert np.array_equal(again.scores, found.scores, equal_nan=True)
    assert np.array_equal(run("other").scores, found.scores, equal_nan=True)
    assert not np.allclose(run(seed=1).scores[:-1], found.scores[:-1])

    class Killed(Exception):
        pass

    def kill(stage, done, total):
        if stage.endswith("pool") and done:
            raise Killed

    with pytest.raises(Killed):
        run("killed", on_progress=kill)
    stored = len(list((tmp_path / "killed").glob("*.arrow")))
    assert 0 < stored < len(list((tmp_path / "other").glob("*.arrow")))
    assert np.array_equal(run("killed").scores, found.scores, equal_nan=True)


def test_target_samples_of_one_image_count_as_one(vlm_folder, make_sample, tmp_path):
    pool = [make_sample(number) for number in range(6)]
    first = [make_sample(50 + n) for n in range(4)]
    copies = [replace(sample, id=f"{sample.id} again") for sample in first]
    options = FinetuneOptions(model=str(vlm_folder("llava")), train="projector", bf16=False)

    def deviations(target, folder):
        bench = Bench(pool, target, options, tmp_path)
        ids = [sample.id for sample in pool]
        kept = tmp_path / folder
        return influence(
            bench, ids, warm_up=ids, warm_up_steps=0, dimensions=512, kept=kept
        ).deviations

    once = deviations(first, "once")
    assert (once > 0).all()
    assert deviations([*first, *copies], "twice") == pytest.approx(once, rel=1e-3)
    assert np.isnan(deviations(first[:1], "single")).all()


def test_a_retest_compares_what_both_know():
    def found(*scores):
        values = np.array(scores)
        return Influence(values, np.zeros(len(values)), seconds=3.0, passes=7)

    again = retest(np.array([0.1, 0.4, np.nan, 0.2, 0.3]), found(1.0, 4.0, 9.0, np.nan, 2.0))
    assert again.correlation == pytest.approx(1) and again.samples == 3
    assert (again.seconds, again.passes) == (3.0, 7)
    assert retest(np.array([1.0, 2.0]), found(2.0, 1.0)).correlation == pytest.approx(-1)
    assert math.isnan(retest(np.array([1.0, 1.0]), found(2.0, 1.0)).correlation)
