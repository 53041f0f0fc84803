from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.fusion import AECFEmbedder, ContrastiveLoss, ContrastiveModule
from sklearn_align.fusion._losses import info_nce
from sklearn_align.fusion.nn._contrastive import draw_views

MODALITIES = {"image": 6, "sound": 5, "text": 4}


def data(n=300, seed=0):
    """Three noisy linear images of one latent vector."""
    maps = np.random.default_rng(99)
    latent = np.random.default_rng(seed).normal(size=(n, 3))
    noise = np.random.default_rng(seed + 1)
    blocks = [
        latent @ maps.normal(size=(3, w)) + 0.1 * noise.normal(size=(n, w)) for w in (6, 5, 4)
    ]
    return np.hstack(blocks), (latent[:, 0] > 0).astype(int)


def only(X, columns):
    alone = np.full_like(X, np.nan)
    alone[:, columns] = X[:, columns]
    return alone


def embedder(**options):
    return AECFEmbedder(
        **{"modalities": MODALITIES, "n_components": 16, "random_state": 0, **options}
    )


@pytest.fixture(scope="module")
def fitted():
    X, _ = data()
    X[:40, :6] = np.nan
    return embedder(max_epochs=80, lr=3e-3).fit(X)


@settings(max_examples=50, deadline=None)
@given(
    n_modalities=st.integers(1, 5),
    contrast=st.sampled_from(["views", "modalities"]),
    seed=st.integers(0, 1000),
)
def test_views_are_disjoint_present_and_not_empty(n_modalities, contrast, seed):
    torch.manual_seed(seed)
    presence = torch.rand(40, n_modalities) < 0.6
    first, second = draw_views(presence, contrast)
    assert not ((first | second) & ~presence).any()
    several = presence.sum(dim=1) > 1
    assert not (first & second)[several].any()
    there = presence.any(dim=1)
    assert first[there].any(dim=1).all()
    assert second[there].any(dim=1).all()
    alone = presence.sum(dim=1) == 1
    assert torch.equal(first[alone], presence[alone])
    assert torch.equal(second[alone], presence[alone])
    if contrast == "views":
        assert torch.equal((first | second)[several], presence[several])
    else:
        assert (first[several].sum(dim=1) == 1).all()
        assert (second[several].sum(dim=1) == 1).all()


def test_loss_against_its_parts():
    torch.manual_seed(0)
    whole, first, second = torch.nn.functional.normalize(torch.randn(3, 8, 4), dim=2)
    weights = torch.softmax(torch.randn(8, 2), dim=1)
    loss = ContrastiveLoss(0.2, entropy_weight=0.3, entropy_warmup_epochs=0, consistency_weight=2)
    total = loss((whole, weights, None, first, second), None)
    task = info_nce(first, second, temperature=0.2).mean()
    other = (
        info_nce(whole, first, temperature=0.2) + info_nce(whole, second, temperature=0.2)
    ).mean() / 2
    entropy = -(weights * weights.log()).sum(dim=1).mean()
    torch.testing.assert_close(total, task + 2 * other - 0.3 * entropy)


def test_view_passes_are_what_the_views_alone_give():
    module = ContrastiveModule([3, 2], 4, head="embedding", masking="none").eval()
    X = torch.randn(5, 5)
    presence = torch.ones(5, 2, dtype=torch.bool)
    first, second = presence.clone(), presence.clone()
    first[:, 1] = False
    second[:, 0] = False
    outputs = module(X, presence, first, second)
    torch.testing.assert_close(outputs[3], module(X, first)[0])
    torch.testing.assert_close(outputs[4], module(X, second)[0])


def test_unit_samples_whatever_is_missing(fitted):
    X, _ = data(50, seed=1)
    for columns in (slice(0, 6), slice(6, 11), slice(0, 11), slice(0, 15)):
        Z = fitted.transform(only(X, columns))
        assert Z.shape == (50, 16)
        np.testing.assert_allclose(np.linalg.norm(Z, axis=1), 1, rtol=1e-5)
    with pytest.warns(MissingModalityWarning):
        assert (fitted.transform(np.full((1, 15), np.nan)) == 0).all()


def test_a_modality_finds_its_partner_in_another(fitted):
    X, _ = data(100, seed=1)
    image, sound = fitted.transform(only(X, slice(0, 6))), fitted.transform(only(X, slice(6, 11)))
    found = (image @ sound.T).argmax(axis=1) == np.arange(100)
    assert found.mean() > 0.3  # one in a hundred by chance


def test_classifier_on_the_embedding_survives_missing_blocks(fitted):
    X, y = data(300)
    X_test, y_test = data(300, seed=7)
    clf = LogisticRegression().fit(fitted.transform(X), y)
    assert clf.score(fitted.transform(X_test), y_test) > 0.85
    assert clf.score(fitted.transform(only(X_test, slice(6, 11))), y_test) > 0.8


@pytest.mark.parametrize("contrast", ["views", "modalities"])
def test_training_lowers_the_loss_on_held_out_samples(contrast):
    X, _ = data()
    history = embedder(contrast=contrast, max_epochs=30).fit(X).history
    assert history[-1, "valid_task"] < 0.7 * history[0, "valid_task"]
    for name in ("task", "entropy", "consistency", "gate_entropy", "loss"):
        assert np.isfinite(history[-1, f"train_{name}"])


def test_labels_are_ignored_and_order_does_not_matter():
    X, y = data(80)
    order = np.random.default_rng(0).permutation(80)
    first = embedder(max_epochs=2).fit(X).transform(X)
    np.testing.assert_array_equal(embedder(max_epochs=2).fit(X, y).transform(X), first)
    np.testing.assert_array_equal(embedder(max_epochs=2).fit(X[order]).transform(X), first)


def test_in_a_pipeline_with_names():
    X, y = data(80)
    pipeline = make_pipeline(StandardScaler(), embedder(max_epochs=3), LogisticRegression())
    assert pipeline.fit(X, y).predict(X).shape == (80,)
    assert pipeline[:-1].get_feature_names_out()[-1] == "aecfembedder15"


def test_it_is_neither_classifier_nor_regressor():
    assert not hasattr(embedder(), "predict")
    assert not hasattr(embedder(), "predict_proba")


def test_further_training():
    X, _ = data(80)
    model = embedder().partial_fit(X).partial_fit(X, epochs=2)
    assert model.n_iter_ == 3
    with pytest.raises(ValueError, match="epochs must be"):
        model.partial_fit(X, epochs=1.5)
