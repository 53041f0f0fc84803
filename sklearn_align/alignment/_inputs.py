"""Validation of the second space and of known pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array

from sklearn_align._sklearn import called_from_cross_validation
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.alignment._problem import KnownPairs
from sklearn_align.exceptions import SmallSampleWarning, warn_user


def choose_target(XB: ArrayLike | None, y: ArrayLike | None, caller: str) -> ArrayLike:
    """Return the samples of the target space: `XB` if given, else `y`; a 1-D `y` as one column."""
    if XB is not None:
        return XB
    if y is None:
        raise ValueError(
            f"{caller} requires y to be passed, but the target y is None. Pass the samples "
            "of the target space as fit(XA, XB)."
        )
    if hasattr(y, "ndim") and hasattr(y, "dtype"):
        n_dim, kind = y.ndim, np.dtype(y.dtype).kind if isinstance(y.dtype, np.dtype) else "O"
    else:
        values = np.asarray(y)
        n_dim, kind = values.ndim, values.dtype.kind
    if n_dim == 1:
        warn_user(
            "y is one-dimensional and is taken as a target space with a single feature. If y holds "
            "labels, pass the samples of the target space as XB=...",
            DataConversionWarning,
        )
        column: ArrayLike = np.asarray(y).reshape(-1, 1)
        return column
    if n_dim == 2 and kind in "iub":
        raise ValueError(
            "y has two dimensions and integer or boolean values, which are multilabel targets. If "
            "y is the target space, convert it to float; if it holds labels, pass the samples of "
            "the target space as XB=..."
        )
    return y


def check_target(XB: ArrayLike, *, estimator: Any, ensure_min_samples: int = 1) -> FloatArray:
    """Validate target samples as a finite 2-D array; float32 stays float32, all else is float64."""
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
    normalizer_A: CentredNormalizer,
    normalizer_B: CentredNormalizer,
    weight: float,
) -> KnownPairs | None:
    """Validate pairs, given as two vectors of sample indices or as two matrices of samples.

    Returns normalised samples in float32; None when there are no pairs. Indices are refused inside
    a cross-validation, where they no longer point to the same samples.
    """
    if pairs is None:
        return None
    if not isinstance(pairs, Sequence) or isinstance(pairs, str) or len(pairs) != 2:
        raise ValueError(
            "pairs must be a tuple (rows_A, rows_B) of two index vectors or of two matrices of "
            f"paired samples, got {type(pairs).__name__}"
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
                "pairs holds sample indices, which no longer point to the same samples after a "
                "cross-validation split. Pass the paired samples themselves: "
                "pairs=(XA[rows_A], XB[rows_B])."
            )
        for name, side, space in zip(("rows_A", "rows_B"), sides, (XA, XB), strict=True):
            if side.min() < 0 or side.max() >= len(space):
                raise ValueError(
                    f"pairs: {name} must lie in [0, {len(space) - 1}], got values from "
                    f"{side.min()} to {side.max()}."
                )
        samples_A, samples_B = XA[sides[0]], XB[sides[1]]
    elif all(side.ndim == 2 for side in sides):
        samples_A = check_array(sides[0], dtype=XA.dtype, input_name="pairs[0]")
        samples_B = check_array(sides[1], dtype=XB.dtype, input_name="pairs[1]")
        for name, samples, space in (("pairs[0]", samples_A, XA), ("pairs[1]", samples_B, XB)):
            if samples.shape[1] != space.shape[1]:
                raise ValueError(
                    f"{name} has {samples.shape[1]} features, but its space has {space.shape[1]}."
                )
    else:
        raise ValueError(
            "pairs must be two integer vectors (sample indices) or two matrices (the samples "
            f"themselves), got {sides[0].dtype} of shape {sides[0].shape} and {sides[1].dtype} of "
            f"shape {sides[1].shape}."
        )
    A, B = (
        normalizer.transform(samples).astype(np.float32, copy=False)
        for normalizer, samples in ((normalizer_A, samples_A), (normalizer_B, samples_B))
    )
    return KnownPairs(A, B, weight)


def clip_to_samples(name: str, value: int, n_samples: int) -> int:
    """Return `value`, at most `n_samples`, with a warning that names the parameter when clipped."""
    if value <= n_samples:
        return value
    warn_user(
        f"{name}={value} was reduced to {n_samples}, the number of samples. Pass more samples or a "
        f"smaller {name}.",
        SmallSampleWarning,
    )
    return n_samples
