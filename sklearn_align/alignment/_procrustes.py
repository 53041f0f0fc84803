"""Orthogonal Procrustes: the best rotation, or partial isometry, between two sets of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

FloatArray = NDArray[np.floating[Any]]


def polar_factor(M: FloatArray) -> FloatArray:
    """Return the (semi-)orthogonal matrix nearest to `M`.

    For a cross-covariance ``X.T @ Y`` this is the solution of the orthogonal Procrustes problem.

    Parameters
    ----------
    M : ndarray of shape (n_rows, n_columns)
        Any real matrix.

    Returns
    -------
    W : ndarray of shape (n_rows, n_columns)
        ``U @ Vt`` of the thin singular value decomposition, in the dtype of `M`. Its rows are
        orthonormal when there are at most as many rows as columns, else its columns are.

    References
    ----------
    .. [1] P. H. Schönemann, "A generalized solution of the orthogonal Procrustes problem",
       Psychometrika 31, 1966.
    """
    try:
        U, _, Vt = linalg.svd(M, full_matrices=False, check_finite=False)
        W = U @ Vt
        if np.isfinite(W).all():
            return np.asarray(W)
    except linalg.LinAlgError:
        pass
    # Divide and conquer may fail on a finite matrix, by an error or by NaN; QR iteration does not.
    U, _, Vt = linalg.svd(
        M.astype(np.float64), full_matrices=False, check_finite=False, lapack_driver="gesvd"
    )
    return np.asarray((U @ Vt).astype(M.dtype))


def procrustes(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Return the (semi-)orthogonal `W` that maximises ``trace(W.T @ X.T @ Y)``.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features_in)
        Rows to be mapped.

    Y : ndarray of shape (n_rows, n_features_out)
        Where each of them should land.

    Returns
    -------
    W : ndarray of shape (n_features_in, n_features_out)
        The map, applied as ``X @ W``.
    """
    return polar_factor(X.T @ Y)


def partial_isometry(M: FloatArray, rank: int) -> FloatArray:
    """Return the partial isometry of a given rank nearest to `M`.

    Parameters
    ----------
    M : ndarray of shape (n_rows, n_columns)
        Any real matrix.

    rank : int
        Leading singular directions that are kept; all others are mapped to zero.

    Returns
    -------
    W : ndarray of shape (n_rows, n_columns)
        ``U[:, :rank] @ Vt[:rank]`` of the singular value decomposition.
    """
    U, _, Vt = linalg.svd(M, full_matrices=False, check_finite=False)
    return np.asarray(U[:, :rank] @ Vt[:rank])
