"""Centred unit samples of one space, and the way back to raw coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklearn_align._linalg import scale_to_unit_length, squared_lengths
from sklearn_align._samples import computing_dtype, sample_blocks
from sklearn_align._typing import BoolArray, Float64Array, FloatArray
from sklearn_align.alignment._recipes import NORMALIZER

_BLOCK_BYTES = 16 * 2**20
# Lengths above it count as beyond the range of float64; differences of smaller ones are within it.
_LARGEST_LENGTH = float(np.finfo(np.float64).max) / 4
# Squares of lengths between them are in the range of float32.
_USUAL_LENGTH = (1e-15, 1e15)


@dataclass(frozen=True)
class CentredNormalizer:
    """Subtracts the mean of a space and scales to unit length.

    Samples, known pairs and new data of a space all pass through the same object. `radius` is the
    median distance from `mean`, `length` the common length of the raw samples, None if they differ.
    """

    mean: FloatArray
    radius: float
    length: float | None

    @classmethod
    def fit(cls, X: FloatArray) -> CentredNormalizer:
        """Measure mean and lengths of raw samples (n_samples, n_features) of any number type."""
        mean = _mean(X).astype(computing_dtype(X))
        lengths, distances = _lengths(X[:: max(1, len(X) // NORMALIZER.max_samples)], mean)
        length = float(np.median(lengths))
        deviation = float(np.quantile(np.abs(lengths - length), NORMALIZER.equal_length_quantile))
        equal = length > 0 and deviation <= NORMALIZER.equal_length_tolerance * length
        return cls(mean, float(np.median(distances)), length if equal else None)

    def transform(self, X: FloatArray, W: FloatArray | None = None) -> FloatArray:
        """Centre samples, apply the map `W` if given, and scale to unit length, in blocks.

        Returns an array of shape (n_samples, n_features or W.shape[1]) in the computing type of X;
        a sample that equals the mean becomes zero.
        """
        return unit_samples(X, self.mean, W)

    def inverse_transform(self, Z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Return raw coordinates of unit samples (n_samples, n_features), in the dtype of Z.

        Scaling removed the length. Where all raw samples have one length, the point of that length
        on the ray from the mean is returned, else the point at the median radius.
        """
        reach = self.radius if self.length is None else self.length
        largest = max(reach, float(np.abs(self.mean).max(initial=0.0)))
        usual = reach == 0 or (_USUAL_LENGTH[0] < reach and largest < _USUAL_LENGTH[1])
        if usual or Z.dtype == np.float64:
            V = self._raw(Z, out)
        else:
            with np.errstate(over="ignore"):
                V = self._raw(Z.astype(np.float64), None).astype(Z.dtype)
        if not usual:
            too_small = reach < float(np.finfo(Z.dtype).smallest_subnormal)
            if reach >= _LARGEST_LENGTH or too_small or not np.isfinite(V).all():
                raise ValueError(
                    f"The samples of this space that fit has seen are about {largest:.3g} long or "
                    f"far from the origin, and {reach:.3g} long once centred, which is out of the "
                    f"range of {Z.dtype.name}. Pass float64 samples, or multiply the space by a "
                    "constant before fit."
                )
        return V

    def _raw(self, Z: FloatArray, out: FloatArray | None) -> FloatArray:
        """Compute :meth:`inverse_transform` for lengths that are in the range of Z."""
        mean = self.mean.astype(Z.dtype, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.length is None:
                V = np.multiply(Z, Z.dtype.type(self.radius), out=out)
            else:
                # Multiplied by a power of two, lengths keep their digits and squares their range.
                scale = _scale(self.length)
                mean_scaled = mean * Z.dtype.type(scale)
                along = Z @ mean_scaled
                rest = (self.length * scale) ** 2 - mean_scaled @ mean_scaled + along**2
                factor = (np.sqrt(np.maximum(rest, 0)) - along) / Z.dtype.type(scale)
                V = np.multiply(Z, factor[:, None], out=out)
            V += mean
        return np.asarray(V)


def unit_samples(
    X: FloatArray, mean: FloatArray | None = None, W: FloatArray | None = None
) -> FloatArray:
    """Subtract a mean, apply a map `W`, where given, and scale to unit length, in blocks.

    Returns (n_samples, n_features or W.shape[1]) in the computing type of X, whatever finite
    numbers X has.
    """
    n_samples, n_features = X.shape
    dtype = computing_dtype(X)
    Z = np.empty((n_samples, n_features if W is None else W.shape[1]), dtype=dtype)
    # Blocks that fit in the cache make centring and scaling cheap next to the product.
    blocks = list(sample_blocks(X.shape, dtype.itemsize, _BLOCK_BYTES))
    centred = np.empty((blocks[0].stop if blocks else 0, n_features), dtype=dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        offset = np.zeros((), dtype) if mean is None else mean.astype(dtype, copy=False)
        matrix = None if W is None else W.astype(dtype, copy=False)
        for block in blocks:
            target = Z[block] if matrix is None else centred[: block.stop - block.start]
            np.subtract(X[block], offset, out=target)
            if matrix is not None:
                np.matmul(target, matrix, out=Z[block])
            squares, unusual = squared_lengths(Z[block])
            if unusual.any():
                Z[block][unusual] = _unit_samples_of_any_range(X[block][unusual], mean, W)
                squares[unusual] = 1
            Z[block] /= np.sqrt(squares)[:, None]
    return Z


def _unit_samples_of_any_range(
    X: FloatArray, mean: FloatArray | None, W: FloatArray | None
) -> Float64Array:
    """Compute :func:`unit_samples` with a power of two for each sample that keeps all in range."""
    X = X.astype(np.float64)
    mean = np.zeros(X.shape[1]) if mean is None else mean.astype(np.float64)
    largest = np.maximum(np.abs(X).max(axis=1), np.abs(mean).max())
    exponent = -np.frexp(largest)[1][:, None]
    Z = np.ldexp(X, exponent) - np.ldexp(mean, exponent)
    scale_to_unit_length(Z)
    if W is not None:
        Z = Z @ W.astype(np.float64)
        scale_to_unit_length(Z)
    return np.asarray(Z)


def _mean(X: FloatArray) -> Float64Array:
    """Mean of samples in float64, also where their sum leaves its range: (n_features,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = X.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        factor = 2.0**-64
        limit = float(np.finfo(np.float64).max)
        mean = np.clip((X * factor).mean(axis=0), -limit * factor, limit * factor) / factor
    return np.asarray(mean)


def _lengths(X: FloatArray, mean: FloatArray) -> tuple[Float64Array, Float64Array]:
    """Lengths of samples and their distances from the mean, in float64: (n_samples,) each."""
    lengths, distances = np.empty(len(X)), np.empty(len(X))
    for block in sample_blocks(X.shape, 8):
        samples = X[block].astype(np.float64)
        lengths[block] = _norms(samples)
        with np.errstate(over="ignore"):
            samples = samples - mean
        distances[block] = _norms(samples)
    return lengths, distances


def _norms(samples: Float64Array) -> Float64Array:
    """Euclidean norms (n_samples,), at most the largest length that counts."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(samples, axis=1)
        unusual: BoolArray = ~((norms > 1e-150) & (norms < 1e150))
        if unusual.any():
            largest = np.abs(samples[unusual]).max(axis=1)
            safe = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
            scaled = np.linalg.norm(samples[unusual] / safe[:, None], axis=1)
            norms[unusual] = np.where(np.isfinite(largest), scaled * safe, np.inf)
    return np.asarray(np.minimum(norms, _LARGEST_LENGTH))


def _scale(length: float) -> float:
    """Return a power of two that brings a length near 1; 1 unless squares could leave float64."""
    if 1e-75 < length < 1e75:
        return 1.0
    return float(2.0 ** float(np.clip(-np.frexp(length)[1], -1022, 1022)))
