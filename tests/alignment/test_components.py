import numpy as np
import pytest
from scipy.stats import norm, skew

from sklearn_align.alignment._components import (
    Components,
    component_profiles,
    component_relations,
    independent_components,
)


def mixture(rng, n_rows=6000, n_sources=5, n_features=8):
    sources = rng.gamma(0.7, 1, (n_rows, n_sources))
    sources = (sources - sources.mean(axis=0)) / sources.std(axis=0)
    mixing = rng.standard_normal((n_features, n_sources))
    return sources, mixing, sources @ mixing.T


@pytest.mark.parametrize("contrast", ["logcosh", "skew"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_mixing_is_recovered_with_its_signs(contrast, dtype):
    sources, mixing, X = mixture(np.random.default_rng(0))
    found = independent_components(
        X.astype(dtype), 5, contrast=contrast, random_state=np.random.RandomState(0), max_iter=300
    )
    assert found.sources.dtype == found.directions.dtype == dtype
    correlation = np.corrcoef(sources.T, found.sources.T)[:5, 5:]
    order = correlation.argmax(axis=1)
    assert sorted(order) == list(range(5))
    assert correlation[np.arange(5), order].min() > 0.98
    error = found.directions[:, order] - mixing
    assert np.linalg.norm(error) < 0.2 * np.linalg.norm(mixing)


@pytest.mark.parametrize("contrast", ["logcosh", "skew"])
def test_sources_are_white_skewed_right_and_rebuild_the_rows(contrast):
    _, _, X = mixture(np.random.default_rng(1))
    found = independent_components(X, 5, contrast=contrast, random_state=np.random.RandomState(1))
    np.testing.assert_allclose(found.sources.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(found.sources.T @ found.sources / len(X), np.eye(5), atol=1e-8)
    assert (skew(found.sources) > 0).all()
    np.testing.assert_allclose(found.sources @ found.directions.T, X - X.mean(axis=0), atol=1e-8)


def test_rotation_of_the_space_rotates_the_directions_only():
    rng = np.random.default_rng(2)
    _, _, X = mixture(rng)
    R = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    plain, turned = (
        independent_components(
            rows, 5, contrast="skew", random_state=np.random.RandomState(0), max_iter=300, tol=1e-9
        )
        for rows in (X, X @ R)
    )
    similarity = (plain.directions.T @ R) @ turned.directions
    order = similarity.argmax(axis=1)
    assert sorted(order) == list(range(5))
    np.testing.assert_allclose(plain.sources, turned.sources[:, order], atol=1e-3)


@pytest.mark.parametrize(("n_rows", "rank", "expected"), [(50, 3, 3), (4, 8, 3), (50, 8, 6)])
def test_at_most_the_rank_of_the_rows_is_used(n_rows, rank, expected):
    rng = np.random.default_rng(3)
    X = rng.gamma(1, 1, (n_rows, rank)) @ rng.standard_normal((rank, 8))
    X -= X.mean(axis=0)
    found = independent_components(X, 6, contrast="logcosh", random_state=np.random.RandomState(0))
    assert found.sources.shape == (n_rows, expected)
    assert np.isfinite(found.directions).all()


@pytest.fixture
def components():
    rng = np.random.default_rng(4)
    sources = rng.gamma([0.5, 1, 2, 4], 1, (500, 4)) @ (np.eye(4) + 0.3)
    sources = (sources - sources.mean(axis=0)) / sources.std(axis=0)
    return Components(sources, rng.standard_normal((7, 4)))


def test_profiles_follow_the_order_of_the_components(components):
    order = [2, 0, 3, 1]
    permuted = Components(components.sources[:, order], components.directions[:, order])
    np.testing.assert_allclose(component_profiles(permuted), component_profiles(components)[order])
    profiles = component_profiles(components)
    assert len(profiles) == 4
    np.testing.assert_allclose(profiles.mean(axis=0), 0, atol=1e-9)


def test_relations_follow_the_order_of_the_components(components):
    order = [2, 0, 3, 1]
    permuted = Components(components.sources[:, order], components.directions[:, order])
    expected = component_relations(components)[:, order][:, :, order]
    relations = component_relations(permuted)
    np.testing.assert_allclose(relations[3:5], expected[3:5])
    # Both entries of a symmetric relation are equal and take neighbouring ranks in either order.
    # The counts of the third have further ties.
    for r in (0, 1, 5):
        np.testing.assert_allclose(relations[r] + relations[r].T, expected[r] + expected[r].T)


def test_relations_are_normal_scores_of_ranks_off_the_diagonal(components):
    relations = component_relations(components)
    assert relations.shape == (6, 4, 4)
    np.testing.assert_array_equal(np.einsum("rii->ri", relations), 0)
    scores = norm.ppf((np.arange(12) + 0.5) / 12)
    off_diagonal = ~np.eye(4, dtype=bool)
    for relation in relations:
        np.testing.assert_allclose(np.sort(relation[off_diagonal]), scores, atol=1e-12)


def test_relation_of_directions_ranks_their_cosines(components):
    unit = components.directions / np.linalg.norm(components.directions, axis=0)
    cosine = (unit.T @ unit)[np.triu_indices(4, 1)]
    relation = component_relations(components)[-1][np.triu_indices(4, 1)]
    np.testing.assert_array_equal(cosine.argsort(), relation.argsort())
