"""The interface of a refinement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._threads import for_a_small_matrix


@runtime_checkable
class Refinement(Protocol):
    """Interface of the objects in ``MiniVec2Vec(refinements=[...])``.

    An optional attribute `max_iter` is the maximum number of maps, for progress bars.

    See Also
    --------
    NeighborRefinement : Refine-1 of the paper.
    ClusterRefinement : Refine-2 of the paper.
    TransportRefinement : Balanced soft matching.
    StochasticTransportRefinement : Balanced soft matching of batches with all target samples.
    MutualNeighborRefinement : Mutual nearest neighbours under CSLS.

    Examples
    --------
    A step that matches every sample with its single nearest target sample:

    >>> from sklearn_align.alignment import Refinement
    >>> class NearestSample:
    ...     def iterate(self, problem, W, random_state):
    ...         for _ in range(3):
    ...             X = problem.sample("A", 500, random_state)
    ...             nearest = (X @ W @ problem.B.T).argmax(axis=1)
    ...             W = problem.solve(X, problem.B[nearest])
    ...             yield W
    >>> isinstance(NearestSample(), Refinement)
    True
    """

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield a better map after every iteration.

        The caller scores each map, reports it to callbacks and records it. It may stop the
        iteration at any time. The next refinement starts from the last map.

        Parameters
        ----------
        problem : AlignmentProblem
            Samples of both spaces, known pairs, the Procrustes solver and the label-free score.

        W : ndarray of shape (n_features_A, n_features_B)
            Initial map; must not be changed in place.

        random_state : RandomState
            The only random generator that may be used.

        Yields
        ------
        ndarray of shape (n_features_A, n_features_B)
            The map, which need not be orthogonal: the estimator projects the final map.
        """
        ...


def heavy_ball_step(
    W: FloatArray, W_new: FloatArray, change: FloatArray, *, momentum: float, step: float
) -> tuple[FloatArray, FloatArray]:
    """Return the map after a step towards a new solution, and the change to go on with.

    The step continues a fraction of the last change and ends on the (semi-)orthogonal matrices.

    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR
    Computational Mathematics and Mathematical Physics 4(5), 1964.
    """
    change = momentum * change + (W_new - W)
    with for_a_small_matrix():
        return polar_factor(W + step * change), change


def blend(W: FloatArray, W_new: FloatArray, smoothing: float) -> FloatArray:
    """Return ``(1 - smoothing) * W + smoothing * W_new``."""
    return W_new if smoothing == 1 else (1 - smoothing) * W + smoothing * W_new
