"""Whether mapped samples are distributed as targets, by a kernel two-sample statistic."""

from __future__ import annotations

import numpy as np

from sklearn_align._linalg import scale_to_unit_length
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._recipes import CONVERGENCE, DISCREPANCY


def fits_as_well(
    A: FloatArray,
    B: FloatArray,
    W: FloatArray,
    reference: FloatArray,
    random_state: np.random.RandomState,
) -> bool | None:
    """Whether a map sends samples to the distribution of the targets as a reference map does.

    The squared maximum mean discrepancy between mapped samples and targets is compared with that
    of arbitrary maps, which are the reference followed by reflections of random axes. Where
    clusters overlap, nearest neighbours are as near after a wrong map as after the right one, but
    the densities differ. Source: A. Gretton et al. (2012), "A kernel two-sample test", JMLR 13,
    equation 3.

    Parameters
    ----------
    A, B : ndarray of shape (n_samples, n_features)
        Unit samples of both spaces, of which the first `DISCREPANCY.n_samples` are used.
    W, reference : ndarray of shape (n_features_A, n_features_B)
        Maps, orthogonal or semi-orthogonal.
    random_state : RandomState
        Draws the reflections.

    Returns
    -------
    bool or None
        None where the samples cannot tell: they are few, the reference does not fit, or arbitrary
        maps fit nearly as well.
    """
    A, B = A[: DISCREPANCY.n_samples], B[: DISCREPANCY.n_samples]
    if min(len(A), len(B)) < CONVERGENCE.min_samples_to_confirm:
        return None
    bandwidth = DISCREPANCY.bandwidth * float(np.median(1 - A[: len(A) // 2] @ A[len(A) // 2 :].T))
    if bandwidth <= 0:
        return None
    within_B = _kernel(B, B, bandwidth)
    mean_B, mean_square = _mean_of_others(within_B), _mean_of_others(within_B**2)
    noise = np.sqrt(2 * mean_square) * (1 / len(A) + 1 / len(B))

    def discrepancy(V: FloatArray) -> float:
        images = A @ V
        scale_to_unit_length(images)
        mean_A = _mean_of_others(_kernel(images, images, bandwidth))
        return mean_A + mean_B - 2 * float(_kernel(images, B, bandwidth).mean())

    shape = (DISCREPANCY.n_arbitrary_maps, B.shape[1])
    signs = random_state.choice(np.array([-1, 1], dtype=B.dtype), size=shape)
    arbitrary = float(np.mean([discrepancy(reference * s) for s in signs]))
    limit = DISCREPANCY.max_share * arbitrary
    if arbitrary < DISCREPANCY.min_signal * noise or discrepancy(reference) > limit:
        return None
    return discrepancy(W) <= limit


def _kernel(X: FloatArray, Y: FloatArray, bandwidth: float) -> FloatArray:
    """Gaussian kernel of unit samples: ``exp(-|x - y|^2 / (2 bandwidth))``."""
    K = X @ Y.T
    K -= 1
    K /= bandwidth
    return np.asarray(np.exp(K, out=K))


def _mean_of_others(K: FloatArray) -> float:
    """Mean of a square matrix without its diagonal."""
    n = len(K)
    return float((K.sum(dtype=float) - np.trace(K, dtype=float)) / (n * (n - 1)))
