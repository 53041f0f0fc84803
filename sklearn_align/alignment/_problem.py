"""The unpaired alignment problem: rows of both spaces, known pairs and the label-free score."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_align._linalg import polar_factor, principal_axes, scale_to_unit_length, unit_rows
from sklearn_align._similarity import max_csls

_N_DENSITY_NEIGHBORS = 10

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class KnownPairs:
    """Centred unit rows whose counterparts are known, and how much they count.

    Parameters
    ----------
    A : ndarray of shape (n_pairs, n_features_A)
        Rows of the source space.

    B : ndarray of shape (n_pairs, n_features_B)
        Their counterparts in the target space.

    weight : float
        What one pair counts, in matched rows, in every Procrustes step.
    """

    A: FloatArray
    B: FloatArray
    weight: float

    def __len__(self) -> int:
        return len(self.A)


class AlignmentProblem:
    """What a start or a refinement step may look at.

    Passed to the `iterate` method of every refinement.

    Parameters
    ----------
    A : ndarray of shape (n_A, n_features_A)
        Centred unit rows of the source space.

    B : ndarray of shape (n_B, n_features_B)
        Centred unit rows of the target space, unpaired with `A`.

    pairs : KnownPairs, default=None
        Rows whose counterparts are known.

    score_sample_size : int, default=2000
        Rows of each side on which `score` is computed.

    random_state : RandomState, default=None
        Draws the rows of `score`; with None the first ones are used.

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
    >>> rows = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    >>> problem = AlignmentProblem(rows[:, :4], rows[:, 4:])
    >>> W = problem.solve(rows[:, :4], rows[:, :4])
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
        # Refinements that watch the score and the estimator that records it ask for the same map.
        self._last_score: tuple[FloatArray | None, float] = (None, 0.0)
        if random_state is None:
            self._score_A, self._score_B = A[:score_sample_size], B[:score_sample_size]
        else:
            self._score_A = self.sample("A", score_sample_size, random_state)
            self._score_B = self.sample("B", score_sample_size, random_state)

    def sample(
        self, side: Literal["A", "B"], size: int | None, random_state: np.random.RandomState
    ) -> FloatArray:
        """Draw rows of one side without replacement.

        Parameters
        ----------
        side : {"A", "B"}
            Source or target space.

        size : int or None
            Number of rows; all rows, unshuffled, when None or at least as many as there are.

        random_state : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (min(size, n_rows), n_features)
            Rows; a view of all of them or a copy of some.
        """
        rows = self.A if side == "A" else self.B
        if size is None or size >= len(rows):
            return rows
        return rows[random_state.choice(len(rows), size, replace=False)]

    def solve(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Solve orthogonal Procrustes for matched rows together with the known pairs.

        Parameters
        ----------
        X : ndarray of shape (n_matched, n_features_A)
            Rows of the source space.

        Y : ndarray of shape (n_matched, n_features_B)
            What they were matched with.

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
            ``X.T @ Y`` of matched rows.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            Orthogonal, or semi-orthogonal when the widths differ.
        """
        if self.pairs is not None:
            C = C + self.pairs.weight * (self.pairs.A.T @ self.pairs.B)
        return polar_factor(C)

    def score(self, W: FloatArray) -> float:
        """Label-free quality of a map: mean over mapped rows of the largest CSLS value.

        Parameters
        ----------
        W : ndarray of shape (n_features_A, n_features_B)
            Map to judge. Mapped rows are scaled to unit length.

        Returns
        -------
        float
            Higher is better.
        """
        scored_map, score = self._last_score
        if scored_map is not W:
            mapped = self._score_A @ W
            scale_to_unit_length(mapped)
            score = float(max_csls(mapped, self._score_B, _N_DENSITY_NEIGHBORS).mean())
            self._last_score = (W, score)
        return score


class ReducedProblem(AlignmentProblem):
    """The problem in the leading principal directions of either space, where starts are sought.

    Parameters
    ----------
    problem : AlignmentProblem
        The problem at full width.

    n_components : int
        Principal directions of each space that are kept; fewer where there are fewer.

    n_rows : int
        Rows of each space that are kept, drawn at random.

    score_sample_size : int
        Rows of each space on which `score` is computed.

    random_state : RandomState
        Source of randomness.

    Attributes
    ----------
    coordinates_A, coordinates_B : ndarray of shape (n_rows, n_components)
        Principal coordinates; `A` and `B` are the same rows scaled to unit length.
    """

    def __init__(
        self,
        problem: AlignmentProblem,
        *,
        n_components: int,
        n_rows: int,
        score_sample_size: int,
        random_state: np.random.RandomState,
    ) -> None:
        A = problem.sample("A", n_rows, random_state)
        B = problem.sample("B", n_rows, random_state)
        self._axes_A = principal_axes(A, n_components)
        self._axes_B = principal_axes(B, n_components)
        self.coordinates_A, self.coordinates_B = A @ self._axes_A, B @ self._axes_B
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

    def without_pairs(self) -> ReducedProblem:
        """Return the same problem without its known pairs."""
        unaided = copy.copy(self)
        unaided.pairs = None
        return unaided

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
