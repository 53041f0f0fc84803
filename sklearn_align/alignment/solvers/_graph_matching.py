"""Matching of the components of two spaces by their profiles and relations."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from sklearn_align._typing import FloatArray, IntArray
from sklearn_align.alignment._recipes import GRAPH_MATCHING, GraphMatchingSettings


def match_graphs(
    relations_A: FloatArray,
    relations_B: FloatArray,
    similarity: FloatArray,
    *,
    random_state: np.random.RandomState,
    settings: GraphMatchingSettings = GRAPH_MATCHING,
) -> tuple[IntArray, IntArray]:
    """Match the nodes of two graphs by annealed soft assignment (graduated assignment).

    Maximises the agreement of several `relations` (n_relations, n, n) between nodes, plus the
    `similarity` (n_A, n_B) of the nodes themselves, over one-to-one assignments; the graphs may
    differ in size. Returns the matched nodes of both graphs, each (min(n_A, n_B),). The initial
    assignment is perturbed at random, so repeated calls explore.

    S. Gold, A. Rangarajan, "A graduated assignment algorithm for graph matching", IEEE Transactions
    on Pattern Analysis and Machine Intelligence 18(4), 1996.
    """
    n_relations = len(relations_A)
    P = np.exp(
        settings.noise * random_state.standard_normal(similarity.shape).astype(similarity.dtype)
        + settings.noise * similarity
    )
    P /= P.sum(axis=1, keepdims=True)
    for T in np.geomspace(*settings.temperature, settings.n_steps):
        gradient = similarity.copy()
        for R_A, R_B in zip(relations_A, relations_B, strict=True):
            gradient += (R_A @ (P @ R_B.T) + R_A.T @ (P @ R_B)) / (2 * n_relations)
        largest = np.abs(gradient).max()
        if largest > 0:
            gradient /= largest
        gradient -= gradient.max(axis=1, keepdims=True)
        P = 0.5 * P + 0.5 * _doubly_stochastic(
            np.exp(gradient / P.dtype.type(T)), settings.n_sinkhorn_rounds
        )
    return linear_sum_assignment(-P)


def _doubly_stochastic(K: FloatArray, n_rounds: int) -> FloatArray:
    """Scale rows to sum 1 and columns to sum at most about 1, alternately."""
    tiny = np.finfo(K.dtype).tiny
    column_sum = len(K) / K.shape[1]
    for _ in range(n_rounds):
        K = K / np.maximum(K.sum(axis=1, keepdims=True), tiny)
        K *= column_sum / np.maximum(K.sum(axis=0, keepdims=True), tiny)
    return K
