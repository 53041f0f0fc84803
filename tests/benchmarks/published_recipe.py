"""A plain implementation of mini-vec2vec as published, to compare with; not part of the package.

Follows Algorithms 1-4 of G. Dar, "mini-vec2vec: Scaling Universal Geometry Alignment with Linear
Transformations", arXiv:2510.02348, with scikit-learn's k-means, scipy's 2-opt and full similarity
matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import quadratic_assignment
from sklearn.cluster import KMeans

from tests.benchmarks.alignment_data import unit

FloatArray = NDArray[np.floating[Any]]


def procrustes(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Orthogonal map of the samples X onto their counterparts Y."""
    U, _, Vt = np.linalg.svd(X.T @ Y, full_matrices=False)
    return U @ Vt


def mean_of_nearest(similarity: FloatArray, values: FloatArray, k: int) -> FloatArray:
    """Mean of the values of the k most similar samples, for every sample."""
    nearest = np.argpartition(similarity, -k, axis=1)[:, -k:]
    return np.stack([values[index].mean(axis=0) for index in nearest])


def published_recipe(
    XA: FloatArray,
    XB: FloatArray,
    seed: int,
    *,
    n_runs: int = 30,
    n_clusters: int = 20,
    n_restarts: int = 30,
    subsample: int = 10_000,
    n_neighbors: int = 50,
    n_iter: int = 75,
    sample_size: int = 10_000,
    smoothing: float = 0.5,
    n_refine_clusters: int = 500,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit and return both means and the map."""
    rng = np.random.RandomState(seed)
    mean_A, mean_B = XA.mean(axis=0), XB.mean(axis=0)
    A, B = unit(XA - mean_A), unit(XB - mean_B)

    anchors_A, anchors_B = [], []
    for _ in range(n_runs):
        centres = []
        for X in (A, B):
            drawn = rng.choice(len(X), min(subsample, len(X)), replace=False)
            model = KMeans(n_clusters, n_init=1, random_state=rng.randint(2**31 - 1))
            centres.append(model.fit(X[drawn]).cluster_centers_)
        centred = [c - c.mean(axis=0) for c in centres]
        gram_A, gram_B = (unit(c) @ unit(c).T for c in centred)
        results = [
            quadratic_assignment(
                gram_A, gram_B, method="2opt", options={"maximize": True, "rng": rng}
            )
            for _ in range(n_restarts)
        ]
        best = max(results, key=lambda result: result.fun)
        anchors_A.append(centres[0])
        anchors_B.append(centres[1][best.col_ind])
    relative_A = unit(A @ unit(np.concatenate(anchors_A)).T)
    relative_B = unit(B @ unit(np.concatenate(anchors_B)).T)
    W = procrustes(A, mean_of_nearest(relative_A @ relative_B.T, B, n_neighbors))

    for _ in range(n_iter):
        drawn = A[rng.choice(len(A), min(sample_size, len(A)), replace=False)]
        matched = mean_of_nearest((drawn @ W) @ B.T, B, n_neighbors)
        W = (1 - smoothing) * W + smoothing * procrustes(drawn, matched)

    n_refine_clusters = min(n_refine_clusters, len(A), len(B))
    centres_A = (
        KMeans(n_refine_clusters, n_init=1, random_state=rng.randint(2**31 - 1))
        .fit(A)
        .cluster_centers_
    )
    centres_B = KMeans(n_refine_clusters, init=centres_A @ W, n_init=1).fit(B).cluster_centers_
    W = (1 - smoothing) * W + smoothing * procrustes(centres_A, centres_B)
    return mean_A, mean_B, W
