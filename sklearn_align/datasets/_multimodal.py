"""Samples with several modalities: two real data sets and a maker of synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state, check_scalar, shuffle

from sklearn_align.datasets._checks import check_finite, check_result
from sklearn_align.datasets._files import read_arrays, read_description
from sklearn_align.datasets._missing import drop_modalities

Subset = Literal["all", "train", "validation", "test"]

_SUBSETS = {"train": 0, "validation": 1, "test": 2}
_MFEAT_VIEWS = {
    "fac": "profile correlations",
    "fou": "Fourier coefficients",
    "kar": "Karhunen-Loève coefficients",
    "pix": "pixel averages",
    "zer": "Zernike moments",
    "mor": "morphological features",
}


def load_avmnist(
    *, subset: Subset = "all", return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load noisy handwritten digits paired with noisy spoken ones.

    The image and the sound of a sample show the same digit. Each is reduced to 50 principal
    components. The noise levels of image and sound are drawn independently, so that in some samples
    the image is more reliable, and in others the sound.

    ================= ===========================
    Classes                                    10
    Samples                                 10000
    Modalities        image (50), audio (50)
    Split             7000 / 1000 / 2000
    ================= ===========================

    Parameters
    ----------
    subset : {"all", "train", "validation", "test"}, default="all"
        Samples to return.

    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        Return a pandas DataFrame and Series instead of arrays.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        data : {ndarray, DataFrame} of shape (n_samples, 100), float32
            Image columns, then audio columns.
        target : {ndarray, Series} of shape (n_samples,)
            The digit.
        modalities : dict of str to int
            Width of each block, to be passed to estimators.
        split : ndarray of shape (n_samples,)
            0 for training samples, 1 for validation samples, 2 for test samples.
        image_noise : ndarray of shape (n_samples,)
            Standard deviation of the noise on the image.
        audio_snr : ndarray of shape (n_samples,)
            Signal-to-noise ratio of the sound, in decibels.
        feature_names : list of str
            Names of the columns.
        target_names : list of str
            Names of the classes.
        DESCR : str
            Description and credits.

    (data, target) : tuple
        If `return_X_y` is true.

    Raises
    ------
    ValueError
        If `subset` is unknown.

    See Also
    --------
    load_mfeat : Six views of handwritten digits.
    drop_modalities : Makes blocks missing.

    Examples
    --------
    >>> from sklearn_align.datasets import load_avmnist
    >>> data = load_avmnist(subset="test")
    >>> data.data.shape, data.modalities
    ((2000, 100), {'image': 50, 'audio': 50})
    """
    arrays = read_arrays("avmnist.npz")
    blocks = {"image": arrays["image"], "audio": arrays["audio"]}
    extras = {name: arrays[name].astype(np.float32) for name in ("image_noise", "audio_snr")}
    return _make_bunch(
        blocks,
        arrays["target"],
        arrays["split"],
        subset=subset,
        return_X_y=return_X_y,
        as_frame=as_frame,
        sample_values=extras,
        DESCR=read_description("avmnist.rst"),
    )


def load_mfeat(
    *,
    split: int = 0,
    subset: Subset = "all",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load the UCI Multiple Features: handwritten digits described by six feature sets.

    ================= =========================================================
    Classes                                                                  10
    Samples                                                                2000
    Modalities        fac (216), fou (76), kar (64), pix (240), zer (47), mor (6)
    Splits            5 times 1000 / 300 / 700
    ================= =========================================================

    Parameters
    ----------
    split : int, default=0
        Number of the random split (0 to 4) that is used for `subset`.

    subset : {"all", "train", "validation", "test"}, default="all"
        Samples to return.

    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        Return a pandas DataFrame and Series instead of arrays.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        data : {ndarray, DataFrame} of shape (n_samples, 649), float32
            The six views, one after the other.
        target : {ndarray, Series} of shape (n_samples,)
            The digit.
        modalities : dict of str to int
            Width of each view, to be passed to estimators.
        view_names : dict of str to str
            Description of each view.
        split : ndarray of shape (n_samples,)
            0 for training samples, 1 for validation samples, 2 for test samples of the selected
            split.
        feature_names : list of str
            Names of the columns.
        target_names : list of str
            Names of the classes.
        DESCR : str
            Description and credits.

    (data, target) : tuple
        If `return_X_y` is true.

    Raises
    ------
    ValueError
        If `subset` or `split` is unknown.

    See Also
    --------
    load_avmnist : Images and sounds of digits.
    drop_modalities : Makes blocks missing.

    Examples
    --------
    >>> from sklearn_align.datasets import load_mfeat
    >>> X, y = load_mfeat(subset="train", return_X_y=True)
    >>> X.shape, y.shape
    ((1000, 649), (1000,))
    """
    arrays = read_arrays("mfeat.npz")
    check_scalar(split, "split", Integral, min_val=0, max_val=len(arrays["splits"]) - 1)
    return _make_bunch(
        {name: arrays[name] for name in _MFEAT_VIEWS},
        arrays["target"],
        arrays["splits"][split],
        subset=subset,
        return_X_y=return_X_y,
        as_frame=as_frame,
        sample_values={},
        view_names=dict(_MFEAT_VIEWS),
        DESCR=read_description("mfeat.rst"),
    )


def make_multimodal_classification(
    n_samples: int = 1000,
    *,
    n_classes: int = 3,
    widths: Sequence[int] = (10, 10),
    class_sep: float | Sequence[float] = 1.5,
    noise_spread: float = 0.5,
    missing_rate: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make a classification problem whose features come in modalities of varying reliability.

    Each class has one centre in each modality. The noise level is drawn for each sample and
    modality, so that the best weights of the modalities differ between samples.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of samples. The sizes of the classes differ by at most one sample.

    n_classes : int, default=3
        Number of classes.

    widths : sequence of int, default=(10, 10)
        Number of columns of each modality.

    class_sep : float or sequence of float, default=1.5
        Root mean square distance of the centres from the origin, in units of the median noise on
        one feature; one value for all modalities, or one for each.

    noise_spread : float, default=0.5
        Standard deviation of the logarithm of the noise level over samples and modalities; 0 for
        equal noise.

    missing_rate : float, default=0.0
        Probability in [0, 1] that a block is missing (all NaN). At least one block of every sample
        is kept.

    random_state : int, RandomState instance or None, default=None
        Pass an int for the same data in every call.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the attributes

        data : ndarray of shape (n_samples, sum(widths))
            Features.
        target : ndarray of shape (n_samples,)
            Classes 0 to ``n_classes - 1``.
        modalities : dict of str to int
            Width of each block, ``"m0"``, ``"m1"`` and so on, to be passed to estimators.
        noise : ndarray of shape (n_samples, n_modalities)
            Standard deviation of the noise on each block.

    Raises
    ------
    ValueError
        If a size is not positive, a parameter is out of range, or there are more classes than
        samples.

    See Also
    --------
    sklearn.datasets.make_classification : A problem with one modality.
    load_avmnist : Real images and sounds.

    Examples
    --------
    >>> from sklearn_align.datasets import make_multimodal_classification
    >>> data = make_multimodal_classification(n_samples=200, widths=(5, 3), random_state=0)
    >>> data.data.shape, data.modalities
    ((200, 8), {'m0': 5, 'm1': 3})
    """
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    check_scalar(n_classes, "n_classes", Integral, min_val=2)
    check_scalar(noise_spread, "noise_spread", Real, min_val=0)
    check_finite(noise_spread, "noise_spread")
    check_scalar(missing_rate, "missing_rate", Real, min_val=0, max_val=1)
    check_finite(missing_rate, "missing_rate")
    if n_classes > n_samples:
        raise ValueError(
            f"n_classes={n_classes} exceeds n_samples={n_samples}: give at least one sample to "
            "each class."
        )
    if not len(widths):
        raise ValueError("widths is empty: give the number of columns of at least one modality.")
    for width in widths:
        check_scalar(width, "widths", Integral, min_val=1)
    separations = np.broadcast_to(np.asarray(class_sep, dtype=np.float64), (len(widths),))
    if (separations < 0).any():
        raise ValueError(f"class_sep must not be negative, got {class_sep}.")
    check_finite(class_sep, "class_sep")
    rng = check_random_state(random_state)

    target = shuffle(np.arange(n_samples) % n_classes, random_state=rng)
    spread = noise_spread * rng.standard_normal((n_samples, len(widths)))
    with np.errstate(over="ignore", invalid="ignore"):
        noise = np.exp(spread)
    blocks = []
    for width, separation, scale in zip(widths, separations, noise.T, strict=True):
        centres = rng.standard_normal((n_classes, width))
        centres *= separation / np.sqrt(np.mean(np.sum(centres**2, axis=1)))
        draws = rng.standard_normal((n_samples, width))
        with np.errstate(over="ignore", invalid="ignore"):
            blocks.append(centres[target] + scale[:, None] * draws)
    modalities = {f"m{index}": int(width) for index, width in enumerate(widths)}
    X: Any = np.hstack(blocks)
    check_result(X, names="class_sep and noise_spread")
    if missing_rate > 0:
        X = drop_modalities(X, modalities, missing_rate, random_state=rng)
    return Bunch(data=X, target=target, modalities=modalities, noise=noise)


def _make_bunch(
    blocks: dict[str, NDArray[Any]],
    target: NDArray[Any],
    split: NDArray[Any],
    *,
    subset: str,
    return_X_y: bool,
    as_frame: bool,
    sample_values: dict[str, NDArray[Any]],
    **entries: Any,
) -> Any:
    """Select a subset and return it as a Bunch or a tuple; `sample_values` are (n_samples,)."""
    if subset == "all":
        chosen = np.ones(len(target), dtype=bool)
    elif subset in _SUBSETS:
        chosen = split == _SUBSETS[subset]
    else:
        raise ValueError(f"subset must be one of {['all', *_SUBSETS]}, got {subset!r}.")
    data: Any = np.hstack([block[chosen].astype(np.float32) for block in blocks.values()])
    classes: Any = target[chosen].astype(np.int64)
    modalities = {name: block.shape[1] for name, block in blocks.items()}
    feature_names = [f"{name}_{j}" for name, width in modalities.items() for j in range(width)]
    if as_frame:
        import pandas as pd

        data = pd.DataFrame(data, columns=feature_names)
        classes = pd.Series(classes, name="digit")
    if return_X_y:
        return data, classes
    return Bunch(
        data=data,
        target=classes,
        modalities=modalities,
        split=split[chosen].astype(np.int64),
        feature_names=feature_names,
        target_names=[str(digit) for digit in range(10)],
        **{name: values[chosen] for name, values in sample_values.items()},
        **entries,
    )
