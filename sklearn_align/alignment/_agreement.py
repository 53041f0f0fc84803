"""Agreement of two maps, and of a map with known pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align.alignment._problem import AlignmentProblem, scale_to_unit_length
from sklearn_align.alignment._refine import TransportRefinement

FloatArray = NDArray[np.floating[Any]]

_TARGET_ROWS = 1500
_LEAST_PAIRS = 5


def shared_retrieval(rows: FloatArray, W: FloatArray, V: FloatArray) -> float:
    """Share of rows whose image under `W` is nearest to their own image under `V`.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features_A)
        Unit rows of the source space.

    W, V : ndarray of shape (n_features_A, n_features_B)
        Maps.

    Returns
    -------
    float
        1 for equal maps, about ``1 / n_rows`` for unrelated ones.
    """
    images = rows @ V
    scale_to_unit_length(images)
    nearest = ((rows @ W) @ images.T).argmax(axis=1)
    return float((nearest == np.arange(len(rows))).mean())


def agreement_with_pairs(
    problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Share of known pairs that a map still retrieves after it was refined without them.

    A few pairs can be fitted by a map that is wrong elsewhere. Refinement without the pairs keeps
    them together only where the rest of the rows says the same.

    Parameters
    ----------
    problem : AlignmentProblem
        Rows of both spaces and known pairs.

    W : ndarray of shape (n_features_A, n_features_B)
        Map to be judged.

    random_state : RandomState
        Source of randomness.

    Returns
    -------
    float
        0 when there are fewer than five pairs.
    """
    pairs = problem.pairs
    if pairs is None or len(pairs) < _LEAST_PAIRS:
        return 0.0
    unaided = AlignmentProblem(problem.A, problem.B)
    refinement = TransportRefinement(max_iter=10, smoothing=1.0, n_iter_no_change=None)
    for W_new in refinement.iterate(unaided, W, random_state):
        W = W_new
    targets = np.concatenate([pairs.B, problem.sample("B", _TARGET_ROWS, random_state)])
    mapped = pairs.A @ W
    scale_to_unit_length(mapped)
    nearest = (mapped @ targets.T).argmax(axis=1)
    return float((nearest == np.arange(len(pairs))).mean())
