from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from scipy.stats import entropy

from sklearn_align.fusion import AECFModule, ModalityGate
from sklearn_align.fusion.nn._gate import gate_entropy, normalized_gate_entropy


def random_presence(n_samples, n_modalities, seed):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random((n_samples, n_modalities)) < 0.5)


@settings(max_examples=40, deadline=None)
@given(
    n_modalities=st.integers(1, 5),
    seed=st.integers(0, 1000),
    activation=st.sampled_from(["softmax", "sigmoid"]),
)
def test_weights_are_a_distribution_over_the_present(n_modalities, seed, activation):
    torch.manual_seed(seed)
    gate = ModalityGate(n_modalities, 3, hidden=8, activation=activation)
    presence = random_presence(20, n_modalities, seed)
    weights = gate(5 * torch.randn(20, n_modalities, 3), presence)
    assert (weights[~presence] == 0).all()
    assert torch.isfinite(weights).all()
    total = weights.sum(dim=1)
    torch.testing.assert_close(total, presence.any(dim=1).float())
    single = presence.sum(dim=1) == 1
    assert (weights[single].max(dim=1).values == 1).all()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_weights_against_numpy(activation):
    gate = ModalityGate(3, 2, hidden=4, temperature=2.0, activation=activation)
    encoded = torch.randn(5, 3, 2)
    presence = torch.ones(5, 3, dtype=torch.bool)
    inputs = np.hstack([encoded.numpy().reshape(5, -1), np.ones((5, 3))])
    layer = {name: p.detach().numpy() for name, p in gate.named_parameters()}
    hidden = np.maximum(inputs @ layer["hidden.weight"].T + layer["hidden.bias"], 0)
    scores = (hidden @ layer["scores.weight"].T + layer["scores.bias"]) / 2.0
    if activation == "softmax":
        expected = softmax(scores, axis=1)
    else:
        expected = expit(scores) / expit(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gate(encoded, presence).detach().numpy(), expected, rtol=1e-5)


def test_deeper_gate_against_numpy():
    gate = ModalityGate(2, 3, hidden=[5, 4, 6], temperature=2.0)
    encoded = torch.randn(7, 2, 3)
    presence = torch.ones(7, 2, dtype=torch.bool)
    layer = {name: p.detach().numpy() for name, p in gate.named_parameters()}
    hidden = np.hstack([encoded.numpy().reshape(7, -1), np.ones((7, 2))])
    for name in ("hidden", "deeper.0", "deeper.1"):
        hidden = np.maximum(hidden @ layer[f"{name}.weight"].T + layer[f"{name}.bias"], 0)
    assert hidden.shape == (7, 6)
    scores = (hidden @ layer["scores.weight"].T + layer["scores.bias"]) / 2.0
    weights = gate(encoded, presence).detach().numpy()
    np.testing.assert_allclose(weights, softmax(scores, axis=1), rtol=1e-5)


def test_one_hidden_layer_is_the_same_as_int_and_as_sequence():
    gates = []
    for hidden in (8, np.int64(8), [8], (8,)):
        torch.manual_seed(0)
        gates.append(ModalityGate(3, 2, hidden=hidden).state_dict())
    # Stored networks have these names.
    names = {"theta", "hidden.weight", "hidden.bias", "scores.weight", "scores.bias"}
    for state in gates:
        assert set(state) == names
        assert all(torch.equal(value, gates[0][name]) for name, value in state.items())


def test_every_layer_of_a_deeper_gate_gets_a_gradient():
    torch.manual_seed(0)
    gate = ModalityGate(3, 4, hidden=(16, 8))
    weights = gate(torch.randn(20, 3, 4), random_presence(20, 3, seed=1))
    weights[:, 0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in gate.parameters())


@pytest.mark.parametrize(
    "hidden", [[], (), 0, -3, [4, 0], [4, -1], True, [True], 2.0, [4, 2.5], "8", None, [[4]]]
)
def test_widths_that_are_none_are_refused(hidden):
    with pytest.raises(ValueError, match=r"^hidden must be an integer of at least 1.*; got "):
        ModalityGate(2, 3, hidden=hidden)
    with pytest.raises(ValueError, match=r"^gate_hidden must be an integer of at least 1.*; got "):
        AECFModule([2, 2], 2, gate_hidden=hidden)


def test_values_of_absent_blocks_have_no_influence():
    gate = ModalityGate(3, 4)
    presence = random_presence(30, 3, seed=1)
    encoded = torch.randn(30, 3, 4)
    other = torch.where(presence.unsqueeze(-1), encoded, 1e6 * torch.randn(30, 3, 4))
    assert torch.equal(gate(encoded, presence), gate(other, presence))


def test_presence_reaches_the_gate():
    """An absent block and a present block of zeros are different things."""
    gate = ModalityGate(3, 4)
    encoded = torch.randn(1, 3, 4)
    encoded[:, 2] = 0
    everything = torch.tensor([[True, True, True]])
    without = torch.tensor([[True, True, False]])
    ratio = gate(encoded, everything)[0, :2]
    assert not torch.allclose(ratio / ratio.sum(), gate(encoded, without)[0, :2])


def test_temperature_learns_and_stays_above_its_minimum():
    gate = ModalityGate(2, 3, temperature=2.0, min_temperature=1.5)
    assert gate.temperature.item() == pytest.approx(2.0)
    presence = torch.ones(8, 2, dtype=torch.bool)
    gate(torch.randn(8, 2, 3), presence)[:, 0].sum().backward()
    assert gate.theta.grad.item() != 0
    with torch.no_grad():
        gate.theta.fill_(-100.0)
    assert gate.temperature.item() == pytest.approx(1.5)
    # A clamp in place of the softplus has a gradient of zero here.
    with torch.no_grad():
        gate.theta.fill_(-3.0)
    gate.zero_grad()
    gate(torch.randn(8, 2, 3), presence)[:, 0].sum().backward()
    assert gate.theta.grad.item() != 0


def test_higher_temperature_flattens():
    torch.manual_seed(0)
    encoded, presence = torch.randn(50, 3, 4), torch.ones(50, 3, dtype=torch.bool)
    gate = ModalityGate(3, 4)
    sharp = gate_entropy(gate(encoded, presence))
    with torch.no_grad():
        gate.theta.add_(10.0)
    assert (gate_entropy(gate(encoded, presence)) >= sharp - 1e-6).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_temperature": 3.0, "temperature": 2.0}, "min_temperature must lie"),
        ({"min_temperature": 0.0}, "min_temperature must lie"),
        ({"activation": "tanh"}, "'softmax' or 'sigmoid'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        ModalityGate(2, 3, **options)


def test_defaults_and_low_temperatures():
    gate = ModalityGate(2, 3)
    assert gate.hidden.out_features == 64
    assert gate.temperature.item() == pytest.approx(2.0)
    assert gate.min_temperature == 1.5
    low = ModalityGate(2, 3, temperature=0.7, min_temperature=0.5)
    assert low.temperature.item() == pytest.approx(0.7)


def test_minimum_equal_to_start_is_allowed():
    assert ModalityGate(2, 3, temperature=1.5).temperature.item() == pytest.approx(1.5, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_entropy_against_scipy(values):
    total = sum(values)
    if total == 0:
        values, total = [1.0] * len(values), float(len(values))
    weights = np.array(values) / total
    ours = gate_entropy(torch.from_numpy(weights[None])).item()
    assert ours == pytest.approx(entropy(weights), abs=1e-9)


def test_entropy_has_a_finite_gradient_at_the_corners():
    scores = torch.tensor([[0.0, -torch.inf, 0.0], [1.0, -torch.inf, -torch.inf]])
    scores = scores.masked_fill(scores == -torch.inf, -1e38).requires_grad_()
    gate_entropy(torch.softmax(scores, dim=1)).sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_normalised_entropy():
    weights = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [1.0, 0, 0, 0]])
    presence = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).bool()
    expected = torch.tensor([1.0, 1.0, 0.0])
    torch.testing.assert_close(normalized_gate_entropy(weights, presence), expected)
    everything = torch.ones(3, 4, dtype=torch.bool)
    expected = torch.tensor([1.0, 0.5, 0.0])
    torch.testing.assert_close(normalized_gate_entropy(weights, everything), expected)


def test_entropy_of_a_single_weight_is_not_minus_zero():
    assert not torch.signbit(gate_entropy(torch.tensor([[1.0, 0.0]]))).any()


def test_normalised_entropy_keeps_double_precision():
    weights = np.array([[0.5, 0.3, 0.2]])
    everything = torch.ones(1, 3, dtype=torch.bool)
    ours = normalized_gate_entropy(torch.from_numpy(weights), everything).item()
    assert ours == pytest.approx(entropy(weights[0]) / np.log(3), rel=1e-13)


@pytest.mark.parametrize("n_modalities", range(2, 12))
def test_normalised_entropy_stays_within_its_range_despite_rounding(n_modalities):
    everything = torch.ones(1, n_modalities, dtype=torch.bool)
    even = torch.full((1, n_modalities), 1 / n_modalities)
    assert 1 - 1e-6 < normalized_gate_entropy(even, everything).item() <= 1
    above_one = torch.zeros(1, n_modalities)
    above_one[0, 0] = 1 + 1e-6
    assert normalized_gate_entropy(above_one, everything).item() == 0


def test_normalised_entropy_is_zero_with_a_single_modality():
    weights, presence = torch.tensor([[0.5, 0.5]]), torch.tensor([[True, False]])
    assert normalized_gate_entropy(weights, presence).item() == 0
