"""Validation of samples of any number type, without a copy in another type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

_BLOCK_BYTES = 16 * 2**20
# Types in which mapped samples may be asked for.
OUTPUT_TYPES = ("float16", "float32", "float64")


def computing_dtype(X: Any) -> np.dtype[Any]:
    """Return the type in which samples of an array are computed with, and returned.

    It is the type to which NumPy promotes the numbers and float32: float32 for half and single
    precision, integers of at most 16 bits and booleans, all of which it holds exactly; else
    float64.
    """
    return np.dtype(np.result_type(np.float32, X.dtype))


def sample_blocks(
    shape: tuple[int, ...], itemsize: int, block_bytes: int = _BLOCK_BYTES
) -> Iterator[slice]:
    """Yield slices of samples that fit in the cache."""
    n_samples, n_features = shape
    step = max(1, block_bytes // max(1, n_features * itemsize))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


def check_samples(
    X: ArrayLike,
    *,
    input_name: str,
    estimator: Any = None,
    reset: bool | None = None,
    ensure_min_samples: int = 1,
    ensure_all_finite: bool = True,
) -> np.ndarray[Any, np.dtype[Any]]:
    """Validate samples as a finite 2-D array of numbers, which keep their type.

    Text, objects and extended precision become float64. With `reset`, names and number of features
    are set or checked on the estimator, as ``validate_data`` of scikit-learn does. Without
    `ensure_all_finite`, numbers that are not finite are left to the caller.
    """
    options: dict[str, Any] = {"estimator": estimator, "input_name": input_name}
    first: dict[str, Any] = {"dtype": _dtype_of_columns(X), "ensure_all_finite": False}
    with np.errstate(over="ignore"):
        if reset is None:
            samples = check_array(
                X, ensure_min_samples=0, ensure_min_features=0, **first, **options
            )
        else:
            samples = validate_data(
                estimator, X, reset=reset, ensure_min_samples=ensure_min_samples, **first
            )
        is_number = samples.dtype.kind in "fiub" and samples.dtype.itemsize <= 8
        samples = check_array(
            samples,
            dtype=None if is_number else np.float64,
            ensure_all_finite=False,
            ensure_min_samples=ensure_min_samples,
            **options,
        )
    if ensure_all_finite and samples.dtype.kind == "f":
        name = None if estimator is None else type(estimator).__name__
        # In half precision the check makes a copy of what it is given.
        for block in sample_blocks(samples.shape, samples.dtype.itemsize):
            assert_all_finite(samples[block], estimator_name=name, input_name=input_name)
    return np.asarray(samples)


def _dtype_of_columns(X: Any) -> np.dtype[Any] | None:
    """Return the computing type of a data frame with several or nullable types, else None."""
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None or getattr(X, "ndim", 2) != 2:
        return None
    columns = list(dtypes)
    as_numpy = [getattr(dtype, "numpy_dtype", dtype) for dtype in columns]
    if not columns or not all(isinstance(d, np.dtype) and d.kind in "fiub" for d in as_numpy):
        return None
    if all(dtype == columns[0] and isinstance(dtype, np.dtype) for dtype in columns):
        return None
    return np.dtype(np.result_type(np.float32, *as_numpy))
