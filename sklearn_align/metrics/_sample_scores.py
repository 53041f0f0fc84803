"""Scores of single samples, for the scorings that are means over samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_array

from sklearn_align._typing import Float64Array

# Takes estimator, X, y and sample weights (n_samples,); returns one score for each sample.
SampleScorer = Callable[[Any, Any, Any, Float64Array], Float64Array]


def sample_scorer(estimator: Any, scoring: Any) -> SampleScorer:
    """Return a function of estimator, X, y and sample weights with scores of shape (n_samples,)."""
    if scoring is None:
        if is_classifier(estimator):
            return _accuracy
        if is_regressor(estimator):
            return _r2
    if isinstance(scoring, str) and scoring in _SCORERS:
        return _SCORERS[scoring]
    if callable(scoring):
        return _Own(scoring)
    raise ValueError(
        f"per_sample=True needs a score that is a mean over samples, got scoring={scoring!r}. Pass "
        f"one of {sorted(_SCORERS)}, or a callable (estimator, X, y) that returns an array with "
        "one score for each sample; or set per_sample=False."
    )


class _Own:
    """A function of the user that returns scores of single samples."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Float64Array) -> Float64Array:
        scores = np.asarray(self.function(estimator, X, y), dtype=np.float64)
        if scores.shape != (len(sample_weight),):
            raise ValueError(
                "with per_sample=True, a callable `scoring` must return one score for each sample, "
                f"an array of shape ({len(sample_weight)},); {self.function!r} returned shape "
                f"{scores.shape}. Pass one of {sorted(_SCORERS)}, or set per_sample=False."
            )
        return scores


def _accuracy(estimator: Any, X: Any, y: Any, sample_weight: Float64Array) -> Float64Array:
    """1 where the class, or every label, is right."""
    right = _by_sample(np.asarray(estimator.predict(X))) == _by_sample(np.asarray(y))
    return np.asarray(right.all(axis=1), dtype=np.float64)


def _log_loss(estimator: Any, X: Any, y: Any, sample_weight: Float64Array) -> Float64Array:
    """Logarithm of the probability of the class, clipped as scikit-learn does."""
    proba, codes = _probabilities(estimator, X, y)
    epsilon = np.finfo(proba.dtype).eps
    clipped = np.clip(proba[np.arange(len(codes)), codes].astype(np.float64), epsilon, 1 - epsilon)
    return np.asarray(np.log(clipped))


def _brier(estimator: Any, X: Any, y: Any, sample_weight: Float64Array) -> Float64Array:
    """Minus the squared distance from the indicator of the class; half of it for two classes."""
    proba, codes = _probabilities(estimator, X, y)
    errors = proba.astype(np.float64)
    errors[np.arange(len(codes)), codes] -= 1
    scale = 2.0 if errors.shape[1] == 2 else 1.0
    return np.asarray(-(errors**2).sum(axis=1) / scale)


def _squared_error(estimator: Any, X: Any, y: Any, sample_weight: Float64Array) -> Float64Array:
    """Minus the squared error, its mean over several targets."""
    return np.asarray(-(_residuals(estimator, X, y)[0] ** 2).mean(axis=1))


def _absolute_error(estimator: Any, X: Any, y: Any, sample_weight: Float64Array) -> Float64Array:
    """Minus the absolute error, its mean over several targets."""
    return np.asarray(-np.abs(_residuals(estimator, X, y)[0]).mean(axis=1))


def _r2(estimator: Any, X: Any, y: Any, sample_weight: Float64Array) -> Float64Array:
    """``1 - (y_i - f_i)^2 / Var(y)``, its mean over several targets."""
    residuals, targets = _residuals(estimator, X, y)
    mean = np.average(targets, axis=0, weights=sample_weight)
    variance = np.average((targets - mean) ** 2, axis=0, weights=sample_weight)
    if not (variance > 0).all():
        raise ValueError(
            "scoring='r2' needs targets y that vary, with per_sample=True. Pass "
            "scoring='neg_mean_squared_error'."
        )
    return np.asarray(1 - (residuals**2 / variance).mean(axis=1))


_SCORERS: Mapping[str, SampleScorer] = {
    "accuracy": _accuracy,
    "neg_brier_score": _brier,
    "neg_log_loss": _log_loss,
    "neg_mean_absolute_error": _absolute_error,
    "neg_mean_squared_error": _squared_error,
    "r2": _r2,
}


def _by_sample(values: NDArray[Any]) -> NDArray[Any]:
    """Reshape (n_samples,) to (n_samples, 1); leave (n_samples, n_outputs)."""
    return values.reshape(len(values), -1)


def _probabilities(estimator: Any, X: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Probabilities (n_samples, n_classes), and the columns in them of `y` (n_samples,)."""
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(
            f"y must hold one class for each sample, got shape {labels.shape}: pass "
            "scoring='accuracy', or a callable that returns one score for each sample."
        )
    position = {label: code for code, label in enumerate(np.asarray(estimator.classes_).tolist())}
    unknown = sorted({str(label) for label in labels.tolist() if label not in position})
    if unknown:
        raise ValueError(
            f"y holds the classes {unknown}, which the estimator was not fitted to: leave out "
            "these samples, or pass scoring='accuracy'."
        )
    codes = np.array([position[label] for label in labels.tolist()], dtype=np.intp)
    return check_array(estimator.predict_proba(X), dtype=[np.float64, np.float32]), codes


def _residuals(estimator: Any, X: Any, y: Any) -> tuple[Float64Array, Float64Array]:
    """Differences of targets and predictions, and the targets: (n_samples, n_outputs) each."""
    targets = _by_sample(np.asarray(y, dtype=np.float64))
    predictions = _by_sample(np.asarray(estimator.predict(X), dtype=np.float64))
    return targets - predictions, targets
