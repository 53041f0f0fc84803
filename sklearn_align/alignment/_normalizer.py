"""Centred unit samples of one space, and the way back to raw coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sklearn_align._linalg import scale_to_unit_length, squared_lengths, unit_rows
from sklearn_align._samples import computing_dtype, sample_blocks
from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.alignment._recipes import NORMALIZER

# Blocks that fit in the cache make scaling and centring cheap next to the product.
_BLOCK_BYTES = 2 * 2**20
# Lengths above it count as beyond the range of float64; differences of smaller ones are within it.
_LARGEST_LENGTH = float(np.finfo(np.float64).max) / 4
# Squares of lengths between them are in the range of float32.
_USUAL_LENGTH = (1e-15, 1e15)


@dataclass(frozen=True)
class CentredNormalizer:
    """Subtracts the mean of a space and scales to unit length.

    Samples, known pairs and new data of a space all pass through the same object. Where the lengths
    of raw samples have long tails, `directions` is True: samples are scaled to unit length before
    the mean is taken or subtracted, so that long samples do not decide where the centre is. Else a
    sample that is much longer than the others counts as if it were a few times as long.

    `radius` is the median length that the second scaling removes (of raw samples if `directions`,
    else of centred ones), `length` the common length of the raw samples, None if they differ, and
    `raw_lengths` are a low quantile, the median and a high quantile of their lengths.
    """

    mean: FloatArray
    radius: float
    length: float | None
    directions: bool = False
    raw_lengths: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def fit(cls, X: FloatArray) -> CentredNormalizer:
        """Measure mean and lengths of raw samples (n_samples, n_features) of any number type."""
        dtype = computing_dtype(X)
        lengths = sample_lengths(X)
        known = lengths[lengths > 0]
        if len(known) == 0:
            return cls(np.zeros(X.shape[1], dtype), 0.0, None)
        length = float(np.median(known))
        low, high = (float(tail) for tail in np.quantile(known, NORMALIZER.tails))
        raw_lengths = (low, length, high)
        if low < NORMALIZER.short_tail * length or high > NORMALIZER.long_tail * length:
            mean = _mean_direction(X)
            # Samples along a single direction differ in nothing but their length.
            if 1 - mean @ mean > NORMALIZER.min_spread:
                return cls(mean.astype(dtype), length, None, True, raw_lengths)
        limit = NORMALIZER.max_relative_length * length
        mean = _mean(X) if known.max() <= limit else _limited_mean(X, lengths, limit)
        mean = mean.astype(dtype)
        some = X[:: max(1, len(X) // NORMALIZER.max_samples)]
        deviation = np.quantile(np.abs(lengths - length), NORMALIZER.equal_length_quantile)
        equal = deviation <= NORMALIZER.equal_length_tolerance * length
        radius = float(np.median(sample_lengths(some, mean)))
        return cls(mean, radius, length if equal else None, False, raw_lengths)

    def transform(
        self,
        X: FloatArray,
        W: FloatArray | None = None,
        *,
        lengths: Float64Array | None = None,
        out: FloatArray | None = None,
    ) -> FloatArray:
        """Centre samples, apply the map `W` if given, and scale to unit length, in blocks.

        Returns an array of shape (n_samples, n_features or W.shape[1]) in the computing type of X;
        a sample that equals the mean becomes zero, as does a sample of zeros if `directions`. The
        lengths that scaling removes are written to `lengths` (n_samples,) if given.
        """
        return unit_samples(X, self.mean, W, directions=self.directions, lengths=lengths, out=out)

    def keeps_lengths_of(self, source: CentredNormalizer) -> bool:
        """Tell whether mapped samples keep their lengths: where those of both spaces vary."""
        return self.length is None and source.length is None and source.radius > 0

    def lengths_from(self, source: CentredNormalizer, lengths: Float64Array) -> Float64Array:
        """Return lengths in this space of samples of another one: same ratio to the median."""
        with np.errstate(over="ignore"):
            return np.asarray(lengths / source.radius * self.radius)

    def inverse_transform(
        self,
        Z: FloatArray,
        lengths: Float64Array | None = None,
        *,
        norms: FloatArray | None = None,
        out: FloatArray | None = None,
    ) -> FloatArray:
        """Return raw coordinates of unit samples (n_samples, n_features), in the dtype of Z.

        With `norms` (n_samples,), the unit samples are those of Z divided by them. Where all raw
        samples have one length, the point of that length on the ray from the mean is returned. Else
        scaling removed `lengths` (n_samples,), by default the median length.
        """
        if lengths is None or self.length is not None:
            lengths = np.full(len(Z), self.radius if self.length is None else self.length)
        largest = max(lengths.max(initial=0.0), float(np.abs(self.mean).max(initial=0.0)))
        smallest = lengths[lengths > 0].min(initial=np.inf)
        usual = _USUAL_LENGTH[0] < smallest and largest < _USUAL_LENGTH[1]
        if norms is not None and not usual:
            Z, norms = Z / norms[:, None], None
        if usual or Z.dtype == np.float64:
            V = self._raw(Z, lengths, norms, out)
        else:
            with np.errstate(over="ignore"):
                V = self._raw(Z.astype(np.float64), lengths, norms, None).astype(Z.dtype)
        if not usual:
            too_small = smallest < float(np.finfo(Z.dtype).smallest_subnormal)
            if lengths.max(initial=0.0) >= _LARGEST_LENGTH or too_small or not np.isfinite(V).all():
                raise ValueError(
                    "The samples of this space in fit have a length or a mean of about "
                    f"{largest:.3g}, and a length of {smallest:.3g} after centring, which is out "
                    f"of the range of {Z.dtype.name}. Pass float64 samples, or multiply the space "
                    "by a constant before fit."
                )
        if out is not None and V is not out:
            out[:] = V
            return out
        return V

    def _raw(
        self,
        Z: FloatArray,
        lengths: Float64Array,
        norms: FloatArray | None,
        out: FloatArray | None,
    ) -> FloatArray:
        """Compute :meth:`inverse_transform` for lengths that are in the range of Z."""
        mean = self.mean.astype(Z.dtype, copy=False)
        raw_lengths = lengths.astype(Z.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            reach: FloatArray = raw_lengths
            if self.directions or self.length is not None:
                reach = _reach(Z, norms, mean, 1.0 if self.length is None else self.length)
            factors = reach if norms is None else reach / norms
            V = np.multiply(Z, factors[:, None], out=out)
            V += mean
            if self.directions:
                V *= raw_lengths[:, None]
        return np.asarray(V)


def unit_samples(
    X: FloatArray,
    mean: FloatArray | None = None,
    W: FloatArray | None = None,
    *,
    directions: bool = False,
    lengths: Float64Array | None = None,
    out: FloatArray | None = None,
) -> FloatArray:
    """Subtract a mean, apply a map `W`, where given, and scale to unit length, in blocks.

    Returns (n_samples, n_features or W.shape[1]) in the computing type of X, whatever finite
    numbers X has. With `directions`, samples are scaled to unit length first, and zeros stay zero.
    The lengths of raw samples, or of centred ones without `directions`, are written to `lengths`
    (n_samples,) if given, the result to `out`.
    """
    n_samples, n_features = X.shape
    dtype = computing_dtype(X)
    if out is None:
        out = np.empty((n_samples, n_features if W is None else W.shape[1]), dtype=dtype)
    matrix = None if W is None else W.astype(dtype, copy=False)
    blocks = list(
        sample_blocks((n_samples, max(n_features, out.shape[1])), dtype.itemsize, _BLOCK_BYTES)
    )
    largest = blocks[0].stop if blocks else 0
    centred = np.empty((largest, n_features), dtype=dtype)
    if lengths is None and directions:
        lengths = np.empty(n_samples)
    for block in blocks:
        samples, result = X[block], out[block]
        block_lengths = None if lengths is None else lengths[block]
        target = result if matrix is None else centred[: len(samples)]
        centre_samples(samples, mean, directions=directions, lengths=block_lengths, out=target)
        if matrix is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                np.matmul(target, matrix, out=result)
        norms = mapped_lengths(
            result, samples, mean, W, directions=directions, lengths=block_lengths
        )
        result /= norms[:, None]
    return out


def centre_samples(
    X: FloatArray,
    mean: FloatArray | None,
    *,
    directions: bool,
    lengths: Float64Array | None,
    out: FloatArray,
) -> None:
    """Do the part of :func:`unit_samples` before the product, which `out` is for.

    Lengths are written to `lengths` (n_samples,), which `directions` needs.
    """
    offset = np.zeros((), out.dtype)
    if mean is not None:
        with np.errstate(over="ignore"):
            offset = mean.astype(out.dtype, copy=False)
    if directions and lengths is not None:
        X = _directions(X, lengths)
    with np.errstate(over="ignore", invalid="ignore"):
        np.subtract(X, offset, out=out)
        if lengths is not None and not directions:
            squares, unusual = squared_lengths(out)
            lengths[:] = np.sqrt(squares)
            if unusual.any():
                lengths[unusual] = sample_lengths(X[unusual], offset)


def mapped_lengths(
    Z: FloatArray,
    X: FloatArray,
    mean: FloatArray | None,
    W: FloatArray | None,
    *,
    directions: bool,
    lengths: Float64Array | None,
    check: Callable[[FloatArray], object] | None = None,
) -> FloatArray:
    """Return the lengths (n_samples,) by which the product `Z` is to be divided.

    None of them is zero. `X` are the raw samples, `lengths` those of :func:`centre_samples`.
    Samples whose product has left the range of the type are passed to `check`, as they may not be
    finite, and replaced in `Z` by what :func:`unit_samples` returns for them.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        squares, unusual = squared_lengths(Z)
    if unusual.any():
        samples = X[unusual]
        if check is not None:
            check(samples)
        if directions:
            samples = _directions(samples, np.empty(len(samples)))
        Z[unusual] = _unit_samples_of_any_range(samples, mean, W)
        squares[unusual] = 1
    if directions and lengths is not None:
        Z[lengths == 0] = 0
    return np.asarray(np.sqrt(squares))


def _directions(X: FloatArray, lengths: Float64Array) -> FloatArray:
    """Return samples of unit length in their computing type, and write their `lengths`."""
    U = X.astype(computing_dtype(X))
    lengths[:] = sample_lengths(U)
    with np.errstate(invalid="ignore"):
        scale_to_unit_length(U)
    return U


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


def _limited_mean(X: FloatArray, lengths: Float64Array, limit: float) -> Float64Array:
    """Mean in float64 of samples whose lengths (n_samples,) are cut to `limit`: (n_features,)."""
    total = np.zeros(X.shape[1])
    for block in sample_blocks(X.shape, 8, _BLOCK_BYTES):
        samples = X[block].astype(np.float64)
        long = lengths[block] > limit
        samples[long] = unit_rows(samples[long]) * limit
        total += samples.sum(axis=0) / len(X)
    return total


def _mean_direction(X: FloatArray) -> Float64Array:
    """Mean in float64 of samples scaled to unit length; zeros count as zeros: (n_features,)."""
    total = np.zeros(X.shape[1])
    dtype = computing_dtype(X)
    for block in sample_blocks(X.shape, dtype.itemsize, _BLOCK_BYTES):
        total += unit_rows(X[block].astype(dtype, copy=False)).sum(axis=0, dtype=np.float64)
    return total / len(X)


def sample_lengths(X: FloatArray, mean: FloatArray | None = None) -> Float64Array:
    """Lengths of samples, or their distances from a mean, in float64: (n_samples,).

    They are at most the largest length that counts.
    """
    lengths = np.empty(len(X))
    dtype = computing_dtype(X)
    for block in sample_blocks(X.shape, dtype.itemsize, _BLOCK_BYTES):
        with np.errstate(over="ignore", invalid="ignore"):
            samples = X[block].astype(dtype, copy=False)
            samples = samples if mean is None else samples - mean
            squares, unusual = squared_lengths(samples)
            lengths[block] = np.sqrt(squares)
        if unusual.any():
            samples = X[block][unusual].astype(np.float64)
            with np.errstate(over="ignore"):
                samples = samples if mean is None else samples - mean
            lengths[block][unusual] = _norms(samples)
    return lengths


def _norms(samples: Float64Array) -> Float64Array:
    """Euclidean norms (n_samples,) of any range, at most the largest length that counts."""
    largest = np.abs(samples).max(axis=1, initial=0.0)
    is_finite = np.isfinite(largest)
    safe = np.where((largest > 0) & is_finite, largest, 1.0)
    finite = np.where(is_finite[:, None], samples, 0.0)
    scaled = np.linalg.norm(finite / safe[:, None], axis=1)
    with np.errstate(over="ignore"):
        norms = np.where(is_finite, scaled * safe, np.inf)
    return np.asarray(np.minimum(norms, _LARGEST_LENGTH))


def _reach(Z: FloatArray, norms: FloatArray | None, mean: FloatArray, length: float) -> FloatArray:
    """Distance (n_samples,) from `mean` along unit samples to the sphere of radius `length`.

    Unit samples are those of `Z`, divided by `norms` (n_samples,) if given.
    """
    # Multiplied by a power of two, lengths keep their digits and squares their range.
    scale = _scale(length)
    mean_scaled = mean * mean.dtype.type(scale)
    # Where BLAS has several threads, starting them would take longer than this product.
    along = np.einsum("ij,j->i", Z, mean_scaled)
    if norms is not None:
        along /= norms
    rest = (length * scale) ** 2 - mean_scaled @ mean_scaled + along**2
    return np.asarray((np.sqrt(np.maximum(rest, 0)) - along) / Z.dtype.type(scale))


def _scale(length: float) -> float:
    """Return a power of two that brings a length near 1; 1 unless squares could leave float64."""
    if 1e-75 < length < 1e75:
        return 1.0
    return float(2.0 ** float(np.clip(-np.frexp(length)[1], -1022, 1022)))
