"""From X as users have it to an array: which columns count, and which hold no numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_X_y
from sklearn.utils.validation import validate_data

from sklearn_align._blocks import only_columns, refuse_views
from sklearn_align._modalities import ModalityLayout, parse_modalities, scattered

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

# What validation takes for targets that are not asked for; None is an error.
NO_TARGETS = "no_validation"
_ENCODE = (
    "Encode it first, for example with a ColumnTransformer and "
    "sklearn_align.KeepAbsent(OneHotEncoder()), which keeps absent blocks absent"
)
_CONVERT = (
    "Turn it into numbers first, such as seconds, for example with a ColumnTransformer and a "
    "FunctionTransformer"
)
_STACK = (
    "Each of its values is an array: numpy.stack(X[{name!r}]) is a block for "
    "sklearn_align.pack_modalities, after arrays of NaN have replaced those that are missing"
)
# Kinds of columns whose values are not numbers, or only look like them.
_NOT_NUMBERS = {"M": "times", "m": "durations", "c": "complex numbers"}


def early_layout(net: AECFNet, X: Any) -> ModalityLayout | None:
    """Return the layout of X in ``fit`` if columns may be left out, else None."""
    if net.remainder != "drop":
        return None
    refuse_views(X)
    X = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
    if len(X.shape) != 2 or not hasattr(X, "__array__"):
        return None  # The validation of all of X says what is wrong.
    validate_data(net, X, y=NO_TARGETS, reset=True, skip_check_array=True)
    names = getattr(net, "feature_names_in_", None)
    layout = parse_modalities(net.modalities, int(X.shape[1]), names, X=X, remainder=net.remainder)
    return layout if layout.leaves_out else None


def late_layout(net: AECFNet, X: Any, X_array: NDArray[Any]) -> ModalityLayout:
    """Return the layout of X, which has been validated as X_array, in ``fit``."""
    names = getattr(net, "feature_names_in_", None)
    return parse_modalities(net.modalities, int(X_array.shape[1]), names, X=X)


def read_samples(
    net: AECFNet,
    X: Any,
    y: Any,
    layout: ModalityLayout | None,
    *,
    reset: bool,
    **options: Any,
) -> tuple[NDArray[Any], Any]:
    """Validate X (n_samples, n_features) and y (or `NO_TARGETS`); columns left out are 0."""
    refuse_views(X)
    _refuse_times(X, layout)
    without_y = isinstance(y, str) and y == NO_TARGETS
    if not without_y:
        options["multi_output"] = True
    # Infinities of both signs are summed, with a warning, before they are refused.
    if layout is None or not layout.leaves_out:
        with _naming_columns(X, layout), np.errstate(invalid="ignore"):
            validated = validate_data(net, X, y, reset=reset, **options)
        return (validated, None) if without_y else validated
    # Names and number of all columns are checked, the values of those that count.
    validate_data(net, X, y, reset=reset, skip_check_array=True)
    used = np.sort(layout.order)
    with _naming_columns(X, layout), np.errstate(invalid="ignore"):
        part = only_columns(X, used)
        if without_y:
            part, y_array = check_array(part, estimator=net, input_name="X", **options), None
        else:
            part, y_array = check_X_y(part, y, estimator=net, **options)
    return scattered(part, used, layout), y_array


@contextmanager
def _naming_columns(X: Any, layout: ModalityLayout | None) -> Iterator[None]:
    """Say in an error which column of a DataFrame is the first one that holds no numbers."""
    try:
        yield
    except (ValueError, TypeError) as error:
        found = _first_without_numbers(X, layout)
        if found is None:
            raise
        raise _without_numbers(X, layout, *found) from error


def _without_numbers(
    X: Any, layout: ModalityLayout | None, column: int, what: str, remedy: str
) -> ValueError:
    """Make the error that names a column, its content and what to do."""
    owner = "" if layout is None else _owner(layout, column)
    return ValueError(
        f"column {X.columns[column]!r} of X{owner} holds {what}, not numbers. {remedy}; or leave "
        "it out of `modalities` with remainder='drop'."
    )


def _refuse_times(X: Any, layout: ModalityLayout | None) -> None:
    """Raise for columns of times and durations that NumPy would take for numbers."""
    # In arrays of several columns of polars, dates are numbers of days.
    if not hasattr(X, "columns") or hasattr(X, "iloc") or not hasattr(X, "head"):
        return
    empty = X.head(0)
    for column in _used(X, layout):
        kind = np.asarray(_column(empty, column)).dtype.kind
        if kind in _NOT_NUMBERS:
            raise _without_numbers(X, layout, column, _NOT_NUMBERS[kind], _CONVERT)


def _first_without_numbers(X: Any, layout: ModalityLayout | None) -> tuple[int, str, str] | None:
    """Position, content and remedy of the first column that does not convert to numbers."""
    if not hasattr(X, "columns"):
        return None
    for column in _used(X, layout):
        values = _column(X, column)
        kind = getattr(values.dtype, "kind", "O")
        if kind in _NOT_NUMBERS:
            return column, _NOT_NUMBERS[kind], _CONVERT
        array = np.asarray(values)
        if array.ndim == 1 and kind in "fiub":
            continue
        try:
            if array.astype(np.float64).ndim == 1:
                continue
        except (ValueError, TypeError):
            pass
        example = _example(array)
        remedy = _ENCODE if np.ndim(example) == 0 else _STACK.format(name=X.columns[column])
        return column, f"values of type {values.dtype}, such as {example!r}", remedy
    return None


def _used(X: Any, layout: ModalityLayout | None) -> list[int]:
    """Positions of the columns that belong to a modality, in the order of X."""
    return sorted(range(len(X.columns)) if layout is None else layout.order.tolist())


def _column(X: Any, column: int) -> Any:
    """Return a column of a DataFrame by its position; names may occur twice."""
    return X.iloc[:, column] if hasattr(X, "iloc") else X[X.columns[column]]


def _example(values: NDArray[Any]) -> Any:
    """Return a value of a column that is no number, a text or an array if there is one."""
    texts = [str(value) for value in values if isinstance(value, str) and not _is_number(value)]
    arrays = [value for value in values if np.ndim(value)]
    return next(iter([*texts, *arrays, *values]), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _owner(layout: ModalityLayout, column: int) -> str:
    """Say which modality a column belongs to."""
    owners = [n for n, own in zip(layout.names, layout.columns, strict=True) if column in own]
    return f" (modality {owners[0]!r})" if owners else ""
