"""The datamodel: hand-worked cases, planted effects, what intervals hold, what cannot be known."""

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


@pytest.mark.parametrize("count", [24, 60])
def test_intervals_of_few_trainings_hold_what_they_promise(count):
    """Few trainings often say best that samples have nothing of their own; intervals must not."""
    held = []
    for seed in range(20):
        features, effect, groups, outcomes = planted(
            seed, own=0.7, count=count, samples=1000, size=24
        )
        found = fit_datamodel(groups, outcomes, features)
        assert found.own_known and found.deviations.min() > 0.1
        low, high = found.interval()
        held.append(((low <= effect - effect.mean()) & (effect - effect.mean() <= high)).mean())
    assert np.mean(held) >= 0.9 and min(held) >= 0.7


def disjoint(seed, own=1.0):
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((360, 2))
    effect = 0.5 * features[:, 0] + own * generator.standard_normal(360)
    groups = list(generator.permutation(360).reshape(30, 12))
    outcomes = np.array([effect[rows].mean() for rows in groups])
    return features, groups, outcomes + 0.05 * generator.standard_normal(30)


@pytest.mark.parametrize("seed", range(3))
def test_disjoint_groups_of_one_size_leave_the_own_part_out(seed):
    features, groups, outcomes = disjoint(seed)
    found = fit_datamodel(groups, outcomes, features)
    assert found.by_membership == 0 and not found.own_known
    weights = np.linalg.lstsq(features, found.effects, rcond=None)[0]
    assert np.allclose(features @ weights, found.effects)
    assert found.deviations.min() > 0
    # What the samples have of their own is in the noise.
    assert found.noise > 0.2


def test_disjoint_groups_without_features_say_nothing():
    _, groups, outcomes = disjoint(0)
    found = fit_datamodel(groups, outcomes, np.empty((360, 0)))
    assert not found.effects.any() and np.isnan(found.deviations).all()
    assert found.r2 == found.r2_low == found.r2_high == 0


def test_noise_teaches_nothing():
    generator = np.random.default_rng(11)
    wins = 0
    for _ in range(20):
        features = generator.standard_normal((200, 4))
        groups = groups_of(generator, 200, 40, 20)
        wins += fit_datamodel(groups, generator.standard_normal(40), features).r2 > 0.1
    assert wins <= 2


def test_noise_is_hardly_ever_foretold():
    better = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        features = generator.standard_normal((1000, 6))
        groups = groups_of(generator, 1000, 24, 24)
        better += fit_datamodel(groups, generator.standard_normal(24), features).r2_low > 0
    assert better <= 1


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
