"""Near copies among the samples of a space: they are no further evidence."""

from __future__ import annotations

import numpy as np

from sklearn_align._typing import BoolArray, FloatArray
from sklearn_align.alignment._recipes import COPIES


def has_near_copy_before(samples: FloatArray, max_squared_distance: float) -> BoolArray:
    """Whether an earlier one of unit samples (n_samples, n_features) is as near, for each."""
    n_samples = len(samples)
    copies = np.zeros(n_samples, dtype=bool)
    for start in range(0, n_samples, COPIES.block_size):
        stop = min(start + COPIES.block_size, n_samples)
        cosine = samples[start:stop] @ samples[:stop].T
        earlier = np.tri(stop - start, k=-1, dtype=bool)
        cosine[:, start:][~earlier] = -1
        copies[start:stop] = 2 - 2 * cosine.max(axis=1) < max_squared_distance
    return copies


def max_squared_distance_of_copies(samples: FloatArray) -> float:
    """Squared distance below which unit samples (n_samples, n_features) are near copies.

    It is small compared with that of other samples to their nearest ones. Few of the samples may be
    copies of one another.
    """
    cosine = samples @ samples.T
    np.fill_diagonal(cosine, -1)
    squared_distance = 2 - 2 * cosine.max(axis=1)
    return float(COPIES.near_copy * np.quantile(squared_distance, COPIES.usual_quantile))


def distinct_samples(samples: FloatArray, random_state: np.random.RandomState) -> BoolArray:
    """Whether to keep a unit sample (n_samples, n_features), so that there are no near copies.

    The samples must vary in many directions, so that few of them are near one another by accident.
    """
    order = random_state.permutation(len(samples))
    # Equal samples differ by the rounding of a projection.
    order = order[~has_near_copy_before(samples[order], COPIES.rounding)]
    # In a small draw, few samples have copies.
    limit = max_squared_distance_of_copies(samples[order[: COPIES.n_drawn]])
    order = order[~has_near_copy_before(samples[order], limit)]
    kept = np.zeros(len(samples), dtype=bool)
    kept[order] = True
    return kept
