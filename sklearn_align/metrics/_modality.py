"""Modality weights, and scores with missing modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy
from sklearn.metrics import check_scoring
from sklearn.utils import (
    Bunch,
    check_array,
    check_consistent_length,
    check_random_state,
    check_scalar,
)
from sklearn.utils.parallel import Parallel, delayed

from sklearn_align._blocks import refuse_views
from sklearn_align._compose import final_estimator, modalities_of, without_leading_steps
from sklearn_align._modalities import Columns
from sklearn_align._sklearn import check_sample_weight
from sklearn_align._typing import Float64Array
from sklearn_align.datasets import drop_modalities
from sklearn_align.metrics._probabilities import check_range, check_sums


def modality_entropy(weights: ArrayLike, *, normalize: bool = False) -> Float64Array:
    """Entropy of the weights that a fusion gives to the modalities of each sample.

    For the weights ``w_m`` of a sample it is ``H = -sum_m w_m * log(w_m)``, with ``0 log 0 = 0``.
    With `normalize` it is divided by ``log(n)``, where ``n`` is the number of weights above 0.
    Weights are not importances, see :func:`modality_importance`.

    Parameters
    ----------
    weights : array-like of shape (n_samples, n_modalities)
        Not negative and summing to 1 for each sample, as ``modality_weights`` returns them. Zeros
        only stand for a sample without any present modality.

    normalize : bool, default=False
        Divide by the largest possible entropy, which is the entropy of equal weights on the
        modalities whose weight is not 0. Samples with one such modality, or without any, get 0.

    Returns
    -------
    entropy : ndarray of shape (n_samples,)
        In nats; between 0 (all weight on one modality) and ``log(n_modalities)``. In [0, 1] with
        `normalize`.

    Raises
    ------
    ValueError
        If a weight is negative or the weights of a sample sum neither to 1 nor to 0.

    See Also
    --------
    effective_modalities : The exponential of the entropy, as a number of modalities.
    modality_importance : How much a score depends on each modality.
    scipy.stats.entropy : Entropy of one distribution, or along an axis.

    Examples
    --------
    >>> from sklearn_align.metrics import modality_entropy
    >>> modality_entropy([[0.5, 0.5], [1.0, 0.0]]).round(4)
    array([0.6931, 0.    ])
    >>> modality_entropy([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], normalize=True)
    array([1., 0.])
    """
    shares = _check_weights(weights)
    entropy = np.asarray(-xlogy(shares, shares).sum(axis=1)) + 0.0
    if normalize:
        largest = np.log(np.maximum(np.count_nonzero(shares, axis=1), 1))
        entropy /= np.where(largest == 0, 1, largest)
        np.clip(entropy, 0.0, 1.0, out=entropy)
    return entropy


def effective_modalities(weights: ArrayLike) -> Float64Array:
    """Effective number of modalities among which a fusion divides the weight of each sample.

    It is the exponential of the entropy, ``exp(-sum_m w_m * log(w_m))``: ``n`` equal weights count
    as ``n`` modalities. It describes the fused representation. It does not measure on how many
    modalities a prediction depends.

    Parameters
    ----------
    weights : array-like of shape (n_samples, n_modalities)
        Not negative and summing to 1 for each sample, as ``modality_weights`` returns them. Zeros
        only stand for a sample without any present modality.

    Returns
    -------
    number : ndarray of shape (n_samples,)
        Between 1 and `n_modalities`; 0 for samples whose weights are all 0.

    Raises
    ------
    ValueError
        If a weight is negative or the weights of a sample sum neither to 1 nor to 0.

    See Also
    --------
    modality_entropy : The logarithm of this number.
    modality_importance : How much a score depends on each modality.

    Examples
    --------
    >>> from sklearn_align.metrics import effective_modalities
    >>> effective_modalities([[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]]).round(4)
    array([2., 1., 0.])
    """
    shares = _check_weights(weights)
    number: Float64Array = np.exp(modality_entropy(shares))
    number[~shares.any(axis=1)] = 0.0
    return number


def confidence_violation_rate(
    y_proba_subset: ArrayLike,
    y_proba_full: ArrayLike,
    *,
    multilabel: bool = False,
    tolerance: float = 0.0,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of samples on which a classifier is more confident with fewer modalities.

    With confidences ``c_i`` from all modalities, ``s_i`` from a subset of them, and sample weights
    ``w_i``::

        rate = sum_i w_i * [s_i - c_i > tolerance] / sum_i w_i

    The confidence of a sample is its largest probability. If the probabilities from the subset are
    the expectation of the probabilities from all modalities, the mean confidence is not larger with
    fewer modalities.

    Parameters
    ----------
    y_proba_subset : array-like of shape (n_samples, n_classes) or (n_samples, n_labels)
        Probabilities with some modalities missing.

    y_proba_full : array-like of shape (n_samples, n_classes) or (n_samples, n_labels)
        Probabilities of the same samples with these modalities present.

    multilabel : bool, default=False
        Whether the columns are independent labels. The confidence of a label is then ``max(p, 1 -
        p)``, and the rate is the mean over samples and labels.

    tolerance : float, default=0.0
        A larger confidence counts only if the difference is larger than this number.

    sample_weight : array-like of shape (n_samples,), default=None
        A sample of weight 2 counts like two samples.

    Returns
    -------
    rate : float
        In [0, 1]; lower is better. In general, 0 cannot be reached: on single samples, modalities
        that disagree correctly decrease the confidence.

    Raises
    ------
    ValueError
        If the shapes differ, the values are not probabilities or `tolerance` is negative.

    See Also
    --------
    missing_modality_curve : Any score as a function of the rate of missing modalities.
    expected_calibration_error : Gap between confidence and accuracy.

    Examples
    --------
    >>> from sklearn_align.metrics import confidence_violation_rate
    >>> full = [[0.9, 0.1], [0.6, 0.4]]
    >>> image_only = [[0.8, 0.2], [0.3, 0.7]]
    >>> confidence_violation_rate(image_only, full)
    0.5
    """
    subset = _check_proba(y_proba_subset, "y_proba_subset", multilabel)
    full = _check_proba(y_proba_full, "y_proba_full", multilabel)
    if subset.shape != full.shape:
        raise ValueError(
            f"y_proba_subset has shape {subset.shape} and y_proba_full {full.shape}; they must "
            "hold the same samples and classes."
        )
    check_scalar(tolerance, "tolerance", Real, min_val=0)
    weight = check_sample_weight(sample_weight, full, dtype=np.float64, ensure_non_negative=True)
    if multilabel:
        violated = np.maximum(subset, 1 - subset) - np.maximum(full, 1 - full) > tolerance
        return float(np.average(violated.mean(axis=1), weights=weight))
    return float(np.average(subset.max(axis=1) - full.max(axis=1) > tolerance, weights=weight))


def _check_proba(proba: ArrayLike, name: str, multilabel: bool) -> Float64Array:
    """Validate probabilities (n_samples, n_columns)."""
    array: Float64Array = check_array(proba, dtype=np.float64, input_name=name)
    check_range(array, name, "Pass predict_proba's output, not decision values.")
    if not multilabel:
        check_sums(array, name, "For independent labels pass multilabel=True.")
    return array


def missing_modality_curve(
    estimator: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    rates: Sequence[float] = (0.0, 0.25, 0.5, 0.75),
    modalities: Mapping[str, Columns] | None = None,
    scoring: Any = None,
    n_repeats: int = 5,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Score fitted estimators on samples from which modalities are dropped at several rates.

    All estimators are scored on the same samples with the same blocks missing. Within a repeat, a
    block that is missing at one rate is also missing at all higher rates, so that the points of a
    curve differ only by the rate.

    Parameters
    ----------
    estimator : estimator or dict of str to estimator
        Fitted estimator, or a dict of several by name. Estimators must accept NaN; otherwise use a
        pipeline with an imputer.

    X : array-like or DataFrame of shape (n_samples, n_features)
        Samples for the score. Blocks that are already missing remain missing.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets.

    rates : sequence of float, default=(0, 0.25, 0.5, 0.75)
        Probabilities in [0, 1] with which a block is dropped, see
        :func:`~sklearn_align.datasets.drop_modalities`. One block of every
        sample is kept.

    modalities : dict of str to int, slice, list of int or list of str, default=None
        The blocks of X. By default, the parameter `modalities` of the first estimator that has one.
        In a pipeline, or a search over pipelines, blocks are dropped from the input of the last
        step.

    scoring : str, callable or None, default=None
        A scikit-learn scorer; None uses the estimator's ``score``.

    n_repeats : int, default=5
        Number of random draws of the missing blocks. A rate of 0 is scored once.

    random_state : int, RandomState instance or None, default=None
        Pass an int to get the same blocks dropped in every call.

    n_jobs : int, default=None
        Number of scores that are computed in parallel. None means 1 unless in a
        :obj:`joblib.parallel_backend` context, -1 means all processors. The result does not depend
        on `n_jobs`.

    verbose : int, default=0
        Verbosity of joblib.

    Returns
    -------
    curve : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        rates : ndarray of shape (n_rates,)
            As given.
        scores : ndarray of shape (n_rates, n_repeats)
            One score for each rate and repeat.
        mean, std : ndarray of shape (n_rates,)
            Mean and standard deviation over the repeats.

        If `estimator` is a dict, `scores`, `mean` and `std` are dicts of such arrays.

    Raises
    ------
    ValueError
        If `rates` are not in [0, 1], the modalities are not known, or `scoring` has several
        metrics.

    See Also
    --------
    sklearn_align.plotting.MissingModalityDisplay : Draws the curve.
    modality_importance : How much the score depends on each modality.
    sklearn_align.datasets.drop_modalities : Drops blocks at one rate.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn_align.datasets import make_multimodal_classification
    >>> from sklearn_align.metrics import missing_modality_curve
    >>> data = make_multimodal_classification(n_samples=300, random_state=0)
    >>> boosting = HistGradientBoostingClassifier(max_iter=20).fit(data.data, data.target)
    >>> curve = missing_modality_curve(
    ...     boosting, data.data, data.target, modalities=data.modalities, random_state=0
    ... )
    >>> curve.scores.shape
    (4, 5)
    """
    refuse_views(X)
    check_rates = np.asarray(rates, dtype=np.float64)
    if check_rates.ndim != 1 or not check_rates.size:
        raise ValueError(f"rates must be a sequence of numbers in [0, 1], got {rates!r}.")
    if not ((check_rates >= 0) & (check_rates <= 1)).all():
        raise ValueError(f"rates must lie in [0, 1], got {list(rates)}.")
    if n_repeats < 1:
        raise ValueError(f"n_repeats must be at least 1, got {n_repeats}.")
    if y is not None:
        check_consistent_length(X, y)
    estimators = dict(estimator) if isinstance(estimator, Mapping) else {"": estimator}
    if not estimators:
        raise ValueError("estimator is an empty dict: pass at least one fitted estimator.")
    first = find_modalities(list(estimators.values())) if modalities is None else modalities
    scored = {}
    for name, one in estimators.items():
        located = locate_blocks(one, X, modalities, first)
        scored[name] = _Scored(located, _single_scorer(located.estimator, scoring))
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=n_repeats)

    tasks = [
        (name, i, j)
        for i, rate in enumerate(check_rates)
        for j in range(n_repeats if rate > 0 else 1)
        for name in estimators
    ]
    values = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_score_once)(scored[name], y, check_rates[i], int(seeds[j])) for name, i, j in tasks
    )
    scores = {name: np.empty((len(check_rates), n_repeats)) for name in estimators}
    for (name, i, j), value in zip(tasks, values, strict=True):
        if check_rates[i] > 0:
            scores[name][i, j] = value
        else:
            scores[name][i] = value
    if not isinstance(estimator, Mapping):
        only = scores[""]
        return Bunch(rates=check_rates, scores=only, mean=only.mean(axis=1), std=only.std(axis=1))
    return Bunch(
        rates=check_rates,
        scores=scores,
        mean={name: one.mean(axis=1) for name, one in scores.items()},
        std={name: one.std(axis=1) for name, one in scores.items()},
    )


def find_modalities(estimators: Sequence[Any]) -> Mapping[str, Columns]:
    """Return the `modalities` of the first estimator that has some; ValueError if none has."""
    for estimator in estimators:
        found = modalities_of(final_estimator(estimator))
        if isinstance(found, Mapping):
            return found
    raise ValueError(
        "modalities is needed: no estimator has a parameter of that name that is set. Pass a dict "
        "of modality name to width or columns."
    )


class Located(NamedTuple):
    """An estimator, samples as it takes them, and the blocks of these samples."""

    estimator: Any
    X: Any
    modalities: Mapping[str, Columns]


def locate_blocks(
    estimator: Any,
    X: Any,
    modalities: Mapping[str, Columns] | None,
    default: Mapping[str, Columns],
) -> Located:
    """Find where the blocks are: in X, if they are given, or behind the steps of a pipeline."""
    blocks = modalities_of(final_estimator(estimator)) if modalities is None else None
    if isinstance(blocks, Mapping):
        shortened, X_final = without_leading_steps(estimator, X)
        if shortened is not estimator:
            return Located(shortened, X_final, blocks)
    return Located(estimator, X, default)


class _Scored(NamedTuple):
    """What is scored: an estimator on samples with blocks."""

    located: Located
    scorer: Any


def _single_scorer(estimator: Any, scoring: Any) -> Any:
    """Return the scorer of one metric."""
    if scoring is not None and not isinstance(scoring, str) and not callable(scoring):
        raise ValueError(
            f"scoring must be one metric (str, callable or None), got {scoring!r}. Call the "
            "function once for each metric, with the same random_state."
        )
    return check_scoring(estimator, scoring=scoring)


def _score_once(scored: _Scored, y: ArrayLike | None, rate: float, seed: int) -> float:
    """Score with blocks dropped at `rate`."""
    estimator, X, modalities = scored.located
    X_dropped = drop_modalities(X, modalities, rate, random_state=seed)
    return float(scored.scorer(estimator, X_dropped, y))


def _check_weights(weights: ArrayLike) -> Float64Array:
    """Validate modality weights (n_samples, n_modalities); samples may have zeros only."""
    shares: Float64Array = check_array(weights, dtype=np.float64, input_name="weights")
    remedy = "Pass modality_weights(X)."
    check_range(shares, "weights", remedy)
    check_sums(shares, "weights", remedy, allow_zeros=True)
    return np.asarray(shares)
