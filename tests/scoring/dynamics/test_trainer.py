"""The proxy's trainer: real trainings of small networks."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from data_cards import BadInputError
from scoring.dynamics import Recipe, el2n, forgetting, train_signals
from scoring.dynamics.proxies import ConvNet, convnet, last_linear, linear, resnet18
from scoring.dynamics.trainer import batches


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    rows = np.random.default_rng(0).permutation(len(data.target))[:400]
    return (data.data[rows] / 16).astype(np.float32), data.target[rows].astype(np.int64)


FAST = Recipe(epochs=4, batch_size=32, learning_rate=0.2)


def trained(digits, folder, order=None, **options):
    inputs, labels = digits
    order = np.arange(len(labels)) if order is None else order
    return train_signals(
        linear(64, 10), inputs[order], labels[order], folder, name="linear", ids=order.tolist(),
        **{"recipe": FAST, "seeds": (0, 1), **options},
    )  # fmt: skip


def test_what_is_recorded(digits, tmp_path):
    heard = []
    made = trained(
        digits, tmp_path / "s", snapshots=(1, 4), on_progress=lambda *told: heard.append(told)
    )
    assert made.correct.shape == made.margins.shape == made.losses.shape == (2, 4, 400)
    assert made.logits(1).shape == made.logits().shape == (2, 400, 10)
    np.testing.assert_allclose(made.features()[0], digits[0], rtol=1e-6)
    assert made.correct[:, -1].mean() > 0.85 > made.correct[:, 0].mean()
    assert ((made.margins >= -1) & (made.margins <= 1)).all() and (made.losses >= 0).all()
    assert np.array_equal(made.margins > 0, made.correct & (made.margins != 0))
    assert heard[-1] == ("proxy", 8, 8)
    # two runs differ by their seed
    assert not np.array_equal(made.logits()[0], made.logits()[1])
    scores = el2n(made, 1)
    assert ((scores >= 0) & (scores <= np.sqrt(2))).all()


def test_the_order_of_the_rows_plays_no_part(digits, tmp_path):
    order = np.random.default_rng(3).permutation(400)
    one, other = trained(digits, tmp_path / "a"), trained(digits, tmp_path / "b", order)
    np.testing.assert_allclose(other.logits(), one.logits()[:, order], atol=1e-5)
    assert np.array_equal(forgetting(other), forgetting(one)[order])


def test_the_same_again_and_the_global_generator_is_left_alone(digits, tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one = trained(digits, tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(one.logits(), trained(digits, tmp_path / "b").logits())


class Stopped(Exception):
    pass


def test_interrupted_it_goes_on_to_the_same_numbers(digits, tmp_path):
    inputs, labels = digits

    def make():
        return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10))

    def run(folder, stop=None):
        def on_progress(stage, done, total):
            if done == stop:
                raise Stopped

        return train_signals(
            make, inputs, labels, folder, name="mlp", recipe=FAST, seeds=(5, 6),
            on_progress=on_progress,
        )  # fmt: skip

    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "cut", stop=6)
    cut = run(tmp_path / "cut")
    for name in ("correct", "margins", "losses"):
        assert np.array_equal(getattr(cut, name), getattr(whole, name)), name
    assert np.array_equal(cut.logits(), whole.logits())
    assert cut.seconds > 0 and run(tmp_path / "cut").seconds == cut.seconds  # as it was then


def test_another_training_in_its_folder_is_refused_by_what_differs(digits, tmp_path):
    inputs, labels = digits
    made = trained(digits, tmp_path)
    for changed, words in (
        ({"recipe": Recipe(epochs=2, batch_size=32, learning_rate=0.2)}, "epochs 4 there, 2 here"),
        ({"recipe": Recipe(epochs=4, batch_size=16)}, "batch size 32 there, 16 here; learning"),
        ({"seeds": (0,)}, ": seeds 0, 1 there, 0 here."),
        ({"snapshots": (1, 4)}, ": snapshots 4 there, 1, 4 here."),
    ):
        with pytest.raises(BadInputError, match=f"signals of another training.*{words}"):
            trained(digits, tmp_path, **changed)
    with pytest.raises(BadInputError, match=r": other inputs, labels or ids\."):
        trained((inputs + 1, labels), tmp_path)
    # kept by a version that told no plan: the same training is taken up, another one refused
    path = tmp_path / "signals.json"
    told = json.loads(path.read_text())
    assert told.pop("plan")["recipe"]["epochs"] == 4
    path.write_text(json.dumps(told))
    assert np.array_equal(trained(digits, tmp_path).logits(), made.logits())
    with pytest.raises(BadInputError, match="another recipe, or other inputs"):
        trained(digits, tmp_path, recipe=Recipe(epochs=4))


def test_a_last_single_row_joins_the_step_before():
    assert [len(b) for b in batches(np.arange(9), 4)] == [4, 5]
    assert [len(b) for b in batches(np.arange(10), 4)] == [4, 4, 2]
    assert [len(b) for b in batches(np.arange(1), 4)] == [1]


def test_networks_give_what_they_are_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, size=(17, 3, 16, 16), dtype=np.uint8)
    labels = np.arange(17) % 2
    for name, make, width in (
        ("convnet", convnet(3, 16, 2, width=8), 8 * 2 * 2),
        ("resnet", resnet18(3, 2), 512),
    ):
        made = train_signals(
            make, pictures, labels, tmp_path / name, name=name,
            recipe=Recipe(epochs=1, batch_size=8, learning_rate=0.01),
        )  # fmt: skip
        assert made.features().shape == (1, 17, width)
    assert isinstance(last_linear(ConvNet(1, 8, 4, 4)), nn.Linear)
    with pytest.raises(ValueError, match="no linear layer"):
        last_linear(nn.Conv2d(1, 1, 1))


def test_schedules():
    assert Recipe(schedule="constant").rate(19) == 0.1
    step = Recipe(epochs=10, schedule="step", learning_rate=1.0)
    assert [round(step.rate(e), 3) for e in (0, 3, 6, 8)] == [1.0, 0.2, 0.04, 0.008]
    cosine = Recipe(epochs=10, learning_rate=1.0)
    assert cosine.rate(0) == 1.0 and cosine.rate(5) == pytest.approx(0.5)


def test_lists_and_a_folder_as_text_are_as_good(digits, tmp_path):
    inputs, labels = digits
    given = {"name": "x", "recipe": Recipe(epochs=1)}
    made = train_signals(linear(64, 10), inputs, labels, tmp_path / "a", **given)
    same = train_signals(
        linear(64, 10), inputs.tolist(), labels.tolist(), str(tmp_path / "b"), **given
    )
    assert same.labels.tolist() == made.labels.tolist()
    assert np.isfinite(same.losses).all() and same.losses.shape == made.losses.shape


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.uint64])
def test_labels_of_any_whole_kind_are_as_good(digits, tmp_path, kind):
    inputs, labels = digits
    given = {"name": "x", "recipe": Recipe(epochs=1)}
    made = train_signals(linear(64, 10), inputs, labels, tmp_path / "a", **given)
    same = train_signals(linear(64, 10), inputs, labels.astype(kind), tmp_path / "b", **given)
    assert same.losses.tolist() == made.losses.tolist()


def test_what_is_wrong_is_said(digits, tmp_path):
    inputs, labels = digits
    with pytest.raises(BadInputError, match=r"shape \(400, 64\) beside 399 labels"):
        train_signals(linear(64, 10), inputs, labels[1:], tmp_path, name="x")
    with pytest.raises(BadInputError, match="whole numbers") as caught:
        train_signals(linear(64, 10), inputs, ["a"] * 400, tmp_path, name="x")
    assert "return_inverse" in caught.value.remedy
    with pytest.raises(BadInputError, match="inputs of <U1"):
        train_signals(linear(64, 10), np.full((400, 2), "a"), labels, tmp_path, name="x")
    with pytest.raises(BadInputError, match=r"labels up to 9, .* \(4,\) logits"):
        train_signals(linear(64, 4), inputs, labels, tmp_path / "few", name="x")
    with pytest.raises(BadInputError, match="make is a model") as caught:
        train_signals(linear(64, 10)(), inputs, labels, tmp_path, name="x")
    assert "lambda" in caught.value.remedy
    with pytest.raises(BadInputError, match="whole numbers"):
        train_signals(linear(64, 10), inputs, labels.astype(float), tmp_path, name="x")
    with pytest.raises(BadInputError, match="seeds"):
        trained(digits, tmp_path, seeds=(1, 1))
    with pytest.raises(BadInputError, match="snapshots"):
        trained(digits, tmp_path, snapshots=(9,))
    wild = Recipe(epochs=3, batch_size=32, learning_rate=1e30)
    with pytest.raises(BadInputError, match="not finite in epoch"):
        trained(digits, tmp_path / "wild", recipe=wild)
