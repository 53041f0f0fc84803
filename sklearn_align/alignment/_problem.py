"""The unpaired alignment problem: samples of both spaces, known pairs and the label-free score."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np

from sklearn_align._linalg import polar_factor, principal_axes, scale_to_unit_length, unit_rows
from sklearn_align._similarity import max_csls
from sklearn_align._typing import BoolArray, FloatArray, IntArray
from sklearn_align.alignment._copies import distinct_samples
from sklearn_align.alignment._recipes import SCORE, WIDTH
from sklearn_align.alignment._threads import for_a_small_matrix
from sklearn_align.alignment.solvers._fastica import Whitening

Side = Literal["A", "B"]


@dataclass(frozen=True)
class KnownPairs:
    """Centred unit samples whose counterparts are known, and their weight.

    Parameters
    ----------
    A : ndarray of shape (n_pairs, n_features_A)
        Samples of the source space.

    B : ndarray of shape (n_pairs, n_features_B)
        Their counterparts in the target space.

    weight : float
        Weight of a pair relative to a matched sample in every Procrustes step.

    See Also
    --------
    AlignmentProblem : Holds the pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.alignment import KnownPairs
    >>> len(KnownPairs(np.eye(3), np.eye(3), weight=1.0))
    3
    """

    A: FloatArray
    B: FloatArray
    weight: float

    def __len__(self) -> int:
        return len(self.A)

    def take(self, chosen: BoolArray | IntArray) -> KnownPairs:
        """Return some of the pairs.

        Parameters
        ----------
        chosen : ndarray of shape (n_pairs,) of bool, or of shape (n_chosen,) of int
            Which pairs.

        Returns
        -------
        KnownPairs
            These pairs, with the same weight.
        """
        return KnownPairs(self.A[chosen], self.B[chosen], self.weight)


class AlignmentProblem:
    """Input of initializations and refinements: samples, known pairs, Procrustes and the score.

    The problem is passed to the `initial_map` method of every initialization and to the `iterate`
    method of every refinement.

    Parameters
    ----------
    A : ndarray of shape (n_A, n_features_A)
        Centred unit samples of the source space.

    B : ndarray of shape (n_B, n_features_B)
        Centred unit samples of the target space, unpaired with `A`.

    pairs : KnownPairs, default=None
        Samples whose counterparts are known.

    score_sample_size : int, default=2000
        Number of samples of each side for which `score` is computed.

    random_state : RandomState, default=None
        Random generator that draws the samples of `score`; None uses the first samples.

    Attributes
    ----------
    A, B : ndarray
        As given.

    pairs : KnownPairs or None
        As given.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.alignment import AlignmentProblem
    >>> axes = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    >>> problem = AlignmentProblem(axes[:, :4], axes[:, 4:])
    >>> W = problem.solve(axes[:, :4], axes[:, :4])
    >>> bool(np.allclose(W, np.eye(4)))
    True
    """

    def __init__(
        self,
        A: FloatArray,
        B: FloatArray,
        pairs: KnownPairs | None = None,
        *,
        score_sample_size: int = 2000,
        random_state: np.random.RandomState | None = None,
    ) -> None:
        self.A = A
        self.B = B
        self.pairs = pairs if pairs is not None and len(pairs) else None
        # A refinement that watches the score and the estimator that records it ask for the same
        # map. It is compared by value: a refinement may update its map in place. Candidates on
        # several threads share the problem, so a map and its score are replaced as one.
        self._scored: tuple[FloatArray, float] | None = None
        if random_state is None:
            self._score_A, self._score_B = A[:score_sample_size], B[:score_sample_size]
        else:
            self._score_A = self.sample("A", score_sample_size, random_state)
            self._score_B = self.sample("B", score_sample_size, random_state)

    def sample(
        self, side: Side, size: int | None, random_state: np.random.RandomState
    ) -> FloatArray:
        """Draw samples of one side without replacement.

        Parameters
        ----------
        side : {"A", "B"}
            Source or target space.

        size : int or None
            Number of samples. If it is None or not smaller than the number of samples, all samples
            are returned in their order.

        random_state : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (min(size, n_samples), n_features)
            A view of all samples, or a copy of the drawn samples.
        """
        samples = self.A if side == "A" else self.B
        if size is None or size >= len(samples):
            return samples
        return samples[random_state.choice(len(samples), size, replace=False)]

    def without_pairs(self) -> Self:
        """Return the same problem without its known pairs.

        Returns
        -------
        AlignmentProblem
            Problem of the same samples.
        """
        return self.with_pairs(None)

    def with_pairs(self, pairs: KnownPairs | None) -> Self:
        """Return the same problem with other known pairs.

        Parameters
        ----------
        pairs : KnownPairs or None
            Unit samples in the coordinates of `A` and `B`.

        Returns
        -------
        AlignmentProblem
            Problem of the same samples.
        """
        problem = copy.copy(self)
        problem.pairs = pairs
        return problem

    def solve(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Solve orthogonal Procrustes for matched samples and the known pairs.

        The result is the (semi-)orthogonal `W` that maximises ``trace(W.T @ C)`` with the
        cross-covariance ``C = X.T @ Y + weight * pairs.A.T @ pairs.B``.

        Parameters
        ----------
        X : ndarray of shape (n_matched, n_features_A)
            Samples of the source space.

        Y : ndarray of shape (n_matched, n_features_B)
            The matched target samples, or means of target samples.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            Orthogonal, or semi-orthogonal when the widths differ.
        """
        return self.solve_cross_covariance(X.T @ Y)

    def solve_cross_covariance(self, C: FloatArray) -> FloatArray:
        """Solve orthogonal Procrustes for a cross-covariance, with the known pairs added to it.

        Parameters
        ----------
        C : ndarray of shape (n_features_A, n_features_B)
            ``X.T @ Y`` of matched samples.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            Orthogonal, or semi-orthogonal when the widths differ.
        """
        if self.pairs is not None:
            C = C + self.pairs.weight * (self.pairs.A.T @ self.pairs.B)
        with for_a_small_matrix():
            return polar_factor(C)

    def score(self, W: FloatArray) -> float:
        """Label-free quality of a map: mean over mapped samples of the largest CSLS value.

        ``mean_i max_j (2 cos(x_i W, y_j) - r(x_i W) - r(y_j))``, where ``r`` is the mean cosine
        with the ten nearest samples of the other side, see
        :func:`~sklearn_align.metrics.csls_score`.

        Parameters
        ----------
        W : ndarray of shape (n_features_A, n_features_B)
            Map to score. Mapped samples are scaled to unit length.

        Returns
        -------
        float
            Higher is better.
        """
        scored = self._scored
        if scored is not None and np.array_equal(scored[0], W):
            return scored[1]
        mapped = self._score_A @ W
        scale_to_unit_length(mapped)
        score = float(max_csls(mapped, self._score_B, SCORE.n_neighbors).mean())
        self._scored = (W.copy(), score)
        return score

    def principal_coordinates(self, side: Side) -> FloatArray:
        """Return samples of one side for the statistics of initializations.

        Parameters
        ----------
        side : {"A", "B"}
            Source or target space.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The unit samples. A reduced problem returns principal coordinates.
        """
        return self.A if side == "A" else self.B

    def whitening(self, side: Side) -> Whitening:
        """Return the covariance of the principal coordinates, computed once for all starts.

        Parameters
        ----------
        side : {"A", "B"}
            Source or target space.

        Returns
        -------
        Whitening
            Centred samples, eigenvalues and axes.
        """
        return self._whitening_A if side == "A" else self._whitening_B

    @cached_property
    def _whitening_A(self) -> Whitening:
        return Whitening.fit(self.principal_coordinates("A"))

    @cached_property
    def _whitening_B(self) -> Whitening:
        return Whitening.fit(self.principal_coordinates("B"))


class ReducedProblem(AlignmentProblem):
    """The problem in the leading principal directions of each space, where candidates are compared.

    Parameters
    ----------
    problem : AlignmentProblem
        The problem at full width.

    n_components : int
        Principal directions of each space that are kept, at most as many as features.

    n_samples : int
        Samples of each space that are kept, drawn at random.

    score_sample_size : int
        Samples of each space on which `score` is computed.

    random_state : RandomState
        Source of randomness.

    Attributes
    ----------
    coordinates_A, coordinates_B : ndarray of shape (n_samples, n_components)
        Principal coordinates; `A` and `B` are the same samples scaled to unit length.

    wide : bool
        Whether the samples of both spaces vary in many directions. Features that are constant or
        depend on others do not make a space wide.
    """

    def __init__(
        self,
        problem: AlignmentProblem,
        *,
        n_components: int,
        n_samples: int,
        score_sample_size: int,
        random_state: np.random.RandomState,
    ) -> None:
        A = problem.sample("A", n_samples, random_state)
        B = problem.sample("B", n_samples, random_state)
        self._axes_A = principal_axes(A, n_components)
        self._axes_B = principal_axes(B, n_components)
        self.coordinates_A: FloatArray = A @ self._axes_A
        self.coordinates_B: FloatArray = B @ self._axes_B
        self.wide = _is_wide(A, self.coordinates_A) and _is_wide(B, self.coordinates_B)
        pairs = problem.pairs
        if pairs is not None:
            pairs = KnownPairs(
                unit_rows(pairs.A @ self._axes_A), unit_rows(pairs.B @ self._axes_B), pairs.weight
            )
        super().__init__(
            unit_rows(self.coordinates_A),
            unit_rows(self.coordinates_B),
            pairs,
            score_sample_size=score_sample_size,
            random_state=random_state,
        )

    def without_copies(self, random_state: np.random.RandomState) -> ReducedProblem:
        """Return the problem without known pairs and with one sample of near copies.

        Parameters
        ----------
        random_state : RandomState
            Draws the samples that are kept.

        Returns
        -------
        ReducedProblem
            Problem of fewer samples, or of the same samples if there are no near copies.
        """
        kept_A, kept_B = (distinct_samples(side, random_state) for side in (self.A, self.B))
        return self._between(
            (self.A[kept_A], self.coordinates_A[kept_A]),
            (self.B[kept_B], self.coordinates_B[kept_B]),
        )

    def halves(
        self, random_state: np.random.RandomState, max_samples: int | None = None
    ) -> tuple[ReducedProblem, ReducedProblem, ReducedProblem, ReducedProblem]:
        """Return problems of halves of the samples, without the known pairs.

        Parameters
        ----------
        random_state : RandomState
            Draws the halves.

        max_samples : int, default=None
            Samples in each half at most.

        Returns
        -------
        first, second : ReducedProblem
            From one half of the source samples to one half of the target samples, and from the
            other to the other.

        source, target : ReducedProblem
            From one half of the source samples to the other, and the same of the target samples.
            The right map is the identity.
        """
        sides: list[list[tuple[FloatArray, FloatArray]]] = []
        for side in ("A", "B"):
            samples, coordinates = getattr(self, side), getattr(self, f"coordinates_{side}")
            order = random_state.permutation(len(samples))
            parts = [half[:max_samples] for half in np.split(order, [len(order) // 2])]
            sides.append([(samples[part], coordinates[part]) for part in parts])
        A, B = sides
        return (
            self._between(A[0], B[0]),
            self._between(A[1], B[1]),
            self._between(A[0], A[1]),
            self._between(B[0], B[1]),
        )

    def _between(
        self, source: tuple[FloatArray, FloatArray], target: tuple[FloatArray, FloatArray]
    ) -> ReducedProblem:
        """Return a problem of other unit samples and principal coordinates, without pairs."""
        problem = copy.copy(self)
        for cached in ("_whitening_A", "_whitening_B"):
            problem.__dict__.pop(cached, None)
        AlignmentProblem.__init__(
            problem, source[0], target[0], score_sample_size=len(self._score_A)
        )
        problem.coordinates_A, problem.coordinates_B = source[1], target[1]
        return problem

    def principal_coordinates(self, side: Side) -> FloatArray:
        """Return principal coordinates of one side, not scaled to unit length.

        Parameters
        ----------
        side : {"A", "B"}
            Source or target space.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Coordinates along the leading principal axes.
        """
        return self.coordinates_A if side == "A" else self.coordinates_B

    def reduce(self, W: FloatArray) -> FloatArray:
        """Return a map of the problem at full width between the principal coordinates.

        Parameters
        ----------
        W : ndarray of shape (n_features_A, n_features_B)
            Map at full width.

        Returns
        -------
        ndarray of shape (n_components_A, n_components_B)
            Its part in the leading directions.
        """
        return np.asarray(self._axes_A.T @ W @ self._axes_B)

    def lift(self, W: FloatArray) -> FloatArray:
        """Return a map of the reduced problem at full width.

        Parameters
        ----------
        W : ndarray of shape (n_components_A, n_components_B)
            Map between the principal coordinates.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            All other directions are mapped to zero.
        """
        return np.asarray(self._axes_A @ W @ self._axes_B.T)


def _is_wide(samples: FloatArray, coordinates: FloatArray) -> bool:
    """Whether samples (n_samples, n_features) vary in many directions.

    `coordinates` are those along their leading principal axes.
    """
    if samples.shape[1] < WIDTH.min_features:
        return False
    total = np.sum(np.square(samples, dtype=np.float64))
    leading = np.sum(np.square(coordinates[:, : WIDTH.n_leading], dtype=np.float64))
    return bool(total - leading > WIDTH.min_share_of_others * total)
