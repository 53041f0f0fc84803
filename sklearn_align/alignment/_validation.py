"""Validation of the second space and of known pairs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array

from sklearn_align._sklearn import called_from_cross_validation
from sklearn_align.alignment._problem import KnownPairs, unit_rows

FloatArray = NDArray[np.floating[Any]]


def choose_target(XB: ArrayLike | None, y: ArrayLike | None, caller: str) -> ArrayLike:
    """Return what holds the rows of the target space: `XB` if given, else `y`.

    Parameters
    ----------
    XB : array-like or None
        Rows of the target space.

    y : array-like or None
        Rows of the target space in scikit-learn's second position, or labels when `XB` is given.

    caller : str
        Name of the estimator, for messages.

    Returns
    -------
    array-like
        `XB`, `y`, or a 1-D `y` as one column.

    Raises
    ------
    ValueError
        When there is no target space, or `y` holds multilabel targets.
    """
    if XB is not None:
        return XB
    if y is None:
        raise ValueError(
            f"{caller} requires y to be passed, but the target y is None. Pass the rows of the "
            "target space as fit(XA, XB)."
        )
    if hasattr(y, "ndim") and hasattr(y, "dtype"):
        n_dim, kind = y.ndim, np.dtype(y.dtype).kind if isinstance(y.dtype, np.dtype) else "O"
    else:
        values = np.asarray(y)
        n_dim, kind = values.ndim, values.dtype.kind
    if n_dim == 1:
        warnings.warn(
            "y is one-dimensional and is taken as a target space with a single feature. If y holds "
            "labels, pass the rows of the target space as XB=...",
            DataConversionWarning,
            stacklevel=4,
        )
        column: ArrayLike = np.asarray(y).reshape(-1, 1)
        return column
    if n_dim == 2 and kind in "iub":
        raise ValueError(
            "y has two dimensions and integer or boolean values, which are multilabel targets. If "
            "y is the target space, convert it to float; if it holds labels, pass the rows of the "
            "target space as XB=..."
        )
    return y


def check_target(XB: ArrayLike, *, estimator: Any, ensure_min_samples: int = 1) -> FloatArray:
    """Validate the rows of the target space as a finite 2-D float array.

    Parameters
    ----------
    XB : array-like of shape (n_samples, n_features)
        Rows of the target space.

    estimator : estimator instance
        Named in messages.

    ensure_min_samples : int, default=1
        Fewest rows allowed.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        float32 stays float32, all else becomes float64.
    """
    return np.asarray(
        check_array(
            XB,
            dtype=[np.float64, np.float32],
            input_name="XB",
            estimator=estimator,
            ensure_min_samples=ensure_min_samples,
        )
    )


def check_pairs(
    pairs: Any,
    XA: FloatArray,
    XB: FloatArray,
    *,
    mean_A: FloatArray,
    mean_B: FloatArray,
    weight: float,
) -> KnownPairs | None:
    """Validate known pairs, given as row numbers or as the rows themselves.

    Parameters
    ----------
    pairs : None or tuple of two array-likes
        Either two integer vectors of equal length, row numbers into `XA` and `XB`, or two float
        matrices with equal numbers of rows, the paired rows themselves.

    XA, XB : ndarray
        Validated rows of both spaces.

    mean_A, mean_B : ndarray
        Means to be removed.

    weight : float
        What one pair counts.

    Returns
    -------
    KnownPairs or None
        Centred unit rows; None when there are no pairs.

    Raises
    ------
    ValueError
        When the pairs have another form, lengths differ, a row number is out of range, or row
        numbers are passed inside a cross-validation.
    """
    if pairs is None:
        return None
    if not isinstance(pairs, Sequence) or isinstance(pairs, str) or len(pairs) != 2:
        raise ValueError(
            "pairs must be a tuple (rows_A, rows_B) of two row-number vectors or of two matrices "
            f"of paired rows, got {type(pairs).__name__}"
            + (f" of length {len(pairs)}." if isinstance(pairs, Sequence) else ".")
        )
    sides = [np.asarray(side) for side in pairs]
    if len(sides[0]) != len(sides[1]) if all(side.ndim for side in sides) else True:
        raise ValueError(
            "pairs must hold as many rows_A as rows_B, got shapes "
            f"{sides[0].shape} and {sides[1].shape}."
        )
    if len(sides[0]) == 0:
        return None
    if all(side.ndim == 1 and side.dtype.kind in "iu" for side in sides):
        if called_from_cross_validation():
            raise ValueError(
                "pairs holds row numbers, which no longer point to the same rows after a "
                "cross-validation split. Pass the paired rows themselves: "
                "pairs=(XA[rows_A], XB[rows_B])."
            )
        for name, side, rows in zip(("rows_A", "rows_B"), sides, (XA, XB), strict=True):
            if side.min() < 0 or side.max() >= len(rows):
                raise ValueError(
                    f"pairs: {name} must lie in [0, {len(rows) - 1}], got values from {side.min()} "
                    f"to {side.max()}."
                )
        rows_A, rows_B = XA[sides[0]], XB[sides[1]]
    elif all(side.ndim == 2 for side in sides):
        rows_A = check_array(sides[0], dtype=XA.dtype, input_name="pairs[0]")
        rows_B = check_array(sides[1], dtype=XB.dtype, input_name="pairs[1]")
        for name, rows, width in (("pairs[0]", rows_A, XA), ("pairs[1]", rows_B, XB)):
            if rows.shape[1] != width.shape[1]:
                raise ValueError(
                    f"{name} has {rows.shape[1]} features, but its space has {width.shape[1]}."
                )
    else:
        raise ValueError(
            "pairs must be two integer vectors (row numbers) or two matrices (the rows "
            f"themselves), got {sides[0].dtype} of shape {sides[0].shape} and {sides[1].dtype} of "
            f"shape {sides[1].shape}."
        )
    return KnownPairs(unit_rows(rows_A, mean_A), unit_rows(rows_B, mean_B), weight)
