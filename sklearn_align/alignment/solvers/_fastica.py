"""Independent component analysis in single precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.alignment._recipes import ICA, Contrast, IcaSettings


@dataclass(frozen=True)
class Whitening:
    """Centred samples (n_samples, n_features) and the eigenvalues and axes of their covariance.

    It depends on the samples alone and serves every number of components. Eigenvalues (n_features,)
    descend; the axes are the columns of `axes`.
    """

    centred: FloatArray
    eigenvalues: Float64Array
    axes: Float64Array

    @classmethod
    def fit(cls, X: FloatArray) -> Whitening:
        """Measure samples (n_samples, n_features)."""
        centred = X - X.mean(axis=0)
        eigenvalues, axes = linalg.eigh((centred.T @ centred).astype(np.float64) / len(X))
        return cls(centred, eigenvalues[::-1], axes[:, ::-1])

    def rank(self, settings: IcaSettings = ICA) -> int:
        """Numerical rank of the samples."""
        usable = self.eigenvalues > self.eigenvalues[0] * settings.min_variance
        return min(int(usable.sum()), len(self.centred) - 1)


def fast_ica(
    whitening: Whitening,
    n_components: int,
    *,
    contrast: Contrast,
    random_state: np.random.RandomState,
    settings: IcaSettings = ICA,
) -> tuple[FloatArray, FloatArray]:
    """Fixed-point independent component analysis with symmetric decorrelation.

    Returns the sources (n_samples, n_components), with unit variance, and the mixing matrix
    (n_features, n_components), in no particular order; at most the numerical rank of the samples is
    used. The contrast is ``logcosh`` or the skewness, ``skew``.

    ``sklearn.decomposition.FastICA`` decorrelates by the eigenvalues of ``R @ R.T``, which squares
    the condition: in single precision, some runs with the skewness end in NaN and an error. In
    double precision it takes twice to three times as long and twice the memory
    (``python -m tests.benchmarks.bench_own_code``). Here the polar factor decorrelates.

    A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis", IEEE
    Transactions on Neural Networks 10(3), 1999.
    """
    n_components = min(n_components, whitening.rank(settings))
    scale = np.sqrt(whitening.eigenvalues[:n_components])
    axes = whitening.axes[:, :n_components]
    dtype, n_samples = whitening.centred.dtype, len(whitening.centred)
    whitened = whitening.centred @ (axes / scale).astype(dtype)

    R = polar_factor(random_state.standard_normal((n_components, n_components)).astype(dtype))
    for _ in range(settings.max_iter):
        activation = whitened @ R.T
        if contrast == "skew":
            slope = 2 * activation.mean(axis=0)
            gradient = np.multiply(activation, activation, out=activation)
        else:
            gradient = np.tanh(activation, out=activation)
            slope = 1 - np.einsum("ij,ij->j", gradient, gradient) / n_samples
        R_new = polar_factor(gradient.T @ whitened / n_samples - slope[:, None] * R)
        turned = np.abs(np.abs(np.einsum("ij,ij->i", R_new, R)) - 1).max()
        R = R_new
        if turned < settings.tol:
            break

    directions = ((axes * scale) @ R.T.astype(np.float64)).astype(dtype)
    return np.asarray(whitened @ R.T), directions
