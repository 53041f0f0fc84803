"""Ridge regression of what an orthogonal map leaves of known pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import linalg

from sklearn_align._linalg import unit_rows
from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.alignment._problem import KnownPairs
from sklearn_align.alignment._recipes import CORRECTION


def correct_map(
    W: FloatArray, pairs: KnownPairs, reference: FloatArray
) -> tuple[FloatArray, float]:
    """Add to a map `W` (n_features_A, n_features_B) what the known pairs say it lacks.

    The correction ``D`` minimises ``|B - A (W + D)|^2 + strength |D|^2`` over the known pairs. The
    strength is chosen by leaving out one pair at a time (:func:`_left_out`) and retrieving its
    counterpart among the other known ones and `reference` (n_reference, n_features_B). Returns the
    corrected map, in float64, and the strength; infinity leaves the map as it is.
    """
    A, B = pairs.A.astype(np.float64), pairs.B.astype(np.float64)
    W = W.astype(np.float64)
    residual = B - A @ W
    probe = np.linspace(0, len(A) - 1, min(len(A), CORRECTION.n_probe_pairs)).astype(np.intp)
    retrieval = _Retrieval(B[probe], reference.astype(np.float64))
    # A correction must be better than none, also where both are equally good.
    best = retrieval.score((A @ W)[probe])
    corrected, strength = W, float("inf")
    for candidate, D, left_out in _left_out(A, residual, probe):
        score = retrieval.score((A @ W)[probe] + left_out)
        if score > best:
            best, corrected, strength = score, W + D, candidate
    return corrected, strength


def _left_out(
    A: Float64Array, R: Float64Array, probe: np.ndarray
) -> Iterator[tuple[float, Float64Array, Float64Array]]:
    """Yield strengths, ridge regressions of R on A, and predictions for pairs that are left out.

    The prediction for pair i without pair i is ``(p_i - h_i r_i) / (1 - h_i)``, with the prediction
    ``p_i`` of all pairs and the leverage ``h_i``, the i-th diagonal element of the hat matrix.
    """
    eigenvalues, V = linalg.eigh(A.T @ A)
    eigenvalues = np.maximum(eigenvalues, 0)
    projected, target = A[probe] @ V, V.T @ (A.T @ R)
    for strength in np.logspace(*CORRECTION.log_strengths, CORRECTION.n_strengths)[::-1]:
        weights = 1 / (eigenvalues + strength)
        leverage = (projected**2) @ weights
        prediction = (projected * weights) @ target
        left_out = (prediction - leverage[:, None] * R[probe]) / (1 - leverage)[:, None]
        yield float(strength), V @ (weights[:, None] * target), left_out


class _Retrieval:
    """Mean log-probability of the right counterpart under a softmax over cosines.

    Candidates are the counterparts of all probed pairs and the reference samples.
    """

    def __init__(self, B: Float64Array, reference: Float64Array) -> None:
        self.B = B
        self.others = np.vstack([B, reference])
        # The counterpart itself may be among the reference samples.
        copies = np.greater(B @ self.others.T, 1 - CORRECTION.same_sample)
        copies[np.arange(len(B)), np.arange(len(B))] = False
        self.copies = copies

    def score(self, predicted: Float64Array) -> float:
        """Score predictions (n_probe_pairs, n_features_B); higher is better."""
        logits = unit_rows(predicted) @ self.others.T / CORRECTION.temperature
        logits[self.copies] = -np.inf
        own = logits[np.arange(len(logits)), np.arange(len(logits))]
        largest = logits.max(axis=1)
        total = np.exp(logits - largest[:, None]).sum(axis=1)
        return float(np.mean(own - largest - np.log(total)))
