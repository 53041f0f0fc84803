"""Quadratic assignment of two small symmetric matrices by pairwise exchange."""

from __future__ import annotations

import numpy as np

from sklearn_align._typing import FloatArray, IntArray


def two_opt(
    K_A: FloatArray,
    K_B: FloatArray,
    *,
    n_restarts: int,
    random_state: np.random.RandomState,
) -> tuple[IntArray, FloatArray]:
    """Match the nodes of `K_A` and `K_B` (n_problems, n, n) by steepest-ascent pairwise exchange.

    Maximises ``sum_ij K_A[i, j] * K_B[p[i], p[j]]`` over permutations ``p``, for a stack of
    symmetric problems at once: the gains of all exchanges of all restarts of all problems are one
    batched product. Returns permutations (n_problems, n) and objectives (n_problems,), the best of
    `n_restarts` random initial permutations.

    ``scipy.optimize.quadratic_assignment(method="2opt")`` does the same for one problem and one
    initial permutation; for problems of 20 nodes it takes about a hundred times as long
    (``python -m tests.benchmarks.bench_own_code``).

    R. E. Burkard, E. Çela, P. M. Pardalos, L. S. Pitsoulis, "The quadratic assignment problem",
    Handbook of Combinatorial Optimization, 1998; mini-vec2vec, arXiv:2510.02348, Algorithm 1.
    """
    n_problems, n, _ = K_A.shape
    starts = random_state.random_sample((n_problems * n_restarts, n)).argsort(axis=1)
    problem = np.repeat(np.arange(n_problems), n_restarts)
    permutation = _exchange_until_optimal(K_A, K_B, problem, starts)
    value = _objective(K_A[problem], _permuted(K_B[problem], permutation))
    value = value.reshape(n_problems, n_restarts)
    best = value.argmax(axis=1)
    rows = np.arange(n_problems)
    return permutation.reshape(n_problems, n_restarts, n)[rows, best], value[rows, best]


def _permuted(K: FloatArray, permutation: IntArray) -> FloatArray:
    batch = np.arange(len(K))[:, None, None]
    return K[batch, permutation[:, :, None], permutation[:, None, :]]


def _objective(K_A: FloatArray, K_B_permuted: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("bij,bij->b", K_A, K_B_permuted))


def _exchange_until_optimal(
    K_A: FloatArray, K_B: FloatArray, problem: IntArray, permutation: IntArray
) -> IntArray:
    permutation = permutation.copy()
    active = np.arange(len(problem))
    scale = np.abs(K_A).max(axis=(1, 2)) * np.abs(K_B).max(axis=(1, 2))
    # An exchange must gain more than rounding, or two equivalent matchings could alternate forever.
    least_gain = (np.finfo(K_A.dtype).eps * 8 * K_A.shape[1] * scale)[problem]
    while active.size:
        A = K_A[problem[active]]
        gain = exchange_gains(A, _permuted(K_B[problem[active]], permutation[active]))
        flat = gain.reshape(len(active), -1)
        best = flat.argmax(axis=1)
        improves = flat[np.arange(len(active)), best] > least_gain[active]
        active, best = active[improves], best[improves]
        i, j = np.divmod(best, K_A.shape[1])
        permutation[active, i], permutation[active, j] = (
            permutation[active, j],
            permutation[active, i],
        )
    return permutation


def exchange_gains(A: FloatArray, B: FloatArray) -> FloatArray:
    """Gain in ``sum(A * B)`` of exchanging nodes i and j of `B`, for all i and j: (batch, n, n)."""
    product = A @ B
    a = np.einsum("bii->bi", A)
    b = np.einsum("bii->bi", B)
    diagonal = np.einsum("bii->bi", product)
    rest = product + product.swapaxes(1, 2) - diagonal[:, :, None] - diagonal[:, None, :]
    # `rest` sums over every k; the terms k = i and k = j do not change in an exchange.
    rest += (a[:, :, None] - A) * (b[:, :, None] - B)
    rest += (a[:, None, :] - A) * (b[:, None, :] - B)
    gain: FloatArray = 2 * rest + (a[:, :, None] - a[:, None, :]) * (b[:, None, :] - b[:, :, None])
    return gain
