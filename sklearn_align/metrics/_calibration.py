"""Calibration: the gap between predicted probabilities and observed frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, check_scalar, column_or_1d
from sklearn.utils.multiclass import type_of_target

from sklearn_align._sklearn import check_sample_weight
from sklearn_align._typing import Float64Array, IntArray
from sklearn_align.metrics._probabilities import check_range, check_sums

Strategy = Literal["uniform", "quantile"]


def expected_calibration_error(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 15,
    strategy: Strategy = "uniform",
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
) -> float:
    """Average gap between confidence and accuracy over bins of confidence.

    With the samples sorted by confidence into bins ``b`` of total weight ``w_b``::

        ECE = sum_b (w_b / sum_c w_c) * |accuracy_b - confidence_b|

    where ``confidence_b`` is the mean confidence in a bin and ``accuracy_b`` the share of hits. For
    classes, the confidence of a sample is its largest probability, and a hit is a sample whose most
    probable class is correct. For multilabel targets, each label is binned by its probability, the
    mean probability in a bin is compared with the frequency of the label, and the errors of the
    labels are averaged.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_labels)
        Classes, or an indicator matrix of labels.

    y_proba : array-like of shape (n_samples, n_classes), (n_samples,) or (n_samples, n_labels)
        Probabilities as ``predict_proba`` returns them. One column is the probability of the
        second of two classes.

    n_bins : int, default=15
        Number of bins.

    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width, or bins of equal total weight. Equal confidences are never separated.

    sample_weight : array-like of shape (n_samples,), default=None
        A sample of weight 2 counts like two samples.

    labels : array-like of shape (n_classes,), default=None
        Classes in the order of the columns of `y_proba`, as in ``classes_``. By default the
        sorted classes in `y_true`.

    Returns
    -------
    error : float
        In [0, 1]; lower is better. On a finite number of samples, perfect probabilities also have
        an error above 0, of about one over the square root of the number of samples in a bin.

    Raises
    ------
    ValueError
        If shapes or classes disagree, or `y_proba` does not hold probabilities.

    See Also
    --------
    maximum_calibration_error : The largest gap.
    ConfidenceBins : Confidence and accuracy in each bin.
    sklearn.calibration.calibration_curve : The points of the reliability curve for two classes.

    Notes
    -----
    For the calibration of one class, pass ``y == cls`` and the column of the class as matrices with
    one column. These are binned by the probability itself. To make a scorer:
    ``make_scorer(expected_calibration_error, response_method="predict_proba",
    greater_is_better=False)``.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities
       using Bayesian binning", AAAI 2015.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017.

    Examples
    --------
    >>> from sklearn_align.metrics import expected_calibration_error
    >>> y_proba = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]
    >>> round(expected_calibration_error([0, 1, 1, 1], y_proba), 6)
    0.4
    """
    errors = []
    for confidence, hit, weight in calibration_problems(y_true, y_proba, sample_weight, labels):
        bins = bin_confidence(confidence, hit, weight, n_bins=n_bins, strategy=strategy)
        errors.append(float(np.average(bins.gap, weights=bins.weight)))
    return float(np.mean(errors))


def maximum_calibration_error(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 15,
    strategy: Strategy = "uniform",
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
) -> float:
    """Largest gap between confidence and accuracy over bins of confidence.

    With the samples sorted by confidence into bins ``b``::

        MCE = max_b |accuracy_b - confidence_b|

    where ``confidence_b`` is the mean confidence in a bin and ``accuracy_b`` the share of hits, as
    in :func:`expected_calibration_error`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_labels)
        Classes, or an indicator matrix of labels.

    y_proba : array-like of shape (n_samples, n_classes), (n_samples,) or (n_samples, n_labels)
        Probabilities as ``predict_proba`` returns them. One column is the probability of the
        second of two classes.

    n_bins : int, default=15
        Number of bins.

    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width, or bins of equal total weight. Equal confidences are never separated.

    sample_weight : array-like of shape (n_samples,), default=None
        A sample of weight 2 counts like two samples.

    labels : array-like of shape (n_classes,), default=None
        Classes in the order of the columns of `y_proba`. By default the sorted classes in
        `y_true`.

    Returns
    -------
    error : float
        In [0, 1]; lower is better. For multilabel targets, the largest gap over all labels.

    Raises
    ------
    ValueError
        If shapes or classes disagree, or `y_proba` does not hold probabilities.

    See Also
    --------
    expected_calibration_error : The average gap.

    Notes
    -----
    Bins with few samples have large gaps by chance; ``strategy="quantile"`` avoids such bins.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities
       using Bayesian binning", AAAI 2015.

    Examples
    --------
    >>> from sklearn_align.metrics import maximum_calibration_error
    >>> y_proba = [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]]
    >>> round(maximum_calibration_error([0, 1, 1, 1], y_proba), 6)
    0.4
    """
    errors = []
    for confidence, hit, weight in calibration_problems(y_true, y_proba, sample_weight, labels):
        bins = bin_confidence(confidence, hit, weight, n_bins=n_bins, strategy=strategy)
        errors.append(float(bins.gap.max()))
    return max(errors)


@dataclass(frozen=True)
class ConfidenceBins:
    """Mean confidence, accuracy and weight in each bin that contains samples.

    These are the points of a reliability curve. :class:`~sklearn_align.plotting.ReliabilityDisplay`
    has them in `bins`. The expected calibration error is the mean of `gap` weighted by `weight`.
    The maximum calibration error is the maximum of `gap`.

    Parameters
    ----------
    confidence : ndarray of shape (n_filled_bins,)
        Mean confidence.

    accuracy : ndarray of shape (n_filled_bins,)
        Weighted share of hits.

    weight : ndarray of shape (n_filled_bins,)
        Sum of the sample weights.

    n_samples : ndarray of shape (n_filled_bins,), default=None
        Number of samples, without their weights; None if it is not known.

    See Also
    --------
    expected_calibration_error : The average gap.
    maximum_calibration_error : The largest gap.
    sklearn_align.plotting.ReliabilityDisplay : Draws the bins.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import ConfidenceBins
    >>> bins = ConfidenceBins(
    ...     confidence=np.array([0.6, 0.9]),
    ...     accuracy=np.array([1.0, 0.5]),
    ...     weight=np.array([2.0, 2.0]),
    ... )
    >>> bins.gap
    array([0.4, 0.4])
    >>> round(float(np.average(bins.gap, weights=bins.weight)), 6)
    0.4
    """

    confidence: Float64Array
    accuracy: Float64Array
    weight: Float64Array
    n_samples: IntArray | None = None

    @property
    def gap(self) -> Float64Array:
        """Absolute difference of confidence and accuracy in each bin."""
        return np.abs(self.confidence - self.accuracy)


def bin_confidence(
    confidence: Float64Array,
    hit: Float64Array,
    weight: Float64Array,
    *,
    n_bins: int,
    strategy: Strategy,
) -> ConfidenceBins:
    """Sort samples into bins of confidence; all arrays (n_samples,), `hit` holds 0 or 1."""
    check_scalar(n_bins, "n_bins", Integral, min_val=1)
    if strategy == "uniform":
        inner_edges = np.linspace(0.0, 1.0, n_bins + 1)[1:-1]
    elif strategy == "quantile":
        values, position = np.unique(confidence, return_inverse=True)
        cumulated = np.cumsum(np.bincount(position, weights=weight))
        wanted = np.arange(1, n_bins) * cumulated[-1] / n_bins
        inner_edges = values[np.searchsorted(cumulated, wanted)]
    else:
        raise ValueError(f"strategy must be 'uniform' or 'quantile', got {strategy!r}.")
    # An edge belongs to the bin below it, as in calibration_curve of scikit-learn.
    index = np.searchsorted(inner_edges, confidence, side="left")
    total: Float64Array = np.bincount(index, weights=weight, minlength=n_bins).astype(np.float64)
    filled = total > 0
    return ConfidenceBins(
        confidence=np.bincount(index, weights=weight * confidence, minlength=n_bins)[filled]
        / total[filled],
        accuracy=np.bincount(index, weights=weight * hit, minlength=n_bins)[filled] / total[filled],
        weight=total[filled],
        n_samples=np.bincount(index, minlength=n_bins)[filled],
    )


def confidence_and_hits(
    y_true: ArrayLike, y_proba: ArrayLike, labels: ArrayLike | None = None
) -> list[tuple[Float64Array, Float64Array]]:
    """Confidences and hits (n_samples,): one pair for classes, one for each label if multilabel."""
    proba = check_array(
        y_proba, dtype=[np.float64, np.float32], ensure_2d=False, input_name="y_proba"
    ).astype(np.float64)
    target = np.asarray(y_true)
    check_consistent_length(target, proba)
    if proba.ndim > 2:
        raise ValueError(f"y_proba must have one or two dimensions, got shape {proba.shape}.")
    check_range(proba, "y_proba", "Pass predict_proba's output, not decision values.")
    # The tolerance admits values slightly above 1.
    proba = np.minimum(proba, 1.0)
    if target.ndim == 2 and proba.ndim == 2 and target.shape == proba.shape:
        if labels is not None:
            raise ValueError(
                "labels is for classes; y_true is an indicator matrix, whose columns are the "
                "labels."
            )
        if not np.isin(target, (0, 1)).all():
            raise ValueError(
                "y_true with as many columns as y_proba must hold only 0 and 1 (one column for "
                "each label)."
            )
        hits = target.astype(np.float64)
        return [(proba[:, j], hits[:, j]) for j in range(proba.shape[1])]
    classes = column_or_1d(target)
    kind = type_of_target(classes, input_name="y_true")
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"y_true must hold classes or an indicator matrix of the shape of y_proba, got a "
            f"{kind} target of shape {target.shape} for y_proba of shape {proba.shape}."
        )
    known = np.unique(classes) if labels is None else column_or_1d(labels)
    if proba.ndim == 1 or proba.shape[1] == 1:
        positive = proba.reshape(len(proba))
        proba = np.column_stack([1 - positive, positive])
    _check_classes(classes, known, proba, given=labels is not None)
    best = proba.argmax(axis=1)
    hit = (known[best] == classes).astype(np.float64)
    return [(proba[np.arange(len(proba)), best], hit)]


def calibration_problems(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    sample_weight: ArrayLike | None,
    labels: ArrayLike | None,
) -> list[tuple[Float64Array, Float64Array, Float64Array]]:
    """Confidences, hits and weights (n_samples,) to be binned: once, or for each label."""
    pairs = confidence_and_hits(y_true, y_proba, labels)
    weight = cast(
        Float64Array,
        check_sample_weight(sample_weight, pairs[0][0], dtype=np.float64, ensure_non_negative=True),
    )
    if not weight.sum() > 0:
        raise ValueError(
            "sample_weight is zero for all samples: give at least one sample a positive weight."
        )
    return [(confidence, hit, weight) for confidence, hit in pairs]


def _check_classes(
    classes: NDArray[Any], known: NDArray[Any], proba: Float64Array, *, given: bool
) -> None:
    """Raise unless the columns of `proba` (n_samples, n_classes) are the known classes."""
    if len(known) != proba.shape[1]:
        raise ValueError(
            f"y_proba has {proba.shape[1]} columns but {'labels' if given else 'y_true'} has "
            f"{len(known)} classes. Pass labels=estimator.classes_, in the order of the columns."
        )
    unknown = np.setdiff1d(classes, known)
    if len(unknown):
        raise ValueError(f"y_true has classes that are not in labels: {unknown.tolist()}.")
    check_sums(proba, "y_proba", "For independent labels pass y_true as an indicator matrix.")
