"""Convergence check without labels: whether independent runs lead to the same map."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import agreement_with_pairs, map_agreement
from sklearn_align.alignment._expected_accuracy import estimate_accuracy
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._recipes import CONVERGENCE, ROBUST
from sklearn_align.alignment._relative_score import relative_score
from sklearn_align.alignment._selection import (
    SuccessiveHalving,
    candidate_refinements,
    limit_components,
    same_analysis,
)
from sklearn_align.alignment.starts import ComponentStart, Start
from sklearn_align.exceptions import AlignmentWarning, warn_user


@dataclass(frozen=True)
class Convergence:
    """Evidence for a map, see the attributes of :class:`~sklearn_align.MiniVec2Vec`."""

    agreement: float
    relative_score: float
    # Measured on known pairs that were left out, or estimated without them; NaN if neither.
    expected_accuracy: float = float("nan")
    min_relative_score: float = CONVERGENCE.min_relative_score
    # Whether known pairs have measured the accuracy.
    measured: bool = False

    @property
    def converged(self) -> bool:
        """Whether the measured accuracy, or else both other figures, reach their thresholds."""
        if self.measured:
            return self.expected_accuracy >= CONVERGENCE.min_expected_accuracy
        return (
            self.agreement >= CONVERGENCE.min_agreement
            and self.relative_score >= self.min_relative_score
        )

    @property
    def reason(self) -> str:
        """What is missing when the map has not converged."""
        if self.measured:
            return "few of the known pairs that were left out are retrieved"
        if self.agreement >= CONVERGENCE.min_agreement:
            return (
                "mapped samples are farther from target samples than target samples from each other"
            )
        return "no independent run leads to the same map"


def warn_unless_converged(evidence: Convergence) -> None:
    """Warn that a map has not converged, with the figures and what helps."""
    if evidence.converged:
        return
    if not evidence.measured:
        figures = (
            f"agreement_={evidence.agreement:.3f}, needed {CONVERGENCE.min_agreement}; "
            f"relative_score_={evidence.relative_score:.3f}, "
            f"needed {evidence.min_relative_score:.3g}"
        )
    else:
        figures = (
            f"expected_accuracy_={evidence.expected_accuracy:.3f}, needed "
            f"{CONVERGENCE.min_expected_accuracy}"
        )
    warn_user(
        f"The alignment did not converge: {evidence.reason} ({figures}). More samples, "
        "some known pairs (pairs=...), more candidates (n_init=...) or closer encoders help.",
        AlignmentWarning,
    )


def check_convergence(
    problem: AlignmentProblem,
    reduced: ReducedProblem,
    W: FloatArray,
    independent_maps: Sequence[FloatArray],
    start: Start | None,
    random_state: np.random.RandomState,
    *,
    expected_accuracy: float = float("nan"),
) -> Convergence:
    """Check a map (n_features_A, n_features_B) without labels.

    With an `expected_accuracy` that was measured on known pairs, no further independent runs are
    made. Without, it is estimated from the other figures.

    `independent_maps` are maps of the reduced problem that were found independently of it, `start`
    is the initialization it came from, None for the consensus of several.
    """
    score = relative_score(problem, W, random_state)
    min_relative_score = min_relative_score_of(W)
    high = score >= min_relative_score
    credible = high and score <= CONVERGENCE.max_credible_score
    measured = not np.isnan(expected_accuracy)
    n_runs = CONVERGENCE.max_runs if credible else CONVERGENCE.min_runs
    if measured:
        n_runs = len(independent_maps)
    agreement = agreement_with_independent_runs(
        reduced, W, independent_maps, start, random_state, n_more=n_runs - len(independent_maps)
    )
    undecided = CONVERGENCE.min_agreement_to_continue <= agreement < CONVERGENCE.min_agreement
    if undecided and high and not credible and not measured:
        more = agreement_with_independent_runs(
            reduced, W, [], start, random_state, n_more=CONVERGENCE.max_runs - n_runs
        )
        agreement = max(agreement, more)
    if agreement < CONVERGENCE.min_agreement:
        agreement = max(agreement, agreement_with_pairs(problem, W, random_state))
    elif high and not measured and needs_halves(problem, W):
        of_halves = agreement_with_halves(reduced, W, random_state)
        if of_halves < CONVERGENCE.min_agreement_of_halves:
            agreement = of_halves
    if not measured:
        n_samples = min(len(problem.A), len(problem.B))
        expected_accuracy = estimate_accuracy(agreement, score, n_samples)
    return Convergence(agreement, score, expected_accuracy, min_relative_score, measured)


def min_relative_score_of(W: FloatArray) -> float:
    """Relative score that a right map between spaces of these widths reaches."""
    if min(W.shape) >= CONVERGENCE.wide:
        return CONVERGENCE.min_relative_score_wide
    return CONVERGENCE.min_relative_score


def needs_halves(problem: AlignmentProblem, W: FloatArray) -> bool:
    """Whether runs on all samples may agree by accident: in narrow spaces, without known pairs."""
    return problem.pairs is None and min(W.shape) < CONVERGENCE.wide


def agreement_with_independent_runs(
    reduced: ReducedProblem,
    W: FloatArray,
    independent_maps: Sequence[FloatArray],
    start: Start | None,
    random_state: np.random.RandomState,
    *,
    n_more: int,
) -> float:
    """Largest agreement of a map at full width with independent maps of the reduced problem.

    At most `n_more` further runs are made while none agrees, those with another analysis than that
    of `start` first.
    """
    reduced = reduced.without_pairs()
    probe = reduced.sample("A", CONVERGENCE.n_probe_samples, random_state)
    W_reduced = reduced.reduce(W)
    agreements = [map_agreement(probe, W_reduced, V) for V in independent_maps]
    agreement = max(agreements, default=0.0)
    if CONVERGENCE.min_agreement_to_refine < agreement < CONVERGENCE.min_agreement:
        # The independent map has been refined less than the map that is checked.
        V = independent_maps[int(np.argmax(agreements))]
        for V_new in candidate_refinements()[-1].iterate(reduced, V, random_state):
            V = V_new
        agreement = max(agreement, map_agreement(probe, W_reduced, V))
    for candidate_start in islice(cycle(_independent_starts(reduced, start)), max(0, n_more)):
        if agreement >= CONVERGENCE.min_agreement:
            break
        run = SuccessiveHalving(reduced, [candidate_start], random_state=random_state, n_jobs=1)
        with closing(run.rounds()) as rounds:
            for state in rounds:
                V = state.candidates[0].map
                agreement = max(agreement, map_agreement(probe, W_reduced, V))
                if agreement >= CONVERGENCE.min_agreement:
                    break
    return agreement


def agreement_with_halves(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Agreement of a map at full width with runs on halves of the samples.

    Where spaces are narrow and samples are few, runs on the same samples agree on a map that fits
    their accidents. Halves, which share no samples, have other accidents: the better of two runs
    counts, because half of the samples may be too few. In a symmetric space, there are several maps
    that are equally good, and a run ends in any of them. So if a run that independent candidates
    confirm leads elsewhere, or a run from one half of a space to the other one does not lead to
    the identity, its agreement counts.
    """
    W_reduced = reduced.reduce(W)
    identities: list[FloatArray] = [np.eye(n, dtype=W.dtype) for n in W_reduced.shape]
    expected = [W_reduced, W_reduced, *identities]
    probes = [reduced.sample(s, CONVERGENCE.n_probe_samples, random_state) for s in ("A", "B")]
    starts = [ComponentStart(**s) for s in ROBUST.starts]
    agreements, confirmed = [], []
    halves = reduced.halves(random_state)
    for half, right, probe in zip(halves, expected, (*probes[:1] * 3, probes[1]), strict=True):
        run = SuccessiveHalving(half, starts, random_state=random_state, n_jobs=1)
        *_, state = run.rounds()
        agreement = map_agreement(probe, right, state.candidates[0].map)
        agreements.append(agreement)
        enough = min(len(half.A), len(half.B)) >= CONVERGENCE.min_samples_to_confirm
        if enough and state.agreement >= CONVERGENCE.min_agreement:
            confirmed.append(agreement)
    return min([max(agreements[:2]), *confirmed])


def _independent_starts(reduced: ReducedProblem, start: Start | None) -> list[Start]:
    """Distinct initializations of the robust recipe, those with another analysis first."""
    starts = limit_components([ComponentStart(**s) for s in ROBUST.starts], reduced)
    # Narrow spaces limit several of them to the same number of components.
    distinct = {repr(one): one for one in starts}.values()
    # Repeats of one analysis have the same errors more often.
    return sorted(distinct, key=lambda one: same_analysis(one, start))
