"""Refine-1 of mini-vec2vec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._constraints import FRACTION_ABOVE_ZERO, POSITIVE_INT
from sklearn_align._similarity import nearest_mean
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._inputs import clip_to_samples
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment.refinements._protocol import blend


class NeighborRefinement(BaseEstimator):
    """Refine-1 of mini-vec2vec: Procrustes on the means of nearest neighbours.

    Every iteration draws source samples ``x_i`` and computes

    ``W <- (1 - smoothing) * W + smoothing * procrustes(X, Y)``,

    where ``y_i`` is the mean of the `n_neighbors` target samples nearest to ``x_i @ W``.

    Parameters
    ----------
    max_iter : int, default=75
        Number of iterations.

    sample_size : int or None, default=10000
        Number of source samples in an iteration; None uses all samples.

    n_neighbors : int, default=50
        Number of target samples that are averaged for each source sample, at most the number of
        target samples.

    smoothing : float, default=0.5
        Weight of the new solution, in (0, 1].

    References
    ----------
    .. [1] G. Dar, "mini-vec2vec: Scaling Universal Geometry Alignment with Linear
       Transformations", arXiv:2510.02348, Algorithm 3.

    Examples
    --------
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.alignment import NeighborRefinement
    >>> MiniVec2Vec(refinements=[NeighborRefinement(max_iter=100)])
    MiniVec2Vec(refinements=[NeighborRefinement(max_iter=100)])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_iter": [POSITIVE_INT],
        "sample_size": [POSITIVE_INT, None],
        "n_neighbors": [POSITIVE_INT],
        "smoothing": [FRACTION_ABOVE_ZERO],
    }

    def __init__(
        self,
        max_iter: int = 75,
        *,
        sample_size: int | None = 10_000,
        n_neighbors: int = 50,
        smoothing: float = 0.5,
    ) -> None:
        self.max_iter = max_iter
        self.sample_size = sample_size
        self.n_neighbors = n_neighbors
        self.smoothing = smoothing

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield the map after every iteration; see :class:`Refinement`."""
        k = clip_to_samples("n_neighbors", self.n_neighbors, len(problem.B))
        for _ in range(self.max_iter):
            X = problem.sample("A", self.sample_size, random_state)
            matched = nearest_mean(X @ W, problem.B, problem.B, k)
            W = blend(W, problem.solve(X, matched), self.smoothing)
            yield W
