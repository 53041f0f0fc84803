"""Entropic optimal transport between two sets of samples."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from sklearn_align._linalg import unit_rows
from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.alignment._recipes import TRANSPORT
from sklearn_align.alignment._threads import for_a_small_matrix


def transport_cross_covariance(
    X: FloatArray,
    Y: FloatArray,
    W: FloatArray,
    *,
    epsilon: float,
    n_rounds: int,
    whitening: float = 0.0,
) -> FloatArray:
    """Cross-covariance ``X.T @ P @ Y`` under the transport plan between mapped and target samples.

    ``P`` (n_X, n_Y) maximises ``sum(P * S) + epsilon * entropy(P)`` with uniform marginals, where
    ``S = (X @ W) @ Y.T`` holds the cosines; it is approximated by `n_rounds` of Sinkhorn scaling.
    With `whitening`, directions are divided by their standard deviation to this power before
    samples are compared. Returns shape (n_features_A, n_features_B); the total mass of ``P`` is 1.

    ``ot.sinkhorn`` of POT takes three to four times the memory and up to twice the time
    (``python -m tests.benchmarks.bench_own_code``).

    M. Cuturi, "Sinkhorn distances: lightspeed computation of optimal transport", NeurIPS 2013;
    E. Grave, A. Joulin, Q. Berthet, "Unsupervised alignment of embeddings with Wasserstein
    Procrustes", AISTATS 2019.
    """
    if whitening:
        D = partial_whitening(X @ W, Y, whitening)
        mapped, target = unit_rows(X @ (W @ D)), unit_rows(Y @ D)
    else:
        mapped, target = X @ W, Y
    plan = (mapped / X.dtype.type(epsilon)) @ target.T
    if epsilon < TRANSPORT.min_unshifted_epsilon:
        # Subtracting each row's maximum keeps the exponential in range; row scaling absorbs it.
        plan -= plan.max(axis=1, keepdims=True)
    np.exp(plan, out=plan)
    row, column = sinkhorn_scaling(plan, n_rounds)
    return np.asarray(X.T @ (row[:, None] * (plan @ (column[:, None] * Y))))


def partial_whitening(Z: FloatArray, Y: FloatArray, power: float) -> FloatArray:
    """Matrix (n_features, n_features) that divides directions by a power of their spread.

    The spread is that of the samples of `Z` and `Y` together; 0 leaves samples as they are, 1 gives
    all directions equal variance. Applied from the right.
    """
    covariance = second_moment(Z) + second_moment(Y)
    return whitening_by(covariance, power).astype(Y.dtype)


def second_moment(X: FloatArray) -> Float64Array:
    """``X.T @ X / len(X)``: the products are sums in the precision of the samples."""
    return np.asarray((X.T @ X).astype(np.float64) / len(X))


def whitening_by(covariance: Float64Array, power: float) -> Float64Array:
    """Matrix that divides directions by a power of the spread that a covariance gives them."""
    with for_a_small_matrix():
        variance, directions = linalg.eigh(covariance)
    variance = np.maximum(variance / (variance[-1] or 1), TRANSPORT.min_variance)
    return np.asarray(directions * variance ** (-power / 2))


def sinkhorn_scaling(K: FloatArray, n_rounds: int) -> tuple[FloatArray, FloatArray]:
    """Factors of rows (n,) and columns (m,) that scale `K` (n, m) towards uniform marginals.

    ``row[:, None] * K * column`` has total mass 1; the last round fixes the columns exactly.
    """
    n_rows, n_columns = K.shape
    tiny = np.finfo(K.dtype).tiny
    column = np.full(n_columns, 1 / n_columns, dtype=K.dtype)
    row = np.full(n_rows, 1 / n_rows, dtype=K.dtype)
    for _ in range(n_rounds):
        row = (1 / n_rows) / np.maximum(K @ column, tiny)
        column = (1 / n_columns) / np.maximum(row @ K, tiny)
    return row, column
