"""Values that float32 cannot hold: which columns are scaled nevertheless, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align._typing import BoolArray, Float64Array, IntArray

# Columns whose largest value lies within are scaled as they are, others after multiplication by a
# power of two, which is exact.
_SMALLEST_PEAK, _LARGEST_PEAK = 1e-20, 1e30
# A larger value is a code for "no data" rather than a measurement, if it exceeds the median of its
# column by this factor.
_FARTHEST = 1e15
# Squares of scaled values, and sums of them, must be finite in float32.
_LARGEST_SCALED = 1e15
# What is predicted may lie outside of the range of the training targets.
_LARGEST_TARGET = 1e300


def peaks(X: NDArray[Any]) -> Float64Array:
    """Largest absolute values (n_columns,) of X (n_samples, n_columns); 0 where all is NaN."""
    largest = np.maximum(np.abs(np.fmax.reduce(X, axis=0)), np.abs(np.fmin.reduce(X, axis=0)))
    values: Float64Array = np.nan_to_num(largest.astype(np.float64))
    return values


def scaling_exponents(X: NDArray[Any]) -> IntArray:
    """Powers of two (n_columns,) to divide the columns of X (n_samples, n_columns) by; mostly 0."""
    peak = peaks(X)
    unusual = (peak > 0) & ((peak < _SMALLEST_PEAK) | (peak > _LARGEST_PEAK))
    exponents: IntArray = np.where(unusual, np.frexp(peak)[1], 0).astype(np.int64)
    return exponents


def check_training_columns(
    X: NDArray[Any],
    name_of: Callable[[int], str],
    *,
    standardize: bool | BoolArray,
    if_missing: str = "replace it by NaN or impute it",
) -> None:
    """Raise if scaling would lose what the columns of X (n_samples, n_columns) hold."""
    peak = peaks(X)
    for column in np.flatnonzero(peak > _LARGEST_PEAK).tolist():
        values = np.abs(X[:, column].astype(np.float64))
        if peak[column] / _FARTHEST > np.nanmedian(values):
            raise ValueError(
                f"{name_of(column)} holds {_extreme(X[:, column]):.8g}, which is more than "
                f"{_FARTHEST:.0e} times the median of the absolute values. If it stands for "
                f"missing data, {if_missing}; else transform the values, for "
                "example with scikit-learn's QuantileTransformer."
            )
    # Scaled columns may have any unit.
    peak = np.where(standardize, 0.0, peak)
    for column in np.flatnonzero(peak > _LARGEST_SCALED).tolist():
        raise ValueError(
            f"{name_of(column)} holds {_extreme(X[:, column]):.8g}, more than {_LARGEST_SCALED:.0e}"
            ": sums and squares would exceed the range of float32. Set standardize=True, or divide "
            "the values."
        )
    for column in np.flatnonzero((peak > 0) & (peak < np.finfo(np.float32).tiny)).tolist():
        raise ValueError(
            f"{name_of(column)} holds no value larger than {peak[column]:.8g}, which float32 "
            "cannot distinguish from 0. Set standardize=True, or multiply the values."
        )


def check_training_targets(y: Float64Array, name_of: Callable[[int], str]) -> None:
    """Raise if numeric targets y (n_samples, n_targets) cannot be scaled and predicted."""
    for column in np.flatnonzero(peaks(y) > _LARGEST_TARGET).tolist():
        raise ValueError(
            f"{name_of(column)} holds {_extreme(y[:, column]):.8g}: the predictions could "
            "exceed the range of float64. Leave out samples whose value stands for missing data, "
            "or divide the targets."
        )
    check_training_columns(y, name_of, standardize=True, if_missing="leave the sample out")


def check_scaled(scaled: Float64Array, X: NDArray[Any], name_of: Callable[[int], str]) -> None:
    """Raise if scaled (n_samples, n_columns), made from X, holds what a network cannot compute."""
    if not scaled.size or max(scaled.max(), -scaled.min()) <= _LARGEST_SCALED:
        return
    sample, column = np.argwhere(~(np.abs(scaled) <= _LARGEST_SCALED))[0].tolist()
    raise ValueError(
        f"{name_of(column)} holds {X[sample, column]:.8g} in sample {sample}, which is farther "
        f"than {_LARGEST_SCALED:.0e} from the center of the training samples in units of the scale "
        "(standard deviations, with standardize=True). If it stands for missing data, replace "
        "it by NaN or impute it; else correct it, or scale the column."
    )


def _extreme(column: NDArray[Any]) -> float:
    return float(column[np.nanargmax(np.abs(column))])
