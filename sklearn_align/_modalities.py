"""Modality blocks: which columns of X belong to which modality, and which blocks are present.

A modality is a block of columns of one two-dimensional X. A modality is absent from a sample whose
values in the block are all NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_align._blocks import only_columns, read_block, refuse_views
from sklearn_align._columns import Columns as Columns
from sklearn_align._columns import ColumnTable, check_columns, described, is_integer
from sklearn_align._typing import BoolArray, FloatArray, IntArray

_ONE_MODALITY = "all"


@dataclass(frozen=True)
class ModalityLayout:
    """Column indices of every modality of a two-dimensional X.

    Estimators of :mod:`sklearn_align.fusion` compute the layout from their parameter `modalities`.
    It splits X into blocks and finds the present blocks: modality ``m`` is present in sample ``i``
    unless ``X[i, columns[m]]`` is all NaN.

    Parameters
    ----------
    names : tuple of str
        Names of the modalities, in the given order.

    columns : tuple of ndarray of int
        Column indices of each modality, in the order of `names`.

    n_features : int
        Number of columns of X. Every column belongs to one modality, or to no modality if the
        estimator leaves out columns (``remainder="drop"``).

    See Also
    --------
    pack_modalities : Make X from one array for each modality.
    sklearn_align.datasets.drop_modalities : Set blocks of X to NaN at random.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align import ModalityLayout
    >>> layout = ModalityLayout(
    ...     names=("image", "audio"), columns=(np.array([0, 1]), np.array([2])), n_features=3
    ... )
    >>> layout.widths
    (2, 1)
    >>> X = np.array([[1.0, 2.0, np.nan], [np.nan, np.nan, 3.0]])
    >>> layout.presence(X)
    array([[ True, False],
           [False,  True]])
    >>> layout.split(X)["audio"]
    array([[nan],
           [ 3.]])
    """

    names: tuple[str, ...]
    columns: tuple[IntArray, ...]
    n_features: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of columns of each modality."""
        return tuple(len(columns) for columns in self.columns)

    @property
    def n_modalities(self) -> int:
        """Number of modalities."""
        return len(self.names)

    @property
    def order(self) -> IntArray:
        """Column indices of X in the order of the modalities."""
        return np.concatenate(self.columns)

    @property
    def leaves_out(self) -> bool:
        """Whether X has columns that belong to no modality."""
        return sum(self.widths) < self.n_features

    def split(self, X: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Split X into the blocks of its modalities.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples with all columns.

        Returns
        -------
        blocks : dict of str to ndarray of shape (n_samples, width)
            One block per modality.
        """
        return {name: X[:, columns] for name, columns in zip(self.names, self.columns, strict=True)}

    def presence(self, X: FloatArray, *, allow_partial: bool = False) -> BoolArray:
        """Find the modalities that are present in each sample.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples whose absent blocks are all NaN.

        allow_partial : bool, default=False
            Whether a block may have NaN in some of its columns. Such a block is present.

        Returns
        -------
        presence : ndarray of bool of shape (n_samples, n_modalities)
            False where all values of the block are NaN.

        Raises
        ------
        ValueError
            If a block is partly NaN and `allow_partial` is False.
        """
        presence = np.empty((X.shape[0], self.n_modalities), dtype=bool)
        missing = np.isnan(X)
        for index, (name, columns) in enumerate(zip(self.names, self.columns, strict=True)):
            n_missing = missing[:, columns].sum(axis=1)
            absent = n_missing == len(columns)
            partial = (n_missing > 0) & ~absent
            if not allow_partial and partial.any():
                raise ValueError(
                    f"Input X contains NaN in part of the block of modality {name!r} in "
                    f"{int(partial.sum())} sample(s), the first is sample "
                    f"{int(partial.argmax())}. A block is either complete or all NaN (absent): "
                    "impute the values, or set partial_missing='impute'."
                )
            presence[:, index] = ~absent
        return presence


class ColumnsByPosition(dict[str, IntArray]):
    """Columns (width,) of every modality in an X that may have more columns."""


def parse_modalities(
    modalities: Mapping[str, Columns] | ModalityLayout | None,
    n_features: int,
    feature_names: Iterable[str] | None = None,
    *,
    X: Any = None,
    remainder: str = "raise",
) -> ModalityLayout:
    """Resolve the `modalities` parameter of an estimator into column indices.

    Parameters
    ----------
    modalities : dict, ModalityLayout or None
        Name to width (the blocks lie one after the other), or name to columns: a slice, positions,
        names, patterns of names such as "img_*", or a callable that takes X and returns columns.
        None means one modality that holds all the columns.

    n_features : int
        Number of columns of X.

    feature_names : iterable of str, default=None
        Column names of X; needed by names, patterns and callables.

    X : DataFrame, default=None
        What callables get.

    remainder : {"raise", "drop"}, default="raise"
        What to do about columns that no modality selects.

    Returns
    -------
    layout : ModalityLayout
        Names and column indices.

    Raises
    ------
    TypeError
        If `modalities` is not a dict, or a value has no supported type.
    ValueError
        If the blocks are empty, overlap, exceed X or do not cover all of its columns.

    Examples
    --------
    >>> from sklearn_align._modalities import parse_modalities
    >>> parse_modalities({"image": slice(0, 3), "audio": [3, 4]}, n_features=5).widths
    (3, 2)
    """
    if modalities is None:
        return ModalityLayout((_ONE_MODALITY,), (np.arange(n_features),), n_features)
    if isinstance(modalities, ModalityLayout):
        if modalities.n_features != n_features:
            raise ValueError(
                f"X has {n_features} features, but the layout in modalities has "
                f"{modalities.n_features} features."
            )
        return modalities
    if not isinstance(modalities, Mapping):
        raise TypeError(
            "modalities must be a dict of modality name to width or columns, or None; got "
            f"{type(modalities).__name__}."
        )
    if not modalities:
        raise ValueError("modalities is empty: name at least one modality, or pass None.")
    names = tuple(modalities)
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"modality names must be non-empty strings; got {name!r}.")
    all_used = remainder != "drop" and not isinstance(modalities, ColumnsByPosition)
    are_widths = [is_integer(value) for value in modalities.values()]
    if all(are_widths):
        columns = _columns_from_widths(modalities, n_features, all_used=all_used)
    elif any(are_widths):
        raise TypeError(
            "modalities mixes widths with columns: give either an int for every modality, or "
            "columns (slice, positions, names, patterns or callables) for every modality."
        )
    else:
        known = None if feature_names is None else list(feature_names)
        table = ColumnTable(n_features, known, X)
        columns = tuple(table.resolve(name, value) for name, value in modalities.items())
        check_columns(dict(modalities), columns, table, all_used=all_used)
    return ModalityLayout(names, columns, n_features)


def pack_modalities(
    blocks: Mapping[str, ArrayLike | None],
    modalities: Mapping[str, Columns] | ModalityLayout | None = None,
) -> FloatArray:
    """Pack a dict of arrays into one two-dimensional X for estimators and searches.

    Parameters
    ----------
    blocks : dict of str to array-like of shape (n_samples, width), or None
        Samples of every modality, as arrays, DataFrames or sparse matrices of real numbers. If a
        block is None, or a name of `modalities` is missing in `blocks`, the modality is absent from
        all samples. If all values of a block are NaN in a sample, the modality is absent from this
        sample. None, ``pandas.NA`` and masked values become NaN.

    modalities : dict of str to int, slice or list of int, or ModalityLayout, default=None
        The layout, as passed to the estimator, or ``layout_`` of a fitted estimator. It is needed
        if a block is None or missing. By default, the blocks lie one after the other in the order
        of `blocks`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        All blocks, with NaN for absent modalities and in columns that belong to no modality. The
        type is float32 if all blocks are float32 or smaller, else float64.

    Raises
    ------
    TypeError
        If `blocks` is not a dict, or `modalities` or one of its values has no supported type.
    ValueError
        If names, widths or numbers of samples do not match, a block is not two-dimensional or has
        values that are not real numbers, or every block is absent.

    See Also
    --------
    ModalityLayout : Splits X into blocks.
    AECFClassifier : Takes the packed X.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align import pack_modalities
    >>> image, sound = np.ones((3, 2)), np.zeros((3, 1))
    >>> pack_modalities({"image": image, "sound": sound}).shape
    (3, 3)
    >>> pack_modalities({"sound": sound}, modalities={"image": 2, "sound": 1})
    array([[nan, nan,  0.],
           [nan, nan,  0.],
           [nan, nan,  0.]])
    """
    if isinstance(blocks, ModalityLayout):
        raise TypeError(
            "blocks must be a dict of modality name to array; got ModalityLayout. Pass the dict "
            "first and the layout second: pack_modalities(blocks, layout)."
        )
    if not isinstance(blocks, Mapping):
        raise TypeError(
            f"blocks must be a dict of modality name to array; got {type(blocks).__name__}. Give "
            'every array a name: pack_modalities({"image": ..., "sound": ...}).'
        )
    arrays = {name: read_block(name, block) for name, block in blocks.items() if block is not None}
    if not arrays:
        raise ValueError("blocks holds no array: at least one modality must be present.")
    if modalities is None:
        unknown_width = [name for name in blocks if name not in arrays]
        if unknown_width:
            raise ValueError(
                f"the width of {unknown_width} is not known: pass modalities={{name: width}}."
            )
        layout = parse_modalities(
            {name: block.shape[1] for name, block in arrays.items()},
            sum(block.shape[1] for block in arrays.values()),
        )
    else:
        layout = _layout_to_pack(modalities)
        unknown = sorted(set(blocks) - set(layout.names))
        if unknown:
            raise ValueError(
                f"blocks has {unknown}, which modalities does not name; it names "
                f"{list(layout.names)}."
            )
    lengths = {name: len(block) for name, block in arrays.items()}
    n_samples = next(iter(lengths.values()))
    if set(lengths.values()) != {n_samples}:
        raise ValueError(f"blocks have different numbers of samples: {lengths}.")
    narrow = all(np.can_cast(block.dtype, np.float32) for block in arrays.values())
    dtype = np.float32 if narrow else np.float64
    X: FloatArray = np.full((n_samples, layout.n_features), np.nan, dtype=dtype)
    for name, columns in zip(layout.names, layout.columns, strict=True):
        if name not in arrays:
            continue
        if arrays[name].shape[1] != len(columns):
            raise ValueError(
                f"block {name!r} has {arrays[name].shape[1]} columns; modalities gives it "
                f"{len(columns)}."
            )
        X[:, columns] = arrays[name]
    return X


def read_blocks(
    X: Any, modalities: Mapping[str, Columns] | ModalityLayout
) -> tuple[FloatArray, ModalityLayout, BoolArray]:
    """Validate an array or DataFrame: values, layout, presence (n_samples, n_modalities).

    Columns of a DataFrame that belong to no modality may hold anything; their values are 0.
    """
    refuse_views(X)
    options: dict[str, Any] = {
        "dtype": [np.float64, np.float32],
        "ensure_all_finite": "allow-nan",
    }
    if hasattr(X, "columns"):
        names = [str(column) for column in X.columns]
        layout = parse_modalities(modalities, len(names), names, X=X)
        if layout.leaves_out:
            used = np.sort(layout.order)
            values = scattered(check_array(only_columns(X, used), **options), used, layout)
        else:
            values = np.asarray(check_array(X, **options))
    else:
        values = np.asarray(check_array(X, **options))
        layout = parse_modalities(modalities, values.shape[1])
    return values, layout, layout.presence(values, allow_partial=True)


def scattered(part: NDArray[Any], used: IntArray, layout: ModalityLayout) -> NDArray[Any]:
    """Place columns (n_samples, n_used) where X has them; the columns left out are 0."""
    values = np.zeros((len(part), layout.n_features), dtype=part.dtype)
    values[:, used] = part
    return values


def _columns_from_widths(
    modalities: Mapping[str, Any], n_features: int, *, all_used: bool
) -> tuple[IntArray, ...]:
    """Columns of consecutive blocks of the given widths."""
    for name, width in modalities.items():
        if width < 1:
            raise ValueError(f"modalities[{name!r}] is {width}; a width must be at least 1.")
    edges = np.cumsum([0, *(int(width) for width in modalities.values())])
    if edges[-1] > n_features or (all_used and edges[-1] < n_features):
        raise ValueError(
            f"the widths in modalities sum to {edges[-1]}, but X has {n_features} features: "
            f"{dict(modalities)}."
        )
    return tuple(np.arange(edges[i], edges[i + 1]) for i in range(len(modalities)))


def _layout_to_pack(modalities: Any) -> ModalityLayout:
    """Resolve modalities without an X, of which columns may belong to no modality."""
    if isinstance(modalities, ModalityLayout):
        return modalities
    if not isinstance(modalities, Mapping):
        raise TypeError(
            "modalities must be a dict of modality name to width, slice or positions, a "
            f"ModalityLayout, or None; got {modalities!r}. Pass {{name: width}}, such as "
            '{"image": 50, "sound": 20}, or layout_ of a fitted estimator.'
        )
    return parse_modalities(modalities, _count_columns(modalities), remainder="drop")


def _count_columns(modalities: Mapping[str, Columns]) -> int:
    """Count the columns of a layout that is given without column names."""
    total = 0
    for name, value in modalities.items():
        if is_integer(value):
            total += int(value)  # type: ignore[arg-type]
            continue
        if isinstance(value, slice):
            if not all(is_integer(b) and b >= 0 for b in (value.start or 0, value.stop)):
                raise ValueError(
                    f"modalities[{name!r}] is {value}: packing needs a slice with a stop and no "
                    "negative bounds."
                )
            total = max(total, int(value.stop))
            continue
        if isinstance(value, str) or callable(value) or hasattr(value, "meta"):
            raise _not_for_packing(name, value, ValueError)
        if not hasattr(value, "__len__"):
            raise _not_for_packing(name, value, TypeError)
        items: list[Any] = list(value)  # type: ignore[arg-type]
        if any(isinstance(item, str) for item in items):
            raise _not_for_packing(name, value, ValueError)
        if items and all(isinstance(item, bool | np.bool_) for item in items):
            total = max(total, len(items))
        elif all(is_integer(item) for item in items):
            if min(items, default=0) < 0:
                raise ValueError(
                    f"modalities[{name!r}] = {described(value)} counts columns from the end, but "
                    "the number of columns is not known when blocks are packed: give positions "
                    "of at least 0."
                )
            total = max(total, max(items, default=-1) + 1)
        else:
            raise _not_for_packing(name, value, TypeError)
    return total


def _not_for_packing(name: str, value: Any, error: type[Exception]) -> Exception:
    what = "column names" if error is ValueError else f"a {type(value).__name__}"
    return error(
        f"modalities[{name!r}] = {described(value)} gives {what}: packing needs a width, a slice "
        "of positions or a list of positions, or layout_ of a fitted estimator in place of "
        "`modalities`."
    )
