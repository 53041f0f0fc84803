"""The label-free verdict: whether independent evidence leads to the same map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align._similarity import max_csls
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
# Above this chance is out of the question, and further witnesses are heard.
_HALF_AGREEMENT = 0.35
# Rows of each half of a space, and how often halves are drawn.
_SCORE_ROWS = 1000
_SCORE_DRAWS = 2
_MAX_SCORE_DRAWS = 8
_N_ARBITRARY_MAPS = 5
_SPARE_ROWS = 500
# Rows nearer to another one than half of the usual distance are near copies; as squared distance.
_NEAR_COPY = 0.25
# Copies lower the median of the distances to the nearest row, but not those of the loneliest rows.
_USUAL_QUANTILE = 0.9
_N_DENSITY_NEIGHBORS = 10


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
    undecided = _HALF_AGREEMENT <= agreement < AGREEMENT_THRESHOLD
    if undecided and not promising and relative >= RELATIVE_SCORE_THRESHOLD:
        more = agreement_with_witnesses(
            reduced, W, [], origin, random_state, n_more=_MAX_WITNESSES - n_witnesses
        )
        agreement = max(agreement, more)
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
    width = min(W.shape)
    axes_A, axes_B = (principal_axes(X, width) for X in (problem.A, problem.B))
    scores: list[tuple[float, ...]] = []
    # Small halves say less, and cost less: more of them are drawn.
    n_draws = _SCORE_DRAWS
    while len(scores) < n_draws:
        drawn = [draw_distinct_rows(X, random_state) for X in (problem.A, problem.B)]
        n_rows = min(len(rows) for rows in drawn) // 2
        if n_rows < 2:
            return 0.0
        n_draws = min(_MAX_SCORE_DRAWS, -(-_SCORE_DRAWS * _SCORE_ROWS // n_rows))
        A, B = ((rows[:n_rows], rows[n_rows : 2 * n_rows]) for rows in drawn)
        signs = random_state.choice([-1, 1], size=(_N_ARBITRARY_MAPS, width)).astype(W.dtype)
        arbitrary = [
            _mean_score([unit_rows(half @ (axes_A * s) @ axes_B.T) for half in A], B) for s in signs
        ]
        scores.append(
            (
                _mean_score([unit_rows(half @ W) for half in A], B),
                float(np.mean(arbitrary)),
                _mean_score(A[:1], A[1:]),
                _mean_score(B[:1], B[1:]),
            )
        )
    of_map, of_arbitrary, *of_spaces = np.mean(scores, axis=0)
    of_itself = min(of_spaces)
    if of_itself <= of_arbitrary:
        return 0.0
    return float((of_map - of_arbitrary) / (of_itself - of_arbitrary))


def _mean_score(sources: Sequence[FloatArray], targets: Sequence[FloatArray]) -> float:
    """Label-free score of rows against rows, mean over several sets of either."""
    k = min(_N_DENSITY_NEIGHBORS, *(len(rows) for rows in targets))
    return float(np.mean([max_csls(X, Y, k).mean() for X, Y in zip(sources, targets, strict=True)]))


def draw_distinct_rows(X: FloatArray, random_state: np.random.RandomState) -> FloatArray:
    """Draw rows that are no near copies of one another.

    A copy of a row in the other half of its space lifts the score of the space with itself, but
    not that of a map from another space. Few rows at a time hold few copies; those left are told
    by their distance, which is small compared with that of other rows to their nearest ones.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows.

    random_state : RandomState
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        Rows in random order, at most `2 * _SCORE_ROWS`.
    """
    n_rows = min(len(X), 2 * _SCORE_ROWS + _SPARE_ROWS)
    rows = np.unique(X[random_state.choice(len(X), n_rows, replace=False)], axis=0)
    rows = rows[random_state.permutation(len(rows))]
    cosine = rows @ rows.T
    np.fill_diagonal(cosine, -1)
    squared_distance = 2 - 2 * cosine
    usual = np.quantile(squared_distance.min(axis=1), _USUAL_QUANTILE)
    earlier = np.tri(len(rows), k=-1, dtype=bool)
    copies = ((squared_distance < _NEAR_COPY * usual) & earlier).any(axis=1)
    return np.asarray(rows[~copies][: 2 * _SCORE_ROWS])
