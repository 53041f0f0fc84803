"""Arrays of single modalities, as users have them, and the refusal of several in place of X."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_align._columns import shortened
from sklearn_align._sklearn import safe_indexing
from sklearn_align._typing import BoolArray, IntArray

# Types of numbers and of missing values, by name because pandas need not be installed.
_REAL = (Real, Decimal, np.bool_)
_MISSING = ("NoneType", "NAType", "NaTType")
_REMEDIES = {
    "O": "Encode text as numbers (embeddings, OrdinalEncoder) and leave out all else.",
    "U": "Encode text as numbers (embeddings, OrdinalEncoder).",
    "S": "Encode bytes as numbers.",
    "M": "Turn times into numbers, such as the seconds since the first one.",
    "m": "Turn durations into numbers, such as seconds.",
    "c": "Pass real and imaginary parts as separate columns.",
}


def read_block(name: str, block: Any) -> NDArray[Any]:
    """Return the block of a modality as an array of real numbers (n_samples, width)."""
    refuse_not_computed(block, f"block {name!r}")
    array = _as_array(name, block)
    if array.ndim != 2:
        raise ValueError(
            f"block {name!r} must be two-dimensional (n_samples, width); got shape "
            f"{array.shape}. {_remedy_for_axes(array)}"
        )
    if array.dtype.kind in "fiub":
        return array
    if array.dtype.kind != "O":
        raise ValueError(
            f"block {name!r} holds {array.dtype} values, not real numbers. "
            f"{_REMEDIES.get(array.dtype.kind, '')}"
        )
    columns = list(getattr(block, "columns", range(array.shape[1])))
    numbers = np.empty(array.shape)
    for index, label in enumerate(columns):
        numbers[:, index] = _numbers(name, label, array[:, index])
    return numbers


def refuse_views(X: Any) -> None:
    """Raise if X is a dict or a list of the arrays of modalities, or has more than two axes."""
    refuse_not_computed(X, "X")
    if isinstance(X, Mapping):
        raise TypeError(
            f"X must be one two-dimensional array; got a dict with the keys {list(X)}. Pack it: "
            "X = sklearn_align.pack_modalities(X, modalities), with the `modalities` of the "
            "estimator."
        )
    if isinstance(X, list | tuple) and any(getattr(view, "ndim", 0) >= 2 for view in X):
        shapes = [getattr(view, "shape", None) for view in X]
        raise TypeError(
            f"X must be one two-dimensional array; got a {type(X).__name__} of {len(X)} arrays "
            f"with the shapes {shapes}. Give them names and pack them: "
            'X = sklearn_align.pack_modalities({"image": ..., "sound": ...}).'
        )
    if isinstance(X, list | tuple) and len(X) and isinstance(X[0], Mapping):
        raise TypeError(
            f"X must be one two-dimensional array or a DataFrame; got a {type(X).__name__} of "
            f"dicts with the keys {shortened(list(X[0]))}. With one number for each key, convert "
            "it: pandas.DataFrame(X)."
        )
    if isinstance(X, list | tuple) and _n_axes(X) > 2:
        raise ValueError(
            f"X must be two-dimensional (n_samples, n_features); got a nested {type(X).__name__} "
            f"with dim {_n_axes(X)}. Flatten all axes except the first: "
            "numpy.asarray(X).reshape(len(X), -1)."
        )
    n_axes = getattr(X, "ndim", 2)
    if isinstance(n_axes, int) and n_axes > 2:
        raise ValueError(
            f"X must be two-dimensional (n_samples, n_features); got an array with dim {n_axes} "
            f"and shape {tuple(X.shape)}. {_reshaping('X', tuple(X.shape))}"
        )


def refuse_not_computed(X: Any, name: str) -> None:
    """Raise if X is a LazyFrame of polars, of which NumPy would make an array of one object."""
    if type(X).__name__ == "LazyFrame":
        raise TypeError(
            f"{name} is a LazyFrame, which is not computed yet: pass the DataFrame that its "
            "method collect() returns."
        )


def is_missing(values: NDArray[Any]) -> BoolArray:
    """Which values of an array of any shape and type are NaN, None, NA or NaT."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind in "Mm":
        return np.asarray(np.isnat(values))
    if values.dtype.kind != "O":
        return np.zeros(values.shape, dtype=bool)
    found = (
        type(value).__name__ in _MISSING or (isinstance(value, Real) and value != value)
        for value in values.ravel()
    )
    return np.fromiter(found, dtype=bool, count=values.size).reshape(values.shape)


def only_columns(X: Any, columns: IntArray) -> Any:
    """Return columns of an array, a nested list or a DataFrame, which keeps its types."""
    if not hasattr(X, "shape"):
        X = np.asarray(X, dtype=object)
    return safe_indexing(X, columns, axis=1)


def _as_array(name: str, block: Any) -> NDArray[Any]:
    """Return a block as an array of any type; masked values become NaN."""
    if sparse.issparse(block):
        return np.asarray(block.toarray())  # type: ignore[attr-defined]
    if isinstance(block, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(block), np.nan, block.data)
    try:
        return np.asarray(block)
    except ValueError as error:
        raise ValueError(
            f"block {name!r} is not an array of shape (n_samples, width): {error}. All samples of "
            "a modality need the same number of values."
        ) from error


def _numbers(name: str, label: Any, values: NDArray[Any]) -> NDArray[np.float64]:
    """Turn a column of objects (n_samples,) into numbers; None and pandas.NA become NaN."""
    types = {type(value) for value in values}
    missing = {kind for kind in types if kind.__name__ in _MISSING}
    wrong = {kind for kind in types - missing if not issubclass(kind, _REAL)}
    if wrong:
        sample, value = next(item for item in enumerate(values) if type(item[1]) in wrong)
        remedy = _REMEDIES.get(np.asarray(value).dtype.kind, "")
        raise ValueError(
            f"block {name!r} holds {value!r} in column {label!r} of sample {sample}, which is "
            f"not a real number. {remedy}"
        )
    if missing:
        values = np.array([np.nan if type(value) in missing else value for value in values])
    return values.astype(np.float64)


def _n_axes(values: Any) -> int:
    """Count the axes of nested lists by their first values."""
    n_axes = 0
    while isinstance(values, list | tuple) and len(values):
        values = values[0]
        n_axes += 1
    n_axes += values.ndim if isinstance(values, np.ndarray) else 0
    return n_axes


def _remedy_for_axes(array: NDArray[Any]) -> str:
    """Say how to make a block two-dimensional."""
    if array.ndim == 0:
        return "Pass an array with one row for each sample; widths are given in `modalities`."
    if array.ndim == 1 and array.dtype.kind == "O" and len(array) and np.ndim(array[0]) == 1:
        return (
            "It holds an array for each sample: make one array of them with numpy.stack(block), "
            "after arrays of NaN have replaced those that are missing."
        )
    return _reshaping("block", array.shape)


def _reshaping(name: str, shape: tuple[int, ...]) -> str:
    """Say how an array with another number of axes becomes two-dimensional."""
    if len(shape) > 2:
        axes = ", ".join(map(str, shape[1:]))
        return (
            f"Flatten all axes except the first: {name}.reshape(len({name}), -1). An encoder of "
            f"your own can restore the axes: nn.Sequential(nn.Unflatten(1, ({axes})), ...) with "
            "torch.nn.Unflatten; see the parameter `encoders`."
        )
    return f"Convert it to a single column: {name}.reshape(-1, 1)."
