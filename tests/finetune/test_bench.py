"""The bench against the real training and the real evaluation, on tiny models of two families."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data_cards import BadInputError
from finetune.bench import Bench
from finetune.labels.outcomes import Ledger, Task
from finetune.options import FinetuneOptions
from finetune.train import finetune


@pytest.fixture
def bench_of(vlm_folder, samples, tmp_path):
    def make(family="llava", **changed):
        base = {"batch_size": 4, "learning_rate": 1e-2, "bf16": False}
        options = FinetuneOptions(model=str(vlm_folder(family)), **(base | changed))
        return Bench(samples[:14], samples[14:], options, tmp_path / "cache")

    return make


@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ("llava", {"train": "all"}),
        ("llava", {"train": "projector", "cache_features": True}),
        ("smolvlm", {"train": "lora", "cache_features": True}),
    ],
)
def test_it_trains_as_finetune_does(family, changed, bench_of, samples, tmp_path):
    bench = bench_of(family, **changed)
    ids = [sample.id for sample in samples[:9]]
    first = bench.run(ids, seed=3, steps=4)
    bench.run(ids[:5], seed=1, steps=2)
    again = bench.run(ids[::-1], seed=3, steps=4)
    assert first.train_losses == again.train_losses
    assert np.array_equal(first.losses, again.losses)
    if changed["train"] != "lora":  # the adapters are drawn once on the bench
        options = FinetuneOptions(
            model=bench.options.model,
            steps=4,
            batch_size=4,
            learning_rate=1e-2,
            bf16=False,
            seed=3,
            train=changed["train"],
        )
        alone = finetune(samples[:9], tmp_path / "out", options)
        assert np.allclose(alone.losses, first.train_losses, atol=1e-5)
        stored = load_file(tmp_path / "out" / "model.safetensors")
        bench.run(ids, seed=3, steps=4)
        trained = {n: p for n, p in bench.model.named_parameters() if p.requires_grad}
        some = next(n for n in trained if "projector" in n)
        match = [v for n, v in stored.items() if n.endswith(some.removeprefix("model."))]
        assert torch.allclose(match[0], trained[some], atol=1e-6)


def test_nothing_trained_measures_the_model_as_it_came(bench_of, samples):
    bench = bench_of(train="all")
    found = bench.run([samples[0].id], seed=0, steps=0)
    with bench.looking():
        one_by_one = [bench.measure([row])[0] for row in bench.target]
    assert np.allclose(found.losses, [row[0] for row in one_by_one], atol=1e-4)
    assert found.tokens.tolist() == [row.responses for row in bench.target]
    assert found.nll == pytest.approx(found.losses.sum() / found.tokens.sum())


def test_pool_and_target_must_be_apart(vlm_folder, samples, tmp_path):
    options = FinetuneOptions(model=str(vlm_folder("llava")), bf16=False)
    with pytest.raises(BadInputError, match="stand in the pool too"):
        _ = Bench(samples[:6], samples[5:8], options, tmp_path).rows
    with pytest.raises(BadInputError, match="an id twice"):
        _ = Bench([*samples[:3], samples[0]], samples[5:8], options, tmp_path).rows


def test_the_ledger_trains_once_and_shares_the_work(bench_of, samples, tmp_path):
    bench = bench_of(train="projector")
    ids = tuple(sample.id for sample in samples[:14])
    tasks = [Task(ids[start : start + 5], seed, steps=2) for start in (0, 4) for seed in (0, 1)]
    ledger = Ledger(tmp_path / "outcomes", bench.key)
    opened = []

    def open_bench():
        opened.append(1)
        return bench

    assert ledger.do(tasks, open_bench, share=(0, 2)) == 2
    assert len(Ledger(tmp_path / "outcomes", bench.key).missing(tasks)) == 2
    assert Ledger(tmp_path / "outcomes", bench.key).do(tasks, open_bench) == 2
    assert Ledger(tmp_path / "outcomes", bench.key).do(tasks, open_bench) == 0
    assert len(opened) == 2
    found = Ledger(tmp_path / "outcomes", bench.key).read(tasks)
    direct = bench.run(tasks[2].ids, seed=0, steps=2)
    assert np.array_equal(found.losses[2], direct.losses)
    assert found.quality.shape == (4,) and (found.errors(range(6)) > 0).all()
    assert Ledger(tmp_path / "outcomes", "other").missing(tasks) == tasks


def test_an_interrupted_ledger_loses_the_training_in_hand_alone(bench_of, samples, tmp_path):
    bench = bench_of(train="projector")
    ids = tuple(sample.id for sample in samples[:14])
    tasks = [Task(ids[start : start + 5], 0, steps=1) for start in (0, 3, 6, 9)]

    class Stops:
        done = 0

        def run(self, *args, **options):
            if self.done == 2:
                raise KeyboardInterrupt
            self.done += 1
            return bench.run(*args, **options)

    with pytest.raises(KeyboardInterrupt):
        Ledger(tmp_path, bench.key).do(tasks, Stops)
    assert Ledger(tmp_path, bench.key).missing(tasks) == tasks[2:]
    assert Ledger(tmp_path, bench.key).do(tasks, lambda: bench) == 2


def test_what_changed_under_the_same_id_is_trained_again(tmp_path):
    task = Task(("a", "b"), 0, 1)
    assert task.key("bench", {"a": "1", "b": "2"}) == Task(("b", "a"), 0, 1).key(
        "bench", {"a": "1", "b": "2", "c": "3"}
    )
    assert task.key("bench", {"a": "1", "b": "2"}) != task.key("bench", {"a": "1", "b": "3"})
    assert Ledger(tmp_path, "bench", {"a": "1"}).key(task) == task.key("bench", {"a": "1"})


def test_the_key_knows_the_seed_where_weights_are_drawn(bench_of):
    keys = {
        train: {bench_of(train=train, seed=seed).key for seed in (0, 1)}
        for train in ("projector", "lora")
    }
    assert len(keys["projector"]) == 1 and len(keys["lora"]) == 2
