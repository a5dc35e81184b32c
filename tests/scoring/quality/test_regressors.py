"""Each regressor beside the library or a plain loop that does the same."""

from dataclasses import replace

import numpy as np
import pytest

from data_cards.errors import BadInputError
from scoring.quality.boosting import Boosting, pack_trees
from scoring.quality.design import Design, apply_preparation, make_folds, prepare
from scoring.quality.forest import Forest
from scoring.quality.forward import score_rows
from scoring.quality.linear import Mean, Ridge
from scoring.quality.networks import Attention, Perceptron
from scoring.quality.regressor import find_regressor, fit_tuned, registry, score_units
from scoring.quality.release_network import network_arrays, published_network


def design(groups: int = 20, size: int = 6, features: int = 3, seed: int = 0) -> Design:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(groups * size, features)) + np.repeat(
        rng.normal(size=(groups, features)), size, axis=0
    )
    unit = np.repeat(np.arange(groups), size)
    labels = rows[:, 0].reshape(groups, size).mean(axis=1) + 0.1 * rng.normal(size=groups)
    weights = rng.uniform(0.5, 1.5, groups)
    names = tuple(f"g{k}" for k in range(groups))
    return Design(rows, unit, labels, weights / weights.mean(), names, size > 1)


def every(made: Design) -> np.ndarray:
    return np.ones((1, len(made)), dtype=bool)


def test_the_registry_holds_them_simplest_first():
    assert list(registry()) == ["mean", "ridge", "forest", "gbm", "mlp", "attention", "release"]
    with pytest.raises(BadInputError, match="no regressor 'svm'"):
        find_regressor("svm")


def test_mean_is_the_weighted_mean_of_the_units_seen():
    made = design()
    mask = np.arange(20) < 7
    arrays = Mean().fit(made, mask[None], 0)[0][0]
    wanted = np.average(made.labels[mask], weights=made.weights[mask])
    assert score_rows("mean", arrays, made.rows[:4]) == pytest.approx([wanted] * 4)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_ridge_equals_the_library(penalty):
    from sklearn.linear_model import Ridge as Library

    made = design(features=5)
    mask = np.arange(20) % 3 > 0
    arrays = Ridge([penalty]).fit(made, mask[None], 0)[0][0]
    means, weights = made.means[mask], made.weights[mask]
    center = np.average(means, axis=0, weights=weights)
    scale = np.sqrt(np.average((means - center) ** 2, axis=0, weights=weights))
    library = Library(alpha=penalty).fit((means - center) / scale, made.labels[mask], weights)
    wanted = library.predict((made.rows - center) / scale)
    np.testing.assert_allclose(score_rows("ridge", arrays, made.rows), wanted, atol=1e-9)


def test_ridge_on_means_scores_samples_so_that_their_mean_is_that_of_the_group():
    made = design()
    arrays = Ridge([1.0]).fit(made, every(made), 0)[0][0]
    np.testing.assert_allclose(
        made.pool(score_rows("ridge", arrays, made.rows)), score_rows("ridge", arrays, made.means)
    )


def test_trees_equal_the_library_to_the_last_bit():
    from sklearn.ensemble import GradientBoostingRegressor

    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 4))
    rows[::3, 0] = 0.5  # ties at a threshold
    labels = np.sin(rows[:, 0]) + rows[:, 1] * rows[:, 2]
    library = GradientBoostingRegressor(n_estimators=40, max_depth=3, random_state=0)
    library.fit(rows, labels)
    trees = [row[0].tree_ for row in library.estimators_]
    arrays = pack_trees(trees, library.init_.constant_.item(), library.learning_rate)
    new = np.concatenate([rows, rng.normal(size=(500, 4)) * 3])
    assert np.array_equal(score_rows("gbm", arrays, new), library.predict(new))


def test_boosting_of_samples_is_the_library_and_of_groups_fits_group_means():
    single = design(size=1, groups=80)
    assert not single.grouped
    arrays = Boosting().fit(single, every(single), 3)[0][-1]
    from sklearn.ensemble import GradientBoostingRegressor

    library = GradientBoostingRegressor(
        n_estimators=60,
        learning_rate=0.2,
        max_depth=2,
        subsample=0.7,
        min_samples_leaf=4,
        random_state=3,
    ).fit(single.rows, single.labels, single.weights)
    assert np.array_equal(score_rows("gbm", arrays, single.rows), library.predict(single.rows))
    made = design(groups=40)
    path = Boosting().fit(made, every(made), 0)[0]
    errors = [
        np.mean((score_units(Boosting(), a, made, np.arange(40)) - made.labels) ** 2) for a in path
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.1 * made.labels.var()


def test_a_forest_of_samples_is_the_library_and_of_groups_fits_group_means():
    from sklearn.ensemble import ExtraTreesRegressor

    single = design(size=1, groups=500)
    arrays = Forest().fit(single, every(single), 3)[0][0]
    library = ExtraTreesRegressor(
        n_estimators=200, max_features=0.5, min_samples_leaf=4, random_state=3
    ).fit(single.rows, single.labels, single.weights)
    np.testing.assert_allclose(
        score_rows("forest", arrays, single.rows), library.predict(single.rows), rtol=1e-12
    )
    made = design(groups=40)
    arrays = Forest().fit(made, every(made), 0)[0][0]
    errors = score_units(Forest(), arrays, made, np.arange(40)) - made.labels
    assert np.mean(errors**2) < 0.6 * made.labels.var()


def test_a_forest_rises_where_it_is_told_to():
    rng = np.random.default_rng(5)
    made = design(size=1, groups=300)
    noisy = replace(made, labels=np.sin(2 * made.rows[:, 0]))
    grid = np.linspace(-3, 3, 50)[:, None] * [1, 0, 0] + rng.normal(size=(20, 1, 3)) * [0, 1, 1]
    falls = {}
    for name, signs in (("free", None), ("held", np.array([1, 0, 0]))):
        arrays = Forest().fit(replace(noisy, signs=signs), every(noisy), 0)[0][0]
        curves = np.stack([score_rows("forest", arrays, points) for points in grid])
        falls[name] = np.diff(curves, axis=1).min()
    assert falls["free"] < -1e-3 and falls["held"] > -1e-12


@pytest.mark.parametrize("regressor", [Perceptron(), Attention()], ids=lambda r: r.name)
def test_a_network_depends_on_its_units_only(regressor):
    made = design()
    masks = np.arange(20) % 4 != np.arange(4)[:, None]
    together = regressor.fit(made, masks, 5)
    alone = regressor.fit(made, masks[2:3], 5)[0]
    for one, other in zip(together[2], alone, strict=True):
        np.testing.assert_allclose(
            score_rows(regressor.name, one, made.rows),
            score_rows(regressor.name, other, made.rows),
            atol=1e-3,
        )
    hidden = made.relabelled(np.where(masks[2], made.labels, 1e3))
    unseen = regressor.fit(hidden, masks[2:3], 5)[0][-1]
    assert all(np.array_equal(unseen[name], alone[-1][name]) for name in unseen)


@pytest.mark.parametrize("regressor", [Perceptron(), Attention()], ids=lambda r: r.name)
def test_the_stored_arrays_score_as_the_network_was_trained(regressor):
    """The training error that the optimiser saw is that of the numpy forward pass."""
    made = design(groups=30, seed=2)
    path = regressor.fit(made, every(made), 0)[0]
    errors = []
    for arrays in path:
        predicted = made.pool(score_rows(regressor.name, arrays, made.rows))
        errors.append(float((made.weights * (predicted - made.labels) ** 2).mean()))
    assert errors[-1] < 0.05 * made.labels.var() and errors[-1] < errors[0]


def test_attention_multiplied_out_equals_attention_over_tokens():
    """Token by token, as the paper writes it: embed, attend with residual, read, mean."""
    import torch

    from scoring.quality import networks

    generator = torch.Generator().manual_seed(3)
    p = networks._start_attention(2, 5, generator)
    rows = torch.randn(7, 5, generator=generator)
    quick = networks._score_attention(p, rows)[1]
    one = {name: value[1] for name, value in p.items()}
    tokens = rows[:, :, None] * one["embed"] + one["place"]
    mixed = torch.zeros_like(tokens)
    for h in range(networks.HEADS):
        query = tokens @ one["query"][h] + one["query_bias"][h]
        key = tokens @ one["key"][h]
        weight = (query @ key.transpose(1, 2) * query.shape[2] ** -0.5).softmax(dim=2)
        mixed += weight @ (tokens @ one["value"][h]) @ one["mix"][h]
    wanted = ((tokens + mixed) @ one["read"]).mean(dim=1) + one["intercept"]
    torch.testing.assert_close(quick, wanted, atol=1e-5, rtol=1e-4)
    arrays = {
        n: v[None]
        for n, v in networks._pack_attention(
            {n: v.double().numpy() for n, v in one.items()}
        ).items()
    }
    np.testing.assert_allclose(
        score_rows("attention", arrays, rows.double().numpy()), wanted.numpy(), atol=1e-5
    )


@pytest.mark.parametrize("floats", [40, 700, 1_000_000])
def test_attention_differentiated_by_hand_equals_autograd(monkeypatch, floats):
    """In blocks of one row, of some rows of one fit, of several fits."""
    import torch

    from scoring.quality import token_attention

    monkeypatch.setattr(token_attention, "_BLOCK_FLOATS", floats)
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x, outer = draw(6, 31), draw(3, 31)
    parts = [draw(3, 6, 6).requires_grad_() for _ in range(4)]
    parts += [draw(3, 6).requires_grad_() for _ in range(2)]
    a, b, c, d = (part[..., None] for part in parts[:4])
    weight = (a * x[:, None] * x + b * x[:, None] + c * x + d).softmax(dim=2)
    value = parts[4][..., None] * x + parts[5][..., None]
    plain = (weight * value[:, None]).sum(dim=(1, 2))
    quick = token_attention.attend(x, *parts)
    torch.testing.assert_close(quick, plain)
    wanted = torch.autograd.grad((plain * outer).sum(), parts)
    found = torch.autograd.grad((quick * outer).sum(), parts)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_large_data_are_seen_in_parts(monkeypatch):
    from scoring.quality import networks

    monkeypatch.setattr(networks, "_STEP_FLOATS", 3000)
    made = design(groups=120)
    arrays = Perceptron().fit(made, every(made), 0)[0][-1]
    predicted = made.pool(score_rows("mlp", arrays, made.rows))
    assert np.mean((predicted - made.labels) ** 2) < 0.2 * made.labels.var()


def test_the_published_network_has_its_size_and_its_forward_pass():
    import torch

    network = published_network(16, 42)
    assert sum(p.numel() for p in network.parameters()) == 2737
    rows = torch.randn(9, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # inference of the release: sequence of candidates, each repeated
        wanted = network(rows[:, None].repeat(1, 4, 1)).mean(dim=1).numpy()
    np.testing.assert_allclose(
        score_rows("release", network_arrays(network), rows.double().numpy()), wanted, atol=1e-5
    )
    before = torch.random.get_rng_state()
    published_network(16, 1)
    assert torch.equal(before, torch.random.get_rng_state())
    with pytest.raises(BadInputError, match="multiple of 4"):
        published_network(6, 0)


def test_the_setting_is_chosen_without_the_units_held_out():
    made = design()
    masks = np.arange(20) % 5 != np.arange(5)[:, None]
    seen = fit_tuned(Ridge(), made, masks, 0)
    for fold, mask in enumerate(masks):
        spoilt = made.relabelled(np.where(mask, made.labels, -1e6))
        again = fit_tuned(Ridge(), spoilt, masks[fold : fold + 1], 0)[0]
        assert again.setting == seen[fold].setting
        assert np.array_equal(again.arrays["weights"], seen[fold].arrays["weights"])


def test_folds_keep_blocks_together_and_ignore_the_order():
    blocks = [f"b{k // 3}" for k in range(30)]
    folds = make_folds(blocks, 4, 0)
    home = {}
    for block, fold in zip(blocks, folds, strict=True):
        assert home.setdefault(block, fold) == fold
    assert set(folds) == {0, 1, 2, 3}
    order = np.random.default_rng(0).permutation(30)
    assert np.array_equal(make_folds([blocks[k] for k in order], 4, 0), folds[order])


def test_preparation_fills_standardises_and_reduces():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 4)) * [1, 10, 0, 3] + 5
    values[:10, 1] = np.nan
    prepared = apply_preparation(prepare(values), values)
    assert np.isfinite(prepared).all() and np.abs(prepared.mean(axis=0)).max() < 1e-9
    assert prepared.std(axis=0) == pytest.approx([1, 1, 0, 1])
    reduced = apply_preparation(prepare(values, 2), values)
    assert reduced.shape == (100, 2)
    assert abs(np.corrcoef(reduced.T)[0, 1]) < 1e-9
