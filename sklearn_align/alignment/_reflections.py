"""Reflections of principal directions, which correct a wrong sign that many maps share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import FloatArray


def shared_map(maps: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, float]:
    """Orthogonal part of what several maps (n_features_A, n_features_B) have in common.

    Also returns their weights, and how much they have in common: the largest eigenvalue of the
    matrix of their cosines without its diagonal, which is the number of maps minus one for equal
    maps. The weights are the squared entries of its eigenvector, so that maps that are like others
    weigh more.
    """
    flat = np.stack([W.ravel() for W in maps])
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    cosine = flat @ flat.T
    np.fill_diagonal(cosine, 0)
    values, vectors = np.linalg.eigh(cosine)
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
    mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
    return [*sides[0], *mapped.astype(B.dtype)]


def reflect(W: FloatArray, direction: FloatArray) -> FloatArray:
    """Follow a map by the reflection that reverses a unit vector of the target space."""
    return W - 2 * np.outer(W @ direction, direction)
