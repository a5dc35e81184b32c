"""Signals and their scores move with no batch, order or thread, and favour no step."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from scoring.dynamics import Recipe, aum, classifier, el2n, forgetting, named, scores, trainer
from scoring.dynamics.named import Proxy
from scoring.dynamics.proxies import linear

ROWS = 83  # a last step of 19, and a last pass of 83 - 11 * 7 = 6
RECIPE = Recipe(epochs=3, batch_size=32, learning_rate=0.2)
SIGNALS = {"el2n": el2n, "forgetting": forgetting, "aum": aum}


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.data[:ROWS] / 16).astype(np.float32), data.target[:ROWS].astype(np.int64)


def proxy(digits, folder, order=None):
    order = np.arange(ROWS) if order is None else order
    inputs, labels = digits
    return Proxy(
        linear(64, 10), inputs[order], labels[order], order.tolist(), RECIPE, (1,), "linear", folder
    )


def everything(made):
    """All signals and the scores of them, samples last."""
    signals = made.signals
    found = {name: score(signals) for name, score in SIGNALS.items()}
    found["memorization"] = made.score("memorization")
    for name in ("correct", "margins", "losses"):
        found[name] = np.array(getattr(signals, name))[0]
    return found | {"logits": signals.logits()[0].T, "features": signals.features()[0].T}


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(named, "SUBSETS", 30)
        return everything(proxy(digits, tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize("size", [1, 7, 82])
def test_the_size_of_a_pass_plays_no_part(digits, whole, tmp_path, monkeypatch, size):
    monkeypatch.setattr(named, "SUBSETS", 30)
    for place, name in ((trainer, "SCORED"), (classifier, "SCORED"), (scores, "BLOCK")):
        monkeypatch.setattr(place, name, size)
    for name, found in everything(proxy(digits, tmp_path)).items():
        np.testing.assert_allclose(found, whole[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_the_order_of_the_rows_plays_no_part(digits, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(named, "SUBSETS", 30)
    order = np.random.default_rng(0).permutation(ROWS)
    for name, found in everything(proxy(digits, tmp_path, order)).items():
        np.testing.assert_allclose(
            found, whole[name][..., order], rtol=1e-4, atol=1e-5, err_msg=name
        )


def test_threads_play_no_part(digits, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(named, "SUBSETS", 30)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 2)
    try:
        found = everything(proxy(digits, tmp_path))
    finally:
        torch.set_num_threads(before)
    for name, values in found.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_last_step_of_an_epoch_is_not_favoured(digits, tmp_path):
    """With a rate of next to nothing all steps see one model: a sample's record is its own.

    Samples of the last, smaller step must have the loss and margin of any other step.
    """
    inputs, labels = digits
    still = Recipe(epochs=2, batch_size=32, learning_rate=1e-12, weight_decay=0.0)
    made = Proxy(
        linear(64, 10), inputs, labels, list(range(ROWS)), still, (1,), "linear", tmp_path
    ).signals
    logits = torch.from_numpy(np.array(made.logits()[0]))
    exact = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="none")
    for epoch in range(2):  # each epoch has another last step
        np.testing.assert_allclose(made.losses[0, epoch], exact.numpy(), rtol=1e-5)
    p = torch.softmax(logits.double(), 1).numpy()
    own = p[np.arange(ROWS), labels]
    p[np.arange(ROWS), labels] = -1
    np.testing.assert_allclose(aum(made), 2 * (p.max(1) - own), atol=1e-5)
