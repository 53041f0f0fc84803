"""Estimate of the accuracy of a map without known pairs."""

from __future__ import annotations

from math import exp, log

from sklearn_align.alignment._recipes import ESTIMATE


def estimate_accuracy(agreement: float, relative_score: float, n_samples: int) -> float:
    """Fraction of samples whose counterpart is expected to be nearest among 1,000 targets.

    A logistic regression on the agreement with independent runs, the relative score and the number
    of samples of the smaller space, see :class:`EstimateSettings`. A fit to few samples raises the
    score by accident, so that the same score means more where samples are many.
    """
    low, high = ESTIMATE.agreement_range
    agreement = min(max(agreement, low), high)
    low, high = ESTIMATE.score_range
    score = min(max(relative_score, low), high)
    fewest, most = ESTIMATE.sample_range
    logit = (
        ESTIMATE.intercept
        + ESTIMATE.slope_of_agreement * log(agreement / (1 - agreement))
        + ESTIMATE.slope_of_score * log(score)
        + ESTIMATE.slope_of_samples * log(min(max(n_samples, fewest), most))
    )
    return 1 / (1 + exp(-logit))
