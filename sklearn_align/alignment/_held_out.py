"""Accuracy on known pairs that the map has not been fitted to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from sklearn_align._linalg import unit_rows
from sklearn_align._typing import FloatArray, IntArray
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs
from sklearn_align.alignment._recipes import CORRECTION, HELD_OUT

# Fits a map to the samples and the pairs of a problem.
FitMap = Callable[[AlignmentProblem], FloatArray]


def accuracy_on_pairs(
    problem: AlignmentProblem, fit_map: FitMap, random_state: np.random.RandomState
) -> float:
    """Fraction of left-out pairs whose counterpart is nearest among 1,000 target samples.

    A quarter of the known pairs is left out of a second fit with all samples. It has fewer pairs
    than the map that is judged, so that it is rather worse. NaN with too few pairs, or too few
    that share no sample with the others.
    """
    if problem.pairs is None or len(problem.pairs) < HELD_OUT.min_pairs:
        return float("nan")
    used, left_out = split_pairs(problem.pairs, random_state)
    if min(len(used), len(left_out)) < HELD_OUT.min_left_out:
        return float("nan")
    W = fit_map(AlignmentProblem(problem.A, problem.B, used, random_state=random_state))
    return retrieval_of_pairs(W, left_out, problem.B, random_state)


def accuracy_of_given_map(
    W: FloatArray, problem: AlignmentProblem, random_state: np.random.RandomState
) -> float:
    """Fraction of all known pairs that a map retrieves which was not fitted to them.

    NaN with too few pairs.
    """
    if problem.pairs is None or len(problem.pairs) < HELD_OUT.min_pairs:
        return float("nan")
    return retrieval_of_pairs(W, problem.pairs, problem.B, random_state)


def split_pairs(
    pairs: KnownPairs, random_state: np.random.RandomState
) -> tuple[KnownPairs, KnownPairs]:
    """Pairs to fit with, and pairs that are left out, which share no sample with them."""
    n_wanted = max(HELD_OUT.min_left_out, int(HELD_OUT.left_out * len(pairs)))
    groups = groups_of_shared_samples(pairs)
    sizes = np.bincount(groups)
    order = random_state.permutation(len(sizes))
    # Groups that do not fit into the rest are used: a sample of many pairs would take it all.
    is_left_out = np.zeros(len(sizes), dtype=bool)
    n_left_out = 0
    for group in order:
        if n_left_out + sizes[group] <= n_wanted:
            is_left_out[group] = True
            n_left_out += sizes[group]
    left_out = is_left_out[groups]
    return (
        KnownPairs(pairs.A[~left_out], pairs.B[~left_out], pairs.weight),
        KnownPairs(pairs.A[left_out], pairs.B[left_out], pairs.weight),
    )


def groups_of_shared_samples(pairs: KnownPairs) -> IntArray:
    """Return a group (n_pairs,) for each pair; pairs of different groups share no sample."""
    A, B = (_numbers_of_equal_rows(side) for side in (pairs.A, pairs.B))
    shape = (A.max() + 1, B.max() + 1)
    links = sparse.coo_array((np.ones(len(pairs), dtype=bool), (A, B)), shape=shape)
    both = sparse.block_array([[None, links], [links.T, None]])
    _, groups = sparse.csgraph.connected_components(both, directed=False)
    return np.asarray(groups[A])


def _numbers_of_equal_rows(X: FloatArray) -> IntArray:
    """Return a number (n_samples,) for each row, the same for equal ones."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in X], dtype=np.intp)


def retrieval_of_pairs(
    W: FloatArray, pairs: KnownPairs, B: FloatArray, random_state: np.random.RandomState
) -> float:
    """Fraction of pairs whose counterpart is nearest among 1,000 target samples.

    The others are samples of `B` (n_samples, n_features_B), fewer if there are fewer, without those
    that are the counterpart itself.
    """
    n_others = min(len(B), HELD_OUT.n_targets - 1)
    others = B[random_state.choice(len(B), n_others, replace=False)]
    mapped = unit_rows(pairs.A @ W)
    own = np.einsum("ij,ij->i", mapped, pairs.B)
    cosine = mapped @ others.T
    is_counterpart = np.greater(pairs.B @ others.T, 1 - CORRECTION.same_sample)
    cosine[is_counterpart] = -np.inf
    return float((own > cosine.max(axis=1)).mean())
