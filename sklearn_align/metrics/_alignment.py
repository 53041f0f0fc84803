"""Quality of an alignment, with and without known counterparts.

All functions compare directions: samples are scaled to unit length first, so that their length has
no influence, and a sample of zeros has cosine 0 with all others. Similarities are computed in
blocks of bounded size; no matrix of all pairs is held.
"""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma
from sklearn.utils import check_scalar

from sklearn_align._linalg import scale_to_unit_length
from sklearn_align._samples import check_samples, computing_dtype
from sklearn_align._similarity import max_csls, row_blocks
from sklearn_align._typing import Float64Array, FloatArray, IntArray


def retrieval_accuracy(Z: ArrayLike, T: ArrayLike, k: int = 1) -> float:
    """Share of samples whose counterpart is among their `k` nearest samples by cosine.

    Sample ``i`` of `Z` belongs to sample ``i`` of `T`. With ``rank_i`` the rank of ``t_i`` among
    all samples of `T`, ordered by decreasing cosine with ``z_i``, the accuracy is
    ``sum_i [rank_i <= k] / n_samples``.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped source samples.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, in the same order.

    k : int, default=1
        Number of nearest samples among which the counterpart is searched.

    Returns
    -------
    accuracy : float
        In [0, 1]; higher is better. Chance level is ``k / n_samples``. If `k` equals the number of
        samples, any map has an accuracy of 1.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices of equal shape, or `k` is below 1.

    See Also
    --------
    mean_rank : Average position of the counterpart.
    csls_score : Quality of a map if no counterparts are known.

    Notes
    -----
    Cosines that are equal up to rounding are ties. They count as if they were broken at random: if
    the counterpart and one other sample are tied for the first rank, the sample counts one half.

    Examples
    --------
    >>> from sklearn_align.metrics import retrieval_accuracy
    >>> T = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    >>> retrieval_accuracy([[0.9, 0.1], [0.1, 0.9], [0.2, 0.9]], T)
    0.6666666666666666
    """
    check_scalar(k, "k", Integral, min_val=1)
    Z, T = check_paired(Z, T)
    n_better, n_tied = count_better(Z, T)
    return float(hits_among_top(n_better, n_tied, k).mean())


def mean_rank(Z: ArrayLike, T: ArrayLike) -> float:
    """Average rank of the counterpart of a sample among all samples of `T`, by cosine.

    With ``rank_i`` the rank of ``t_i`` among all samples of `T`, ordered by decreasing cosine with
    ``z_i``, it is ``sum_i rank_i / n_samples``.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped source samples.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, in the same order.

    Returns
    -------
    rank : float
        In [1, n_samples]; lower is better. Chance level is ``(n_samples + 1) / 2``.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices of equal shape.

    See Also
    --------
    mean_reciprocal_rank : Less sensitive to a few samples of very large rank.

    Notes
    -----
    Each sample that is tied with the counterpart adds one half to the rank, as in
    :func:`scipy.stats.rankdata`.

    Examples
    --------
    >>> from sklearn_align.metrics import mean_rank
    >>> T = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    >>> mean_rank([[0.9, 0.1], [0.1, 0.9], [0.2, 0.9]], T)
    1.6666666666666667
    """
    n_better, n_tied = count_better(*check_paired(Z, T))
    return float((1 + n_better + n_tied / 2).mean())


def mean_reciprocal_rank(Z: ArrayLike, T: ArrayLike) -> float:
    """Average reciprocal rank of the counterpart of a sample among all samples of `T`, by cosine.

    With ``rank_i`` the rank of ``t_i`` among all samples of `T`, ordered by decreasing cosine with
    ``z_i``, it is ``sum_i (1 / rank_i) / n_samples``.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped source samples.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, in the same order.

    Returns
    -------
    reciprocal_rank : float
        In (0, 1]; higher is better.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices of equal shape.

    See Also
    --------
    mean_rank : Average of the rank itself.

    Notes
    -----
    Ties count as if they were broken at random.

    Examples
    --------
    >>> from sklearn_align.metrics import mean_reciprocal_rank
    >>> T = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    >>> round(mean_reciprocal_rank([[0.9, 0.1], [0.1, 0.9], [0.2, 0.9]], T), 4)
    0.7778
    """
    n_better, n_tied = count_better(*check_paired(Z, T))
    # Sum of 1 / r over the tied places r = n_better + 1, ..., n_better + 1 + n_tied.
    harmonic = digamma(n_better + n_tied + 2.0) - digamma(n_better + 1.0)
    reciprocal = np.where(n_tied == 0, 1 / (n_better + 1), harmonic / (n_tied + 1))
    return float(reciprocal.mean())


def mean_cosine_similarity(Z: ArrayLike, T: ArrayLike) -> float:
    """Average cosine between samples and their counterparts.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped source samples.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, in the same order.

    Returns
    -------
    cosine : float
        In [-1, 1]; higher is better.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices of equal shape.

    See Also
    --------
    retrieval_accuracy : Share of samples whose counterpart is nearest.

    Examples
    --------
    >>> from sklearn_align.metrics import mean_cosine_similarity
    >>> mean_cosine_similarity([[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]])
    0.5
    """
    Z, T = check_paired(Z, T)
    return float(np.einsum("ij,ij->i", Z, T).mean(dtype=np.float64))


def csls_score(Z: ArrayLike, T: ArrayLike, n_neighbors: int = 10) -> float:
    """Label-free quality of a map: mean largest CSLS of the mapped samples.

    Cross-domain similarity local scaling (CSLS) is the cosine, corrected for the density of both
    neighbourhoods::

        CSLS(z, t) = 2 cos(z, t) - r(z) - r(t)
        score = mean over z in Z of max over t in T of CSLS(z, t)

    where ``r`` is the mean cosine of a sample with its `n_neighbors` nearest samples in the other
    space. The samples need not be paired, and their numbers may differ.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped source samples.

    T : array-like of shape (n_samples_target, n_features)
        Samples of the target space.

    n_neighbors : int, default=10
        Number of neighbours for the mean ``r``, at most the number of samples of the other space.

    Returns
    -------
    score : float
        Higher is better. The scale depends on the two spaces: compare only maps between the same
        samples.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices of equal width, or `n_neighbors` is below 1.

    See Also
    --------
    retrieval_accuracy : Accuracy if counterparts are known.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer, H. Jégou, "Word translation without
       parallel data", ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.metrics import csls_score
    >>> T = np.random.default_rng(0).standard_normal((200, 8))
    >>> csls_score(T, T) > csls_score(T[:, ::-1], T)
    True
    """
    check_scalar(n_neighbors, "n_neighbors", Integral, min_val=1)
    Z, T = _check_pair_of_spaces(Z, T)
    return float(max_csls(Z, T, int(n_neighbors)).mean(dtype=np.float64))


def foscttm(Z: ArrayLike, T: ArrayLike) -> float:
    """Fraction of samples closer than the true match, averaged over both directions.

    With ``closer(z_i, T)`` the number of samples of `T` closer to ``z_i`` than ``t_i``::

        FOSCTTM = sum_i (closer(z_i, T) + closer(t_i, Z)) / (2 n_samples (n_samples - 1))

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Mapped source samples, at least two.

    T : array-like of shape (n_samples, n_features)
        Their counterparts, in the same order.

    Returns
    -------
    fraction : float
        In [0, 1]; lower is better. Chance level is 0.5.

    Raises
    ------
    ValueError
        If the inputs are not finite matrices of equal shape with at least two samples.

    See Also
    --------
    mean_rank : The mean rank in one direction.

    Notes
    -----
    Distances are compared by the cosine, which gives the same order as the Euclidean distance of
    samples of unit length. Ties count one half.

    References
    ----------
    .. [1] J. Liu, Y. Huang, R. Singh, J.-P. Vert, W. S. Noble, "Jointly embedding multiple
       single-cell omics measurements", WABI 2019.

    Examples
    --------
    >>> from sklearn_align.metrics import foscttm
    >>> foscttm([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [0.1, 1.0]])
    0.0
    """
    Z, T = check_paired(Z, T, ensure_min_samples=2)
    closer = 0.0
    for queries, keys in ((Z, T), (T, Z)):
        n_better, n_tied = count_better(queries, keys)
        closer += float((n_better + n_tied / 2).mean()) / (len(Z) - 1)
    return closer / 2


def count_better(Z: FloatArray, T: FloatArray) -> tuple[IntArray, IntArray]:
    """Count the samples of `T` before, and tied with, each counterpart (n_samples,)."""
    n_samples = len(Z)
    n_better = np.empty(n_samples, dtype=np.intp)
    n_not_worse = np.empty(n_samples, dtype=np.intp)
    dtype = np.result_type(Z, T)
    # Equal rows at different places of a matrix product differ in their last bits.
    tolerance = dtype.type(10 * np.finfo(dtype).eps)
    for block in row_blocks(n_samples, n_samples, dtype):
        cosine = Z[block] @ T.T
        own = cosine[np.arange(len(cosine)), np.arange(block.start, block.stop)][:, None]
        n_better[block] = np.count_nonzero(cosine > own + tolerance, axis=1)
        n_not_worse[block] = np.count_nonzero(cosine >= own - tolerance, axis=1)
    return n_better, n_not_worse - n_better - 1


def hits_among_top(n_better: IntArray, n_tied: IntArray, k: int) -> Float64Array:
    """Return the probability of rank at most `k` (n_samples,) with ties broken at random."""
    return np.clip((k - n_better) / (n_tied + 1), 0.0, 1.0)


def check_paired(
    Z: ArrayLike, T: ArrayLike, ensure_min_samples: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Return samples of unit length of both inputs, which must have the same shape."""
    Z, T = _check_pair_of_spaces(Z, T, ensure_min_samples)
    if len(Z) != len(T):
        raise ValueError(
            f"Z has {len(Z)} samples and T has {len(T)}: sample i of T must be the counterpart of "
            "sample i of Z. For unpaired samples use csls_score."
        )
    return Z, T


def _check_pair_of_spaces(
    Z: ArrayLike, T: ArrayLike, ensure_min_samples: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Return samples of unit length of both inputs, which must have the same number of features."""
    unit = []
    for name, X in (("Z", Z), ("T", T)):
        checked = check_samples(X, input_name=name, ensure_min_samples=ensure_min_samples)
        samples = checked.astype(computing_dtype(checked), order="C")
        scale_to_unit_length(samples)
        unit.append(samples)
    if unit[0].shape[1] != unit[1].shape[1]:
        raise ValueError(
            f"Z has {unit[0].shape[1]} features and T has {unit[1].shape[1]}: both must be in the "
            "same space. Map them first, with aligner.transform and aligner.transform_target."
        )
    return unit[0], unit[1]
