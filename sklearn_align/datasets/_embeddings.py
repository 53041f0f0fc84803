"""Pairs of embedding spaces: a real one and a maker of synthetic ones."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from scipy.stats import ortho_group
from sklearn.preprocessing import normalize
from sklearn.utils import Bunch, check_random_state, check_scalar

from sklearn_align._typing import Float64Array, IntArray
from sklearn_align.datasets._checks import check_finite, check_result
from sklearn_align.datasets._files import read_arrays, read_description

# Names of both encoders of a pair, from which the names of the columns are made.
_SENTENCE_PAIRS = {"word2vec": ("word2vec_a", "word2vec_b"), "minilm_mpnet": ("minilm", "mpnet")}
_SENTENCE_KINDS = ["film review", "film plot", "question", "product review", "opinion phrase"]


def load_sentence_embeddings(
    *, pair: Literal["word2vec", "minilm_mpnet"] = "word2vec", return_X_y: bool = False
) -> Any:
    """Load sentences embedded by two separately trained encoders, unpaired.

    The encoders embed English sentences. `XA` and `XB` have different sentences. Held-out sentences
    are embedded by both encoders, for evaluation.

    ======================= ============== ==================
    Pair                    "word2vec"     "minilm_mpnet"
    ======================= ============== ==================
    First encoder           word2vec       all-MiniLM-L6-v2
    Second encoder          word2vec       all-mpnet-base-v2
    Samples in `XA`         3000           5000
    Samples in `XB`         3000           5000
    Held-out pairs          1500           1500
    Features of A           300            384
    Features of B           300            768
    Length of a sample      varies         1
    Stored as               float16        int8
    Kinds of text           5              5
    ======================= ============== ==================

    Parameters
    ----------
    pair : {"word2vec", "minilm_mpnet"}, default="word2vec"
        Encoders. "word2vec" is a pair of models of the same kind and width, trained on different
        texts. Their spaces are nearly rotations of each other. "minilm_mpnet" is a pair of sentence
        encoders with different architectures and widths. Their spaces differ more.

    return_X_y : bool, default=False
        Return ``(XA, XB)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        XA : ndarray of shape (n_samples, n_features_A), float32
            Embeddings by the first encoder.
        XB : ndarray of shape (n_samples, n_features_B), float32
            Embeddings of other sentences by the second encoder.
        XA_test : ndarray of shape (n_test, n_features_A), float32
            Held-out sentences, by the first encoder.
        XB_test : ndarray of shape (n_test, n_features_B), float32
            The same sentences in the same order, by the second encoder.
        labels_A : ndarray of shape (n_samples,)
            Kind of text of each sample of `XA`, see `label_names`.
        labels_B : ndarray of shape (n_samples,)
            The same for `XB`.
        labels_test : ndarray of shape (n_test,)
            The same for the held-out sentences.
        label_names : list of str
            Names of the kinds: reviews and plots of films, questions, reviews of products, and
            phrases that express opinions.
        feature_names_A, feature_names_B : list of str
            Names of the columns.
        DESCR : str
            Description and credits.

    (XA, XB) : tuple of ndarray
        If `return_X_y` is true.

    Raises
    ------
    ValueError
        If `pair` is unknown.

    See Also
    --------
    make_rotated_embeddings : Synthetic spaces with a known map.

    Examples
    --------
    >>> from sklearn_align.datasets import load_sentence_embeddings
    >>> data = load_sentence_embeddings()
    >>> data.XA.shape, data.XB.shape, data.XA_test.shape
    ((3000, 300), (3000, 300), (1500, 300))
    >>> data = load_sentence_embeddings(pair="minilm_mpnet")
    >>> data.XA.shape, data.XB.shape
    ((5000, 384), (5000, 768))
    """
    if not (isinstance(pair, str) and pair in _SENTENCE_PAIRS):
        raise ValueError(f"pair must be one of {[*_SENTENCE_PAIRS]}, got {pair!r}.")
    name_A, name_B = _SENTENCE_PAIRS[pair]
    arrays: dict[str, Any] = {}
    for key, values in read_arrays(f"sentences_{pair}.npz").items():
        if key.startswith("labels"):
            arrays[key] = values.astype(np.int64)
        elif values.dtype == np.int8:
            # Quantised unit vectors: the length restores the scale.
            arrays[key] = normalize(values.astype(np.float32), copy=False)
        else:
            arrays[key] = values.astype(np.float32)
    if return_X_y:
        return arrays["XA"], arrays["XB"]
    return Bunch(
        XA=arrays["XA"],
        XB=arrays["XB"],
        XA_test=arrays["XA_test"],
        XB_test=arrays["XB_test"],
        labels_A=arrays["labels_A"],
        labels_B=arrays["labels_B"],
        labels_test=arrays["labels_test"],
        label_names=list(_SENTENCE_KINDS),
        feature_names_A=[f"{name_A}{j}" for j in range(arrays["XA"].shape[1])],
        feature_names_B=[f"{name_B}{j}" for j in range(arrays["XB"].shape[1])],
        DESCR=read_description(f"sentences_{pair}.rst"),
    )


def make_rotated_embeddings(
    n_samples: int = 1000,
    n_features: int = 32,
    *,
    n_samples_target: int | None = None,
    n_features_target: int | None = None,
    n_test: int = 500,
    n_clusters: int = 30,
    cluster_std: float = 0.5,
    spectrum_decay: float = 0.5,
    noise: float = 0.05,
    shift: float = 0.2,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make two embedding spaces that are rotations of each other, up to noise.

    Latent samples are drawn from clusters of unequal sizes, with decreasing variance along the
    latent directions, so that the spaces can be aligned without pairs. Space A has some of the
    samples. Space B has other samples, rotated and shifted. Noise is added to both.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of samples of space A.

    n_features : int, default=32
        Number of features of space A.

    n_samples_target : int, default=None
        Number of samples of space B; `n_samples` if None.

    n_features_target : int, default=None
        Number of features of space B; `n_features` if None. The latent space has the smaller number
        of features; the wider space contains it as a subspace.

    n_test : int, default=500
        Number of held-out samples, paired.

    n_clusters : int, default=30
        Number of latent clusters.

    cluster_std : float, default=0.5
        Standard deviation of a cluster, relative to the standard deviation of the centres.

    spectrum_decay : float, default=0.5
        The j-th latent direction has standard deviation ``j ** -spectrum_decay``; 0 for equal
        standard deviations.

    noise : float, default=0.05
        Root mean square length of the noise, relative to the root mean square length of the latent
        samples. It is drawn for each space separately.

    shift : float, default=0.2
        Length of the constant vector that is added to each space, relative to the same length.

    random_state : int, RandomState instance or None, default=None
        Pass an int for the same data in every call.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        XA : ndarray of shape (n_samples, n_features)
            Samples of space A.
        XB : ndarray of shape (n_samples_target, n_features_target)
            Samples of space B, not paired with `XA`.
        XA_test : ndarray of shape (n_test, n_features)
            Held-out samples in space A.
        XB_test : ndarray of shape (n_test, n_features_target)
            Their counterparts in space B.
        rotation : ndarray of shape (n_features, n_features_target)
            True map: ``XB_test`` is ``XA_test @ rotation`` up to shift and noise. It is orthogonal
            if both spaces have the same number of features. Otherwise it is a partial isometry
            between the latent subspaces, and zero on the rest of the wider space.
        labels_A : ndarray of shape (n_samples,)
            Latent cluster of each sample of `XA`.
        labels_B : ndarray of shape (n_samples_target,)
            The same for `XB`.
        labels_test : ndarray of shape (n_test,)
            The same for the held-out samples.

    Raises
    ------
    ValueError
        If a size is not positive or a relative length is negative.

    See Also
    --------
    load_sentence_embeddings : A real pair of spaces.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.datasets import make_rotated_embeddings
    >>> data = make_rotated_embeddings(100, 8, noise=0, shift=0, random_state=0)
    >>> bool(np.allclose(data.XA_test @ data.rotation, data.XB_test))
    True
    """
    n_samples_target = n_samples if n_samples_target is None else n_samples_target
    n_features_target = n_features if n_features_target is None else n_features_target
    for name, size in (
        ("n_samples", n_samples),
        ("n_features", n_features),
        ("n_samples_target", n_samples_target),
        ("n_features_target", n_features_target),
        ("n_clusters", n_clusters),
    ):
        check_scalar(size, name, Integral, min_val=1)
    check_scalar(n_test, "n_test", Integral, min_val=0)
    for name, length in (
        ("cluster_std", cluster_std),
        ("spectrum_decay", spectrum_decay),
        ("noise", noise),
        ("shift", shift),
    ):
        check_scalar(length, name, Real, min_val=0)
        check_finite(length, name)
    rng = check_random_state(random_state)

    n_latent = min(n_features, n_features_target)
    scales = np.arange(1, n_latent + 1) ** -float(spectrum_decay)
    centres = rng.standard_normal((n_clusters, n_latent)) * scales
    shares = rng.dirichlet(np.full(n_clusters, 5.0))
    n_total = n_samples + n_samples_target + n_test
    labels = rng.choice(n_clusters, size=n_total, p=shares)
    with np.errstate(over="ignore", invalid="ignore"):
        latent = centres[labels] + cluster_std * scales * rng.standard_normal((n_total, n_latent))

    basis_A = _orthonormal_rows(n_latent, n_features, rng)
    basis_B = _orthonormal_rows(n_latent, n_features_target, rng)
    with np.errstate(over="ignore", invalid="ignore"):
        length = float(np.sqrt((latent**2).sum(axis=1).mean()))
    of_A, of_B, of_test = np.split(np.arange(n_total), np.cumsum([n_samples, n_samples_target]))

    def observe(basis: Float64Array, parts: list[IntArray]) -> list[Float64Array]:
        """Map parts of the latent samples into a space, with its shift and noise."""
        constant = rng.standard_normal(basis.shape[1])
        constant *= shift * length / np.linalg.norm(constant)
        return [
            latent[index] @ basis
            + constant
            + noise
            * length
            * rng.standard_normal((len(index), basis.shape[1]))
            / np.sqrt(basis.shape[1])
            for index in parts
        ]

    with np.errstate(over="ignore", invalid="ignore"):
        XA, XA_test = observe(basis_A, [of_A, of_test])
        XB, XB_test = observe(basis_B, [of_B, of_test])
    check_result(XA, XA_test, XB, XB_test, names="cluster_std, noise and shift")
    return Bunch(
        XA=XA,
        XB=XB,
        XA_test=XA_test,
        XB_test=XB_test,
        rotation=basis_A.T @ basis_B,
        labels_A=labels[of_A],
        labels_B=labels[of_B],
        labels_test=labels[of_test],
    )


def _orthonormal_rows(n_rows: int, n_columns: int, rng: np.random.RandomState) -> Float64Array:
    """Draw a matrix (n_rows, n_columns) with orthonormal rows."""
    if n_columns == 1:
        return np.ones((1, 1))
    return np.asarray(ortho_group.rvs(n_columns, random_state=rng)[:n_rows])
