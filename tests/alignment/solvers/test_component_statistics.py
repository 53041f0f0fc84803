import numpy as np
import pytest
from scipy.stats import norm

from sklearn_align.alignment.solvers._component_statistics import (
    Components,
    component_profiles,
    component_relations,
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
