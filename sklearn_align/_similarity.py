"""Nearest neighbors and CSLS in blocks: the matrix of all similarities is never held.

``pairwise_distances_chunked`` of scikit-learn computes blocks as well, but of distances, 1 - cosine
of every entry; it takes more than twice the time and the memory
(``python -m tests.benchmarks.bench_own_code``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike
from scipy import sparse

from sklearn_align._typing import FloatArray, IntArray

# Larger blocks fall out of the cache between the product and the selection, and gain nothing.
_BLOCK_BYTES = 32 * 2**20


def row_blocks(n_samples: int, n_columns: int, dtype: DTypeLike) -> Iterator[slice]:
    """Yield slices of samples whose similarities with `n_columns` others fit into a block."""
    step = max(1, _BLOCK_BYTES // max(1, n_columns * np.dtype(dtype).itemsize))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


def top_k(X: FloatArray, Y: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
    """Largest inner products of each sample of X with samples of Y, and their indices.

    Both of shape (n_X, min(k, n_Y)), in no particular order within a row.
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
    """Mean of the `k` largest inner products of each sample of X with samples of Y, (n_X,)."""
    k = min(k, len(Y))
    mean = np.empty(len(X), dtype=np.result_type(X, Y))
    for block in row_blocks(len(X), len(Y), mean.dtype):
        product = X[block] @ Y.T
        product.partition(len(Y) - k, axis=1)
        mean[block] = product[:, len(Y) - k :].mean(axis=1)
    return mean


def nearest_mean(
    queries: FloatArray, keys: FloatArray, values: FloatArray, n_neighbors: int
) -> FloatArray:
    """Mean of `values` (n_keys, n_values) at the keys most similar to each query."""
    _, index = top_k(queries, keys, n_neighbors)
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


def csls_blocks(
    X: FloatArray, Y: FloatArray, n_neighbors: int
) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Yield blocks of CSLS without the density of X: slice, inner products, ``2 cos - r(y)``.

    ``CSLS(x, y) = 2 cos(x, y) - r(x) - r(y)``, where ``r`` is the mean cosine of a sample with its
    nearest samples on the other side. ``r(x)`` does not change which y is nearest to x.

    A. Conneau, G. Lample, M. Ranzato, L. Denoyer, H. Jégou, "Word translation without parallel
    data", ICLR 2018.
    """
    density_Y = mean_of_top_k(Y, X, n_neighbors)
    for block in row_blocks(len(X), len(Y), density_Y.dtype):
        product = X[block] @ Y.T
        csls = 2 * product
        csls -= density_Y
        yield block, product, csls


def max_csls(X: FloatArray, Y: FloatArray, n_neighbors: int) -> FloatArray:
    """Largest CSLS value of each unit sample of X against the unit samples of Y, (n_X,)."""
    k = min(n_neighbors, len(Y))
    value = np.empty(len(X), dtype=np.result_type(X, Y))
    for block, product, csls in csls_blocks(X, Y, n_neighbors):
        value[block] = csls.max(axis=1)
        product.partition(len(Y) - k, axis=1)
        value[block] -= product[:, len(Y) - k :].mean(axis=1)
    return value


def mutual_csls_neighbors(
    X: FloatArray, Y: FloatArray, n_neighbors: int
) -> tuple[IntArray, IntArray]:
    """Return indices of unit samples of X and Y that are mutual nearest neighbors under CSLS."""
    density_X = mean_of_top_k(X, Y, n_neighbors)
    nearest_Y = np.empty(len(X), dtype=np.intp)
    nearest_X = np.zeros(len(Y), dtype=np.intp)
    best_X = np.full(len(Y), -np.inf, dtype=X.dtype)
    for block, _, csls in csls_blocks(X, Y, n_neighbors):
        nearest_Y[block] = csls.argmax(axis=1)
        csls -= density_X[block, None]
        column_best = csls.argmax(axis=0)
        value = csls[column_best, np.arange(len(Y))]
        better = value > best_X
        best_X[better] = value[better]
        nearest_X[better] = column_best[better] + block.start
    matched_X = np.flatnonzero(nearest_X[nearest_Y] == np.arange(len(X)))
    return matched_X, nearest_Y[matched_X]
