"""Estimators inside pipelines, searches and other wrappers, and X as it reaches them."""

from __future__ import annotations

import copy
from typing import Any

from sklearn.frozen import FrozenEstimator

from sklearn_align._modalities import ColumnsByPosition

# Attributes under which wrappers hold the one estimator that they have fitted on X as it is.
_WRAPPED = ("best_estimator_", "regressor_", "estimator_")


def final_estimator(estimator: Any) -> Any:
    """Return what predicts at the end of a pipeline or a fitted search, also of nested ones."""
    while (inner := _next(estimator)) is not None:
        estimator = inner
    return estimator


def reach_final(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the final estimator and X, given as to the outermost one, as it reaches it."""
    while (inner := _next(estimator)) is not None:
        if hasattr(estimator, "steps") and len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = inner
    return estimator, X


def without_leading_steps(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the estimator without the steps before its final one, and X as it leaves these.

    Wrappers around the final estimator keep what they do with its predictions: a search its scorer,
    others their transformed targets or thresholds. They are copied, not changed.
    """
    if isinstance(estimator, FrozenEstimator):
        return without_leading_steps(estimator.estimator, X)
    if hasattr(estimator, "steps"):
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        return without_leading_steps(estimator.steps[-1][1], X)
    inner = _next(estimator)
    if inner is None:
        return estimator, X
    shortened, X = without_leading_steps(inner, X)
    if shortened is inner:
        return estimator, X
    outer = copy.copy(estimator)
    setattr(outer, next(name for name in _WRAPPED if hasattr(estimator, name)), shortened)
    return outer, X


def modalities_of(estimator: Any) -> Any:
    """Return the blocks of an estimator by position if it is fitted; None if it has none."""
    modalities = getattr(estimator, "modalities", None)
    layout = getattr(estimator, "layout_", None)
    if modalities is None or layout is None:
        return modalities
    return ColumnsByPosition(zip(layout.names, layout.columns, strict=True))


def _next(estimator: Any) -> Any:
    """Return the estimator that a wrapper holds, None for any other estimator."""
    if hasattr(estimator, "steps"):
        return estimator.steps[-1][1]
    for name in _WRAPPED:
        if hasattr(estimator, name):
            return getattr(estimator, name)
    if hasattr(estimator, "cv_results_"):
        raise ValueError(
            f"{type(estimator).__name__} was fitted with refit=False and holds no estimator: set "
            "refit=True, or pass a fitted estimator."
        )
    return None
