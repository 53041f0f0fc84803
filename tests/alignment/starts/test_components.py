from __future__ import annotations

import numpy as np
import pytest

from sklearn_align._linalg import partial_isometry
from sklearn_align.alignment import AlignmentProblem, ComponentStart
from sklearn_align.alignment.solvers._component_statistics import (
    Components,
    component_relations,
    component_similarity,
)
from sklearn_align.alignment.solvers._fastica import Whitening, fast_ica
from sklearn_align.alignment.solvers._graph_matching import match_graphs


def test_defaults():
    assert ComponentStart().get_params() == {
        "n_components": 96,
        "contrast": "skew",
        "matched_fraction": 1.0,
    }


@pytest.mark.parametrize("contrast", ["skew", "logcosh"])
def test_first_map_against_the_algorithm_written_out(contrast):
    rng = np.random.default_rng(0)
    sides = [rng.gamma(1, 1, (n, 6)) @ rng.standard_normal((6, d)) for n, d in ((300, 8), (250, 7))]
    start = ComponentStart(5, contrast=contrast, matched_fraction=0.6)
    W = start.initial_map(AlignmentProblem(*sides), np.random.RandomState(0))
    stream = np.random.RandomState(0)
    A, B = (
        Components.oriented(
            *fast_ica(Whitening.fit(X), 5, contrast=contrast, random_state=stream)
        ).most_skewed(0.6)
        for X in sides
    )
    matched_A, matched_B = match_graphs(
        component_relations(A),
        component_relations(B),
        component_similarity(A, B),
        random_state=stream,
    )
    sum_of_products = sum(
        np.outer(A.directions[:, a], B.directions[:, b])
        for a, b in zip(matched_A, matched_B, strict=True)
    )
    assert len(matched_A) == 3
    np.testing.assert_allclose(W, partial_isometry(sum_of_products, 3), atol=1e-10)


def test_narrow_spaces_limit_the_components():
    start = ComponentStart(12, contrast="logcosh", matched_fraction=0.8)
    assert start.limited_to(13) is start
    everything = {"contrast": "logcosh", "matched_fraction": 1.0}
    for width in (12, 10):
        assert start.limited_to(width).get_params() == {"n_components": width, **everything}
