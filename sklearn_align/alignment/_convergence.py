"""Convergence check without labels: whether independent runs lead to the same map."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle, islice
from typing import Any, NamedTuple

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._ambiguity import agreement_with_equivalent_maps
from sklearn_align.alignment._candidate_refinements import candidate_refinements
from sklearn_align.alignment._discrepancy import fits_as_well
from sklearn_align.alignment._expected_accuracy import (
    SampleKind,
    estimate_accuracy,
    needed_relative_score,
)
from sklearn_align.alignment._pair_evidence import confirms, follows_pairs, share_retrieved
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs, ReducedProblem
from sklearn_align.alignment._recipes import CONVERGENCE, PAIR_EVIDENCE, ROBUST
from sklearn_align.alignment._relative_score import relative_score
from sklearn_align.alignment._relearned import RelearnedMaps, is_unrivalled, learn_again
from sklearn_align.alignment._selection import (
    SuccessiveHalving,
    limit_components,
    maps_from_halves,
    same_analysis,
)
from sklearn_align.alignment._threads import n_linear_algebra_threads, on_one_thread
from sklearn_align.alignment.starts import ComponentStart, PairStart, Start
from sklearn_align.exceptions import AlignmentWarning, AmbiguousAlignmentWarning, warn_user

NO_RELEARNED_MAPS = RelearnedMaps(float("nan"), float("nan"))


class RunsFromPairs(NamedTuple):
    """What runs from each half of the known pairs tell about a map."""

    # Their largest agreement with the map, 0 unless they retrieve pairs of the other half.
    agreement: float = 0.0
    # Fraction of the pairs of the other half that they retrieve, and the number of these pairs.
    share: float = 0.0
    n_pairs: int = 0


NO_RUNS_FROM_PAIRS = RunsFromPairs()


@dataclass(frozen=True)
class Convergence:
    """Evidence for a map, see the attributes of :class:`~sklearn_align.MiniVec2Vec`."""

    agreement: float
    relative_score: float
    # Measured on known pairs that were left out, or estimated without them.
    expected_accuracy: float
    # The relative score that an estimate of a success needs.
    min_relative_score: float = float("nan")
    # Agreement with maps that halves of the samples lead to, and their relative score on the other
    # half; NaN where they are not made.
    relearned: RelearnedMaps = NO_RELEARNED_MAPS
    # Whether known pairs have measured the accuracy.
    measured: bool = False
    # Whether another map is as good.
    ambiguous: bool = False

    @property
    def converged(self) -> bool:
        """Whether the expected accuracy is that of a success."""
        return self.expected_accuracy >= CONVERGENCE.min_expected_accuracy

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        """The attributes of the estimator that tell the evidence."""
        return {
            "expected_accuracy_": self.expected_accuracy,
            "accuracy_measured_": self.measured,
            "ambiguous_": self.ambiguous,
            "agreement_": self.agreement,
            "relative_score_": self.relative_score,
            "min_relative_score_": self.min_relative_score,
            "relearned_agreement_": self.relearned.agreement,
            "relearned_score_": self.relearned.score,
            "converged_": self.converged,
        }

    @property
    def reason(self) -> str:
        """What is missing when the map has not converged."""
        if self.measured:
            return (
                "few of the known pairs that were left out are retrieved, so that the map or some "
                "of the pairs are wrong"
            )
        if self.ambiguous:
            return "the spaces are symmetric, so that several maps are equally good"
        if self.agreement < CONVERGENCE.min_agreement:
            return "no independent run leads to the same map"
        if self.relative_score < self.min_relative_score:
            return (
                "mapped samples are farther from target samples than target samples from each other"
            )
        if not np.isnan(self.relearned.agreement):
            return (
                "maps that are learned again from half of the samples differ from it, or do not "
                "fit the other half"
            )
        return "agreement and relative score are too low for this number of samples"


def warn_unless_converged(evidence: Convergence) -> None:
    """Warn that a map has not converged, with the figures and what helps."""
    if evidence.converged:
        return
    if evidence.ambiguous:
        warn_user(
            f"The alignment is ambiguous: {evidence.reason}, and another one sends "
            f"{evidence.agreement:.3f} of the samples to the same place. Only known pairs "
            "(pairs=...) that the map retrieves can tell which one is right.",
            AmbiguousAlignmentWarning,
        )
        return
    figures = (
        f"expected_accuracy_={evidence.expected_accuracy:.3f}, needed "
        f"{CONVERGENCE.min_expected_accuracy}"
    )
    if not evidence.measured:
        figures += (
            f"; agreement_={evidence.agreement:.3f}, relative_score_={evidence.relative_score:.3f}"
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
    unseen: AlignmentProblem | None = None,
    expected_accuracy: float = float("nan"),
) -> Convergence:
    """Check a map (n_features_A, n_features_B) without labels.

    Samples that the search has not seen (`unseen`) give the relative score where there are any.
    Between wide spaces without them, maps are learned again from halves of the samples. With an
    `expected_accuracy` that was measured on known pairs, no further maps are made. Without, it is
    estimated from the other figures.

    `independent_maps` are maps of the reduced problem that were found independently of it, `start`
    is the initialization it came from, None for the consensus of several.
    """
    score = relative_score(problem if unseen is None else unseen, W, random_state)
    n_samples = min(len(problem.A), len(problem.B))
    kind = SampleKind(n_samples, wide=reduced.wide, unseen=unseen is not None)
    measured = not np.isnan(expected_accuracy)
    relearned, distinct = NO_RELEARNED_MAPS, reduced
    if kind.relearned and not measured:
        # Copies would be in both halves of the samples.
        distinct = reduced.without_copies(random_state)
        shares = (len(distinct.A) / len(reduced.A), len(distinct.B) / len(reduced.B))
        n_distinct = min(len(problem.A) * shares[0], len(problem.B) * shares[1])
        kind = kind._replace(n_samples=round(n_distinct))
        if kind.relearned:
            relearned = learn_again(distinct, reduced.reduce(W), random_state)
    estimate = partial(estimate_accuracy, relative_score=score, relearned=relearned, kind=kind)
    high = estimate(1.0) >= CONVERGENCE.min_expected_accuracy
    credible = high and score <= CONVERGENCE.max_credible_score
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
    from_pairs = NO_RUNS_FROM_PAIRS
    if agreement < CONVERGENCE.min_agreement or not measured:
        from_pairs = runs_from_pairs(reduced, reduced.reduce(W), random_state)
        agreement = max(agreement, from_pairs.agreement)
    support = agreement
    asked = kind.relearned and high and not measured and agreement < CONVERGENCE.min_agreement
    if asked and is_unrivalled(distinct, reduced.reduce(W), relearned, random_state):
        # Independent runs may all have failed.
        support = 1.0
    ambiguous = False
    succeeds = estimate(support) >= CONVERGENCE.min_expected_accuracy
    if succeeds and not measured and not follows_pairs(reduced, reduced.reduce(W), random_state):
        of_others = agreement_with_equivalent_maps(reduced, reduced.reduce(W), random_state)
        ambiguous = of_others < CONVERGENCE.min_agreement
        agreement, support = min(agreement, of_others), min(support, of_others)
        if not ambiguous and not reduced.wide:
            of_halves = agreement_with_halves(reduced, W, random_state)
            if of_halves < CONVERGENCE.min_agreement_of_halves:
                agreement = support = of_halves
    if not measured:
        expected_accuracy = estimate(support)
        if from_pairs.agreement >= CONVERGENCE.min_agreement and not ambiguous:
            expected_accuracy = corrected_by_pairs(expected_accuracy, from_pairs, kind)
    return Convergence(
        agreement,
        score,
        expected_accuracy,
        needed_relative_score(kind),
        relearned,
        measured=measured,
        ambiguous=ambiguous,
    )


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


def runs_from_pairs(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> RunsFromPairs:
    """Compare a map of the reduced problem with runs from each half of the known pairs.

    What a map does with pairs that it is fitted to is no evidence: with 30 arbitrary pairs, two
    thirds of them are retrieved even after refinement without pairs.
    """
    halves = maps_from_halves(PairStart(), reduced, random_state)
    if not halves:
        return NO_RUNS_FROM_PAIRS
    probe = reduced.sample("A", CONVERGENCE.n_probe_samples, random_state)

    def maps() -> Iterator[tuple[FloatArray, KnownPairs]]:
        for half in halves:
            half.advance(CONVERGENCE.n_iterations_from_pairs)
            yield half.map, half.left_out

    with on_one_thread():
        share, n_pairs = share_retrieved(maps(), reduced.B, random_state)
        agreement = max(map_agreement(probe, W, half.map) for half in halves)
    return RunsFromPairs(agreement if confirms(share, n_pairs) else 0.0, share, n_pairs)


def corrected_by_pairs(expected_accuracy: float, runs: RunsFromPairs, kind: SampleKind) -> float:
    """Mean of the estimated accuracy and of the share of retrieved pairs, weighted by their number.

    The estimate has the weight of some pairs. Runs from half of the pairs in the leading directions
    of large wide spaces are less accurate than the map, so that they do not lower the estimate.
    Elsewhere, it rests on other runs, which may agree on accidents of the samples.
    """
    n_estimate = PAIR_EVIDENCE.n_pairs_of_estimate
    n_retrieved = runs.share * runs.n_pairs
    mean = (n_estimate * expected_accuracy + n_retrieved) / (n_estimate + runs.n_pairs)
    return max(mean, expected_accuracy) if kind.relearned or kind.unseen else mean


def agreement_with_halves(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Agreement of a map at full width with runs on halves of the samples.

    Where spaces are narrow and samples are few, runs on the same samples agree on a map that fits
    their accidents. Halves, which share no samples, have other accidents. One of four runs may
    lead elsewhere, because half of the samples may be too few, unless independent candidates
    confirm it. A run that leads elsewhere and does not fit the density of its own half has failed,
    and does not count. Runs in a space that has few symmetries also agree by chance, but not so
    many.
    """
    W_reduced = reduced.reduce(W)
    probe = reduced.sample("A", CONVERGENCE.n_probe_samples, random_state)
    starts = [ComponentStart(**s) for s in ROBUST.starts]
    agreements: list[float] = []
    confirmed: list[float] = []
    decisive = 1.0
    n_threads = n_linear_algebra_threads()
    splits = (reduced.halves(random_state)[:2] for _ in range(CONVERGENCE.n_splits))
    for half in chain.from_iterable(splits):
        run = SuccessiveHalving(half, starts, random_state=random_state, n_jobs=n_threads)
        *_, state = run.rounds()
        V = state.candidates[0].map
        agreement = map_agreement(probe, W_reduced, V)
        if agreement < CONVERGENCE.min_agreement_of_halves and (
            fits_as_well(half.A, half.B, V, W_reduced, random_state) is False
        ):
            continue
        insort(agreements, agreement)
        enough = min(len(half.A), len(half.B)) >= CONVERGENCE.min_samples_to_confirm
        if enough and state.agreement >= CONVERGENCE.min_agreement:
            confirmed.append(agreement)
        decisive = min([*agreements[CONVERGENCE.max_disagreeing_halves :], *confirmed], default=1.0)
        if decisive < CONVERGENCE.min_agreement_of_halves:
            break
    return decisive


def _independent_starts(reduced: ReducedProblem, start: Start | None) -> list[Start]:
    """Distinct initializations of the robust recipe, those with another analysis first."""
    starts = limit_components([ComponentStart(**s) for s in ROBUST.starts], reduced)
    # Narrow spaces limit several of them to the same number of components.
    distinct = {repr(one): one for one in starts}.values()
    # Repeats of one analysis have the same errors more often.
    return sorted(distinct, key=lambda one: same_analysis(one, start))
