"""Refinement steps: each improves a map and yields it after every iteration."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_align._linalg import polar_factor
from sklearn_align._similarity import mutual_csls_neighbors, nearest_mean
from sklearn_align._sklearn import Interval
from sklearn_align.alignment._anchors import k_means_centres
from sklearn_align.alignment._problem import AlignmentProblem, scale_to_unit_length
from sklearn_align.alignment._transport import transport_cross_covariance

FloatArray = NDArray[np.floating[Any]]

_POSITIVE_INT = Interval(Integral, 1, None, closed="left")
_SMOOTHING = Interval(Real, 0, 1, closed="right")


@runtime_checkable
class Refinement(Protocol):
    """What an object in ``MiniVec2Vec(refinements=[...])`` must offer.

    An optional attribute `max_iter` tells progress bars how many maps to expect at most.

    See Also
    --------
    NeighborRefinement : Refine-1 of the paper.
    ClusterRefinement : Refine-2 of the paper.
    TransportRefinement : Balanced soft matching, the default.
    MutualNeighborRefinement : Mutual nearest neighbours under CSLS.

    Examples
    --------
    A step that pulls every row to its single nearest target row:

    >>> from sklearn_align.alignment import Refinement
    >>> class NearestRow:
    ...     def iterate(self, problem, W, random_state):
    ...         for _ in range(3):
    ...             X = problem.sample("A", 500, random_state)
    ...             nearest = (X @ W @ problem.B.T).argmax(axis=1)
    ...             W = problem.solve(X, problem.B[nearest])
    ...             yield W
    >>> isinstance(NearestRow(), Refinement)
    True
    """

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield a better map after every iteration.

        The caller scores each map, reports it to callbacks and records it; it may stop iterating
        at any time. The last map yielded is handed to the next refinement.

        Parameters
        ----------
        problem : AlignmentProblem
            Rows of both spaces, known pairs, the Procrustes solver and the label-free score.

        W : ndarray of shape (n_features_A, n_features_B)
            Map to start from; must not be changed in place.

        random_state : RandomState
            The only source of randomness to use.

        Yields
        ------
        ndarray of shape (n_features_A, n_features_B)
            Need not be orthogonal: the estimator projects the final map.
        """
        ...


def _blend(W: FloatArray, W_new: FloatArray, smoothing: float) -> FloatArray:
    return W_new if smoothing == 1 else (1 - smoothing) * W + smoothing * W_new


class NeighborRefinement(BaseEstimator):
    """Refine-1 of mini-vec2vec: Procrustes on the means of nearest neighbours.

    In every iteration a fresh sample of source rows is mapped, each is paired with the mean of its
    nearest target rows, and the Procrustes solution is blended into the map.

    Parameters
    ----------
    max_iter : int, default=75
        Iterations.

    sample_size : int or None, default=10000
        Source rows per iteration; None takes all.

    n_neighbors : int, default=50
        Target rows averaged for each source row.

    smoothing : float, default=0.5
        Share of the new solution in the blend, in (0, 1].

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
        "max_iter": [_POSITIVE_INT],
        "sample_size": [_POSITIVE_INT, None],
        "n_neighbors": [_POSITIVE_INT],
        "smoothing": [_SMOOTHING],
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
        k = min(self.n_neighbors, len(problem.B))
        for _ in range(self.max_iter):
            X = problem.sample("A", self.sample_size, random_state)
            W = _blend(W, problem.solve(X, nearest_mean(X @ W, problem.B, problem.B, k)),
                       self.smoothing)  # fmt: skip
            yield W


class ClusterRefinement(BaseEstimator):
    """Refine-2 of mini-vec2vec: Procrustes on matched cluster centres.

    The source rows are clustered; their mapped centres start the clustering of the target rows, so
    that the i-th centres of both sides correspond.

    Parameters
    ----------
    n_clusters : int, default=500
        Clusters on each side; at most as many as rows.

    smoothing : float, default=0.5
        Share of the new solution in the blend, in (0, 1].

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
        "n_clusters": [_POSITIVE_INT],
        "smoothing": [_SMOOTHING],
    }

    def __init__(self, n_clusters: int = 500, *, smoothing: float = 0.5) -> None:
        self.n_clusters = n_clusters
        self.smoothing = smoothing

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield the map once; see :class:`Refinement`."""
        n_clusters = min(self.n_clusters, len(problem.A), len(problem.B))
        centres_A = k_means_centres(problem.A, n_clusters, random_state)
        start = centres_A @ W
        scale_to_unit_length(start)
        centres_B = k_means_centres(problem.B, n_clusters, random_state, init=start)
        yield _blend(W, problem.solve(centres_A, centres_B), self.smoothing)


class TransportRefinement(BaseEstimator):
    """Procrustes on a balanced soft matching, annealed from soft to hard.

    Every iteration draws fresh rows of both sides and matches them by entropic optimal transport.
    Because each target row must receive its share, hubs cannot attract the map, which widens the
    basin from which the right map is reached. Stops when the label-free score no longer rises.

    Parameters
    ----------
    max_iter : int, default=100
        Iterations at most; the annealing is spread over them.

    sample_size : int or None, default=2500
        Rows of each side per iteration; None takes all.

    epsilon : tuple of two floats, default=(0.05, 0.04)
        Entropic regularisation at the first and at the last iteration, in units of the cosine,
        interpolated geometrically.

    whitening : tuple of two floats, default=(0.0, 0.0)
        Rows are compared after every direction is divided by this power of its standard deviation,
        at the first and at the last iteration. Positive powers stress weak directions, which tell
        near neighbours apart once the map is nearly right; negative ones stress strong directions,
        in which a map that is far off is right first.

    n_sinkhorn_rounds : int, default=6
        Sinkhorn rounds per iteration.

    smoothing : float, default=0.7
        Share of the new solution in the blend, in (0, 1].

    momentum : float, default=0.0
        Share of the last change that is added to the next one, in [0, 1). Far from the right map
        all solutions point a little way in the same direction, and momentum sums them up.

    n_iter_no_change : int or None, default=10
        Stops when the label-free score has not risen by `tol` over so many iterations; None never
        stops early.

    tol : float, default=0.002
        Rise of the label-free score that counts.

    References
    ----------
    .. [1] E. Grave, A. Joulin, Q. Berthet, "Unsupervised alignment of embeddings with Wasserstein
       Procrustes", AISTATS 2019.
    .. [2] B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR
       Computational Mathematics and Mathematical Physics 4(5), 1964.

    Examples
    --------
    >>> from sklearn_align.alignment import TransportRefinement
    >>> TransportRefinement(max_iter=200)
    TransportRefinement(max_iter=200)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_iter": [_POSITIVE_INT],
        "sample_size": [_POSITIVE_INT, None],
        "epsilon": [tuple],
        "whitening": [tuple],
        "n_sinkhorn_rounds": [_POSITIVE_INT],
        "smoothing": [_SMOOTHING],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "n_iter_no_change": [_POSITIVE_INT, None],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        max_iter: int = 100,
        *,
        sample_size: int | None = 2500,
        epsilon: tuple[float, float] = (0.05, 0.04),
        whitening: tuple[float, float] = (0.0, 0.0),
        n_sinkhorn_rounds: int = 6,
        smoothing: float = 0.7,
        momentum: float = 0.0,
        n_iter_no_change: int | None = 10,
        tol: float = 0.002,
    ) -> None:
        self.max_iter = max_iter
        self.sample_size = sample_size
        self.epsilon = epsilon
        self.whitening = whitening
        self.n_sinkhorn_rounds = n_sinkhorn_rounds
        self.smoothing = smoothing
        self.momentum = momentum
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield the map after every iteration; see :class:`Refinement`."""
        if len(self.epsilon) != 2 or not all(np.isfinite(e) and e > 0 for e in self.epsilon):
            raise ValueError(
                "The 'epsilon' parameter of TransportRefinement must be a tuple of two positive "
                f"floats, the first and the last value, got {self.epsilon!r}."
            )
        best = -np.inf
        change = np.zeros_like(W)
        epsilons = np.geomspace(*self.epsilon, self.max_iter)
        powers = np.linspace(*self.whitening, self.max_iter)
        for iteration, (epsilon, power) in enumerate(zip(epsilons, powers, strict=True), start=1):
            X = problem.sample("A", self.sample_size, random_state)
            Y = problem.sample("B", self.sample_size, random_state)
            C = transport_cross_covariance(
                X,
                Y,
                W,
                epsilon=float(epsilon),
                n_rounds=self.n_sinkhorn_rounds,
                whitening=float(power),
            )
            W_new = problem.solve_cross_covariance(len(X) * C)
            if self.momentum:
                change = self.momentum * change + (W_new - W)
                W = polar_factor(W + self.smoothing * change)
            else:
                W = _blend(W, W_new, self.smoothing)
            yield W
            if self.n_iter_no_change and iteration % self.n_iter_no_change == 0:
                score = problem.score(W)
                if score < best + self.tol:
                    break
                best = score


class MutualNeighborRefinement(BaseEstimator):
    """Procrustes on mutual nearest neighbours under CSLS, with a shrinking neighbourhood.

    The last step: starting from a map that is roughly right, it closes the gap to the supervised
    solution.

    Parameters
    ----------
    max_iter : int, default=15
        Iterations.

    sample_size : int or None, default=10000
        Rows of each side per iteration; None takes all.

    n_neighbors : int, default=10
        Neighbours for the local density of CSLS in the first iteration; falls to 1.

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
        "max_iter": [_POSITIVE_INT],
        "sample_size": [_POSITIVE_INT, None],
        "n_neighbors": [_POSITIVE_INT],
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
        largest = min(self.n_neighbors, len(problem.A), len(problem.B))
        for k in np.linspace(largest, 1, self.max_iter).round().astype(int):
            X = problem.sample("A", self.sample_size, random_state)
            Y = problem.sample("B", self.sample_size, random_state)
            mapped = X @ W
            scale_to_unit_length(mapped)
            rows_X, rows_Y = mutual_csls_neighbors(mapped, Y, int(k))
            W = problem.solve(X[rows_X], Y[rows_Y])
            yield W
