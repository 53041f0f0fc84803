"""Ridge regression of what an orthogonal map leaves of known pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import linalg
from scipy.special import logsumexp

from sklearn_align._linalg import unit_rows
from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs
from sklearn_align.alignment._recipes import CORRECTION


def correction_by_pairs(
    W: FloatArray, problem: AlignmentProblem, correction: str | None
) -> tuple[FloatArray | None, float]:
    """Return the corrected map (float64) if there is one, and the strength of the correction.

    `correction` is the parameter of the estimator: "auto" needs enough pairs, "ridge" any.
    """
    min_pairs = CORRECTION.min_pairs if correction == "auto" else 1
    if correction is None or problem.pairs is None or len(problem.pairs) < min_pairs:
        return None, float("inf")
    step = -(-len(problem.B) // CORRECTION.n_reference_samples)
    corrected, strength = correct_map(W, problem.pairs, problem.B[::step])
    return (corrected if np.isfinite(strength) else None), strength


def correct_map(
    W: FloatArray, pairs: KnownPairs, reference: FloatArray
) -> tuple[FloatArray, float]:
    """Add to a map `W` (n_features_A, n_features_B) what the known pairs say it lacks.

    The correction ``D`` minimises ``|B - A (W + D)|^2 + strength |D|^2`` over the known pairs. The
    strength is chosen by leaving out one pair at a time (:func:`_left_out`) and retrieving its
    counterpart among the other known ones and `reference` (n_reference, n_features_B). Returns the
    corrected map, in float64, and the strength. It is infinite, and the map left as it is, unless a
    correction retrieves clearly better than the map.
    """
    A, B = pairs.A.astype(np.float64), pairs.B.astype(np.float64)
    W = W.astype(np.float64)
    mapped = A @ W
    probe = np.linspace(0, len(A) - 1, min(len(A), CORRECTION.n_probe_pairs)).astype(np.intp)
    retrieval = _Retrieval(B[probe], reference.astype(np.float64))
    plain = retrieval.scores(mapped[probe])
    best = -CORRECTION.min_relative_gain * float(plain.mean())
    corrected, strength = W, float("inf")
    for candidate, D, left_out in _left_out(A, B - mapped, probe):
        gains = retrieval.scores(mapped[probe] + left_out) - plain
        gain = float(gains.mean())
        standard_error = float(gains.std()) / len(gains) ** 0.5
        if gain > max(best, CORRECTION.min_standard_errors * standard_error):
            best, corrected, strength = gain, W + D, candidate
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
    """Log-probabilities of the right counterparts under a softmax over cosines.

    Candidates are the counterparts of all probed pairs and the reference samples.
    """

    def __init__(self, B: Float64Array, reference: Float64Array) -> None:
        self.others = np.vstack([B, reference])
        # The counterpart itself may be among the reference samples.
        copies = np.greater(B @ self.others.T, 1 - CORRECTION.same_sample)
        copies[np.arange(len(B)), np.arange(len(B))] = False
        self.copies = copies

    def scores(self, predicted: Float64Array) -> Float64Array:
        """Score predictions (n_probe_pairs, n_features_B) one by one; higher is better."""
        cosine = unit_rows(predicted) @ self.others.T
        cosine[self.copies] = -np.inf
        differences = cosine - np.diagonal(cosine)[:, None]
        at_temperatures = [
            -logsumexp(differences / temperature, axis=1) for temperature in CORRECTION.temperatures
        ]
        return np.asarray(max(at_temperatures, key=np.mean))
