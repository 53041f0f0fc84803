"""Fitted attributes of a matrix that was made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sklearn_align._linalg import thin_svd
from sklearn_align._samples import check_samples, computing_dtype
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._names import Names
from sklearn_align.alignment._normalizer import CentredNormalizer

# Rounding of a matrix that was orthogonal, in units of the type; products of many factors add up.
_ROUNDING = 1000
# How much longer than the samples their mean may be, by rounding.
_LENGTH_TOLERANCE = 1e-3


class GivenSpace:
    """What is given of one space: ``name`` is "source" or "target"."""

    def __init__(
        self,
        name: str,
        mean: ArrayLike | None,
        *,
        normalized: bool,
        length: float | None,
        radius: float | None,
        feature_names: Sequence[str] | None,
    ) -> None:
        self.name = name
        self.mean = mean
        self.normalized = _check_bool(f"{name}_normalized", normalized)
        self.length = _check_positive(f"{name}_length", length)
        self.radius = _check_positive(f"{name}_radius", radius)
        self.feature_names = feature_names
        if self.normalized and self.length is not None:
            raise ValueError(
                f"{name}_length={length!r} and {name}_normalized=True exclude each other: samples "
                f"of one length need not be scaled before the mean. Leave out {name}_normalized "
                f"and pass the mean of the unscaled samples as {name}_mean."
            )

    def normalizer(self, n_features: int, dtype: np.dtype[Any], radius: float) -> CentredNormalizer:
        """Return what samples pass through; `radius` where neither it nor a length is given."""
        mean = self._check_mean(n_features, dtype)
        length_of_mean = float(np.linalg.norm(mean.astype(np.float64)))
        largest = 1.0 if self.normalized else self.length
        if largest is not None and length_of_mean > largest * (1 + _LENGTH_TOLERANCE):
            option = f"{self.name}_{'normalized' if self.normalized else 'length'}"
            raise ValueError(
                f"{self.name}_mean has the length {length_of_mean:.6g}, but the mean of samples of "
                f"length {largest:.6g} ({option}) cannot be longer than the samples. Pass the mean "
                f"of such samples, or leave out {option}."
            )
        if self.length is not None:
            # The root mean squared distance of samples of one length from their mean.
            squares = self.length**2 - length_of_mean**2
            radius = float(np.sqrt(squares)) if squares > 0 else self.length
        if self.radius is not None:
            radius = self.radius
        raw_lengths = (0.0, 0.0, 0.0) if self.length is None else (self.length,) * 3
        return CentredNormalizer(mean, radius, self.length, self.normalized, raw_lengths)

    def names(self, n_features: int) -> Names | None:
        """Return the names of the features."""
        if self.feature_names is None:
            return None
        argument = f"{self.name}_feature_names"
        given = self.feature_names
        if isinstance(given, str) or not all(isinstance(name, str) for name in given):
            raise TypeError(f"{argument} must be a list of str, got {given!r}.")
        if len(given) != n_features:
            raise ValueError(
                f"{argument} has {len(given)} names, but W has {n_features} features of the "
                f"{self.name} space. Pass one name for each of them, or None."
            )
        return np.asarray(list(given), dtype=object)

    def _check_mean(self, n_features: int, dtype: np.dtype[Any]) -> FloatArray:
        """Return a mean of this object's own (n_features,), zero where none is given."""
        if self.mean is None:
            return np.zeros(n_features, dtype)
        argument = f"{self.name}_mean"
        mean = check_array(
            self.mean, ensure_2d=False, input_name=argument, dtype="numeric", ensure_min_samples=0
        )
        if mean.shape != (n_features,):
            axis = 0 if self.name == "source" else 1
            raise ValueError(
                f"{argument} has the shape {mean.shape}, but W.shape[{axis}] is {n_features}: "
                f"({n_features},) is needed. W maps samples as X @ W, from W.shape[0] to "
                "W.shape[1] features; pass W.T if W maps column vectors, as W @ x."
            )
        return np.array(mean, dtype=computing_dtype(mean))


def attributes_of_map(W: ArrayLike, source: GivenSpace, target: GivenSpace) -> dict[str, Any]:
    """Return the fitted attributes of a map; nothing in them is shared with the caller."""
    matrix = _check_matrix(W)
    n_source, n_target = matrix.shape
    names = source.names(n_source), target.names(n_target)
    orthogonal, scale = _orthogonal_part(matrix)
    corrected = None if orthogonal is None else matrix
    normalizer = source.normalizer(n_source, matrix.dtype, 1.0)
    attributes = {
        "_source_normalizer": normalizer,
        # A map that is a rotation times a number makes samples longer by that number.
        "_target_normalizer": target.normalizer(n_target, matrix.dtype, normalizer.radius * scale),
        "n_features_in_": n_source,
        "n_features_target_": n_target,
        "_dtype": matrix.dtype,
        "map_": matrix if orthogonal is None else orthogonal,
        "_corrected_map": corrected,
        "correction_strength_": float("inf"),
        "n_iter_": 0,
    }
    for attribute, of_space in zip(
        ("feature_names_in_", "feature_names_target_in_"), names, strict=True
    ):
        if of_space is not None:
            attributes[attribute] = of_space
    return attributes


def _check_matrix(W: ArrayLike) -> FloatArray:
    """Return a copy of a finite matrix that is not zero, in the type it is computed with."""
    if np.ndim(W) != 2:
        raise ValueError(
            f"W must be a matrix of shape (n_features, n_features_target), got the shape "
            f"{np.shape(W)}. W maps samples as X @ W."
        )
    checked = check_samples(W, input_name="W")
    matrix = np.array(checked, dtype=computing_dtype(checked), order="C")
    if not matrix.any():
        raise ValueError(
            f"All entries of W, of shape {matrix.shape}, are 0, so that W maps all samples to the "
            "same point. Pass the matrix of a map."
        )
    return matrix


def _orthogonal_part(W: FloatArray) -> tuple[FloatArray | None, float]:
    """Return the nearest orthogonal map, None for a map that is orthogonal, and the scale of W.

    The scale is the root mean square of the singular values.
    """
    U, s, Vt = thin_svd(W.astype(np.float64))
    scale = float(np.sqrt(np.mean(s**2)))
    if np.abs(s - 1).max() <= _ROUNDING * np.finfo(W.dtype).eps:
        return None, 1.0
    return (U @ Vt).astype(W.dtype), scale


def _check_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def _check_positive(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a positive number or None, got {value!r}.") from None
    if not (number > 0 and np.isfinite(number)):
        raise ValueError(f"{name} must be a positive number or None, got {value!r}.")
    return number
