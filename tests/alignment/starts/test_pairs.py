from __future__ import annotations

import numpy as np
import pytest

from sklearn_align._linalg import partial_isometry, unit_rows
from sklearn_align.alignment import AlignmentProblem, KnownPairs, PairStart


@pytest.mark.parametrize(("n_pairs", "rank"), [(2, 2), (4, 4), (5, 4), (9, 4)])
def test_the_map_has_one_direction_for_each_pair(n_pairs, rank):
    rng = np.random.default_rng(0)
    A, B = (unit_rows(rng.standard_normal((20, width))) for width in (6, 4))
    pairs = KnownPairs(A[:n_pairs], B[:n_pairs], 3.0)
    W = PairStart().initial_map(AlignmentProblem(A, B, pairs), np.random.RandomState(0))
    np.testing.assert_allclose(W, partial_isometry(pairs.A.T @ pairs.B, rank))
    assert np.linalg.matrix_rank(W) == rank


def test_without_pairs_the_error_says_what_to_pass():
    problem = AlignmentProblem(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match=r"^PairStart needs known pairs: pass pairs=.* init\.$"):
        PairStart().initial_map(problem, np.random.RandomState(0))
