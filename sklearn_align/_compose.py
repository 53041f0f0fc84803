"""Estimators inside pipelines, searches and other wrappers, and X as it reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def has_leading_steps(estimator: Any) -> bool:
    """Tell whether X is transformed on its way to the final estimator."""
    while (inner := _next(estimator)) is not None:
        if hasattr(estimator, "steps") and len(estimator.steps) > 1:
            return True
        estimator = inner
    return False


def own_scoring(estimator: Any) -> Any:
    """Return the scorer that ``estimator.score`` uses for the final estimator; None for its own."""
    while (inner := _next(estimator)) is not None:
        scorer = getattr(estimator, "scorer_", None)
        if isinstance(scorer, Mapping):
            scorer = scorer[estimator.refit]
        if scorer is not None:
            return scorer
        estimator = inner
    return None


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
