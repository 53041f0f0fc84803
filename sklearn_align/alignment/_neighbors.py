"""Nearest neighbours of mapped rows, in blocks: no matrix of all pairs is ever held."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_align._blocked import blocked_top_k, mean_of_top_k, row_blocks

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.intp]


def nearest_mean(
    queries: FloatArray, keys: FloatArray, values: FloatArray, n_neighbors: int
) -> FloatArray:
    """Mean of the values at the `n_neighbors` keys with the largest inner product.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Rows to look up.

    keys : ndarray of shape (n_keys, n_features)
        Rows to compare with.

    values : ndarray of shape (n_keys, n_values)
        What is averaged.

    n_neighbors : int
        Keys per query.

    Returns
    -------
    ndarray of shape (n_queries, n_values)
        In the dtype of `values`.
    """
    _, index = blocked_top_k(queries, keys, n_neighbors)
    k = index.shape[1]
    average = sparse.csr_matrix(
        (
            np.full(index.size, 1 / k, dtype=values.dtype),
            index.ravel(),
            np.arange(0, index.size + 1, k),
        ),
        shape=(len(queries), len(keys)),
    )
    return np.asarray(average @ values)


def mutual_csls_neighbors(
    X: FloatArray, Y: FloatArray, n_neighbors: int
) -> tuple[IntArray, IntArray]:
    """Find pairs of rows that are each other's nearest neighbour under CSLS.

    Parameters
    ----------
    X : ndarray of shape (n_X, n_features)
        Unit rows.

    Y : ndarray of shape (n_Y, n_features)
        Unit rows.

    n_neighbors : int
        Neighbours over which the local density of CSLS is averaged.

    Returns
    -------
    rows_X, rows_Y : ndarray of shape (n_pairs,)
        Indices of the mutual neighbours, ordered by `rows_X`.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer, H. Jégou, "Word translation without
       parallel data", ICLR 2018.
    """
    density_X = mean_of_top_k(X, Y, n_neighbors)
    density_Y = mean_of_top_k(Y, X, n_neighbors)
    nearest_Y = np.empty(len(X), dtype=np.intp)
    nearest_X = np.zeros(len(Y), dtype=np.intp)
    best_X = np.full(len(Y), -np.inf, dtype=X.dtype)
    for block in row_blocks(len(X), len(Y), X.dtype):
        csls = X[block] @ Y.T
        csls *= 2
        csls -= density_Y
        nearest_Y[block] = csls.argmax(axis=1)
        csls -= density_X[block, None]
        column_best = csls.argmax(axis=0)
        value = csls[column_best, np.arange(len(Y))]
        better = value > best_X
        best_X[better] = value[better]
        nearest_X[better] = column_best[better] + block.start
    rows_X = np.flatnonzero(nearest_X[nearest_Y] == np.arange(len(X)))
    return rows_X, nearest_Y[rows_X]
