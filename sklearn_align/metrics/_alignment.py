"""Quality of an alignment, with known counterparts or without any labels."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_scalar

from sklearn_align._blocked import max_csls, row_blocks

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.intp]


def _unit_rows(rows: ArrayLike, name: str) -> FloatArray:
    checked = check_array(rows, dtype=[np.float64, np.float32], input_name=name, copy=True)
    # Dividing by the largest entry first keeps the squares of tiny or huge rows in range.
    largest = np.abs(checked).max(axis=1, keepdims=True)
    checked /= np.where(largest == 0, 1, largest)
    norms = np.linalg.norm(checked, axis=1, keepdims=True)
    checked /= np.where(norms == 0, 1, norms)
    return np.asarray(checked)


def _check_spaces(Z: ArrayLike, T: ArrayLike, *, paired: bool) -> tuple[FloatArray, FloatArray]:
    Z_unit, T_unit = _unit_rows(Z, "Z"), _unit_rows(T, "T")
    if Z_unit.shape[1] != T_unit.shape[1]:
        raise ValueError(
            f"Z has {Z_unit.shape[1]} features but T has {T_unit.shape[1]}. Map the rows into one "
            "space first."
        )
    if paired and len(Z_unit) != len(T_unit):
        raise ValueError(
            f"Z has {len(Z_unit)} rows but T has {len(T_unit)}. Row i of Z and row i of T must be "
            "counterparts."
        )
    return Z_unit, T_unit


def _ranks(Z: FloatArray, T: FloatArray) -> IntArray:
    """Number of rows of `T` strictly nearer to each row of `Z` than its counterpart is, plus one.

    Ties count half, rounded up, so that a constant map ranks in the middle rather than first.
    """
    ranks = np.empty(len(Z), dtype=np.intp)
    for block in row_blocks(len(Z), len(T), np.result_type(Z, T)):
        similarity = Z[block] @ T.T
        own = similarity[np.arange(len(similarity)), np.arange(block.start, block.stop)][:, None]
        nearer = (similarity > own).sum(axis=1)
        tied = (similarity == own).sum(axis=1) - 1
        ranks[block] = 1 + nearer + (tied + 1) // 2
    return ranks


def retrieval_accuracy(Z: ArrayLike, T: ArrayLike, k: int = 1) -> float:
    """Share of rows whose counterpart is among their `k` nearest rows by cosine.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped rows.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, row by row.

    k : int, default=1
        Neighbours that are looked at.

    Returns
    -------
    float
        Between 0 and 1; higher is better. Precision at 1, or top-1 accuracy, for ``k=1``.

    See Also
    --------
    mean_rank : Mean position of the counterpart.
    csls_score : Needs no counterparts.

    Notes
    -----
    Of rows tied with the counterpart, half are taken to be nearer.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import retrieval_accuracy
    >>> retrieval_accuracy(np.eye(4), np.eye(4)[[0, 1, 3, 2]])
    0.5
    """
    Z_unit, T_unit = _check_spaces(Z, T, paired=True)
    check_scalar(k, "k", Integral, min_val=1)
    return float((_ranks(Z_unit, T_unit) <= k).mean())


def mean_rank(Z: ArrayLike, T: ArrayLike) -> float:
    """Mean position of the counterpart when rows are sorted by cosine.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped rows.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, row by row.

    Returns
    -------
    float
        1 when every counterpart is nearest; about half the number of rows for a useless map.

    See Also
    --------
    retrieval_accuracy : Share of counterparts that come first.
    foscttm : The same on a scale from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import mean_rank
    >>> mean_rank(np.eye(4), np.eye(4))
    1.0
    """
    return float(_ranks(*_check_spaces(Z, T, paired=True)).mean())


def mean_reciprocal_rank(Z: ArrayLike, T: ArrayLike) -> float:
    """Mean of one over the position of the counterpart.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped rows.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, row by row.

    Returns
    -------
    float
        Between 0 and 1; higher is better.

    See Also
    --------
    mean_rank : Weighs distant counterparts more.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import mean_reciprocal_rank
    >>> mean_reciprocal_rank(np.eye(4), np.eye(4))
    1.0
    """
    return float((1 / _ranks(*_check_spaces(Z, T, paired=True))).mean())


def foscttm(Z: ArrayLike, T: ArrayLike) -> float:
    """Fraction of samples closer than the true match, averaged over both directions.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped rows.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, row by row.

    Returns
    -------
    float
        0 when every counterpart is nearest, about 0.5 for a useless map.

    See Also
    --------
    mean_rank : The position itself.

    References
    ----------
    .. [1] J. Liu, Y. Huang, R. Singh, J.-P. Vert, W. S. Noble, "Jointly embedding multiple
       single-cell omics measurements", WABI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import foscttm
    >>> foscttm(np.eye(4), np.eye(4))
    0.0
    """
    Z_unit, T_unit = _check_spaces(Z, T, paired=True)
    if len(Z_unit) == 1:
        return 0.0
    both = np.concatenate([_ranks(Z_unit, T_unit), _ranks(T_unit, Z_unit)])
    return float((both - 1).mean() / (len(Z_unit) - 1))


def mean_cosine_similarity(Z: ArrayLike, T: ArrayLike) -> float:
    """Mean cosine of rows with their counterparts.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped rows.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, row by row.

    Returns
    -------
    float
        Between -1 and 1; higher is better. Zero rows have cosine 0.

    See Also
    --------
    retrieval_accuracy : Whether the counterpart is nearest.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import mean_cosine_similarity
    >>> mean_cosine_similarity(np.eye(3), 2 * np.eye(3))
    1.0
    """
    Z_unit, T_unit = _check_spaces(Z, T, paired=True)
    return float(np.einsum("ij,ij->i", Z_unit, T_unit).mean())


def csls_score(Z: ArrayLike, T: ArrayLike, n_neighbors: int = 10) -> float:
    """Label-free quality: mean over the rows of `Z` of the largest CSLS value against `T`.

    Cross-domain similarity local scaling (CSLS) takes from the cosine of two rows how dense the
    neighbourhood of either is, so that hubs do not pass for matches. Rows need not be paired.

    Parameters
    ----------
    Z : array-like of shape (n_Z, n_features)
        Mapped rows.

    T : array-like of shape (n_T, n_features)
        Target rows, unpaired and in any number.

    n_neighbors : int, default=10
        Neighbours whose mean cosine is the density of a row; at most as many as there are rows.

    Returns
    -------
    float
        Higher is better. Only scores on equally many rows of the same data can be compared.

    See Also
    --------
    retrieval_accuracy : When counterparts are known.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer, H. Jégou, "Word translation without
       parallel data", ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import csls_score
    >>> rows = np.random.default_rng(0).standard_normal((200, 8))
    >>> rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0]
    >>> csls_score(rows, rows) > csls_score(rows @ rotation, rows)
    True
    """
    check_scalar(n_neighbors, "n_neighbors", Integral, min_val=1)
    Z_unit, T_unit = _check_spaces(Z, T, paired=False)
    return float(max_csls(Z_unit, T_unit, n_neighbors).mean())
