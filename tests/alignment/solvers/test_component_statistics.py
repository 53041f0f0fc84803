import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import norm, zscore

from sklearn_align.alignment._recipes import COMPONENTS
from sklearn_align.alignment.solvers._component_statistics import (
    Components,
    component_profiles,
    component_relations,
    component_similarity,
)


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


def relations_by_definition(components):
    """The six relations of every ordered pair, one pair at a time."""
    S, directions = components.sources, components.directions
    clipped = np.minimum(np.maximum(S, -COMPONENTS.clip), COMPONENTS.clip)
    n_samples, n = S.shape
    n_upper = int(COMPONENTS.upper_tail * n_samples)
    n_lower = int(COMPONENTS.lower_tail * n_samples)
    relations = np.zeros((6, n, n))
    for i, j in itertools.permutations(range(n), 2):
        s, t = S[:, i], S[:, j]
        upper = set(np.argsort(s)[-n_upper:]) & set(np.argsort(t)[-n_upper:])
        lower = np.argsort(s)[:n_lower]
        relations[:, i, j] = [
            np.cov(clipped[:, i] ** 2, clipped[:, j] ** 2)[0, 1],
            np.corrcoef(np.tanh(abs(s)), np.tanh(abs(t)))[0, 1],
            len(upper),
            (clipped[:, i] ** 2 * clipped[:, j]).mean(),
            clipped[lower, j].mean(),
            1 - cosine(directions[:, i], directions[:, j]),
        ]
    return relations


def test_relations_rank_the_pairs_by_their_definitions():
    rng = np.random.default_rng(7)
    # Heavy tails on both sides: the clip acts above and below.
    sources = rng.standard_t(3, (400, 6)) @ (np.eye(6) + 0.2 * rng.standard_normal((6, 6)))
    sources += 0.3 * sources**2
    sources = (sources - sources.mean(axis=0)) / sources.std(axis=0)
    assert (sources > COMPONENTS.clip).any()
    sources[rng.integers(400, size=8), rng.integers(6, size=8)] = -5.0
    components = Components(sources, rng.standard_normal((9, 6)))
    off_diagonal = ~np.eye(6, dtype=bool)
    for expected, relation in zip(
        relations_by_definition(components), component_relations(components), strict=True
    ):
        values, scores = expected[off_diagonal], relation[off_diagonal]
        larger = values[:, None] > values + 1e-9
        assert larger.any()
        assert (scores[:, None] > scores)[larger].all()


def test_profiles_are_standardised_quantiles_and_strength(components):
    levels = [0.002, 0.005, 0.01, 0.02, *np.linspace(0.05, 0.95, 19), 0.98, 0.99, 0.995, 0.998]
    quantiles = np.quantile(components.sources, levels, axis=0).T
    strength = np.log(np.linalg.norm(components.directions, axis=0))
    expected = np.column_stack([zscore(quantiles), 2 * zscore(strength)])
    np.testing.assert_allclose(component_profiles(components), expected, atol=1e-9)


def test_equal_components_have_profiles_of_zeros_and_stay_finite():
    rng = np.random.default_rng(0)
    source = rng.standard_normal((200, 1))
    same = Components(np.repeat(source, 2, axis=1), np.ones((4, 2)))
    np.testing.assert_array_equal(component_profiles(same), 0)
    np.testing.assert_array_equal(component_similarity(same, same), 0)
    assert np.isfinite(component_relations(same)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(components, dtype):
    narrow = Components(components.sources.astype(dtype), components.directions.astype(dtype))
    assert component_profiles(narrow).dtype == component_relations(narrow).dtype == dtype
