"""Estimate of the accuracy of a map without known pairs."""

from __future__ import annotations

from math import exp, log
from typing import NamedTuple

from sklearn_align.alignment._recipes import CONVERGENCE, ESTIMATE
from sklearn_align.alignment._relearned import RelearnedMaps

# Those of a map that the samples determine.
DETERMINED = RelearnedMaps(1.0, 1.0)


class SampleKind(NamedTuple):
    """What the relative score of a map was computed on."""

    # Samples of the smaller space that the search has seen, in large wide spaces without copies.
    n_samples: int
    # Whether both spaces are wide, see `_problem`.
    wide: bool
    # Whether the relative score is that of samples that the search has not seen.
    unseen: bool = False

    @property
    def relearned(self) -> bool:
        """Whether maps that are learned again from halves of the samples are evidence."""
        return self.wide and not self.unseen and self.n_samples >= ESTIMATE.min_relearned_samples


def estimate_accuracy(
    agreement: float,
    relative_score: float,
    kind: SampleKind,
    relearned: RelearnedMaps = DETERMINED,
) -> float:
    """Fraction of samples whose counterpart is expected to be nearest among 1,000 targets.

    A logistic regression, see :class:`EstimateSettings`, on one of the following:

    * the relative score, if it is that of samples that the search has not seen;
    * if both spaces are wide and have enough samples: the figures of maps that are learned again
      from halves of the samples, and the relative score;
    * the agreement with independent runs, the relative score and the number of samples.

    A fit to few samples raises the score of these samples by accident, so that the same score means
    more where samples are many. Where the agreement or the relative score are lower than those of
    any success, so is the estimate.
    """
    if kind.unseen:
        log_odds = _of_unseen_samples(relative_score)
    elif kind.relearned:
        log_odds = _of_relearned_maps(relearned, relative_score)
    else:
        log_odds = _of_independent_runs(agreement, relative_score, kind)
    accuracy = 1 / (1 + exp(-log_odds))
    share = min(agreement / CONVERGENCE.min_agreement, relative_score / _lowest_score(kind))
    if share < 1:
        accuracy = min(accuracy, CONVERGENCE.min_expected_accuracy * max(share, 0.0))
    return accuracy


def needed_relative_score(kind: SampleKind) -> float:
    """Relative score below which no agreement makes the estimate that of a success, 1 at most."""
    lowest = _lowest_score(kind)
    # Other figures can make up for any score that is not below this one.
    if kind.unseen or kind.relearned:
        return lowest
    score = exp(-_of_independent_runs(1.0, 1.0, kind) / ESTIMATE.slope_of_score)
    return min(max(score, lowest), 1.0)


def _lowest_score(kind: SampleKind) -> float:
    """Relative score of the least accurate success."""
    if kind.unseen:
        return -ESTIMATE.unseen_intercept / ESTIMATE.slope_of_unseen_score
    if kind.wide:
        return CONVERGENCE.min_relative_score_wide
    return CONVERGENCE.min_relative_score


def _limit(value: float, limits: tuple[float, float]) -> float:
    """Return the value, or the nearer one of two limits beyond which it says nothing more."""
    low, high = limits
    return min(max(value, low), high)


def _of_unseen_samples(relative_score: float) -> float:
    score = _limit(relative_score, ESTIMATE.unseen_score_range)
    return ESTIMATE.unseen_intercept + ESTIMATE.slope_of_unseen_score * score


def _of_relearned_maps(relearned: RelearnedMaps, relative_score: float) -> float:
    agreement = _limit(relearned.agreement, ESTIMATE.relearned_agreement_range)
    unseen_score = _limit(relearned.score, ESTIMATE.unseen_score_range)
    score = _limit(relative_score, ESTIMATE.score_range)
    return (
        ESTIMATE.relearned_intercept
        + ESTIMATE.slope_of_relearned_agreement * log(agreement / (1 - agreement))
        + ESTIMATE.slope_of_relearned_score * unseen_score
        + ESTIMATE.relearned_slope_of_score * log(score)
    )


def _of_independent_runs(agreement: float, relative_score: float, kind: SampleKind) -> float:
    agreement = _limit(agreement, ESTIMATE.agreement_range)
    score = _limit(relative_score, ESTIMATE.score_range)
    n_samples = _limit(kind.n_samples, ESTIMATE.sample_range)
    few = min(kind.n_samples / ESTIMATE.few_samples, 1.0)
    return (
        ESTIMATE.intercept
        + ESTIMATE.slope_of_agreement * log(agreement / (1 - agreement))
        + ESTIMATE.slope_of_score * log(score)
        + ESTIMATE.slope_of_samples * log(n_samples)
        + ESTIMATE.slope_of_few_samples * log(few)
    )
