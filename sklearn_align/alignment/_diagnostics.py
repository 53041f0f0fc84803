"""The label-free verdict: whether independent evidence leads to the same map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align._blocked import max_csls
from sklearn_align.alignment._agreement import agreement_with_pairs, shared_retrieval
from sklearn_align.alignment._problem import (
    AlignmentProblem,
    ReducedProblem,
    principal_axes,
    unit_rows,
)
from sklearn_align.alignment._starts import (
    COMPONENT_STARTS,
    Start,
    race,
    race_steps,
    same_analysis,
    within_width,
)

FloatArray = NDArray[np.floating[Any]]

# Wrong maps agree with independent ones on few rows, right maps with right ones on nearly all.
AGREEMENT_THRESHOLD = 0.7
# Right maps come close to the score of one space with itself, also between dissimilar encoders.
RELATIVE_SCORE_THRESHOLD = 0.6
# A map that scores far above a space with itself fits the noise of the rows.
_CREDIBLE_RELATIVE_SCORE = 1.5
_PROBE_ROWS = 1500
# So many are heard before a map is rejected; more where its score says that it is right, because on
# hard pairs few starts lead anywhere.
_MIN_WITNESSES = 3
_MAX_WITNESSES = 16
# Below this a witness has nothing in common with the map, and refining it further is idle.
_LEAST_AGREEMENT = 0.05
_SCORE_ROWS = 2000
_N_DENSITY_NEIGHBORS = 10
_N_ARBITRARY_MAPS = 5


@dataclass(frozen=True)
class Verdict:
    """Evidence for a map, all of it label-free.

    Parameters
    ----------
    agreement : float
        Share of rows that the map and an independently found one map to the same place, or of
        known pairs that stay together without being used.

    relative_score : float
        Where the score of the map lies between that of arbitrary maps (0) and that of a space
        with itself (1).
    """

    agreement: float
    relative_score: float

    @property
    def converged(self) -> bool:
        """Whether both kinds of evidence speak for the map."""
        return (
            self.agreement >= AGREEMENT_THRESHOLD
            and self.relative_score >= RELATIVE_SCORE_THRESHOLD
        )


def judge(
    problem: AlignmentProblem,
    reduced: ReducedProblem,
    W: FloatArray,
    witnesses: Sequence[FloatArray],
    origin: Start | None,
    random_state: np.random.RandomState,
) -> Verdict:
    """Judge a map without labels.

    Parameters
    ----------
    problem : AlignmentProblem
        Rows of both spaces, and known pairs if any.

    reduced : ReducedProblem
        The same in principal coordinates.

    W : ndarray of shape (n_features_A, n_features_B)
        Map to be judged.

    witnesses : sequence of ndarray of shape (n_components_A, n_components_B)
        Maps of the reduced problem that were found independently of it.

    origin : Start or None
        What the map came from; None for the consensus of several starts.

    random_state : RandomState
        Source of randomness.

    Returns
    -------
    Verdict
        The evidence.
    """
    relative = relative_score(problem, W, random_state)
    promising = RELATIVE_SCORE_THRESHOLD <= relative <= _CREDIBLE_RELATIVE_SCORE
    n_witnesses = _MAX_WITNESSES if promising else _MIN_WITNESSES
    agreement = agreement_with_witnesses(
        reduced, W, witnesses, origin, random_state, n_more=n_witnesses - len(witnesses)
    )
    if agreement < AGREEMENT_THRESHOLD:
        agreement = max(agreement, agreement_with_pairs(problem, W, random_state))
    return Verdict(agreement, relative)


def agreement_with_witnesses(
    reduced: ReducedProblem,
    W: FloatArray,
    witnesses: Sequence[FloatArray],
    origin: Start | None,
    random_state: np.random.RandomState,
    *,
    n_more: int,
) -> float:
    """Share of rows that a map and an independent one map to the same place.

    Parameters
    ----------
    reduced : ReducedProblem
        Rows of both spaces in principal coordinates.

    W : ndarray of shape (n_features_A, n_features_B)
        Map to be judged, at full width.

    witnesses : sequence of ndarray of shape (n_components_A, n_components_B)
        Maps of the reduced problem that were found independently of it.

    origin : Start or None
        What the map came from.

    random_state : RandomState
        Source of randomness.

    n_more : int
        Further witnesses that are sought while none agrees, from components of other kinds than
        the map's first.

    Returns
    -------
    float
        The largest share over all witnesses.
    """
    reduced = reduced.without_pairs()
    probe = reduced.sample("A", _PROBE_ROWS, random_state)
    W_reduced = reduced.reduce(W)
    shares = [shared_retrieval(probe, W_reduced, V) for V in witnesses]
    agreement = max(shares, default=0.0)
    if _LEAST_AGREEMENT < agreement < AGREEMENT_THRESHOLD:
        # The witness is rougher than the map, which was refined after they parted.
        refined = list(
            race_steps()[-1].iterate(reduced, witnesses[int(np.argmax(shares))], random_state)
        )[-1]
        agreement = max(agreement, shared_retrieval(probe, W_reduced, refined))
    # Other kinds than the map's come first: repeats of one analysis err in the same way more often.
    kinds = dict.fromkeys(within_width(COMPONENT_STARTS, reduced))
    ranked = sorted(kinds, key=lambda start: same_analysis(start, origin))
    for start in islice(cycle(ranked), max(0, n_more)):
        if agreement >= AGREEMENT_THRESHOLD:
            break
        for standing in race(reduced, [start], random_state=random_state, n_jobs=1):
            witness = standing.candidates[0].map
            agreement = max(agreement, shared_retrieval(probe, W_reduced, witness))
            if agreement >= AGREEMENT_THRESHOLD:
                break
    return agreement


def relative_score(
    problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Label-free score of a map on the scale of the data.

    0 is the score of arbitrary maps that send principal axes to principal axes, 1 that of two
    halves of the same space, for the space in which it is lower. Unrelated spaces that happen to
    have one best match stay far below 1.

    Parameters
    ----------
    problem : AlignmentProblem
        Rows of both spaces.

    W : ndarray of shape (n_features_A, n_features_B)
        Map to be judged.

    random_state : RandomState
        Source of randomness.

    Returns
    -------
    float
        0 also where a space with itself scores no higher than arbitrary maps, so that the score
        says nothing.
    """
    # Rows that occur twice would lift the score of a space with itself.
    distinct = [np.unique(X, axis=0) for X in (problem.A, problem.B)]
    n_rows = min(_SCORE_ROWS, *(len(X) // 2 for X in distinct))
    if n_rows < 2:
        return 0.0
    (A, A_other), (B, B_other) = (
        np.split(X[random_state.choice(len(X), 2 * n_rows, replace=False)], 2) for X in distinct
    )

    def score(mapped: FloatArray, rows: FloatArray) -> float:
        return float(max_csls(mapped, rows, min(_N_DENSITY_NEIGHBORS, n_rows)).mean())

    def score_of_map(V: FloatArray) -> float:
        return (score(unit_rows(A @ V), B) + score(unit_rows(A_other @ V), B_other)) / 2

    axes_A, axes_B = (principal_axes(X, min(W.shape)) for X in (problem.A, problem.B))
    signs = random_state.choice([-1, 1], size=(_N_ARBITRARY_MAPS, min(W.shape))).astype(A.dtype)
    arbitrary = float(np.mean([score_of_map((axes_A * s) @ axes_B.T) for s in signs]))
    itself = min(score(A, A_other), score(B, B_other))
    if itself <= arbitrary:
        return 0.0
    return (score_of_map(W) - arbitrary) / (itself - arbitrary)
