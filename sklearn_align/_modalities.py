"""Modality blocks: which columns of X belong to which modality, and which blocks are present.

A modality is a block of columns of one two-dimensional X. A modality is absent from a sample whose
values in the block are all NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_align._blocks import read_block, refuse_views
from sklearn_align._typing import BoolArray, FloatArray, IntArray

Columns: TypeAlias = int | slice | Sequence[int] | Sequence[str] | NDArray[Any]

_ONE_MODALITY = "all"


@dataclass(frozen=True)
class ModalityLayout:
    """Column indices of every modality of a two-dimensional X.

    Estimators of :mod:`sklearn_align.fusion` derive it from their parameter `modalities`. It splits
    X into blocks and finds the blocks that are present: modality ``m`` is present in sample ``i``
    unless ``X[i, columns[m]]`` is all NaN.

    Parameters
    ----------
    names : tuple of str
        Names of the modalities, in the order in which they were given.

    columns : tuple of ndarray of int
        Column indices of each modality, in the order of `names`.

    n_features : int
        Number of columns of X. Every column belongs to exactly one modality.

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
            Whether a block may hold NaN in some of its columns. Such a block counts as present.

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


def parse_modalities(
    modalities: Mapping[str, Columns] | None,
    n_features: int,
    feature_names: Iterable[str] | None = None,
) -> ModalityLayout:
    """Resolve the `modalities` parameter of an estimator into column indices.

    Parameters
    ----------
    modalities : dict of str to int, slice, list of int or list of str, or None
        Widths (the blocks lie one after the other), or the columns of every modality by slice,
        by position or by name. None means one modality that holds all the columns.

    n_features : int
        Number of columns of X.

    feature_names : iterable of str, default=None
        Column names of X; needed when columns are given by name.

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
    are_widths = [_is_integer(value) for value in modalities.values()]
    if all(are_widths):
        columns = _columns_from_widths(modalities, n_features)
    elif any(are_widths):
        raise TypeError(
            "modalities mixes widths with columns: give either an int for every modality, or "
            "columns (slice, positions or names) for every modality."
        )
    else:
        known = None if feature_names is None else list(feature_names)
        columns = tuple(
            _resolve_columns(name, value, n_features, known) for name, value in modalities.items()
        )
        _check_cover(names, columns, n_features)
    return ModalityLayout(names, columns, n_features)


def pack_modalities(
    blocks: Mapping[str, ArrayLike | None], modalities: Mapping[str, Columns] | None = None
) -> FloatArray:
    """Pack a dict of arrays into the one two-dimensional X that estimators and searches take.

    Parameters
    ----------
    blocks : dict of str to array-like of shape (n_samples, width), or None
        Samples of every modality, as arrays, DataFrames or sparse matrices of real numbers. None,
        or a name of `modalities` that is missing here, means absent from all samples. Values that
        are all NaN in a sample mean absent from that sample; None, ``pandas.NA`` and masked values
        are NaN.

    modalities : dict of str to int, slice or list of int, default=None
        The layout, as given to the estimator. Needed when a block is None or missing; by default
        the blocks lie one after the other in the order of `blocks`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        All the blocks, NaN where a modality is absent. float32 if all blocks are float32 or
        smaller, else float64.

    Raises
    ------
    ValueError
        If names, widths or numbers of samples disagree, a block is not two-dimensional or does not
        hold real numbers, or every block is absent.

    See Also
    --------
    ModalityLayout : Splits X into blocks again.
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
        layout = parse_modalities(modalities, _count_columns(modalities))
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
    X: Any, modalities: Mapping[str, Columns]
) -> tuple[FloatArray, ModalityLayout, BoolArray]:
    """Validate an array or DataFrame: values, layout, presence (n_samples, n_modalities)."""
    refuse_views(X)
    values = np.asarray(
        check_array(X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
    )
    names = [str(column) for column in X.columns] if hasattr(X, "columns") else None
    layout = parse_modalities(modalities, values.shape[1], names)
    return values, layout, layout.presence(values, allow_partial=True)


def _is_integer(value: object) -> bool:
    """Tell integers, NumPy's included, from booleans and other types."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _columns_from_widths(modalities: Mapping[str, Any], n_features: int) -> tuple[IntArray, ...]:
    """Columns of consecutive blocks of the given widths."""
    for name, width in modalities.items():
        if width < 1:
            raise ValueError(f"modalities[{name!r}] is {width}; a width must be at least 1.")
    edges = np.cumsum([0, *(int(width) for width in modalities.values())])
    if edges[-1] != n_features:
        raise ValueError(
            f"the widths in modalities sum to {edges[-1]}, but X has {n_features} features: "
            f"{dict(modalities)}."
        )
    return tuple(np.arange(edges[i], edges[i + 1]) for i in range(len(modalities)))


def _resolve_columns(
    name: str, value: Any, n_features: int, feature_names: list[str] | None
) -> IntArray:
    """Columns of one modality (width,), given by slice, positions or names."""
    if isinstance(value, slice):
        columns = np.arange(n_features)[value]
    elif isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(
            f"modalities[{name!r}] must be a width, a slice, a list of column positions or a "
            f"list of column names; got {value!r}."
        )
    elif len(value) and all(isinstance(item, str) for item in value):
        columns = _columns_from_names(name, list(value), feature_names)
    elif all(_is_integer(item) for item in value):
        columns = np.asarray(value, dtype=np.intp)
        if columns.size and (columns.min() < -n_features or columns.max() >= n_features):
            raise ValueError(
                f"modalities[{name!r}] names columns outside X, which has {n_features} features: "
                f"{list(value)}."
            )
        columns = columns % n_features if n_features else columns
    else:
        raise TypeError(
            f"modalities[{name!r}] must hold only column positions or only column names; got "
            f"{list(value)!r}."
        )
    if columns.size == 0:
        raise ValueError(f"modalities[{name!r}] selects no column of X.")
    return columns


def _columns_from_names(name: str, wanted: list[str], feature_names: list[str] | None) -> IntArray:
    """Positions of the wanted names among the names of the columns (width,)."""
    if feature_names is None:
        raise ValueError(
            f"modalities[{name!r}] gives columns by name, but X has no column names: pass a "
            "DataFrame, or give positions."
        )
    position = {feature: index for index, feature in enumerate(feature_names)}
    unknown = [column for column in wanted if column not in position]
    if unknown:
        raise ValueError(f"modalities[{name!r}] names columns that X does not have: {unknown}.")
    return np.array([position[column] for column in wanted], dtype=np.intp)


def _check_cover(names: tuple[str, ...], columns: tuple[IntArray, ...], n_features: int) -> None:
    """Raise unless every column of X belongs to exactly one modality."""
    uses = np.bincount(np.concatenate(columns), minlength=n_features)
    if (uses > 1).any():
        raise ValueError(
            f"modalities overlap in column(s) {np.flatnonzero(uses > 1).tolist()}: every column "
            f"belongs to one of {list(names)}."
        )
    if (uses == 0).any():
        raise ValueError(
            f"column(s) {np.flatnonzero(uses == 0).tolist()} of X belong to no modality: add them "
            f"to one of {list(names)}, or drop them from X."
        )


def _count_columns(modalities: Mapping[str, Columns]) -> int:
    """Count the columns of a layout that is given without column names."""
    total = 0
    for name, value in modalities.items():
        if isinstance(value, int | np.integer):
            total += int(value)
        elif isinstance(value, slice):
            if value.stop is None or value.stop < 0 or (value.start or 0) < 0:
                raise ValueError(
                    f"modalities[{name!r}] is {value}: packing needs a slice with a stop and no "
                    "negative bounds."
                )
            total = max(total, int(value.stop))
        elif len(value) and not any(isinstance(item, str) for item in value):
            total = max(total, int(np.max(np.asarray(value))) + 1)
        else:
            raise ValueError(
                f"modalities[{name!r}] gives column names: packing needs widths, slices or "
                "positions."
            )
    return total
