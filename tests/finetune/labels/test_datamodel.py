"""The datamodel: hand-worked cases, equality with the textbook formula, planted effects."""

import numpy as np
import pytest

from data_cards import BadInputError
from finetune.labels.datamodel import fit_datamodel


def groups_of(generator, samples, count, size):
    return [np.sort(generator.choice(samples, size, replace=False)) for _ in range(count)]


def planted(seed, *, by_features=1.0, own=0.0, noise=0.1, count=80, samples=300, size=20):
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((samples, 3))
    effect = by_features * features @ [1.0, -0.5, 0.0] + own * generator.standard_normal(samples)
    groups = groups_of(generator, samples, count, size)
    outcomes = np.array([effect[rows].mean() for rows in groups])
    return features, effect, groups, outcomes + noise * generator.standard_normal(count) - 2


def test_planted_weights_of_features_come_back():
    features, effect, groups, outcomes = planted(0)
    found = fit_datamodel(groups, outcomes, features)
    assert np.corrcoef(found.effects, effect)[0, 1] > 0.97
    weights = np.linalg.lstsq(features, found.effects, rcond=None)[0]
    assert np.allclose(weights, [1, -0.5, 0], atol=0.15)
    assert found.by_features > 1 and found.r2 > 0.5
    assert abs(found.mean + 2) < 0.1


@pytest.mark.slow
def test_what_is_the_samples_own_is_found_without_features():
    generator = np.random.default_rng(3)
    effect = generator.standard_normal(40)
    groups = groups_of(generator, 40, 200, 10)
    outcomes = np.array([effect[rows].mean() for rows in groups])
    noisy = outcomes + 0.02 * generator.standard_normal(200)
    found = fit_datamodel(groups, noisy, np.empty((40, 0)))
    assert np.corrcoef(found.effects, effect)[0, 1] > 0.98
    assert found.by_features == 0 and found.by_membership > 1


@pytest.mark.parametrize("seed", range(4))
def test_intervals_hold_what_they_promise(seed):
    features, effect, groups, outcomes = planted(seed, own=0.7)
    found = fit_datamodel(groups, outcomes, features)
    low, high = found.interval()
    shift = np.mean(effect) + 2 + found.mean  # effects are told beside the mean
    inside = (low <= effect - shift) & (effect - shift <= high)
    assert 0.88 <= inside.mean() <= 1.0


def test_it_is_the_ridge_regression_that_the_ratios_say():
    """Best linear unbiased prediction equals penalised least squares on memberships."""
    features, _, groups, outcomes = planted(5, own=1.0, samples=60, count=50, size=10)
    found = fit_datamodel(groups, outcomes, features)
    members = np.zeros((len(groups), 60))
    for row, rows in enumerate(groups):
        members[row, rows] = 1 / len(rows)

    def scale(kernel):
        return (np.trace(kernel) - kernel.sum() / len(kernel)) / (len(kernel) - 1)

    means = members @ features
    a = found.by_features / scale(means @ means.T)
    b = found.by_membership / scale(members @ members.T)
    design = np.column_stack([np.ones(len(groups)), means, members])
    penalty = np.concatenate([[0], np.full(3, 1 / a), np.full(60, 1 / max(b, 1e-12))])
    solved = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ outcomes)
    assert np.isclose(found.mean, solved[0], atol=1e-6)
    assert np.allclose(found.effects, features @ solved[1:4] + solved[4:], atol=1e-5)


def test_held_out_predictions_are_those_of_a_fit_without_the_training():
    features, _, groups, outcomes = planted(6, samples=80, count=30, size=10)
    found = fit_datamodel(groups, outcomes, features)
    means = np.stack([features[rows].mean(0) for rows in groups])
    kernel = means @ means.T
    centred = (np.trace(kernel) - kernel.sum() / 30) / 29
    members = np.zeros((30, 80))
    for row, rows in enumerate(groups):
        members[row, rows] = 1 / len(rows)
    shared = members @ members.T
    own = (np.trace(shared) - shared.sum() / 30) / 29
    whole = found.by_features * kernel / centred + found.by_membership * shared / own
    for out in (0, 7, 29):
        rest = [row for row in range(30) if row != out]
        inverse = np.linalg.inv(np.eye(29) + whole[np.ix_(rest, rest)])
        mean = inverse.sum(0) @ outcomes[rest] / inverse.sum()
        naive = mean + whole[out, rest] @ inverse @ (outcomes[rest] - mean)
        assert np.isclose(found.held_out[out], naive, atol=1e-8)


def test_noise_teaches_nothing():
    generator = np.random.default_rng(11)
    wins = 0
    for _ in range(20):
        features = generator.standard_normal((200, 4))
        groups = groups_of(generator, 200, 40, 20)
        wins += fit_datamodel(groups, generator.standard_normal(40), features).r2 > 0.1
    assert wins <= 2


def test_predictions_and_order_of_the_trainings():
    features, _, groups, outcomes = planted(8)
    found = fit_datamodel(groups, outcomes, features)
    assert np.allclose(found.predict(groups[:2])[0], found.mean + found.effects[groups[0]].mean())
    turned = np.random.default_rng(0).permutation(len(groups))
    again = fit_datamodel([groups[row] for row in turned], outcomes[turned], features)
    assert np.allclose(again.effects, found.effects, atol=1e-4)


def test_too_little_is_refused():
    with pytest.raises(BadInputError, match="There are 3 trainings"):
        fit_datamodel([np.arange(2)] * 3, np.arange(3.0), np.zeros((4, 0)))
    with pytest.raises(BadInputError, match="the same outcome"):
        fit_datamodel([np.arange(2)] * 9, np.ones(9), np.zeros((4, 0)))
