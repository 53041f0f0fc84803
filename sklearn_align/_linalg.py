"""Linear algebra that both halves share: unit rows, principal axes, polar factors."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from sklearn_align._typing import BoolArray, FloatArray


def unit_rows(X: FloatArray, mean: FloatArray | None = None) -> FloatArray:
    """Subtract `mean` if given and scale rows to unit length; returns a new array of X's shape."""
    Z = X.copy() if mean is None else X - mean
    scale_to_unit_length(Z)
    return Z


def squared_lengths(Z: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Squared lengths (n_samples,), and where they have left the range of the type."""
    squares = np.einsum("ij,ij->i", Z, Z)
    limits = np.finfo(Z.dtype)
    return squares, ~((squares > limits.tiny / limits.eps) & (squares < limits.max))


def scale_to_unit_length(Z: FloatArray) -> None:
    """Scale the rows of `Z` (n_samples, n_features) to unit length in place; zeros stay zeros."""
    squares, unusual = squared_lengths(Z)
    if unusual.any():
        # Divided by their largest entry, such rows have squares in range.
        largest = np.abs(Z[unusual]).max(axis=1, initial=0.0)
        Z[unusual] /= np.where(largest == 0, 1, largest)[:, None]
        squares[unusual] = np.einsum("ij,ij->i", Z[unusual], Z[unusual])
    norms = np.sqrt(squares)
    norms[norms == 0] = 1
    Z /= norms[:, None]


def thin_svd(M: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thin singular value decomposition (U, singular values, Vt) of any finite matrix."""
    try:
        U, s, Vt = linalg.svd(M, full_matrices=False, check_finite=False)
        if np.isfinite(U).all() and np.isfinite(Vt).all():
            return U, s, Vt
    except linalg.LinAlgError:
        pass
    # Divide and conquer may fail on a finite matrix, by an error or by NaN; QR iteration does not.
    factors = linalg.svd(
        M.astype(np.float64), full_matrices=False, check_finite=False, lapack_driver="gesvd"
    )
    left, values, right = (np.asarray(factor.astype(M.dtype)) for factor in factors)
    return left, values, right


def polar_factor(M: FloatArray) -> FloatArray:
    """Return the (semi-)orthogonal matrix nearest to `M`, ``U @ Vt`` of its thin SVD.

    For a cross-covariance ``X.T @ Y`` it solves the orthogonal Procrustes problem: P. H.
    Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 1966.
    """
    U, _, Vt = thin_svd(M)
    return np.asarray(U @ Vt)


def unit_scale(M: FloatArray) -> FloatArray:
    """Return `M` times the number that makes the root mean square of its singular values 1."""
    W = M.astype(np.float64)
    W /= np.abs(W).max()  # Squares of the others are in range.
    return np.asarray(W * (np.sqrt(min(W.shape)) / np.linalg.norm(W)))


def partial_isometry(M: FloatArray, rank: int) -> FloatArray:
    """Return ``U[:, :rank] @ Vt[:rank]`` of the SVD of `M`; all other directions go to zero."""
    U, _, Vt = thin_svd(M)
    return np.asarray(U[:, :rank] @ Vt[:rank])


def principal_axes(X: FloatArray, n_components: int) -> FloatArray:
    """Return the leading principal axes of centred samples, as columns, in the dtype of `X`."""
    vectors = linalg.eigh((X.T @ X).astype(np.float64))[1]
    return np.ascontiguousarray(vectors[:, ::-1][:, :n_components].astype(X.dtype))
