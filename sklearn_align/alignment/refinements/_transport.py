"""Refinement by balanced soft matching."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._constraints import (
    FRACTION_ABOVE_ZERO,
    FRACTION_BELOW_ONE,
    NON_NEGATIVE,
    POSITIVE_INT,
)
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._schedules import check_schedule
from sklearn_align.alignment.refinements._protocol import blend, heavy_ball_step
from sklearn_align.alignment.solvers._sinkhorn import transport_cross_covariance


class TransportRefinement(BaseEstimator):
    """Procrustes on a balanced soft matching, with decreasing entropic regularisation.

    Every iteration draws samples ``X`` and ``Y`` of both sides, computes the transport plan

    ``P = argmax sum(P * (X W Y.T)) + epsilon * entropy(P)`` with uniform marginals

    by Sinkhorn scaling, solves Procrustes for the cross-covariance ``X.T P Y`` and moves the map
    towards the solution. Every target sample receives the same mass, so that target samples that
    are near to many others (hubs) are not matched with too many source samples. From an inaccurate
    initial map, this refinement can reach the correct map when nearest neighbors cannot. It stops
    when the label-free score does not increase any more.

    Parameters
    ----------
    max_iter : int, default=100
        Maximum number of iterations. `epsilon` and `whitening` are interpolated over this number.

    sample_size : int or None, default=2500
        Number of samples of each side in an iteration; None uses all samples.

    epsilon : tuple of two floats, default=(0.05, 0.04)
        Entropic regularisation in the first and in the last iteration, in units of the cosine, with
        geometric interpolation.

    whitening : tuple of two floats, default=(0.0, 0.0)
        Every direction is divided by this power of its standard deviation before samples are
        compared; the two numbers are for the first and the last iteration. Positive powers give
        more weight to directions of low variance, which distinguish near neighbors when the map is
        nearly correct. Negative powers give more weight to directions of high variance, which
        converge first.

    n_sinkhorn_rounds : int, default=6
        Number of Sinkhorn rounds in an iteration.

    smoothing : float, default=0.7
        Weight of the new solution, in (0, 1].

    momentum : float, default=0.0
        Fraction of the last change that is added to the next change, in [0, 1).

    n_iter_no_change : int or None, default=10
        The refinement stops if the label-free score has not increased by `tol` in this number of
        iterations. With None, it does not stop early.

    tol : float, default=0.002
        Smallest increase of the label-free score that counts as an improvement.

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
        "max_iter": [POSITIVE_INT],
        "sample_size": [POSITIVE_INT, None],
        "epsilon": [tuple, list],
        "whitening": [tuple, list],
        "n_sinkhorn_rounds": [POSITIVE_INT],
        "smoothing": [FRACTION_ABOVE_ZERO],
        "momentum": [FRACTION_BELOW_ONE],
        "n_iter_no_change": [POSITIVE_INT, None],
        "tol": [NON_NEGATIVE],
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
        check_schedule(self, "epsilon", positive=True)
        check_schedule(self, "whitening", positive=False)
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
                W, change = heavy_ball_step(
                    W, W_new, change, momentum=self.momentum, step=self.smoothing
                )
            else:
                W = blend(W, W_new, self.smoothing)
            yield W
            if self.n_iter_no_change and iteration % self.n_iter_no_change == 0:
                score = problem.score(W)
                if score < best + self.tol:
                    break
                best = score
