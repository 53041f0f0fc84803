"""Nearest neighbours in a mapped index, compared with those in an index of native samples."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from sklearn_align._linalg import unit_rows
from sklearn_align._samples import check_samples, computing_dtype
from sklearn_align._similarity import row_blocks, top_k
from sklearn_align._typing import FloatArray, IntArray

METRICS = ("cosine", "euclidean", "dot")


def neighbor_recall(
    mapped: ArrayLike,
    native: ArrayLike,
    queries: ArrayLike,
    k: int = 10,
    *,
    metric: str = "cosine",
) -> float:
    """Share of the nearest neighbours in a native index that a mapped index also finds.

    Sample ``i`` of `mapped` is the same text or image as sample ``i`` of `native`. With ``N_q(X)``
    the `k` samples of ``X`` nearest to query ``q``, the recall is the mean over all queries of
    ``|N_q(mapped) & N_q(native)| / k``. It measures the share of results that a search still finds
    if an index is mapped instead of encoded again.

    Parameters
    ----------
    mapped : array-like of shape (n_samples, n_features)
        Samples of the old encoder, mapped to the space of the new encoder by ``aligner.to_target``.

    native : array-like of shape (n_samples, n_features)
        The same samples by the new encoder, in the same order.

    queries : array-like of shape (n_queries, n_features)
        Queries by the new encoder.

    k : int, default=10
        Number of nearest neighbours, at most the number of samples.

    metric : {"cosine", "euclidean", "dot"}, default="cosine"
        How the index compares vectors.

    Returns
    -------
    recall : float
        In [0, 1]; higher is better. Chance level is ``k / n_samples``.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices with matching shapes, if `k` is below 1 or above the
        number of samples, or if `metric` is unknown.

    See Also
    --------
    neighbor_overlap : A similar measure without queries, also for spaces of different widths.
    retrieval_accuracy : Share of samples whose counterpart is nearest.

    Notes
    -----
    The search is exact and is computed in blocks. If several neighbours have the same distance, an
    arbitrary one is used, so that copies within an index lower the recall.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import neighbor_recall
    >>> native = np.random.default_rng(0).standard_normal((50, 8))
    >>> neighbor_recall(native, native, native[:5], k=3)
    1.0
    >>> neighbor_recall(-native, native, native[:5], k=3)
    0.0
    """
    _check_options(k, metric)
    arrays = {
        name: _as_float(X, name)
        for name, X in (("mapped", mapped), ("native", native), ("queries", queries))
    }
    if arrays["mapped"].shape != arrays["native"].shape:
        raise ValueError(
            f"mapped has the shape {arrays['mapped'].shape} and native {arrays['native'].shape}: "
            "sample i of both must be the same text or image in the same space."
        )
    if arrays["queries"].shape[1] != arrays["native"].shape[1]:
        raise ValueError(
            f"queries has {arrays['queries'].shape[1]} features and native "
            f"{arrays['native'].shape[1]}: queries must be by the new encoder."
        )
    if k > len(arrays["native"]):
        raise ValueError(f"k={k} is more than the {len(arrays['native'])} samples of the index.")
    found, expected = (
        top_k(_as_queries(arrays["queries"], metric), _as_index(arrays[name], metric), k)[1]
        for name in ("mapped", "native")
    )
    return _shared(found, expected)


def neighbor_overlap(
    mapped: ArrayLike,
    native: ArrayLike,
    k: int = 10,
    *,
    metric: str = "cosine",
) -> float:
    """Mean overlap of the nearest neighbours of each sample in two spaces.

    Sample ``i`` of `mapped` is the same text or image as sample ``i`` of `native`. With ``N_i(X)``
    the `k` other samples of ``X`` that are nearest to its sample ``i``, the overlap is the mean
    over all samples of ``|N_i(mapped) & N_i(native)| / k``. It is also called mutual
    k-nearest-neighbour alignment. Samples of one space are never compared with samples of the other
    space.

    Parameters
    ----------
    mapped : array-like of shape (n_samples, n_features)
        Samples of one space, such as the result of ``aligner.to_target``, or samples of the old
        encoder without a map.

    native : array-like of shape (n_samples, n_features_native)
        The same samples in another space, of any width, in the same order.

    k : int, default=10
        Number of nearest neighbours, less than the number of samples.

    metric : {"cosine", "euclidean", "dot"}, default="cosine"
        How vectors are compared.

    Returns
    -------
    overlap : float
        In [0, 1]; higher is better. Chance level is ``k / (n_samples - 1)``.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices with the same number of samples, if `k` is below 1 or
        not below the number of samples, or if `metric` is unknown.

    See Also
    --------
    neighbor_recall : Overlap of the results of queries in both spaces.

    Notes
    -----
    An orthogonal map does not change the neighbours within a space, except for the effect of the
    mean that is subtracted. The overlap of the old and the new encoder therefore measures how much
    their neighbours differ, for any map. It cannot distinguish a correct map from a wrong map: use
    :func:`neighbor_recall` for this purpose.

    The search is exact and is computed in blocks. If several neighbours have the same distance, an
    arbitrary one is used, so that copies within a space lower the overlap.

    References
    ----------
    .. [1] M. Huh, B. Cheung, T. Wang, P. Isola, "The Platonic Representation Hypothesis", ICML
       2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import neighbor_overlap
    >>> native = np.random.default_rng(0).standard_normal((50, 8))
    >>> neighbor_overlap(2 * native[:, ::-1], native, k=3)
    1.0
    """
    _check_options(k, metric)
    arrays = [_as_float(X, name) for name, X in (("mapped", mapped), ("native", native))]
    if len(arrays[0]) != len(arrays[1]):
        raise ValueError(
            f"mapped has {len(arrays[0])} samples and native {len(arrays[1])}: sample i of both "
            "must be the same text or image."
        )
    if k >= len(arrays[0]):
        raise ValueError(
            f"k={k} is not less than the number of samples, {len(arrays[0])}, and no sample is a "
            "neighbour of its own."
        )
    found, expected = (_neighbors_within(X, k, metric) for X in arrays)
    return _shared(found, expected)


def _neighbors_within(X: FloatArray, k: int, metric: str) -> IntArray:
    """Return indices (n_samples, k) of the nearest other samples of each sample, in no order."""
    queries, index = _as_queries(X, metric), _as_index(X, metric)
    nearest = np.empty((len(X), k), dtype=np.intp)
    for block in row_blocks(len(X), len(X), index.dtype):
        product = queries[block] @ index.T
        own = np.arange(block.start, block.stop)
        product[own - block.start, own] = -np.inf
        nearest[block] = np.argpartition(product, len(X) - k, axis=1)[:, len(X) - k :]
    return nearest


def _shared(found: IntArray, expected: IntArray) -> float:
    """Mean share of `expected` (n_samples, k) that is in `found`, sample by sample."""
    hits = (found[:, :, None] == expected[:, None, :]).any(axis=2)
    return float(hits.mean())


def _check_options(k: int, metric: str) -> None:
    check_scalar(k, "k", Integral, min_val=1)
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")


def _as_float(X: ArrayLike, name: str) -> FloatArray:
    checked = check_samples(X, input_name=name)
    return checked.astype(computing_dtype(checked), copy=False)


def _as_index(X: FloatArray, metric: str) -> FloatArray:
    """Return samples whose inner products with :func:`_as_queries` order them by the metric."""
    if metric == "dot":
        return X
    if metric == "cosine":
        return unit_rows(X)
    X = X.astype(np.float64)
    return np.hstack([X, -0.5 * np.einsum("ij,ij->i", X, X)[:, None]])


def _as_queries(X: FloatArray, metric: str) -> FloatArray:
    """Return queries to be multiplied with :func:`_as_index`."""
    if metric == "dot":
        return X
    if metric == "cosine":
        return unit_rows(X)
    return np.hstack([X.astype(np.float64), np.ones((len(X), 1))])
