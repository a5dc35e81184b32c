"""Scores by hand and against autograd, on signals that are written here."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from data_cards import BadInputError
from scoring.dynamics import (
    Signals,
    aum,
    el2n,
    entropy,
    forgetting,
    grand,
    grand_last_layer,
    input_curvature,
    loss,
    margin,
    memorization,
    subset_runs,
)
from scoring.dynamics.scores import unforgettable
from scoring.dynamics.signals import Recorder


def signals(folder, labels, correct=None, logits=None, features=None, margins=None):
    """Signals with these numbers in them; whatever is not given is zero."""
    labels = np.asarray(labels)
    given = [a for a in (correct, margins) if a is not None]
    runs, epochs = (given[0].shape[:2]) if given else (len(logits), 1)
    kept = (epochs,) if logits is not None else ()
    recorder = Recorder(folder, labels, range(runs), epochs, kept, "by hand")
    for name, values in (("correct", correct), ("margin", margins)):
        file = recorder.presented(name)
        file[...] = 0 if values is None else values
    recorder.presented("loss")[...] = 1.5
    if logits is not None:
        recorder.snapshot("logits", epochs, logits.shape[2])[...] = logits
        wide = features if features is not None else np.zeros((*logits.shape[:2], 1))
        recorder.snapshot("features", epochs, wide.shape[2])[...] = wide
    return recorder.finish()


def shown(*rows):
    """(1, epochs, n) out of one sequence for each sample."""
    return np.array(rows, bool).T[None]


def test_forgetting_as_worked_by_hand(tmp_path):
    made = signals(
        tmp_path, [0] * 4,
        correct=shown([0, 1, 1, 0, 0], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]),
    )  # fmt: skip
    assert forgetting(made).tolist() == [1, 2, 0, 5]
    assert forgetting(made, never="inf").tolist() == [1, 2, 0, np.inf]
    assert forgetting(made, never="zero").tolist() == [1, 2, 0, 0]
    assert unforgettable(made).tolist() == [False, False, True, False]
    with pytest.raises(BadInputError, match="never is"):
        forgetting(made, never="least")


def test_forgetting_sums_over_the_runs(tmp_path):
    both = np.concatenate([shown([1, 0, 1]), shown([0, 0, 0])])
    assert forgetting(signals(tmp_path, [0], correct=both)).tolist() == [1 + 3]


def test_el2n_between_certain_and_certainly_wrong(tmp_path):
    logits = np.array([[[60.0, 0, 0], [60, 0, 0], [0, 0, 0]]])
    made = signals(tmp_path, [0, 1, 2], logits=logits)
    exact = [0, np.sqrt(2), np.sqrt((1 / 3) ** 2 * 2 + (2 / 3) ** 2)]
    np.testing.assert_allclose(el2n(made), exact, atol=1e-9)
    np.testing.assert_allclose(entropy(made), [0, 0, np.log(3)], atol=1e-9)
    np.testing.assert_allclose(margin(made), [-1, 1, 0], atol=1e-9)


def test_aum_turns_the_sign_and_loss_is_a_mean(tmp_path):
    margins = np.array([[[0.5, -1.0], [0.25, -0.5]], [[0.5, -1.0], [0.75, -0.5]]])
    made = signals(tmp_path, [0, 0], margins=margins)
    np.testing.assert_allclose(aum(made), [-1.0, 1.5])
    assert loss(made).tolist() == [1.5, 1.5]


@given(st.integers(0, 1000))
def test_the_last_layer_needs_no_gradients(seed):
    """The factorisation is autograd's own answer, sample by sample."""
    import tempfile
    from pathlib import Path

    rng = np.random.default_rng(seed)
    features = rng.normal(size=(1, 6, 4)).astype(np.float32)
    labels = rng.integers(3, size=6)
    torch.manual_seed(seed)
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        logits = layer(torch.from_numpy(features)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        found = grand_last_layer(signals(Path(folder), labels, logits=logits, features=features))
    whole = grand([layer], features[0], labels, batch_size=4)
    np.testing.assert_allclose(found, whole, rtol=1e-5)
    for row in range(6):
        layer.zero_grad()
        given = torch.from_numpy(features[0, row : row + 1])
        nn.functional.cross_entropy(layer(given), torch.tensor(labels[row : row + 1])).backward()
        exact = torch.cat([p.grad.flatten() for p in layer.parameters()]).norm()
        assert found[row] == pytest.approx(float(exact), rel=1e-4)


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize("score", ["grand", "sign", "rademacher"])
def test_no_score_moves_with_the_batch_or_the_order(score):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(23, 5)).astype(np.float32)
    labels = rng.integers(3, size=23)
    ids = np.arange(23)

    def scored(order, batch_size):
        if score == "grand":
            return grand([small(1), small(2)], inputs[order], labels[order], batch_size=batch_size)
        return input_curvature(
            small(), inputs[order], labels[order], direction=score, ids=ids[order],
            batch_size=batch_size,
        )  # fmt: skip

    whole = scored(ids, 23)
    for batch_size in (1, 7, 10):  # the last of 7s has 2, of 10s 3: it is not favoured
        np.testing.assert_allclose(scored(ids, batch_size), whole, rtol=1e-3, atol=1e-6)
    order = rng.permutation(23)
    np.testing.assert_allclose(scored(order, 6), whole[order], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("score", ["grand", "sign", "rademacher"])
def test_a_row_that_is_no_number_is_named(score):
    inputs = np.ones((6, 5), np.float32)
    inputs[4, 2] = np.nan
    labels = np.zeros(6, int)
    with pytest.raises(BadInputError, match="of row 4 is nan"):
        if score == "grand":
            grand([small()], inputs, labels, batch_size=4)
        else:
            input_curvature(small(), inputs, labels, direction=score, batch_size=4)


def test_a_linear_loss_has_no_curvature():
    class Flat(nn.Module):
        def forward(self, x):
            return torch.stack([x.sum(1) * 0, x.sum(1) * 0], dim=1)

    made = input_curvature(Flat(), np.ones((4, 3), np.float32), np.zeros(4, int))
    assert made.tolist() == [0, 0, 0, 0]
    with pytest.raises(BadInputError, match="h 0"):
        input_curvature(Flat(), np.ones((4, 3), np.float32), np.zeros(4, int), h=0)


def test_influence_where_one_sample_decides():
    rng = np.random.default_rng(0)
    masks = np.zeros((400, 6), bool)
    for run in range(400):
        masks[run, rng.permutation(6)[:4]] = True
    right = np.ones((400, 6), bool)
    right[:, 0] = masks[:, 0]  # memorised: right only where it was seen
    tested = np.stack([masks[:, 2], np.ones(400, bool)], axis=1)
    made = memorization(masks, right, tested)
    assert made.memorization[0] == 1 and (made.memorization[1:] == 0).all()
    assert made.influence[2, 0] == 1
    assert abs(made.influence[3, 0]) < 0.5 and (made.influence[:, 1] == 0).all()
    # .7 of 2,000: .024, as the spec reckons
    seen = np.zeros((2000, 1), bool)
    seen[:1400] = True
    assert memorization(seen, seen).worst_error == pytest.approx(0.0244, abs=1e-4)
    with pytest.raises(BadInputError, match="sample 0 was in 3 of 3"):
        memorization(np.ones((3, 1), bool), np.ones((3, 1), bool))


def test_copies_are_not_memorised_and_runs_are_kept(tmp_path):
    """Nearest neighbour as the model: whoever has a copy is right without itself."""
    rows = np.array([[0.0], [0.0], [5.0], [9.0]])
    labels = np.array([0, 0, 1, 0])
    fits = []

    def fit(part, seed):
        fits.append(seed)

        def right(points, wanted):
            near = part[np.abs(points - rows[part].T).argmin(axis=1)]
            return labels[near] == wanted

        return right(rows, labels), right(np.array([[5.2]]), np.array([1]))

    made = subset_runs(fit, 4, 1, tmp_path, runs=60)
    assert made.memorization[0] == pytest.approx(0, abs=0.2)
    assert made.memorization[2] == 1
    assert made.influence[2, 0] == 1
    again = subset_runs(fit, 4, 1, tmp_path, runs=60)
    assert again.seconds == made.seconds > 0
    assert len(fits) == 60 and np.array_equal(again.influence, made.influence)
    with pytest.raises(BadInputError, match="trainings on other rows"):
        subset_runs(fit, 3, 1, tmp_path, runs=60)  # as many bytes


def test_signals_that_are_not_there(tmp_path):
    with pytest.raises(BadInputError, match="holds no signals"):
        Signals.open(tmp_path)
    Recorder(tmp_path, np.array([0, 1]), [0], 1, [1], "one")
    with pytest.raises(BadInputError, match="is not finished"):
        Signals.open(tmp_path)
    with pytest.raises(BadInputError, match="another training"):
        Recorder(tmp_path, np.array([0, 1]), [0], 1, [1], "other")
    made = signals(tmp_path / "a", [0], correct=shown([1]))
    with pytest.raises(BadInputError, match="Epochs kept: none"):
        made.logits()
