"""Refinement by mutual nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._constraints import POSITIVE_INT
from sklearn_align._linalg import scale_to_unit_length
from sklearn_align._similarity import mutual_csls_neighbors
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._inputs import clip_to_samples
from sklearn_align.alignment._problem import AlignmentProblem


class MutualNeighborRefinement(BaseEstimator):
    """Procrustes on mutual nearest neighbors under CSLS, with a decreasing neighborhood.

    Every iteration draws samples of both sides, selects the pairs of mutual nearest neighbors under
    CSLS (see :func:`~sklearn_align.metrics.csls_score`), and solves Procrustes for these pairs. The
    initial map must be nearly correct.

    Parameters
    ----------
    max_iter : int, default=15
        Number of iterations.

    sample_size : int or None, default=10000
        Number of samples of each side in an iteration; None uses all samples.

    n_neighbors : int, default=10
        Number of neighbors for CSLS in the first iteration, at most the number of samples. It
        decreases linearly to 1.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer, H. Jégou, "Word translation without
       parallel data", ICLR 2018.

    Examples
    --------
    >>> from sklearn_align.alignment import MutualNeighborRefinement
    >>> MutualNeighborRefinement(sample_size=None)
    MutualNeighborRefinement(sample_size=None)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_iter": [POSITIVE_INT],
        "sample_size": [POSITIVE_INT, None],
        "n_neighbors": [POSITIVE_INT],
    }

    def __init__(
        self,
        max_iter: int = 15,
        *,
        sample_size: int | None = 10_000,
        n_neighbors: int = 10,
    ) -> None:
        self.max_iter = max_iter
        self.sample_size = sample_size
        self.n_neighbors = n_neighbors

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield the map after every iteration; see :class:`Refinement`."""
        n_samples = min(len(problem.A), len(problem.B))
        largest = clip_to_samples("n_neighbors", self.n_neighbors, n_samples)
        for k in np.linspace(largest, 1, self.max_iter).round().astype(int):
            X = problem.sample("A", self.sample_size, random_state)
            Y = problem.sample("B", self.sample_size, random_state)
            mapped = X @ W
            scale_to_unit_length(mapped)
            matched_X, matched_Y = mutual_csls_neighbors(mapped, Y, int(k))
            W = problem.solve(X[matched_X], Y[matched_Y])
            yield W
