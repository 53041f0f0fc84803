"""Removal of modalities at random."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_array, check_random_state

from sklearn_align._columns import Columns
from sklearn_align._modalities import ModalityLayout, read_blocks
from sklearn_align._typing import BoolArray, Float64Array, FloatArray


def drop_modalities(
    X: Any,
    modalities: Mapping[str, Columns] | ModalityLayout,
    rate: float | Mapping[str, float] = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    """Set whole blocks of columns to NaN at random, keeping at least one block of every sample.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Samples; they are not changed. Blocks that are all NaN are missing and remain missing.

    modalities : dict or ModalityLayout
        Widths of consecutive blocks, or the columns of each modality, as for
        :class:`~sklearn_align.AECFClassifier`. If the `layout_` of a fitted estimator leaves out
        columns, these columns are returned without changes.

    rate : float or dict of str to float, default=0.5
        Probability in [0, 1] that a present block is dropped, for all modalities or by name.
        Modalities that are not in the dict are kept. If all blocks of a sample would be dropped,
        one of them, drawn at random, is kept. The share of missing blocks is therefore below
        `rate`: with two modalities and a rate of 0.75, it is 47 %.

    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result in every call. With the same int, the blocks dropped at a
        rate are also dropped at all higher rates.

    Returns
    -------
    X_dropped : ndarray or DataFrame of shape (n_samples, n_features)
        A copy of `X`; for a DataFrame, a DataFrame. float32 remains float32, integers become
        float64.

    Raises
    ------
    ValueError
        If a rate is outside [0, 1] or for an unknown modality, or `modalities` does not match `X`.

    See Also
    --------
    sklearn_align.pack_modalities : Makes `X` from one array for each modality.
    sklearn_align.metrics.missing_modality_curve : Scores estimators at several rates.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.datasets import drop_modalities
    >>> X = np.ones((2, 3))
    >>> drop_modalities(X, {"image": 2, "sound": 1}, rate={"sound": 1.0}, random_state=0)
    array([[ 1.,  1., nan],
           [ 1.,  1., nan]])
    """
    values, layout, presence = read_blocks(X, modalities)
    rates = _check_rates(rate, layout.names)
    dropped = _draw_dropped(presence, rates, check_random_state(random_state))
    missing = np.zeros(values.shape, dtype=bool)
    for columns, samples in zip(layout.columns, dropped.T, strict=True):
        missing[np.ix_(samples, columns)] = True
    return with_nan(X, values, missing, layout)


def _check_rates(rate: float | Mapping[str, float], names: tuple[str, ...]) -> Float64Array:
    """Return the drop rate of each modality (n_modalities,)."""
    values: list[Any]
    if isinstance(rate, Mapping):
        unknown = sorted(set(rate) - set(names))
        if unknown:
            raise ValueError(f"rate names unknown modalities {unknown}; known are {list(names)}.")
        values = [rate.get(name, 0.0) for name in names]
    else:
        values = [rate] * len(names)
    for value in values:
        if not isinstance(value, Real) or not 0 <= float(value) <= 1:
            raise ValueError(f"rate must be in [0, 1], or a dict of such numbers; got {rate!r}.")
    return np.array(values, dtype=np.float64)


def _draw_dropped(
    presence: BoolArray, rates: Float64Array, random_state: np.random.RandomState
) -> BoolArray:
    """Draw which present blocks are dropped (n_samples, n_modalities)."""
    draws = random_state.random_sample(presence.shape)
    dropped: BoolArray = presence & (draws < rates)
    emptied = presence.any(axis=1) & (dropped == presence).all(axis=1)
    # Blocks are compared by how far below their own rate they were drawn, so that each of equally
    # frequent blocks is kept equally often, and the block kept at a rate is kept at lower ones.
    relative = np.full(draws.shape, -1.0)
    np.divide(draws, rates, out=relative, where=emptied[:, None] & presence)
    dropped[emptied, relative[emptied].argmax(axis=1)] = False
    return dropped


def with_nan(X: Any, values: FloatArray, missing: BoolArray, layout: ModalityLayout) -> Any:
    """Return a copy of X, whose values are `values`, with NaN where `missing` is true.

    Both have the shape of X, (n_samples, n_features). A DataFrame stays one; its columns without a
    modality stay as they are.
    """
    if not hasattr(X, "columns"):
        return np.where(missing, values.dtype.type(np.nan), values)
    used = set(layout.order.tolist())
    columns = {}
    for j, name in enumerate(X.columns):
        if j not in used:
            columns[name] = X[name]
            continue
        column = check_array(
            np.asarray(X[name]),
            dtype=[np.float64, np.float32],
            ensure_2d=False,
            ensure_all_finite="allow-nan",
        )
        columns[name] = np.where(missing[:, j], column.dtype.type(np.nan), column)
    if hasattr(X, "index"):
        return type(X)(columns, index=X.index)
    return type(X)(columns)
