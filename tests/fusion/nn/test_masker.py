from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_align.fusion import ModalityMasker
from sklearn_align.fusion.nn._masker import MASKING_STRATEGIES

N_SAMPLES = 20_000


def gate_weights(presence, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(presence.shape, generator=generator).masked_fill(~presence, -1e30)
    return torch.softmax(scores, dim=1) * presence


@settings(max_examples=60, deadline=None)
@given(
    strategy=st.sampled_from(MASKING_STRATEGIES),
    probability=st.floats(0, 1),
    min_active=st.integers(1, 5),
    n_modalities=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_kept_modalities_are_present_and_at_least_min_active(
    strategy, probability, min_active, n_modalities, seed
):
    torch.manual_seed(seed)
    presence = torch.rand(30, n_modalities) < 0.6
    masker = ModalityMasker(strategy, probability=probability, min_active=min_active)
    kept = masker(gate_weights(presence), presence)
    assert not (kept & ~presence).any()
    n_present = presence.sum(dim=1)
    assert (kept.sum(dim=1) >= n_present.clamp(max=min_active)).all()


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.9])
def test_random_masking_drops_with_the_given_probability(probability):
    """A sample of which all modalities are drawn keeps a single one of them."""
    torch.manual_seed(0)
    n = 3
    presence = torch.ones(N_SAMPLES, n, dtype=torch.bool)
    kept = ModalityMasker("random", probability=probability)(gate_weights(presence), presence)
    expected = probability - probability**n / n
    assert (~kept).float().mean().item() == pytest.approx(expected, abs=0.006)
    # Which one is kept does not depend on its position.
    np.testing.assert_allclose((~kept).float().mean(dim=0), expected, atol=0.012)


@pytest.mark.parametrize("strategy", ["random", "weighted_random", "entropy_min", "entropy_max"])
def test_mean_drop_probability_over_the_present_modalities(strategy):
    presence = torch.tensor([[True, True, True, False], [True, True, False, False]])
    weights = torch.tensor([[0.4, 0.35, 0.25, 0.0], [0.55, 0.45, 0.0, 0.0]])
    drop = ModalityMasker(strategy, probability=0.3).drop_probability(weights, presence)
    mean = drop.sum(dim=1) / presence.sum(dim=1)
    torch.testing.assert_close(mean, torch.tensor([0.3, 0.3]))
    assert (drop[~presence] == 0).all()


def test_drop_probabilities_of_the_proportional_strategies():
    presence = torch.ones(1, 2, dtype=torch.bool)
    weights = torch.tensor([[0.8, 0.2]])
    drop = {
        strategy: ModalityMasker(strategy, probability=0.3, tau=0.4)
        .drop_probability(weights, presence)
        .numpy()[0]
        for strategy in ("weighted_random", "entropy_min", "entropy_max")
    }
    np.testing.assert_allclose(drop["weighted_random"], 0.3 * 2 * np.array([0.2, 0.8]), rtol=1e-6)
    low = 1 / (1 + np.exp((0.8 - 0.2) / 0.4))
    np.testing.assert_allclose(drop["entropy_min"], 0.6 * np.array([low, 1 - low]), rtol=1e-5)
    np.testing.assert_allclose(drop["entropy_max"], 0.6 * np.array([1 - low, low]), rtol=1e-5)


@pytest.mark.parametrize("strategy", ["random", "weighted_random", "entropy_min", "entropy"])
def test_drop_rates_agree_with_the_drop_probabilities(strategy):
    torch.manual_seed(0)
    presence = torch.ones(1, 4, dtype=torch.bool)
    weights = torch.tensor([[0.4, 0.3, 0.2, 0.1]])
    masker = ModalityMasker(strategy, probability=0.3)
    drop = masker.drop_probability(weights, presence)[0]
    kept = masker(weights.expand(N_SAMPLES, -1), presence.expand(N_SAMPLES, -1))
    # Samples of which all four are drawn keep one, with the product of the probabilities.
    np.testing.assert_allclose((~kept).float().mean(dim=0), drop, atol=0.012 + float(drop.prod()))


def test_defaults():
    masker = ModalityMasker()
    assert (masker.strategy, masker.probability) == ("entropy", 0.9)
    assert (masker.tau, masker.min_active, masker.ramp) == (0.4, 1, 1.0)


@pytest.mark.parametrize("probability", [0, 1])
def test_the_ends_of_the_range_are_allowed(probability):
    presence = torch.ones(1, 2, dtype=torch.bool)
    masker = ModalityMasker("random", probability=probability)
    drop = masker.drop_probability(torch.tensor([[0.5, 0.5]]), presence)
    assert (drop == probability).all()


def test_drop_probabilities_never_exceed_one():
    presence = torch.ones(1, 2, dtype=torch.bool)
    masker = ModalityMasker("weighted_random", probability=0.9)
    drop = masker.drop_probability(torch.tensor([[1.0, 0.0]]), presence)
    torch.testing.assert_close(drop, torch.tensor([[0.0, 1.0]]))


@pytest.mark.parametrize("strategy", MASKING_STRATEGIES)
def test_drop_probabilities_keep_the_precision_and_are_zero_where_absent(strategy):
    presence = torch.tensor([[True, True, False], [True, False, False]])
    weights = torch.tensor([[0.6, 0.4, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    drop = ModalityMasker(strategy, probability=0.8).drop_probability(weights, presence)
    assert drop.dtype == torch.float64
    assert drop.shape == (2, 3)
    assert (drop[~presence] == 0).all()
    assert ((drop >= 0) & (drop <= 1)).all()
    assert (drop == 0).all() == (strategy == "none")


def test_entropy_masking_is_proportional_to_the_entropy_above_its_floor():
    presence = torch.ones(3, 2, dtype=torch.bool)
    weights = torch.tensor([[0.5, 0.5], [0.85, 0.15], [1.0, 0.0]])
    share = -(0.85 * np.log(0.85) + 0.15 * np.log(0.15)) / np.log(2)
    assert share > 0.5
    drop = ModalityMasker("entropy", probability=0.8).drop_probability(weights, presence)
    expected = 0.8 * np.array([1.0, share, 0.5])
    np.testing.assert_allclose(drop.numpy(), np.stack([expected] * 2, axis=1), rtol=1e-5)


def test_a_collapsed_gate_is_still_masked():
    """At least half the rate; otherwise the gate gets no gradient for the other modalities."""
    torch.manual_seed(0)
    presence = torch.ones(N_SAMPLES, 2, dtype=torch.bool)
    weights = torch.tensor([1.0, 0.0]).expand(N_SAMPLES, 2)
    kept = ModalityMasker("entropy", probability=0.9)(weights, presence)
    assert (~kept[:, 0]).float().mean().item() > 0.3


def test_ramp_scales_the_drop_probability():
    presence = torch.ones(1, 2, dtype=torch.bool)
    masker = ModalityMasker("random", probability=0.8)
    masker.ramp = 0.25
    drop = masker.drop_probability(torch.tensor([[0.5, 0.5]]), presence)
    torch.testing.assert_close(drop, torch.full((1, 2), 0.2))


def test_none_keeps_everything():
    presence = torch.rand(50, 3) < 0.5
    assert torch.equal(ModalityMasker("none")(gate_weights(presence), presence), presence)


@pytest.mark.parametrize(
    "options",
    [{"strategy": "x"}, {"probability": 1.1}, {"probability": -0.1}, {"tau": 0}, {"min_active": 0}],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must"):
        ModalityMasker(**options)
