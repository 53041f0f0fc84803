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
        column, what = found
        owner = "" if layout is None else _owner(layout, column)
        raise ValueError(
            f"column {X.columns[column]!r} of X{owner} holds {what}, not numbers. Encode it first, "
            "for example with a ColumnTransformer and sklearn_align.KeepAbsent(OneHotEncoder()), "
            "which keeps absent blocks absent; or leave it out of `modalities` with "
            "remainder='drop'."
        ) from error


def _first_without_numbers(X: Any, layout: ModalityLayout | None) -> tuple[int, str] | None:
    """Position and content of the first column that does not convert to numbers."""
    if not hasattr(X, "columns") or not hasattr(X, "iloc"):
        return None
    left_out = set()
    if layout is not None:
        left_out = set(range(len(X.columns))) - set(layout.order.tolist())
    for column in range(len(X.columns)):
        if column in left_out:
            continue
        dtype = X.dtypes.iloc[column]
        kind = getattr(dtype, "kind", "O")
        if kind in _NOT_NUMBERS:
            return column, _NOT_NUMBERS[kind]
        if kind in "fiub":
            continue
        try:
            np.asarray(X.iloc[:, column]).astype(np.float64)
        except (ValueError, TypeError):
            return column, f"values of type {dtype}, such as {_example(X.iloc[:, column])!r}"
    return None


def _example(values: Any) -> Any:
    """Return a value of a column that is no number, a text if there is one."""
    texts = [value for value in values if isinstance(value, str) and not _is_number(value)]
    return texts[0] if texts else next(iter(values))


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
