from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_align.fusion import AECFModule

WIDTHS = [3, 2, 4]
ALL = torch.ones(6, 3, dtype=torch.bool)


def module(**options):
    torch.manual_seed(0)
    return AECFModule(WIDTHS, 5, n_units=8, hidden_sizes=(7,), names=["a", "b", "c"], **options)


def samples(n=6):
    return torch.randn(n, sum(WIDTHS), generator=torch.Generator().manual_seed(1))


def some_presence():
    return torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]).bool()


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_mean_fusion_against_its_definition(head):
    net = module(fusion="mean", head=head).eval()
    X, presence = samples(), some_presence()
    outputs, weights, fused = net(X, presence)
    encoded = net.encode(X)
    expected = (weights.unsqueeze(-1) * encoded).sum(dim=1)
    torch.testing.assert_close(fused, expected)
    torch.testing.assert_close(outputs[:5], net.head(expected)[:5])


def test_expert_fusion_against_its_definition():
    net = module(fusion="expert").eval()
    X, presence = samples(), some_presence()
    outputs, weights, _ = net(X, presence)
    encoded = net.encode(X)
    for i in range(5):
        expected = sum(
            weights[i, m] * presence[i].sum() * net.head.heads[m](encoded[i, m]) for m in range(3)
        )
        torch.testing.assert_close(outputs[i], expected)


def test_expert_fusion_with_one_modality_is_that_head():
    net = module(fusion="expert").eval()
    X = samples()
    presence = torch.zeros(6, 3, dtype=torch.bool)
    presence[:, 1] = True
    outputs = net(X, presence)[0]
    torch.testing.assert_close(outputs, net.head.heads[1](net.encode(X)[:, 1]))


@pytest.mark.parametrize("fusion", ["mean", "expert"])
@pytest.mark.parametrize("training", [False, True])
def test_a_dropped_modality_cannot_influence_the_output(fusion, training):
    """Neither through the weighted sum nor through the gate, in either pass, to the bit."""
    net = module(fusion=fusion, dropout=0.0).train(training)
    X, subset = samples(), some_presence()
    other = X.clone()
    for m, columns in enumerate([slice(0, 3), slice(3, 5), slice(5, 9)]):
        dropped = ~subset[:, m]
        other[dropped, columns] = 100 * torch.randn(int(dropped.sum()), WIDTHS[m])
    for ours, theirs in zip(net(X, ALL, subset)[3:], net(other, ALL, subset)[3:], strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(net(X, subset, subset), net(other, subset, subset), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("fusion", ["mean", "expert"])
def test_second_pass_is_what_the_subset_alone_gives(fusion):
    net = module(fusion=fusion).eval()
    X, subset = samples(), some_presence()
    alone = net(X, subset)
    both = net(X, ALL, subset)
    torch.testing.assert_close(both[3], alone[0])
    torch.testing.assert_close(both[4], alone[1])
    torch.testing.assert_close(both[0], net(X, ALL)[0])
    assert torch.equal(both[5], subset)


def test_masking_acts_in_training_and_only_there():
    net = module(masking="random", masking_prob=1.0, dropout=0.0)
    outputs = net.train()(samples(), ALL)
    assert len(outputs) == 6
    assert (outputs[5].sum(dim=1) == 1).all()
    assert not torch.allclose(outputs[0], outputs[3])
    assert len(net.eval()(samples(), ALL)) == 3
    assert len(module(masking="none").train()(samples(), ALL)) == 3


@pytest.mark.parametrize("fusion", ["mean", "expert"])
def test_order_of_the_modalities_does_not_matter(fusion):
    """Permuted blocks, encoders, experts and gate inputs give permuted weights."""
    order = [2, 0, 1]
    net = module(fusion=fusion).eval()
    widths = [WIDTHS[m] for m in order]
    permuted = AECFModule(widths, 5, n_units=8, hidden_sizes=(7,), fusion=fusion).eval()
    if fusion == "expert":
        for new, old in enumerate(order):
            permuted.head.heads[new].load_state_dict(net.head.heads[old].state_dict())
    else:
        permuted.head.load_state_dict(net.head.state_dict())
    for new, old in enumerate(order):
        permuted.encoders[new].load_state_dict(net.encoders[old].state_dict())
    columns = [m * 8 + unit for m in order for unit in range(8)] + [24 + m for m in order]
    with torch.no_grad():
        permuted.gate.load_state_dict(net.gate.state_dict())
        permuted.gate.hidden.weight.copy_(net.gate.hidden.weight[:, columns])
        permuted.gate.scores.weight.copy_(net.gate.scores.weight[order])
        permuted.gate.scores.bias.copy_(net.gate.scores.bias[order])
    X, presence = samples(), some_presence()
    blocks = X.split(WIDTHS, dim=1)
    moved = permuted(torch.cat([blocks[m] for m in order], dim=1), presence[:, order])
    stayed = net(X, presence)
    torch.testing.assert_close(moved[0], stayed[0])
    torch.testing.assert_close(moved[1], stayed[1][:, order])
    torch.testing.assert_close(moved[2], stayed[2])


def test_temperature_divides_the_outputs_in_evaluation_only():
    net = module(masking="none", dropout=0.0)
    X, presence = samples(), some_presence()
    plain = net.eval()(X, presence)[0]
    trained = net.train()(X, presence)[0]
    b = torch.tensor([0.3, -0.2, 0.5, 0.1])
    net.log_temperature.copy_(b)
    temperature = torch.exp(b[0] + presence.float() @ b[1:])
    scaled = net.eval()(X, presence)[0]
    torch.testing.assert_close(scaled[:5], plain[:5] / temperature[:5, None])
    assert torch.equal(net.train()(X, presence)[0], trained)


def test_samples_without_a_present_modality_get_the_fallback():
    net = module().eval()
    fallback = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    net.set_fallback(fallback)
    outputs, weights, fused = net(samples(), torch.zeros(6, 3, dtype=torch.bool))
    assert torch.equal(outputs, fallback.expand(6, 5))
    assert (weights == 0).all()
    assert (fused == 0).all()


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("fusion", ["mean", "expert"])
def test_biases_of_the_heads_are_initialized_with_the_fallback(head, fusion):
    net = module(head=head, fusion=fusion).eval()
    fallback = torch.arange(5.0)
    net.set_fallback(fallback)
    for encoder in net.encoders:
        for parameter in encoder.parameters():
            nn.init.zeros_(parameter)
    heads = [net.head] if fusion == "mean" else list(net.head.heads)
    for one in heads:
        nn.init.zeros_(one.output.weight)
    torch.testing.assert_close(net(samples(), ALL)[0], fallback.expand(6, 5))


def test_encoders_per_modality():
    own = nn.Linear(3, 8)
    net = module(encoders={"a": own, "b": "linear"})
    assert isinstance(net.encoders[0], nn.Linear)
    assert type(net.encoders[1]).__name__ == "LinearEncoder"
    assert type(net.encoders[2]).__name__ == "MLPEncoder"
    with pytest.raises(ValueError, match=r"names \['z'\]; the modalities are"):
        module(encoders={"z": "mlp"})
    with pytest.raises(TypeError, match="one module cannot serve"):
        module(encoders=own)


def test_every_parameter_gets_a_gradient():
    for fusion in ("mean", "expert"):
        net = module(fusion=fusion, dropout=0.0).train()
        outputs = net(samples(), ALL)
        (outputs[0].sum() + outputs[3].pow(2).sum()).backward()
        dead = [name for name, p in net.named_parameters() if p.grad is None]
        assert dead == []


def test_a_loaded_state_gives_the_same_outputs():
    net, copy = module(), module(activation="relu")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1)
    net.scaler.fit(np.random.default_rng(0).normal(5, 3, (20, 9)), np.ones(20), standardize=True)
    net.log_temperature.fill_(0.3)
    net.set_fallback(torch.arange(5.0))
    copy.load_state_dict(net.state_dict())
    X, presence = samples(), some_presence()
    for ours, theirs in zip(net.eval()(X, presence), copy.eval()(X, presence), strict=True):
        assert torch.equal(ours, theirs)
    np.testing.assert_array_equal(net.scaler.transform(X.numpy()), copy.scaler.transform(X.numpy()))
