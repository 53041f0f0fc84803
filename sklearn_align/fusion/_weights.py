"""Checks of weights and of indicators, whose values a loss would turn into NaN."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_align._sklearn import check_sample_weight
from sklearn_align._typing import Float64Array

_LARGEST_FACTOR = 1e30


def check_indicators(y: NDArray[Any]) -> None:
    """Raise unless y (n_samples, n_labels) holds 0 and 1 only."""
    wrong = ((y != 0) & (y != 1)).any(axis=0)
    if not wrong.any():
        return
    column = int(np.flatnonzero(wrong)[0])
    values = np.unique(y[:, column]).tolist()
    others = int(wrong.sum()) - 1
    raise ValueError(
        f"column {column} of y"
        + (f" (and {others} more)" if others else "")
        + f" holds the values {values}: a matrix of labels must hold 0 and 1 only. Recode it, for "
        f"example as (y == {max(values)!r}).astype(int)."
    )


def check_class_weight(class_weight: Mapping[Any, Any]) -> None:
    """Raise unless the weights of the classes are finite numbers that are not negative."""
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight[{label!r}] is {weight!r}; a weight must be a finite number of at "
                "least 0."
            )


def check_pos_weight(pos_weight: Any, n_labels: int) -> Float64Array:
    """Return weights (n_labels,) of ones; raise unless they are positive and float32 holds them."""
    given = np.asarray(pos_weight, dtype=np.float64)
    if given.shape != (n_labels,) or not ((given > 0) & (given <= _LARGEST_FACTOR)).all():
        raise ValueError(
            f"pos_weight must hold {n_labels} positive numbers of at most {_LARGEST_FACTOR:.0e}, "
            f"one per label; got {pos_weight!r}."
        )
    return given


def bounded(sample_weight: Float64Array) -> Float64Array:
    """Weights (n_samples,), divided by the largest one if their sum may be out of range."""
    largest = float(sample_weight.max(initial=0.0))
    if largest > 0 and not 1e-30 < largest < 1e30:
        return sample_weight / largest
    return sample_weight


def check_usable(sample_weight: Float64Array, present: NDArray[np.bool_] | Any) -> None:
    """Raise if no sample has both a weight (n_samples,) and a present modality (n_samples,)."""
    if not present.any():
        raise ValueError("no modality is present in any of the samples: all values of X are NaN.")
    if not (sample_weight[present] > 0).any():
        raise ValueError(
            "all samples with a present modality have a weight of zero: give at least one of them "
            "a positive sample_weight or class_weight."
        )


def check_scored(
    task: str, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> ArrayLike | None:
    """Check the targets and the weights (n_samples,) of a score; return the weights."""
    if task == "multilabel" and np.ndim(y) == 2:
        check_indicators(np.asarray(y))
    if sample_weight is None:
        return None
    weights: Float64Array = check_sample_weight(sample_weight, X, ensure_non_negative=True)
    return weights
