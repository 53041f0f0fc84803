"""Independent components of a space and the statistics by which two sets of them are matched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import ndtri

from sklearn_align._linalg import polar_factor

FloatArray = NDArray[np.floating[Any]]
Contrast = Literal["logcosh", "skew"]

# Beyond three standard deviations a sample moment says more about single rows than about the space.
_CLIP = 3.0
_QUANTILES = np.concatenate(
    [
        [0.002, 0.005, 0.01, 0.02],
        np.linspace(0.05, 0.95, 19),
        [0.98, 0.99, 0.995, 0.998],
    ]
)


@dataclass(frozen=True)
class Components:
    """Independent components of the rows of one space.

    Parameters
    ----------
    sources : ndarray of shape (n_rows, n_components)
        Activations with zero mean and unit variance, skewed to the right.

    directions : ndarray of shape (n_features, n_components)
        What one unit of each component adds to a row (the mixing matrix).
    """

    sources: FloatArray
    directions: FloatArray

    def most_skewed(self, share: float) -> Components:
        """Return the most skewed components only.

        Parameters
        ----------
        share : float
            How many of them, relative to their number.

        Returns
        -------
        Components
            At least one.
        """
        n_kept = max(1, round(share * self.sources.shape[1]))
        kept = np.sort(np.argsort(-skewness(self.sources), kind="stable")[:n_kept])
        return Components(self.sources[:, kept], self.directions[:, kept])


def independent_components(
    X: FloatArray,
    n_components: int,
    *,
    contrast: Contrast,
    random_state: np.random.RandomState,
    max_iter: int = 60,
    tol: float = 1e-3,
) -> Components:
    """Fixed-point independent component analysis with symmetric decorrelation.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.

    n_components : int
        Leading principal directions that are rotated; at most the numerical rank is used.

    contrast : {"logcosh", "skew"}
        What measures departure from normality: a bounded function of the tails, or skewness.

    random_state : RandomState
        Draws the initial rotation.

    max_iter : int, default=60
        Iterations at most.

    tol : float, default=1e-3
        Stops when no component turns by more than this, in cosine.

    Returns
    -------
    Components
        In no particular order, oriented so that each source is skewed to the right.

    References
    ----------
    .. [1] A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component
       analysis", IEEE Transactions on Neural Networks 10(3), 1999.
    """
    mean = X.mean(axis=0)
    centred = X - mean
    eigenvalues, vectors = linalg.eigh((centred.T @ centred).astype(np.float64) / len(X))
    n_components = min(n_components, int((eigenvalues > eigenvalues[-1] * 1e-6).sum()), len(X) - 1)
    scale = np.sqrt(eigenvalues[::-1][:n_components])
    vectors = vectors[:, ::-1][:, :n_components]
    whitened = centred @ (vectors / scale).astype(X.dtype)

    R = polar_factor(random_state.standard_normal((n_components, n_components)).astype(X.dtype))
    for _ in range(max_iter):
        activation = whitened @ R.T
        if contrast == "skew":
            slope = 2 * activation.mean(axis=0)
            gradient = np.multiply(activation, activation, out=activation)
        else:
            gradient = np.tanh(activation, out=activation)
            slope = 1 - np.einsum("ij,ij->j", gradient, gradient) / len(X)
        R_new = polar_factor(gradient.T @ whitened / len(X) - slope[:, None] * R)
        turned = np.abs(np.abs(np.einsum("ij,ij->i", R_new, R)) - 1).max()
        R = R_new
        if turned < tol:
            break

    sources = whitened @ R.T
    orientation = np.sign(skewness(sources))
    orientation[orientation == 0] = 1
    directions = ((vectors * scale) @ R.T.astype(np.float64)).astype(X.dtype)
    return Components(sources * orientation, directions * orientation)


def component_profiles(components: Components) -> FloatArray:
    """Describe each component by itself: the shape of its distribution and its strength.

    Parameters
    ----------
    components : Components
        Of one space.

    Returns
    -------
    ndarray of shape (n_components, n_properties)
        Standardised over the components of the space.
    """
    quantiles = np.quantile(components.sources, _QUANTILES, axis=0).T
    strength = np.log(np.linalg.norm(components.directions, axis=0))
    profiles = np.column_stack([_standardised(quantiles), 2 * _standardised(strength[:, None])])
    return np.asarray(profiles.astype(components.sources.dtype))


def component_relations(components: Components) -> FloatArray:
    """Describe each ordered pair of components by statistics that a rotation leaves alone.

    Parameters
    ----------
    components : Components
        Of one space.

    Returns
    -------
    ndarray of shape (n_relations, n_components, n_components)
        Off-diagonal entries are normal scores of their ranks, the diagonal is zero. The relations
        are: covariance of squares; correlation of magnitudes; how often both are in their upper
        tenth; covariance of the square of one with the other; mean of the other while one is in
        its lower fifth; cosine of the directions.
    """
    S = components.sources
    n_rows = len(S)
    clipped = np.clip(S, -_CLIP, _CLIP)
    magnitudes = _standardised(np.tanh(np.abs(S)))
    squares = clipped**2
    upper = _tail(S, 0.1)
    unit = components.directions / np.linalg.norm(components.directions, axis=0)
    relations = [
        np.cov(squares.T),
        magnitudes.T @ magnitudes,
        upper.T @ upper,
        squares.T @ clipped / n_rows,
        _tail(-S, 0.2).T @ clipped,
        unit.T @ unit,
    ]
    scores = np.stack([_normal_scores(np.atleast_2d(relation)) for relation in relations])
    return np.asarray(scores.astype(S.dtype))


def skewness(sources: FloatArray) -> FloatArray:
    """Skewness of standardised sources, by column, with the tails clipped."""
    return np.asarray((np.clip(sources, -2 * _CLIP, 2 * _CLIP) ** 3).mean(axis=0))


def _standardised(values: FloatArray) -> FloatArray:
    spread = values.std(axis=0)
    spread[spread == 0] = 1
    return np.asarray((values - values.mean(axis=0)) / spread)


def _tail(S: FloatArray, share: float) -> FloatArray:
    """Mark the largest `share` of every column."""
    n_tail = max(1, int(share * len(S)))
    largest = np.argpartition(-S, n_tail - 1, axis=0)[:n_tail]
    indicator = np.zeros_like(S)
    np.put_along_axis(indicator, largest, 1, axis=0)
    return indicator


def _normal_scores(relation: FloatArray) -> FloatArray:
    off_diagonal = ~np.eye(len(relation), dtype=bool)
    values = relation[off_diagonal]
    ranks = np.empty(len(values))
    ranks[values.argsort(kind="stable")] = np.arange(len(values))
    scores = np.zeros(relation.shape)
    scores[off_diagonal] = ndtri((ranks + 0.5) / max(1, len(values)))
    return scores
