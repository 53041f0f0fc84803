"""The centred unit frame of one space: into it, and back out to raw coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align.alignment._problem import scale_to_unit_length

FloatArray = NDArray[np.floating[Any]]

# Rows stored in half precision deviate from unit length by some 1e-4.
_EQUAL_LENGTH_TOLERANCE = 5e-3
_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Frame:
    """What is removed from the rows of a space before they are compared.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        Mean of the rows.

    radius : float
        Median distance of the rows from the mean.

    length : float or None
        Common length of the raw rows when they have one (unit rows: 1), else None.
    """

    mean: FloatArray
    radius: float
    length: float | None

    @classmethod
    def of(cls, X: FloatArray, max_rows: int = 10_000) -> Frame:
        """Measure the frame of the rows of `X`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Raw rows.

        max_rows : int, default=10_000
            Lengths are measured on at most as many rows, evenly spaced.

        Returns
        -------
        Frame
            In the dtype of `X`.
        """
        mean = X.mean(axis=0, dtype=np.float64).astype(X.dtype)
        rows = X[:: max(1, len(X) // max_rows)].astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1)
        length = float(np.median(lengths))
        deviation = float(np.quantile(np.abs(lengths - length), 0.99))
        equal = length > 0 and deviation <= _EQUAL_LENGTH_TOLERANCE * length
        radius = float(np.median(np.linalg.norm(rows - mean, axis=1)))
        return cls(mean, radius, length if equal else None)

    def enter(self, X: FloatArray, W: FloatArray | None = None) -> FloatArray:
        """Centre rows, map them and scale them to unit length, block by block.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Raw rows; not changed.

        W : ndarray of shape (n_features, n_features_out), default=None
            Applied between the two steps when given.

        Returns
        -------
        ndarray of shape (n_samples, n_features or n_features_out)
            Unit rows in the dtype of `X`; a row equal to the mean becomes zero.
        """
        n_samples, n_features = X.shape
        mean = self.mean.astype(X.dtype, copy=False)
        if W is not None:
            W = W.astype(X.dtype, copy=False)
        Z = np.empty((n_samples, n_features if W is None else W.shape[1]), dtype=X.dtype)
        # Blocks that fit in the cache make centring and scaling cheap next to the product.
        n_rows = max(1, _BLOCK_BYTES // (n_features * X.dtype.itemsize))
        centred = np.empty((min(n_rows, n_samples), n_features), dtype=X.dtype)
        for start in range(0, n_samples, n_rows):
            stop = min(start + n_rows, n_samples)
            target = Z[start:stop] if W is None else centred[: stop - start]
            np.subtract(X[start:stop], mean, out=target)
            if W is not None:
                np.matmul(target, W, out=Z[start:stop])
            scale_to_unit_length(Z[start:stop])
        return Z

    def leave(self, Z: FloatArray) -> FloatArray:
        """Place directions from the mean at raw coordinates.

        The length of a row is not known in the frame. Where all raw rows have one length, the
        point of that length on each ray is returned, else the point at the median radius.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_features)
            Unit rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Rows in raw coordinates, in the dtype of `Z`.
        """
        mean = self.mean.astype(Z.dtype, copy=False)
        if self.length is None:
            return Z * Z.dtype.type(self.radius) + mean
        along = Z @ mean
        rest = np.maximum(self.length**2 - mean @ mean + along**2, 0)
        return np.asarray(Z * (np.sqrt(rest) - along)[:, None] + mean).astype(Z.dtype, copy=False)
