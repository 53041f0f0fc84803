"""What the displays share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_align._modalities import Columns, parse_modalities

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def get_axes(ax: Axes | None, display: str) -> Axes:
    """Return the axes to draw on, new ones if none are given.

    Parameters
    ----------
    ax : matplotlib Axes or None
        As the user passed it.

    display : str
        Class name for the error message.

    Returns
    -------
    matplotlib Axes
        `ax`, or the axes of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{display}.plot needs matplotlib: pip install 'sklearn-align[plot]'."
        ) from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax


def presence_groups(X: Any, modalities: Mapping[str, Columns]) -> NDArray[np.str_]:
    """Name the set of modalities that each row has.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows; a modality is absent where its whole block is NaN.

    modalities : dict
        Columns of each modality.

    Returns
    -------
    ndarray of str of shape (n_samples,)
        Such as ``"image + audio"``, or ``"none"``.
    """
    values = np.asarray(
        check_array(X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
    )
    names = [str(column) for column in X.columns] if hasattr(X, "columns") else None
    layout = parse_modalities(modalities, values.shape[1], names)
    present = layout.presence(values, allow_partial=True)
    subsets, index = np.unique(present, axis=0, return_inverse=True)
    labels = [
        " + ".join(name for name, there in zip(layout.names, subset, strict=True) if there)
        or "none"
        for subset in subsets
    ]
    return np.array(labels)[index.reshape(-1)]


def ordered_groups(groups: NDArray[Any]) -> list[Any]:
    """Return the distinct groups, those of the largest number of modalities first.

    Parameters
    ----------
    groups : ndarray of shape (n_samples,)
        Names of groups, as by :func:`presence_groups` or any other labels.

    Returns
    -------
    list
        Distinct labels.
    """
    return sorted(np.unique(groups).tolist(), key=lambda group: (-str(group).count(" + "), group))
