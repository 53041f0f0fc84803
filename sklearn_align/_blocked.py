"""Similarities of two sets of rows in blocks, so that their full matrix is never held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.intp]

# Larger blocks fall out of the cache between the product and the selection, and gain nothing.
_BLOCK_BYTES = 32 * 2**20


def row_blocks(n_rows: int, n_columns: int, dtype: DTypeLike) -> Iterator[slice]:
    """Yield slices of rows whose similarity block takes a bounded number of bytes.

    Parameters
    ----------
    n_rows : int
        Rows to cover.

    n_columns : int
        Width of the block of similarities.

    dtype : dtype-like
        Of the similarities.

    Yields
    ------
    slice
        Consecutive, together ``range(n_rows)``.
    """
    step = max(1, _BLOCK_BYTES // max(1, n_columns * np.dtype(dtype).itemsize))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def blocked_top_k(X: FloatArray, Y: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
    """Return the `k` largest inner products of every row of `X` with rows of `Y`.

    Parameters
    ----------
    X : ndarray of shape (n_X, n_features)
        Queries.

    Y : ndarray of shape (n_Y, n_features)
        Keys.

    k : int
        Keys per query; at most `n_Y` are returned.

    Returns
    -------
    similarity : ndarray of shape (n_X, k)
        In no particular order within a row.

    index : ndarray of shape (n_X, k)
        Row of `Y` of each.
    """
    k = min(k, len(Y))
    similarity = np.empty((len(X), k), dtype=np.result_type(X, Y))
    index = np.empty((len(X), k), dtype=np.intp)
    for block in row_blocks(len(X), len(Y), similarity.dtype):
        product = X[block] @ Y.T
        if k == 1:
            index[block] = product.argmax(axis=1)[:, None]
        else:
            index[block] = np.argpartition(product, len(Y) - k, axis=1)[:, len(Y) - k :]
        similarity[block] = np.take_along_axis(product, index[block], axis=1)
    return similarity, index


def mean_of_top_k(X: FloatArray, Y: FloatArray, k: int) -> FloatArray:
    """Return the mean of the `k` largest inner products of every row of `X` with rows of `Y`.

    Parameters
    ----------
    X : ndarray of shape (n_X, n_features)
        Queries.

    Y : ndarray of shape (n_Y, n_features)
        Keys.

    k : int
        Products that are averaged; at most `n_Y`.

    Returns
    -------
    ndarray of shape (n_X,)
        One mean per query.
    """
    k = min(k, len(Y))
    mean = np.empty(len(X), dtype=np.result_type(X, Y))
    for block in row_blocks(len(X), len(Y), mean.dtype):
        product = X[block] @ Y.T
        product.partition(len(Y) - k, axis=1)
        mean[block] = product[:, len(Y) - k :].mean(axis=1)
    return mean


def max_csls(X: FloatArray, Y: FloatArray, k: int) -> FloatArray:
    """Return the largest CSLS value of every row of `X` against the rows of `Y`.

    ``CSLS(x, y) = 2 cos(x, y) - r(x) - r(y)``, where ``r`` is the mean cosine of a row with its
    `k` nearest rows on the other side.

    Parameters
    ----------
    X : ndarray of shape (n_X, n_features)
        Unit rows.

    Y : ndarray of shape (n_Y, n_features)
        Unit rows.

    k : int
        Neighbours that are averaged; at most as many as there are rows on the other side.

    Returns
    -------
    ndarray of shape (n_X,)
        One value per row of `X`.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer, H. Jégou, "Word translation without
       parallel data", ICLR 2018.
    """
    density_Y = mean_of_top_k(Y, X, k)
    k_X = min(k, len(Y))
    value = np.empty(len(X), dtype=density_Y.dtype)
    for block in row_blocks(len(X), len(Y), value.dtype):
        product = X[block] @ Y.T
        csls = 2 * product
        csls -= density_Y
        value[block] = csls.max(axis=1)
        product.partition(len(Y) - k_X, axis=1)
        value[block] -= product[:, len(Y) - k_X :].mean(axis=1)
    return value
