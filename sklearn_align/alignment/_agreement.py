"""Agreement of two maps, and of a map with known pairs."""

from __future__ import annotations

import numpy as np

from sklearn_align._linalg import scale_to_unit_length
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._recipes import CONVERGENCE
from sklearn_align.alignment.refinements import TransportRefinement


def map_agreement(X: FloatArray, W: FloatArray, V: FloatArray) -> float:
    """Fraction of unit samples whose image under `W` is nearest to their own image under `V`.

    1 for equal maps, about ``1 / n_samples`` for unrelated ones.
    """
    images = X @ V
    scale_to_unit_length(images)
    nearest = ((X @ W) @ images.T).argmax(axis=1)
    return float((nearest == np.arange(len(X))).mean())


def agreement_with_pairs(
    problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Fraction of known pairs that a map retrieves after it was refined without them.

    A few pairs can be fitted by a map that is wrong elsewhere. Refinement without the pairs keeps
    them together only where the other samples support the same map. 0 with too few pairs.
    """
    pairs = problem.pairs
    if pairs is None or len(pairs) < CONVERGENCE.min_pairs:
        return 0.0
    refinement = TransportRefinement(
        max_iter=CONVERGENCE.n_iterations_without_pairs, smoothing=1.0, n_iter_no_change=None
    )
    for W_new in refinement.iterate(AlignmentProblem(problem.A, problem.B), W, random_state):
        W = W_new
    samples = problem.sample("B", CONVERGENCE.n_target_samples, random_state)
    targets = np.concatenate([pairs.B, samples])
    mapped = pairs.A @ W
    scale_to_unit_length(mapped)
    nearest = (mapped @ targets.T).argmax(axis=1)
    return float((nearest == np.arange(len(pairs))).mean())
