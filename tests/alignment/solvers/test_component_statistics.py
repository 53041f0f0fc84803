import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import norm, zscore

from sklearn_align.alignment._recipes import COMPONENTS
from sklearn_align.alignment.solvers._component_statistics import (
    Components,
    _tail,
    component_profiles,
    component_relations,
    component_similarity,
    skewness,
)


@pytest.fixture
def components():
    rng = np.random.default_rng(4)
    sources = rng.gamma([0.5, 1, 2, 4], 1, (500, 4)) @ (np.eye(4) + 0.3)
    sources = (sources - sources.mean(axis=0)) / sources.std(axis=0)
    return Components(sources, rng.standard_normal((7, 4)))


def test_skewness_clips_both_tails_at_six_deviations(components):
    sources = components.sources.copy()
    sources[0] = [10.0, -10.0, 7.0, 5.0]
    expected = np.mean(np.maximum(np.minimum(sources, 6.0), -6.0) ** 3, axis=0)
    np.testing.assert_allclose(skewness(sources), expected)


def test_orientation_flips_components_that_are_skewed_to_the_left():
    right, even = np.array([-1.0, -1.0, 2.0, 0.0]), np.array([-1.0, 1.0, -1.0, 1.0])
    sources, directions = np.column_stack([right, -right, even]), np.arange(6.0).reshape(2, 3)
    oriented = Components.oriented(sources, directions)
    np.testing.assert_array_equal(oriented.sources, np.column_stack([right, right, even]))
    np.testing.assert_array_equal(oriented.directions, directions * [1, -1, 1])


@pytest.mark.parametrize(
    ("fraction", "kept"), [(0.01, [1]), (0.5, [1, 3]), (0.7, [0, 1, 3]), (1.0, [0, 1, 2, 3])]
)
def test_the_most_skewed_components_are_kept_in_their_order(fraction, kept):
    column = np.array([-1.0, -1.0, -1.0, 3.0])
    sources = column[:, None] * np.array([0.5, 1.0, -2.0, 0.9])
    directions = np.arange(8.0).reshape(2, 4)
    found = Components(sources, directions).most_skewed(fraction)
    np.testing.assert_array_equal(found.sources, sources[:, kept])
    np.testing.assert_array_equal(found.directions, directions[:, kept])


@pytest.mark.parametrize("fraction", [0.0001, 0.05, 0.3])
def test_the_tail_marks_the_largest_values_of_every_column(fraction):
    S = np.random.default_rng(0).standard_normal((3000, 9))
    n_tail = max(1, int(3000 * fraction))
    threshold = np.sort(S, axis=0)[-n_tail]
    np.testing.assert_array_equal(_tail(S, fraction), threshold <= S)


def test_similarity_is_the_standardised_distance_of_profiles(components):
    other = Components(components.sources[:300, :3] ** 2 - 1, components.directions[:, 1:])
    A, B = component_profiles(components), component_profiles(other)
    distance = [[np.mean((a - b) ** 2) for b in B] for a in A]
    np.testing.assert_allclose(
        component_similarity(components, other), -zscore(distance, axis=None), atol=1e-12
    )


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
