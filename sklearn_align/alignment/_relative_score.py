"""Label-free score of a map on the scale of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sklearn_align._linalg import principal_axes, unit_rows
from sklearn_align._similarity import max_csls
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._copies import (
    has_near_copy_before,
    max_squared_distance_of_copies,
)
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._recipes import CONVERGENCE, SCORE


def relative_score(
    problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Label-free score of a map on the scale of the data.

    ``(s(W) - s(arbitrary)) / (s(itself) - s(arbitrary))``, where ``s`` is the mean largest CSLS
    value, *arbitrary* are maps that send principal axes to principal axes with random signs, and
    *itself* compares two halves of one space, the space in which this is lower. 0 also where a
    space with itself scores no higher than arbitrary maps, so that the score proves nothing.
    """
    width = min(W.shape)
    axes_A, axes_B = (principal_axes(X, width) for X in (problem.A, problem.B))
    scores: list[tuple[float, ...]] = []
    # The variance of one draw grows as halves get smaller, and its cost falls: more are drawn.
    n_draws = CONVERGENCE.n_score_draws
    while len(scores) < n_draws:
        drawn = [draw_distinct_samples(X, random_state) for X in (problem.A, problem.B)]
        n_half = min(len(samples) for samples in drawn) // 2
        if n_half < 2:
            return 0.0
        wanted = CONVERGENCE.n_score_draws * CONVERGENCE.n_score_samples
        n_draws = min(CONVERGENCE.max_score_draws, -(-wanted // n_half))
        A, B = ((samples[:n_half], samples[n_half : 2 * n_half]) for samples in drawn)
        signs = random_state.choice([-1, 1], size=(CONVERGENCE.n_arbitrary_maps, width))
        arbitrary = [
            _mean_score([unit_rows(half @ (axes_A * s) @ axes_B.T) for half in A], B)
            for s in signs.astype(W.dtype)
        ]
        scores.append(
            (
                _mean_score([unit_rows(half @ W) for half in A], B),
                float(np.mean(arbitrary)),
                _mean_score(A[:1], A[1:]),
                _mean_score(B[:1], B[1:]),
            )
        )
    of_map, of_arbitrary, *of_spaces = np.mean(scores, axis=0)
    of_itself = min(of_spaces)
    if of_itself <= of_arbitrary:
        return 0.0
    return float((of_map - of_arbitrary) / (of_itself - of_arbitrary))


def _mean_score(sources: Sequence[FloatArray], targets: Sequence[FloatArray]) -> float:
    """Mean largest CSLS value, over pairs of (n_samples, n_features) on either side."""
    k = min(SCORE.n_neighbors, *(len(samples) for samples in targets))
    return float(np.mean([max_csls(X, Y, k).mean() for X, Y in zip(sources, targets, strict=True)]))


def draw_distinct_samples(X: FloatArray, random_state: np.random.RandomState) -> FloatArray:
    """Draw unit samples that are no near copies of one another, in random order.

    A copy in the other half of a space raises the score of the space with itself, but not that of a
    map from another space. A small draw has few copies; those in it are found by their distance,
    which is small compared with that of other samples to their nearest ones.
    """
    n_wanted = 2 * CONVERGENCE.n_score_samples
    n_drawn = min(len(X), n_wanted + CONVERGENCE.n_spare_samples)
    samples = X[random_state.choice(len(X), n_drawn, replace=False)]
    # `numpy.unique` along an axis would turn an interrupt into a TypeError.
    samples = samples[np.lexsort(samples.T[::-1])]
    samples = samples[np.append(True, (samples[1:] != samples[:-1]).any(axis=1))]
    samples = samples[random_state.permutation(len(samples))]
    copies = has_near_copy_before(samples, max_squared_distance_of_copies(samples))
    return np.asarray(samples[~copies][:n_wanted])
