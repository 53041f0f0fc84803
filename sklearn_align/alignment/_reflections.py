"""What maps have in common, and reflections of principal directions that they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import FloatArray

# Length below which the image of a unit vector is none.
_MIN_LENGTH = 1e-6


def consensus(maps: Sequence[FloatArray]) -> FloatArray:
    """Orthogonal part of the weighted mean of maps (n_features_A, n_features_B).

    The weights are the squared entries of the leading eigenvector of the matrix of inner products
    without its diagonal, so that maps that agree with others weigh more.
    """
    return _consensus(maps)[0]


def shared_map(maps: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, float]:
    """Consensus of maps (n_features_A, n_features_B) of equal weight, whatever their scale.

    Also returns the weights, and how much the maps have in common: the leading eigenvalue of the
    matrix of their cosines without its diagonal, which is the number of maps minus one for equal
    maps.
    """
    return _consensus([W / np.linalg.norm(W) for W in maps])


def _consensus(maps: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, float]:
    """Return the consensus, the weights and the leading eigenvalue."""
    flat = np.stack([W.ravel() for W in maps])
    inner = flat @ flat.T
    np.fill_diagonal(inner, 0)
    values, vectors = np.linalg.eigh(inner)
    weights = vectors[:, -1] ** 2
    mean = (weights @ flat).reshape(maps[0].shape)
    return polar_factor(mean.astype(maps[0].dtype)), weights, float(values[-1])


def principal_directions(
    A: FloatArray, B: FloatArray, W: FloatArray, n_directions: int
) -> list[FloatArray]:
    """Leading principal directions of the targets, then mapped ones of the sources.

    They are unit vectors (n_features_B,) of the target space.
    """
    sides = [
        np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2][:n_directions] for X in (B, A)
    ]
    mapped = sides[1] @ W
    lengths = np.linalg.norm(mapped, axis=1)
    # A map to fewer features may have no image of a direction.
    kept = lengths > _MIN_LENGTH
    return [*sides[0], *(mapped[kept] / lengths[kept, np.newaxis]).astype(B.dtype)]


def reflect(W: FloatArray, direction: FloatArray) -> FloatArray:
    """Follow a map by the reflection that reverses a unit vector of the target space."""
    return W - 2 * np.outer(W @ direction, direction)
