"""Refine-2 of mini-vec2vec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._constraints import FRACTION_ABOVE_ZERO, POSITIVE_INT
from sklearn_align._linalg import scale_to_unit_length
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._inputs import clip_to_samples
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment.refinements._protocol import blend
from sklearn_align.alignment.solvers._kmeans import k_means_centers


class ClusterRefinement(BaseEstimator):
    """Refine-2 of mini-vec2vec: Procrustes on matched cluster centres.

    The source samples are clustered by k-means. The mapped centres initialize k-means of the target
    samples, so that the i-th centres of both sides correspond. Procrustes on the centres gives the
    new solution.

    Parameters
    ----------
    n_clusters : int, default=500
        Number of clusters on each side, at most the number of samples.

    smoothing : float, default=0.5
        Weight of the new solution, in (0, 1].

    References
    ----------
    .. [1] G. Dar, "mini-vec2vec: Scaling Universal Geometry Alignment with Linear
       Transformations", arXiv:2510.02348, Algorithm 4.

    Examples
    --------
    >>> from sklearn_align.alignment import ClusterRefinement
    >>> ClusterRefinement(n_clusters=200)
    ClusterRefinement(n_clusters=200)
    """

    max_iter = 1

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [POSITIVE_INT],
        "smoothing": [FRACTION_ABOVE_ZERO],
    }

    def __init__(self, n_clusters: int = 500, *, smoothing: float = 0.5) -> None:
        self.n_clusters = n_clusters
        self.smoothing = smoothing

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield the map once; see :class:`Refinement`."""
        n_samples = min(len(problem.A), len(problem.B))
        n_clusters = clip_to_samples("n_clusters", self.n_clusters, n_samples)
        centers_A = k_means_centers(problem.A, n_clusters, random_state)
        initial = centers_A @ W
        scale_to_unit_length(initial)
        centers_B = k_means_centers(problem.B, n_clusters, random_state, init=initial)
        yield blend(W, problem.solve(centers_A, centers_B), self.smoothing)
