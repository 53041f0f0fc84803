"""Selectors of columns: names, patterns, slices, positions and callables become positions in X."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_align._typing import IntArray

Columns: TypeAlias = (
    int | str | slice | Sequence[int] | Sequence[str] | NDArray[Any] | Callable[[Any], Any]
)

COLUMN_KINDS = (
    "a width, a slice, a list of column positions or a list of column names, a column name or a "
    'pattern such as "img_*", a callable such as make_column_selector(pattern="^img_"), or a '
    "selector of polars"
)
_MANY = 8
_SELECTOR_OPTIONS = ("pattern", "dtype_include", "dtype_exclude")


def is_integer(value: object) -> bool:
    """Tell integers, NumPy's included, from booleans and other types."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def described(selector: Any) -> str:
    """Write a selector as in code; objects of scikit-learn and functions have no short repr."""
    if _is_column_selector(selector):
        given = [(option, getattr(selector, option)) for option in _SELECTOR_OPTIONS]
        inner = ", ".join(f"{option}={value!r}" for option, value in given if value is not None)
        return f"{type(selector).__name__}({inner})"
    if callable(selector):
        return str(getattr(selector, "__qualname__", repr(selector)))
    return repr(selector)


def _is_column_selector(selector: Any) -> bool:
    """Tell what make_column_selector returns, which need not be imported for this."""
    return all(hasattr(selector, option) for option in _SELECTOR_OPTIONS)


def _package(value: Any) -> str:
    """Name the package of an object, which need not be installed to be told from others."""
    return type(value).__module__.partition(".")[0]


def _is_polars_expression(value: Any) -> bool:
    """Tell expressions and selectors of polars."""
    return _package(value) == "polars" and hasattr(value, "meta")


def shortened(values: Sequence[Any]) -> str:
    """Write a list, of which no more than the first values are shown."""
    if len(values) <= _MANY:
        return repr(list(values))
    return f"{repr(list(values[:_MANY]))[:-1]}, ... ({len(values)} in all)]"


@dataclass(frozen=True)
class ColumnTable:
    """The columns of X: their number, their names if they have any, X itself for callables."""

    n_features: int
    names: list[str] | None = None
    X: Any = None

    def resolve(self, modality: str, selector: Any) -> IntArray:
        """Positions of the columns (width,) that a modality selects."""
        columns = self._positions(modality, selector, selector)
        if columns.size == 0:
            has = "" if self.names is None else f" X has the columns {shortened(self.names)}."
            raise ValueError(
                f"modalities[{modality!r}] = {described(selector)} selects no column of X.{has} "
                "Correct it, or leave the modality out."
            )
        return columns

    def _positions(self, modality: str, selector: Any, value: Any) -> IntArray:
        """Positions for what is given, or for the `value` that a callable has returned."""
        if callable(value) and value is selector:
            return self._positions(modality, selector, self._called(modality, selector))
        if _is_polars_expression(value):
            value = self._selected_by_polars(modality, selector, value)
        if isinstance(value, slice):
            return np.arange(self.n_features)[self._slice(modality, selector, value)]
        if isinstance(value, str):
            return self._named(modality, selector, [value])
        if value is not selector and is_integer(value):
            value = [value]
        if not isinstance(value, Sequence | np.ndarray) and hasattr(value, "__array__"):
            value = np.asarray(value)
        if not isinstance(value, Sequence | np.ndarray) or np.ndim(value) == 0:
            source = "must be" if value is selector else "must return columns, not"
            shown = f"{COLUMN_KINDS}; got {value!r}" if value is selector else repr(value)
            raise TypeError(f"modalities[{modality!r}] {source} {shown}.")
        if len(value) and all(isinstance(item, str) for item in value):
            return self._named(modality, selector, list(value))
        if len(value) and all(isinstance(item, bool | np.bool_) for item in value):
            if len(value) != self.n_features:
                raise ValueError(
                    f"modalities[{modality!r}] is a mask of {len(value)} columns; X has "
                    f"{self.n_features}."
                )
            return np.flatnonzero(np.asarray(value))
        if not all(is_integer(item) for item in value):
            raise TypeError(
                f"modalities[{modality!r}] must hold only column positions or only column names; "
                f"got {list(value)!r}."
            )
        columns = np.asarray(value, dtype=np.intp)
        n_features = self.n_features
        if columns.size and (columns.min() < -n_features or columns.max() >= n_features):
            raise ValueError(
                f"modalities[{modality!r}] names columns outside X, which has {n_features} "
                f"features: {list(value)}."
            )
        return columns % n_features if n_features else columns

    def _called(self, modality: str, selector: Any) -> Any:
        """Return what a callable selects."""
        if self.names is None or self.X is None:
            raise self._without_names(modality, selector, "selects columns of a DataFrame")
        if _is_column_selector(selector) and not hasattr(self.X, "iloc"):
            # scikit-learn refuses all data frames except those of pandas.
            if selector.dtype_include is not None or selector.dtype_exclude is not None:
                raise ValueError(
                    f"modalities[{modality!r}] = {described(selector)} selects columns by type, "
                    "for which make_column_selector needs a pandas DataFrame; X is a "
                    f"{_package(self.X)} {type(self.X).__name__}. Give names, a pattern such as "
                    "'img_*', or a selector of polars such as polars.selectors.numeric()."
                )
            pattern = "" if selector.pattern is None else selector.pattern
            return [name for name in self.names if re.search(pattern, name)]
        return selector(self.X)

    def _selected_by_polars(self, modality: str, selector: Any, value: Any) -> list[str]:
        """Return the names that a selector of polars selects."""
        if _package(self.X) != "polars":
            raise ValueError(
                f"modalities[{modality!r}] = {described(selector)} selects columns of a polars "
                "DataFrame, but X is another kind of samples: give names, a pattern such as "
                "'img_*', or positions."
            )
        if not value.meta.is_column_selection():
            raise ValueError(
                f"modalities[{modality!r}] = {described(selector)} computes or renames columns: "
                "select columns only, and do the rest with X.with_columns(...) first."
            )
        return list(self.X.select(value).columns)

    def _slice(self, modality: str, selector: Any, value: slice) -> slice:
        """Return a slice of positions; one of names includes its last column, as in pandas."""
        bounds = (value.start, value.stop)
        if not any(isinstance(bound, str) for bound in bounds):
            return value
        if not all(bound is None or isinstance(bound, str) for bound in bounds):
            raise TypeError(
                f"modalities[{modality!r}] = {value} mixes a name with a position: give both "
                "bounds by name, or both by position."
            )
        first, last = (
            None if bound is None else int(self._named(modality, selector, [bound], False)[0])
            for bound in bounds
        )
        return slice(first, None if last is None else last + 1, value.step)

    def _named(
        self, modality: str, selector: Any, wanted: list[str], patterns: bool = True
    ) -> IntArray:
        """Positions of names and of what matches patterns; names win over equal patterns."""
        if self.names is None:
            raise self._without_names(modality, selector, "gives columns by name")
        position = {feature: index for index, feature in enumerate(self.names)}
        found: list[int] = []
        unknown: list[str] = []
        expanded = False
        for item in wanted:
            if item in position:
                found.append(position[item])
            elif patterns and any(character in item for character in "*?["):
                expanded = True
                matches = [i for i, name in enumerate(self.names) if fnmatchcase(name, item)]
                if not matches and len(wanted) > 1:
                    unknown.append(item)
                found += matches
            else:
                unknown.append(item)
        if unknown:
            raise ValueError(
                f"modalities[{modality!r}] names columns that X does not have: {unknown}. X has "
                f"the columns {shortened(self.names)}."
            )
        # Several patterns of one modality may match the same column.
        return np.array(list(dict.fromkeys(found)) if expanded else found, dtype=np.intp)

    def _without_names(self, modality: str, selector: Any, what: str) -> ValueError:
        return ValueError(
            f"modalities[{modality!r}] = {described(selector)} {what}, but X has no column names: "
            "pass a DataFrame whose columns are named by strings, or give positions or widths."
        )


def check_columns(
    selectors: dict[str, Any],
    columns: Sequence[IntArray],
    table: ColumnTable,
    *,
    all_used: bool,
) -> None:
    """Raise if a column belongs to several modalities or, with `all_used`, to none."""
    uses = np.bincount(np.concatenate(columns), minlength=table.n_features)
    several = np.flatnonzero(uses > 1)
    if several.size:
        owners = [
            f"modalities[{name!r}] = {described(selector)}"
            for (name, selector), own in zip(selectors.items(), columns, strict=True)
            if np.isin(several[0], own)
        ]
        raise ValueError(
            f"modalities overlap in column(s) {several.tolist()}{_names_of(several, table)}. "
            f"Column {int(several[0])} is selected by {' and '.join(owners)}"
            f"{', more than once' if len(owners) == 1 else ''}: a column belongs to one modality. "
            "Narrow a selector, or give the columns by name."
        )
    unused = np.flatnonzero(uses == 0)
    if all_used and unused.size:
        raise ValueError(
            f"column(s) {unused.tolist()} of X belong to no modality{_names_of(unused, table)}: "
            f"add them to one of {list(selectors)}, drop them from X, or set "
            "remainder='drop' of the estimator. Functions that take `modalities` leave them out if "
            "it is the layout_ of a fitted estimator."
        )


def _names_of(columns: IntArray, table: ColumnTable) -> str:
    """Write the names of columns in parentheses, if there are any."""
    if table.names is None:
        return ""
    return f" (named {shortened([table.names[column] for column in columns])})"
