"""Centred unit samples of one space, and the way back to raw coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklearn_align._linalg import scale_to_unit_length
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._recipes import NORMALIZER

_BLOCK_BYTES = 16 * 2**20


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
        """Measure mean and lengths of raw samples (n_samples, n_features), in the dtype of X."""
        mean = X.mean(axis=0, dtype=np.float64).astype(X.dtype)
        samples = X[:: max(1, len(X) // NORMALIZER.max_samples)].astype(np.float64)
        lengths = np.linalg.norm(samples, axis=1)
        length = float(np.median(lengths))
        deviation = float(np.quantile(np.abs(lengths - length), NORMALIZER.equal_length_quantile))
        equal = length > 0 and deviation <= NORMALIZER.equal_length_tolerance * length
        radius = float(np.median(np.linalg.norm(samples - mean, axis=1)))
        return cls(mean, radius, length if equal else None)

    def transform(self, X: FloatArray, W: FloatArray | None = None) -> FloatArray:
        """Centre samples, apply the map `W` if given, and scale to unit length, in blocks.

        Returns an array of shape (n_samples, n_features or W.shape[1]) in the dtype of X; a sample
        that equals the mean becomes zero.
        """
        n_samples, n_features = X.shape
        mean = self.mean.astype(X.dtype, copy=False)
        if W is not None:
            W = W.astype(X.dtype, copy=False)
        Z = np.empty((n_samples, n_features if W is None else W.shape[1]), dtype=X.dtype)
        # Blocks that fit in the cache make centring and scaling cheap next to the product.
        step = max(1, _BLOCK_BYTES // (n_features * X.dtype.itemsize))
        centred = np.empty((min(step, n_samples), n_features), dtype=X.dtype)
        for start in range(0, n_samples, step):
            stop = min(start + step, n_samples)
            target = Z[start:stop] if W is None else centred[: stop - start]
            np.subtract(X[start:stop], mean, out=target)
            if W is not None:
                np.matmul(target, W, out=Z[start:stop])
            scale_to_unit_length(Z[start:stop])
        return Z

    def inverse_transform(self, Z: FloatArray) -> FloatArray:
        """Return raw coordinates of unit samples (n_samples, n_features), in the dtype of Z.

        Scaling removed the length. Where all raw samples have one length, the point of that length
        on the ray from the mean is returned, else the point at the median radius.
        """
        mean = self.mean.astype(Z.dtype, copy=False)
        if self.length is None:
            return Z * Z.dtype.type(self.radius) + mean
        along = Z @ mean
        rest = np.maximum(self.length**2 - mean @ mean + along**2, 0)
        return np.asarray(Z * (np.sqrt(rest) - along)[:, None] + mean).astype(Z.dtype, copy=False)
