"""Matching of the components of two spaces by their profiles and relations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.intp]


def match_graphs(
    relations_A: FloatArray,
    relations_B: FloatArray,
    similarity: FloatArray,
    *,
    random_state: np.random.RandomState,
    n_steps: int = 60,
    temperature: tuple[float, float] = (0.5, 0.02),
    noise: float = 0.3,
) -> tuple[IntArray, IntArray]:
    """Match the nodes of two graphs by annealed soft assignment.

    Maximises the agreement of several relations between nodes, plus a similarity of the nodes
    themselves, over one-to-one assignments. The two graphs may differ in size.

    Parameters
    ----------
    relations_A : ndarray of shape (n_relations, n_A, n_A)
        Relations of the first graph, standardised.

    relations_B : ndarray of shape (n_relations, n_B, n_B)
        The same relations of the second graph.

    similarity : ndarray of shape (n_A, n_B)
        Similarity of nodes, standardised.

    random_state : RandomState
        Perturbs the initial assignment, so that repeated calls explore.

    n_steps : int, default=60
        Annealing steps.

    temperature : tuple of two floats, default=(0.5, 0.02)
        First and last temperature, relative to the largest gradient.

    noise : float, default=0.3
        Standard deviation of the initial perturbation.

    Returns
    -------
    nodes_A, nodes_B : ndarray of shape (min(n_A, n_B),)
        Matched nodes.

    References
    ----------
    .. [1] S. Gold, A. Rangarajan, "A graduated assignment algorithm for graph matching", IEEE
       Transactions on Pattern Analysis and Machine Intelligence 18(4), 1996.
    """
    n_relations = len(relations_A)
    P = np.exp(
        noise * random_state.standard_normal(similarity.shape).astype(similarity.dtype)
        + noise * similarity
    )
    P /= P.sum(axis=1, keepdims=True)
    for T in np.geomspace(*temperature, n_steps):
        gradient = similarity.copy()
        for R_A, R_B in zip(relations_A, relations_B, strict=True):
            gradient += (R_A @ (P @ R_B.T) + R_A.T @ (P @ R_B)) / (2 * n_relations)
        largest = np.abs(gradient).max()
        if largest > 0:
            gradient /= largest
        gradient -= gradient.max(axis=1, keepdims=True)
        P = 0.5 * P + 0.5 * _doubly_stochastic(np.exp(gradient / P.dtype.type(T)))
    return linear_sum_assignment(-P)


def _doubly_stochastic(K: FloatArray, n_rounds: int = 10) -> FloatArray:
    """Scale rows to sum 1 and columns to sum at most about 1, alternately."""
    tiny = np.finfo(K.dtype).tiny
    column_sum = len(K) / K.shape[1]
    for _ in range(n_rounds):
        K = K / np.maximum(K.sum(axis=1, keepdims=True), tiny)
        K *= column_sum / np.maximum(K.sum(axis=0, keepdims=True), tiny)
    return K
