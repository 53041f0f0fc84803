from __future__ import annotations

import numpy as np
import pytest
import torch

from sklearn_align.fusion import EmbeddingHead, ExpertHeads, LinearHead, MLPHead
from sklearn_align.fusion.nn._heads import build_head


@pytest.mark.parametrize("head", ["linear", "mlp", "embedding"])
def test_shapes(head):
    assert build_head(head, 4, 3)(torch.zeros(2, 4)).shape == (2, 3)


def test_unknown_head():
    with pytest.raises(ValueError, match="head must be one of"):
        build_head("nope", 4, 3)


def test_mlp_head_against_numpy():
    head = MLPHead(3, 2, activation="tanh").eval()
    layer = {name: p.detach().numpy() for name, p in head.named_parameters()}
    fused = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    hidden = np.tanh(fused @ layer["hidden.0.weight"].T + layer["hidden.0.bias"])
    expected = hidden @ layer["output.weight"].T + layer["output.bias"]
    ours = head(torch.from_numpy(fused)).detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


def test_embeddings_have_unit_length():
    norms = EmbeddingHead(4, 3)(torch.randn(20, 4)).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(20))


def test_mix_against_a_loop():
    outputs = torch.randn(4, 3, 2)
    presence = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]]).bool()
    weights = torch.rand(4, 3) * presence
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
    mixed = ExpertHeads.mix(outputs, weights, presence)
    for i in range(4):
        n = int(presence[i].sum())
        expected = sum(weights[i, m] * n * outputs[i, m] for m in range(3))
        torch.testing.assert_close(mixed[i], expected)


def test_a_single_present_modality_gives_the_output_of_its_head():
    experts = ExpertHeads([LinearHead(4, 3), LinearHead(4, 3)])
    encoded = torch.randn(5, 2, 4)
    presence = torch.tensor([[False, True]]).expand(5, 2)
    mixed = ExpertHeads.mix(experts(encoded), presence.float(), presence)
    assert torch.equal(mixed, experts.heads[1](encoded[:, 1]))
