from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.metrics import log_loss

from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._temperature import (
    HeldOut,
    SubsetTemperature,
    calibration_folds,
    draw_subsets,
    fit_log_temperature,
    masked_copies,
    masked_outputs,
)


def problem(n=4000, seed=0):
    """Logits too large by a factor that depends on presence; y follows the calibrated ones."""
    rng = np.random.default_rng(seed)
    presence = np.array([[1, 1], [1, 0], [0, 1]])[rng.integers(0, 3, n)].astype(bool)
    calibrated = 2 * rng.normal(size=(n, 3))
    y = np.array([rng.choice(3, p=p) for p in softmax(calibrated, axis=1)])
    log_t = 0.2 + presence @ np.array([0.6, -0.4])
    return calibrated * np.exp(log_t)[:, None], y, presence


def test_the_true_temperatures_are_found():
    logits, y, presence = problem(20_000)
    b = fit_log_temperature(
        torch.from_numpy(logits), torch.from_numpy(y), torch.from_numpy(presence), ridge=0.0
    ).numpy()
    # three kinds of presence, three coefficients: the temperatures are identified
    for kind, expected in (([1, 1], 0.4), ([1, 0], 0.8), ([0, 1], -0.2)):
        assert b[0] + np.dot(kind, b[1:]) == pytest.approx(expected, abs=0.06)


def test_against_scipy():
    logits, y, presence = problem(500)
    weight = np.random.default_rng(1).random(500)

    def objective(b):
        t = np.exp(b[0] + presence @ b[1:])
        loss = log_loss(y, softmax(logits / t[:, None], axis=1), sample_weight=weight)
        mean_log_t = b[0] + np.average(presence, axis=0, weights=weight) @ b[1:]
        pull = (b[1:] ** 2).sum() + 9 * ((b[1:] - b[1:].mean()) ** 2).sum()
        return loss + 1e-2 * (mean_log_t**2 + (b[1:] ** 2).sum()) + 20 / 500 * pull

    expected = minimize(objective, np.zeros(3), tol=1e-10).x
    ours = fit_log_temperature(
        torch.from_numpy(logits),
        torch.from_numpy(y),
        torch.from_numpy(presence),
        sample_weight=torch.from_numpy(weight),
        ridge=1e-2,
        shrinkage=20.0,
    )
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_likelihood_does_not_get_worse_and_predictions_stay():
    logits, y, presence = problem(500)
    b = fit_log_temperature(
        torch.from_numpy(logits), torch.from_numpy(y), torch.from_numpy(presence)
    ).numpy()
    scaled = logits / np.exp(b[0] + presence @ b[1:])[:, None]
    assert log_loss(y, softmax(scaled, axis=1)) < log_loss(y, softmax(logits, axis=1))
    np.testing.assert_array_equal(scaled.argmax(axis=1), logits.argmax(axis=1))


def test_several_labels():
    rng = np.random.default_rng(0)
    calibrated = rng.normal(size=(20_000, 2))
    y = (rng.random(calibrated.shape) < 1 / (1 + np.exp(-calibrated))).astype(np.int64)
    b = fit_log_temperature(
        torch.from_numpy(3 * calibrated),
        torch.from_numpy(y),
        torch.ones(len(y), 1, dtype=torch.bool),
        multilabel=True,
        ridge=0.0,
    )
    assert b.sum().item() == pytest.approx(np.log(3), abs=0.05)


def test_ridge_keeps_the_temperature_finite_when_all_is_right():
    logits = torch.tensor([[5.0, 0.0], [0.0, 5.0]] * 10)
    y = torch.tensor([0, 1] * 10)
    b = fit_log_temperature(logits, y, torch.ones(20, 1, dtype=torch.bool))
    assert torch.isfinite(b).all()
    assert b.abs().max() < 5


def test_few_samples_share_one_temperature():
    """Shrunk without limit, the temperatures of all subsets are the one that fits all samples."""
    logits, y, presence = (torch.from_numpy(a) for a in problem(300))
    b = fit_log_temperature(logits, y, presence, ridge=0.0, shrinkage=1e9)
    one = torch.ones(len(y), 1, dtype=torch.bool)
    common = fit_log_temperature(logits, y, one, ridge=0.0, shrinkage=0.0)
    torch.testing.assert_close(b[1:], torch.zeros_like(b[1:]), atol=1e-5, rtol=0)
    torch.testing.assert_close(b[0], common.sum(), atol=1e-4, rtol=0)


def test_the_pull_fades_as_samples_are_added():
    logits, y, presence = (torch.from_numpy(a) for a in problem(300))
    free = fit_log_temperature(logits, y, presence, shrinkage=0.0)
    distances = []
    for repeats in (1, 10, 100):
        samples = (logits.repeat(repeats, 1), y.repeat(repeats), presence.repeat(repeats, 1))
        distances.append((fit_log_temperature(*samples) - free).norm().item())
    assert distances[0] > 3 * distances[1] > 9 * distances[2]


@pytest.mark.parametrize("n_modalities", [1, 2, 3])
def test_few_modalities_are_masked_in_every_way(n_modalities):
    everything = torch.ones(4, n_modalities, dtype=torch.bool)
    copies = masked_copies(everything)
    assert torch.equal(copies[0], everything)
    kinds = {tuple(copy[0].tolist()) for copy in copies}
    assert len(kinds) == len(copies) == 2**n_modalities - 1
    assert all(copy.any() for copy in copies)


@pytest.mark.parametrize("n_modalities", [2, 6])
def test_masked_copies_show_nothing_that_is_absent(n_modalities):
    presence = torch.rand(50, n_modalities, generator=torch.Generator().manual_seed(0)) < 0.5
    copies = masked_copies(presence)
    assert torch.equal(copies[0], presence)
    assert not any((copy & ~presence).any() for copy in copies)


def test_gradients_may_be_switched_off_around_it():
    logits, y, presence = (torch.from_numpy(a) for a in problem(100))
    expected = fit_log_temperature(logits, y, presence)
    with torch.no_grad():
        torch.testing.assert_close(fit_log_temperature(logits, y, presence), expected)


def test_subsets_have_uniform_sizes_and_members():
    generator = torch.Generator().manual_seed(0)
    presence = torch.tensor([[True, True, False, True]]).expand(30_000, 4)
    subset = draw_subsets(presence, generator)
    assert not subset[:, 2].any()
    sizes = torch.bincount(subset.sum(dim=1), minlength=5).float() / len(subset)
    np.testing.assert_allclose(sizes, [0, 1 / 3, 1 / 3, 1 / 3, 0], atol=0.01)
    np.testing.assert_allclose(subset[:, [0, 1, 3]].float().mean(dim=0), 2 / 3, atol=0.01)


def test_samples_without_modality_have_an_empty_subset():
    assert not draw_subsets(torch.zeros(5, 3, dtype=torch.bool)).any()


def test_the_temperature_of_a_subset_is_predicted_from_its_presence():
    logits, y, presence = (torch.from_numpy(a) for a in problem(500))
    weight = torch.ones(500)
    halves = [HeldOut(*(part[k::2] for part in (logits, y, presence, weight))) for k in (0, 1)]
    temperature = SubsetTemperature().fit(halves)
    order = torch.cat([torch.arange(0, 500, 2), torch.arange(1, 500, 2)])
    b = fit_log_temperature(logits[order], y[order], presence[order], sample_weight=weight[order])
    assert torch.equal(temperature.coefficients, b)
    kinds = torch.tensor([[True, True], [True, False]])
    expected = torch.stack([b.sum().exp(), (b[0] + b[1]).exp()])
    torch.testing.assert_close(temperature.predict(kinds), expected)


def test_the_default_shrinkage_and_several_labels_against_scipy():
    logits, _, presence = problem(200)
    rng = np.random.default_rng(2)
    y, weight = rng.integers(0, 2, logits.shape), rng.random(200)

    def objective(b):
        z = logits * np.exp(-(b[0] + presence @ b[1:]))[:, None]
        loss = np.average((np.logaddexp(0, z) - y * z).mean(axis=1), weights=weight)
        mean_log_t = b[0] + np.average(presence, axis=0, weights=weight) @ b[1:]
        pull = (b[1:] ** 2).sum() + 9 * ((b[1:] - b[1:].mean()) ** 2).sum()
        return loss + 1e-3 * (mean_log_t**2 + (b[1:] ** 2).sum()) + 10 / 200 * pull

    expected = minimize(objective, np.zeros(3), tol=1e-10).x
    parts = [torch.from_numpy(array) for array in (logits, y, presence)]
    ours = fit_log_temperature(*parts, sample_weight=torch.from_numpy(weight), multilabel=True)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    held_out = HeldOut(*parts, torch.from_numpy(weight))
    fitted = SubsetTemperature(multilabel=True).fit([held_out])
    assert torch.equal(fitted.coefficients, ours)


def test_coefficients_have_the_dtype_of_the_logits():
    logits, y, presence = (torch.from_numpy(array) for array in problem(100))
    assert fit_log_temperature(logits.float(), y, presence).dtype == torch.float32


def test_subsets_depend_on_their_generator_alone():
    presence = torch.ones(100, 5, dtype=torch.bool)
    state = torch.random.get_rng_state()
    one, same, other = (
        draw_subsets(presence, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("n_modalities", [4, 6])
def test_many_modalities_are_masked_in_eight_ways(n_modalities):
    copies = masked_copies(torch.ones(50, n_modalities, dtype=torch.bool))
    assert len(copies) == 8
    assert all(copy.any(dim=1).all() for copy in copies)


@pytest.mark.parametrize("weighted", [True, False])
def test_masked_outputs_are_those_of_every_subset_that_keeps_something(weighted):
    presence = torch.tensor([[True, True], [True, False], [False, True]])
    X = torch.arange(6.0).reshape(3, 2)
    given = {"X": X, "presence": presence}
    if weighted:
        given["sample_weight"] = torch.tensor([1.0, 2.0, 3.0])
    encoded = torch.tensor([7, 8, 9])
    held_out = masked_outputs(
        ModalityDataset(given, encoded),
        lambda samples: (samples.X["X"] * samples.X["presence"]).sum(dim=1),
    )
    found = sorted(
        zip(
            held_out.logits.tolist(),
            held_out.y.tolist(),
            map(tuple, held_out.presence.tolist()),
            held_out.weight.tolist(),
            strict=True,
        )
    )
    both, first, second = (True, True), (True, False), (False, True)
    weights = (1.0, 2.0, 3.0) if weighted else (1.0, 1.0, 1.0)
    expected = [
        *((0.0 + 1.0, 7, both, weights[0]), (0.0, 7, first, weights[0])),
        *((1.0, 7, second, weights[0]), (2.0, 8, first, weights[1]), (2.0, 8, first, weights[1])),
        *((5.0, 9, second, weights[2]), (5.0, 9, second, weights[2])),
    ]
    assert found == sorted(expected)


def test_a_subset_that_no_sample_has_is_left_out():
    presence = torch.tensor([[True, False], [True, False]])
    samples = ModalityDataset({"X": torch.zeros(2, 2), "presence": presence}, torch.zeros(2))

    def logits_of(masked):
        assert len(masked) > 0
        return torch.zeros(len(masked), 3)

    assert masked_outputs(samples, logits_of).logits.shape == (4, 3)


@pytest.mark.parametrize("stratify", [True, False])
def test_calibration_folds_hold_out_every_sample_once(stratify):
    encoded = np.repeat([0, 1], [5, 20])
    folds = list(
        calibration_folds(encoded, stratify=stratify, rng=np.random.RandomState(0)),
    )
    assert len(folds) == 5
    for train, held_out in folds:
        np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(25))
    everything = np.concatenate([held_out for _, held_out in folds])
    np.testing.assert_array_equal(np.sort(everything), np.arange(25))
    assert (everything != np.arange(25)).any()
    balanced = [(encoded[held_out] == 0).sum() == 1 for _, held_out in folds]
    assert all(balanced) == stratify


def test_calibration_folds_with_few_samples():
    def folds(encoded, seed=0):
        rng = np.random.RandomState(seed)
        return list(calibration_folds(np.array(encoded), stratify=True, rng=rng))

    assert folds([0]) == []
    assert [len(held_out) for _, held_out in folds([0, 1])] == [1, 1]
    # A class of fewer samples than folds cannot be in each of them.
    assert len(folds([0, 0, 0, 0, 1, 1, 1])) == 5
    orders = [np.concatenate([held_out for _, held_out in folds([0] * 30, s)]) for s in (0, 0, 1)]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()
