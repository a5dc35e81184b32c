"""Every score by its name: one sense, blind to row order, kept between calls."""

import random

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from scoring.dynamics import Recipe, el2n, input_curvature, named
from scoring.dynamics.named import NAMED, Proxy
from scoring.dynamics.proxies import linear

RECIPE = Recipe(epochs=6, batch_size=32, learning_rate=0.3)
WRONG = np.arange(0, 300, 15)
NEED_ROOM = ("curvature", "memorization")
NO_LABELS = ("entropy", "curvature-sign")
"""The former looks at none; the latter ranks wrong labels below right ones, see below."""
"""A linear layer cannot learn a wrong label by heart, nor does its curvature hang on the label."""


@pytest.fixture(scope="module")
def digits():
    """300 digits, every fifteenth with the label of another."""
    data = load_digits()
    inputs = (data.data[:300] / 16).astype(np.float32)
    labels = data.target[:300].astype(np.int64)
    labels[WRONG] = (labels[WRONG] + 3) % 10
    return inputs, labels


def proxy(inputs, labels, ids, folder):
    return Proxy(linear(64, 10), inputs, labels, ids, RECIPE, (3, 4), "linear", folder)


@pytest.mark.parametrize("name", NAMED)
def test_higher_is_harder_and_the_order_of_rows_plays_no_part(digits, name, tmp_path, monkeypatch):
    monkeypatch.setattr(named, "SUBSETS", 40)
    inputs, labels = digits
    ids = [f"d{n}" for n in range(300)]
    one = proxy(inputs, labels, ids, tmp_path / "one").score(name)
    assert one.shape == (300,) and np.isfinite(one).all()
    order = np.random.default_rng(0).permutation(300)
    moved = proxy(inputs[order], labels[order], [ids[n] for n in order], tmp_path / "two")
    assert moved.score(name) == pytest.approx(one[order], rel=1e-5, abs=1e-6)
    if name not in (*NO_LABELS, *NEED_ROOM):
        rest = np.setdiff1d(np.arange(300), WRONG)
        assert one[WRONG].mean() > one[rest].mean(), "a wrong label is hard"


def roomy(digits, folder):
    """A proxy that can learn single samples by heart."""

    def make():
        return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))

    recipe = Recipe(epochs=40, batch_size=32, learning_rate=0.2, weight_decay=0.0)
    return Proxy(make, *digits, list(range(300)), recipe, (3, 4), "mlp", folder)


@pytest.mark.parametrize("name", NEED_ROOM)
def test_wrong_labels_are_hard_to_a_proxy_that_can_learn_them(digits, name, tmp_path, monkeypatch):
    monkeypatch.setattr(named, "SUBSETS", 40)
    found = roomy(digits, tmp_path).score(name)
    assert found[WRONG].mean() > np.delete(found, WRONG).mean()


def test_a_long_step_along_the_sign_ranks_wrong_labels_below_right_ones(digits, tmp_path):
    """Why ``curvature`` is the local form: SLo-Curves' step of 3 is far for these inputs."""
    made = proxy(*digits, list(range(300)), tmp_path)
    found = made.score("curvature-sign")
    each = [input_curvature(model, *digits, direction="sign") for model in made.models]
    assert found == pytest.approx(np.mean(each, axis=0))
    assert found[WRONG].mean() < np.delete(found, WRONG).mean()


@pytest.mark.parametrize("name", NAMED)
def test_the_global_generators_are_left_alone(digits, name, tmp_path, monkeypatch):
    monkeypatch.setattr(named, "SUBSETS", 12)
    inputs, labels = (part[:60] for part in digits)
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    proxy(inputs, labels, list(range(60)), tmp_path).score(name)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert after == before


def test_what_is_read_off_logits_can_be_read_off_early_ones(digits, tmp_path):
    inputs, labels = digits
    late = proxy(inputs, labels, list(range(300)), tmp_path / "late")
    early = Proxy(
        linear(64, 10), inputs, labels, list(range(300)), RECIPE, (3, 4), "linear",
        tmp_path / "early", epoch=1,
    )  # fmt: skip
    assert early.signals.snapshots == (1, 6)
    assert (early.score("el2n") == el2n(early.signals, 1)).all()
    assert (early.score("grand") != late.score("grand")).all()
    for name in ("forgetting", "aum", "curvature"):
        assert (early.score(name) == late.score(name)).all()


def test_all_parameters_of_a_linear_proxy_are_its_last_layer(digits, tmp_path):
    made = proxy(*digits, list(range(300)), tmp_path)
    assert made.score("grand-all") == pytest.approx(made.score("grand"), rel=1e-4, abs=1e-6)


def test_trainings_on_parts_are_kept_and_belong_to_their_data(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(named, "SUBSETS", 40)
    inputs, labels = digits
    one = proxy(inputs, labels, list(range(300)), tmp_path)
    first = one.score("memorization")
    calls = []
    fit = named.right_after
    monkeypatch.setattr(named, "right_after", lambda *a, **k: calls.append(1) or fit(*a, **k))
    assert (one.score("memorization") == first).all() and not calls
    proxy(inputs, (labels + 1) % 10, list(range(300)), tmp_path).score("memorization")
    assert len(calls) == 40
