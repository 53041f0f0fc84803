"""The label-free verdict: whether independent evidence leads to the same map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align.alignment._agreement import shared_retrieval
from sklearn_align.alignment._problem import (
    AlignmentProblem,
    ReducedProblem,
    scale_to_unit_length,
)
from sklearn_align.alignment._refine import TransportRefinement
from sklearn_align.alignment._starts import COMPONENT_STARTS, race

FloatArray = NDArray[np.floating[Any]]

# Wrong maps agree with independent ones on few rows, right maps with right ones on nearly all.
AGREEMENT_THRESHOLD = 0.7
_PROBE_ROWS = 1500
_MAX_WITNESSES = 3
_LEAST_PAIRS = 5


def agreement_with_witnesses(
    reduced: ReducedProblem,
    W: FloatArray,
    witnesses: Sequence[FloatArray],
    random_state: np.random.RandomState,
) -> float:
    """Share of rows that a map and an independent one map to the same place.

    Parameters
    ----------
    reduced : ReducedProblem
        Rows of both spaces in principal coordinates.

    W : ndarray of shape (n_features_A, n_features_B)
        Map to be judged, at full width.

    witnesses : sequence of ndarray of shape (n_components_A, n_components_B)
        Maps of the reduced problem found independently of it. When there are none, some are
        sought from independent components until one agrees.

    random_state : RandomState
        Source of randomness.

    Returns
    -------
    float
        The largest share over all witnesses.
    """
    reduced = reduced.without_pairs()
    probe = reduced.sample("A", _PROBE_ROWS, random_state)
    W_reduced = reduced.reduce(W)
    agreement = max((shared_retrieval(probe, W_reduced, V) for V in witnesses), default=0.0)
    if not witnesses:
        for start in COMPONENT_STARTS[:_MAX_WITNESSES]:
            standing = next(race(reduced, [start], random_state=random_state, n_jobs=1))
            witness = standing.candidates[0].map
            agreement = max(agreement, shared_retrieval(probe, W_reduced, witness))
            if agreement >= AGREEMENT_THRESHOLD:
                break
    return agreement


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
    targets = np.concatenate([pairs.B, problem.sample("B", _PROBE_ROWS, random_state)])
    mapped = pairs.A @ W
    scale_to_unit_length(mapped)
    nearest = (mapped @ targets.T).argmax(axis=1)
    return float((nearest == np.arange(len(pairs))).mean())
