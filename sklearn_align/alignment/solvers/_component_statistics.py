"""Statistics by which the independent components of two spaces are matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._recipes import COMPONENTS

_QUANTILES = np.concatenate(
    [
        COMPONENTS.tail_quantiles,
        np.linspace(*COMPONENTS.inner_quantiles, COMPONENTS.n_inner_quantiles),
        1 - np.array(COMPONENTS.tail_quantiles[::-1]),
    ]
)


@dataclass(frozen=True)
class Components:
    """Independent components of the samples of one space.

    `sources` (n_samples, n_components) have zero mean and unit variance and are skewed to the
    right; `directions` (n_features, n_components) is the mixing matrix.
    """

    sources: FloatArray
    directions: FloatArray

    @classmethod
    def oriented(cls, sources: FloatArray, directions: FloatArray) -> Components:
        """Flip components so that every source is skewed to the right."""
        orientation = np.sign(skewness(sources))
        orientation[orientation == 0] = 1
        return cls(sources * orientation, directions * orientation)

    def most_skewed(self, fraction: float) -> Components:
        """Keep this fraction of the components, the most skewed ones, at least one."""
        n_kept = max(1, round(fraction * self.sources.shape[1]))
        kept = np.sort(np.argsort(-skewness(self.sources), kind="stable")[:n_kept])
        return Components(self.sources[:, kept], self.directions[:, kept])


def skewness(sources: FloatArray) -> FloatArray:
    """Skewness of standardised sources, by column, with the tails clipped: (n_components,)."""
    clip = 2 * COMPONENTS.clip
    return np.asarray((np.clip(sources, -clip, clip) ** 3).mean(axis=0))


def component_similarity(A: Components, B: Components) -> FloatArray:
    """Similarity (n_A, n_B) of components by their own distributions, standardised."""
    profiles_A, profiles_B = component_profiles(A), component_profiles(B)
    similarity = -((profiles_A[:, None] - profiles_B[None]) ** 2).mean(axis=2)
    similarity -= similarity.mean()
    similarity /= similarity.std() or 1
    return np.asarray(similarity)


def component_profiles(components: Components) -> FloatArray:
    """Quantiles and log strength of each component, standardised: (n_components, n_properties)."""
    quantiles = np.quantile(components.sources, _QUANTILES, axis=0).T
    strength = np.log(np.linalg.norm(components.directions, axis=0))
    profiles = np.column_stack(
        [
            _standardised(quantiles),
            COMPONENTS.strength_weight * _standardised(strength[:, None]),
        ]
    )
    return np.asarray(profiles.astype(components.sources.dtype))


def component_relations(components: Components) -> FloatArray:
    """Relations of ordered pairs of components: (n_relations, n_components, n_components).

    Off-diagonal entries are normal scores of their ranks, the diagonal is zero. The relations are:
    covariance of squares; correlation of magnitudes; how often both are in their upper tail;
    covariance of the square of one with the other; mean of the other while one is in its lower
    tail; cosine of the directions. A rotation of the space leaves all of them alone.
    """
    S = components.sources
    n_samples = len(S)
    clipped = np.clip(S, -COMPONENTS.clip, COMPONENTS.clip)
    magnitudes = _standardised(np.tanh(np.abs(S)))
    squares = clipped**2
    upper = _tail(S, COMPONENTS.upper_tail)
    unit = components.directions / np.linalg.norm(components.directions, axis=0)
    relations = [
        np.cov(squares.T),
        magnitudes.T @ magnitudes,
        upper.T @ upper,
        squares.T @ clipped / n_samples,
        _tail(-S, COMPONENTS.lower_tail).T @ clipped,
        unit.T @ unit,
    ]
    scores = np.stack([_normal_scores(np.atleast_2d(relation)) for relation in relations])
    return np.asarray(scores.astype(S.dtype))


def _standardised(values: FloatArray) -> FloatArray:
    """Zero mean and unit variance by column; constant columns become zero."""
    spread = values.std(axis=0)
    spread[spread == 0] = 1
    return np.asarray((values - values.mean(axis=0)) / spread)


def _tail(S: FloatArray, fraction: float) -> FloatArray:
    """Mark the largest values of every column: (n_samples, n_components)."""
    n_tail = max(1, int(fraction * len(S)))
    largest = np.argpartition(-S, n_tail - 1, axis=0)[:n_tail]
    indicator = np.zeros_like(S)
    np.put_along_axis(indicator, largest, 1, axis=0)
    return indicator


def _normal_scores(relation: FloatArray) -> FloatArray:
    """Replace off-diagonal entries of (n, n) by the normal quantiles of their ranks."""
    off_diagonal = ~np.eye(len(relation), dtype=bool)
    values = relation[off_diagonal]
    ranks = np.empty(len(values))
    ranks[values.argsort(kind="stable")] = np.arange(len(values))
    scores = np.zeros(relation.shape)
    scores[off_diagonal] = ndtri((ranks + 0.5) / max(1, len(values)))
    return scores
