from __future__ import annotations

import pytest
import torch
from torch import nn

from sklearn_align.fusion import (
    IdentityEncoder,
    MLPEncoder,
    available_encoders,
    register_encoder,
)
from sklearn_align.fusion.nn import _encoders
from sklearn_align.fusion.nn._encoders import build_encoder


def test_identity_passes_equal_widths_and_projects_others():
    block = torch.randn(3, 4)
    assert torch.equal(IdentityEncoder(4, 4)(block), block)
    projected = IdentityEncoder(4, 6)
    expected = block @ projected.projection.weight.T
    torch.testing.assert_close(projected(block), expected)


def test_identity_of_equal_width_has_nothing_to_learn():
    assert list(IdentityEncoder(4, 4).parameters()) == []


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_mlp_is_the_composition_of_its_layers(activation):
    encoder = MLPEncoder(3, 5, hidden_sizes=(7, 4), activation=activation, dropout=0.5).eval()
    function = {"relu": torch.relu, "gelu": nn.functional.gelu, "tanh": torch.tanh}[activation]
    linear = [layer for layer in encoder.layers if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [7, 4, 5]
    block = torch.randn(6, 3)
    expected = block
    for layer in linear:
        expected = function(layer(expected))
    torch.testing.assert_close(encoder(block), expected)


def test_dropout_acts_in_training_only():
    encoder = MLPEncoder(3, 50, hidden_sizes=(50,), dropout=0.5)
    block = torch.randn(1, 3)
    assert not torch.equal(encoder(block), encoder(block))
    encoder.eval()
    assert torch.equal(encoder(block), encoder(block))


def test_module_is_copied_and_keeps_its_values():
    own = nn.Linear(3, 5)
    built = build_encoder(own, "image", 3, 5)
    assert built is not own
    assert torch.equal(built.weight, own.weight)
    assert built.weight is not own.weight


def test_wrong_output_width_is_named():
    with pytest.raises(ValueError, match=r"modality 'image' maps \(2, 3\) to \(2, 4\)"):
        build_encoder(nn.Linear(3, 4), "image", 3, 5)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'nope'; registered encoders are"):
        build_encoder("nope", "image", 3, 5)


def test_registered_encoder_gets_the_options(monkeypatch):
    monkeypatch.setattr(_encoders, "_REGISTRY", dict(_encoders._REGISTRY))
    seen = {}

    def factory(width, n_units, **options):
        seen.update(options)
        return nn.Linear(width, n_units)

    register_encoder("mine", factory)
    assert "mine" in available_encoders()
    build_encoder("mine", "image", 3, 5, dropout=0.1, activation="tanh", hidden_sizes=(2,))
    assert seen == {"dropout": 0.1, "activation": "tanh", "hidden_sizes": (2,)}
    with pytest.raises(ValueError, match="taken"):
        register_encoder("mine", factory)
    with pytest.raises(TypeError, match="callable"):
        register_encoder("other", 3)


@pytest.mark.parametrize(
    "factory",
    [
        lambda width, n_units: nn.Linear(width, n_units),
        lambda width, n_units, dropout: nn.Sequential(
            nn.Linear(width, n_units), nn.Dropout(dropout)
        ),
        lambda width, n_units, **options: nn.Linear(width, n_units, bias="dropout" in options),
        nn.Linear,
    ],
    ids=["no options", "one", "all", "a class of PyTorch"],
)
def test_a_callable_gets_the_options_that_it_takes(factory):
    module = build_encoder(factory, "image", 3, 4, dropout=0.25, hidden_sizes=(2,))
    assert module(torch.zeros(5, 3)).shape == (5, 4)
    assert {m.p for m in module.modules() if isinstance(m, nn.Dropout)} <= {0.25}


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda width: nn.Linear(width, 4), r"'image' is called as encoder\(width, n_units\)"),
        (
            lambda width, n_units, size: nn.Linear(width, size),
            "missing a required argument: 'size'",
        ),
        (lambda width, n_units: 3, "'image' must return a torch.nn.Module; got 3"),
    ],
)
def test_a_callable_that_does_not_fit_is_named(factory, message):
    with pytest.raises(TypeError, match=message):
        build_encoder(factory, "image", 3, 4, dropout=0.25)


def test_an_encoder_that_fails_is_named():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as raised:
        build_encoder(nn.Linear(7, 4), "image", 3, 4)
    assert "'image' was called with zeros of shape (2, 3)" in raised.value.__notes__[0]
