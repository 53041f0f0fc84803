"""Balanced soft matching by entropic optimal transport."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sklearn_align.alignment._problem import unit_rows

FloatArray = NDArray[np.floating[Any]]


# Directions whose variance is below this share of the largest are not amplified any further.
_LEAST_VARIANCE = 1e-3

# Above this the exponential of a cosine over epsilon stays far inside the range of float32.
_LEAST_UNSHIFTED_EPSILON = 0.025


def transport_cross_covariance(
    X: FloatArray,
    Y: FloatArray,
    W: FloatArray,
    *,
    epsilon: float,
    n_rounds: int,
    whitening: float = 0.0,
) -> FloatArray:
    """Cross-covariance ``X.T @ P @ Y`` under the transport plan between mapped and target rows.

    ``P`` is the entropic optimal transport plan with uniform marginals for the similarity
    ``(X @ W) @ Y.T``, computed by a few rounds of Sinkhorn scaling.

    Parameters
    ----------
    X : ndarray of shape (n_X, n_features_A)
        Unit rows of the source space.

    Y : ndarray of shape (n_Y, n_features_B)
        Unit rows of the target space.

    W : ndarray of shape (n_features_A, n_features_B)
        Current map.

    epsilon : float
        Entropic regularisation, in units of the cosine. Small values match harder.

    n_rounds : int
        Sinkhorn rounds.

    whitening : float, default=0.0
        Directions are divided by their standard deviation to this power before rows are compared.
        Weak directions tell near neighbours apart, but are hardly seen otherwise.

    Returns
    -------
    ndarray of shape (n_features_A, n_features_B)
        ``P`` has total mass 1, so this is a weighted mean of outer products.

    References
    ----------
    .. [1] M. Cuturi, "Sinkhorn distances: lightspeed computation of optimal transport", NeurIPS
       2013.
    .. [2] E. Grave, A. Joulin, Q. Berthet, "Unsupervised alignment of embeddings with Wasserstein
       Procrustes", AISTATS 2019.
    """
    if whitening:
        D = partial_whitening(X @ W, Y, whitening)
        mapped, target = unit_rows(X @ (W @ D)), unit_rows(Y @ D)
    else:
        mapped, target = X @ W, Y
    plan = (mapped / X.dtype.type(epsilon)) @ target.T
    if epsilon < _LEAST_UNSHIFTED_EPSILON:
        # Subtracting each row's maximum keeps the exponential in range; row scaling absorbs it.
        plan -= plan.max(axis=1, keepdims=True)
    np.exp(plan, out=plan)
    row, column = sinkhorn_scaling(plan, n_rounds)
    return np.asarray(X.T @ (row[:, None] * (plan @ (column[:, None] * Y))))


def partial_whitening(Z: FloatArray, Y: FloatArray, power: float) -> FloatArray:
    """Matrix that divides the principal directions of two sets of rows by a power of their spread.

    Parameters
    ----------
    Z, Y : ndarray of shape (n_rows, n_features)
        Rows of one space.

    power : float
        0 leaves rows as they are, 1 gives all directions equal variance.

    Returns
    -------
    ndarray of shape (n_features, n_features)
        Applied from the right.
    """
    covariance = (Z.T @ Z).astype(np.float64) / len(Z) + (Y.T @ Y).astype(np.float64) / len(Y)
    variance, directions = linalg.eigh(covariance)
    variance = np.maximum(variance / (variance[-1] or 1), _LEAST_VARIANCE)
    return np.asarray((directions * variance ** (-power / 2)).astype(Y.dtype))


def sinkhorn_scaling(K: FloatArray, n_rounds: int) -> tuple[FloatArray, FloatArray]:
    """Scale a positive matrix towards uniform marginals with total mass 1.

    Parameters
    ----------
    K : ndarray of shape (n_rows, n_columns)
        Non-negative, with a positive entry in every row.

    n_rounds : int
        Rounds of alternating scaling; the last one fixes the columns exactly.

    Returns
    -------
    row : ndarray of shape (n_rows,)
        Factor of each row.

    column : ndarray of shape (n_columns,)
        Factor of each column: ``row[:, None] * K * column`` is the plan.
    """
    n_rows, n_columns = K.shape
    tiny = np.finfo(K.dtype).tiny
    column = np.full(n_columns, 1 / n_columns, dtype=K.dtype)
    row = np.full(n_rows, 1 / n_rows, dtype=K.dtype)
    for _ in range(n_rounds):
        row = (1 / n_rows) / np.maximum(K @ column, tiny)
        column = (1 / n_columns) / np.maximum(row @ K, tiny)
    return row, column
