"""Refinement by soft matching of batches of source samples with all target samples."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._constraints import FRACTION_BELOW_ONE, POSITIVE, POSITIVE_INT
from sklearn_align._sklearn import StrOptions
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._recipes import STOCHASTIC_TRANSPORT
from sklearn_align.alignment._schedules import check_schedule
from sklearn_align.alignment.refinements._protocol import heavy_ball_step
from sklearn_align.alignment.solvers._semi_dual import SemiDual


class StochasticTransportRefinement(BaseEstimator):
    """Procrustes on a balanced soft matching of a batch with all target samples.

    Directions of low variance can be learned only from near neighbours. With more target samples,
    neighbours are nearer. Every step therefore compares a batch ``X`` of source samples with all
    target samples ``Y``. The matrix of their similarities is not stored. The transport plan is

    ``P_ij = b_j * exp(x_i W y_j / epsilon) / sum_l b_l * exp(x_i W y_l / epsilon)``.

    The target weights ``b`` are learned together with the map by stochastic ascent of the semi-dual
    of entropic optimal transport [1]_, so that every target sample receives the same mass over the
    batches. After each batch, the map moves towards the Procrustes solution for ``X.T P Y``, with
    momentum and a decreasing step size. Small steps average over many batches, like the mean of the
    iterates [2]_. A single matching would overfit its samples.

    Parameters
    ----------
    max_iter : int, default=5
        Number of iterations. The map is scored after each iteration.

    n_batches : int, default=8
        Number of batches in an iteration.

    sample_size : int or None, default=2500
        Number of source samples in a batch; None uses all samples.

    target_sample_size : int or None, default=None
        Number of target samples with which a batch is compared; None uses all samples.

    epsilon : float or "auto", default="auto"
        Entropic regularisation in units of the cosine. "auto" is .03 with at most 7,000 target
        samples. With more target samples, neighbours are nearer, and "auto" is ``.03 * (7000 /
        n_targets) ** .4``, but at least .015.

    whitening : float, default=0.0
        Every direction is divided by this power of its standard deviation before samples are
        compared, see :class:`TransportRefinement`.

    step : tuple of two floats, default=(1.0, 0.05)
        Size of the first and of the last step, with geometric interpolation. A step of 1 without
        momentum replaces the map by the new solution.

    momentum : float, default=0.5
        Fraction of the last change that is added to the next change, in [0, 1).

    See Also
    --------
        TransportRefinement : Draws samples of both sides; faster from an inaccurate map.

    References
    ----------
    .. [1] A. Genevay, M. Cuturi, G. Peyré, F. Bach, "Stochastic optimization for large-scale
       optimal transport", NeurIPS 2016, Algorithm 2.
    .. [2] B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging",
       SIAM Journal on Control and Optimization 30(4), 1992.

    Examples
    --------
    >>> from sklearn_align.alignment import StochasticTransportRefinement
    >>> StochasticTransportRefinement(max_iter=10)
    StochasticTransportRefinement(max_iter=10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_iter": [POSITIVE_INT],
        "n_batches": [POSITIVE_INT],
        "sample_size": [POSITIVE_INT, None],
        "target_sample_size": [POSITIVE_INT, None],
        "epsilon": [POSITIVE, StrOptions({"auto"})],
        "whitening": [Real],
        "step": [tuple, list],
        "momentum": [FRACTION_BELOW_ONE],
    }

    def __init__(
        self,
        max_iter: int = 5,
        *,
        n_batches: int = 8,
        sample_size: int | None = 2500,
        target_sample_size: int | None = None,
        epsilon: float | str = "auto",
        whitening: float = 0.0,
        step: tuple[float, float] = (1.0, 0.05),
        momentum: float = 0.5,
    ) -> None:
        self.max_iter = max_iter
        self.n_batches = n_batches
        self.sample_size = sample_size
        self.target_sample_size = target_sample_size
        self.epsilon = epsilon
        self.whitening = whitening
        self.step = step
        self.momentum = momentum

    def iterate(
        self, problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
    ) -> Iterator[FloatArray]:
        """Yield the map after every iteration; see :class:`Refinement`."""
        check_schedule(self, "step", positive=True)
        transport = SemiDual(problem.B, self._epsilon(len(problem.B)), self.whitening)
        change = np.zeros_like(W)
        steps = np.geomspace(*self.step, self.max_iter * self.n_batches).astype(W.dtype)
        for iteration in steps.reshape(self.max_iter, self.n_batches):
            for step in iteration:
                X = problem.sample("A", self.sample_size, random_state)
                C = transport.cross_covariance(X, W, self.target_sample_size, random_state)
                W_new = problem.solve_cross_covariance(len(X) * C)
                W, change = heavy_ball_step(W, W_new, change, momentum=self.momentum, step=step)
            yield W

    def _epsilon(self, n_targets: int) -> float:
        """Return the regularisation for the targets of one iteration."""
        if not isinstance(self.epsilon, str):
            return float(self.epsilon)
        settings = STOCHASTIC_TRANSPORT
        n = min(n_targets, self.target_sample_size or n_targets)
        ratio = min(1.0, settings.n_reference_targets / n)
        epsilon = settings.reference_epsilon * ratio**settings.epsilon_power
        return float(max(settings.min_epsilon, epsilon))
