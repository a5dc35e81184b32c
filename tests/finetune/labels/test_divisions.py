"""Divisions of the variance, weighed: against plain sums over another grid, and what is flat."""

import numpy as np
import pytest

from finetune.labels.datamodel import fit_datamodel
from finetune.labels.divisions import divide, is_noise


def scaled(kernel):
    r = len(kernel)
    return kernel / ((np.trace(kernel) - kernel.sum() / r) / (r - 1))


def kernel_of(groups, samples):
    members = np.zeros((len(groups), samples))
    for row, rows in enumerate(groups):
        members[row, rows] = 1 / len(rows)
    return members, scaled(members @ members.T)


def fitted(outcomes, kernel):
    """Mean, inverse covariance with the mean out, and log of the restricted likelihood."""
    r = len(outcomes)
    inverse = np.linalg.inv(np.eye(r) + kernel)
    ones = inverse.sum(1)
    projection = inverse - np.outer(ones, ones) / ones.sum()
    misfit = outcomes @ projection @ outcomes
    _, determinant = np.linalg.slogdet(np.eye(r) + kernel)
    return (
        ones @ outcomes / ones.sum(),
        projection,
        -0.5 * ((r - 1) * np.log(misfit) + determinant + np.log(ones.sum())),
        misfit / (r - 3),
    )


@pytest.fixture(scope="module")
def small():
    generator = np.random.default_rng(4)
    features = generator.standard_normal((60, 2))
    effect = features @ [1.0, -0.5] + 0.7 * generator.standard_normal(60)
    groups = [np.sort(generator.choice(60, 8, replace=False)) for _ in range(24)]
    outcomes = np.array([effect[rows].mean() for rows in groups])
    outcomes += 0.15 * generator.standard_normal(24) - 3
    members, own = kernel_of(groups, 60)
    means = members @ features
    # The middles of triangles that tile the shares: a flat prior without weights of its own.
    steps = (np.arange(24) + 1 / 3) / 24
    shares = [(x, y) for x in steps for y in steps if x + y < 1]
    pairs = [(x / (1 - x - y), y / (1 - x - y)) for x, y in shares]
    return features, groups, outcomes, members, means, own, pairs


def test_effects_are_those_of_a_plain_sum_over_all_divisions(small):
    features, groups, outcomes, members, means, own, pairs = small
    found = fit_datamodel(groups, outcomes, features)
    by_features = means @ means.T
    unit = by_features.trace() / scaled(by_features).trace()
    share = (members @ members.T).trace() / own.trace()
    logs, effects, variances, centres = [], [], [], []
    for a, b in pairs:
        mean, projection, log, noise = fitted(outcomes, a * scaled(by_features) + b * own)
        prior = a / unit * features @ features.T + b / share * np.eye(60)
        cross = a / unit * means @ features.T + b / share * members
        logs.append(log)
        centres.append(mean)
        effects.append(outcomes @ projection @ cross)
        variances.append(noise * np.diag(prior - cross.T @ projection @ cross))
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    mean = weights @ np.array(effects)
    variance = weights @ np.array(variances) + weights @ (np.array(effects) - mean) ** 2
    assert np.allclose(found.effects, mean, atol=0.02 * np.abs(mean).max())
    assert np.allclose(found.deviations, np.sqrt(variance), rtol=0.02)
    assert np.isclose(found.mean, weights @ centres, atol=0.01)


def test_a_held_out_outcome_has_no_say_in_its_own_prediction(small):
    """Neither in the weights of the divisions: the same as dropping it and starting anew."""
    features, groups, outcomes, _, means, own, pairs = small
    found = fit_datamodel(groups, outcomes, features)
    kernel = scaled(means @ means.T)
    for out in (0, 9, 23):
        rest = np.arange(24) != out
        logs, told = [], []
        for a, b in pairs:
            whole = a * kernel + b * own
            mean, projection, log, _ = fitted(outcomes[rest], whole[np.ix_(rest, rest)])
            logs.append(log)
            told.append(mean + whole[out, rest] @ projection @ outcomes[rest])
        weights = np.exp(np.array(logs) - max(logs))
        naive = weights @ told / weights.sum()
        assert np.isclose(found.held_out[out], naive, atol=0.01 * outcomes.std())
        changed = outcomes.copy()
        changed[out] += 5
        again = fit_datamodel(groups, changed, features)
        assert np.isclose(again.held_out[out], found.held_out[out], atol=1e-8)


def test_pooled_is_the_sum_of_the_projections(small):
    _, _, outcomes, _, means, own, _ = small
    found = divide(outcomes, scaled(means @ means.T), own)
    assert np.isclose(found.weights.sum(), 1)
    factors = np.random.default_rng(0).random(len(found.weights))
    assert np.allclose(found.pooled(factors) @ outcomes, factors @ found.projected)


def test_what_cannot_be_told_from_noise():
    disjoint = list(np.arange(240).reshape(20, 12))
    assert is_noise(kernel_of(disjoint, 240)[1])
    assert is_noise(kernel_of([disjoint[0][1:], *disjoint[1:]], 240)[1])  # one sample unreadable
    together = [np.append(rows, 240) for rows in disjoint]  # one sample in all: a mean, no more
    assert is_noise(kernel_of(together, 241)[1])
    assert is_noise(np.zeros((20, 20)))
    sizes = [rows[: 3 + place % 8] for place, rows in enumerate(disjoint)]
    assert not is_noise(kernel_of(sizes, 240)[1])
    generator = np.random.default_rng(0)
    drawn = [generator.choice(240, 12, replace=False) for _ in range(20)]
    assert not is_noise(kernel_of(drawn, 240)[1])
