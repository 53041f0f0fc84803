"""A problem and maps for tests of single steps."""

from __future__ import annotations

import numpy as np


class Problem:
    """A problem whose score is the first entry of the map."""

    _score_B = np.eye(2, dtype=np.float32)

    def __init__(self, pairs=None):
        self.pairs = pairs

    def without_pairs(self):
        return Problem()

    def score(self, W):
        return float(W[0, 0])


def maps(n_maps):
    return [W + i for i, W in enumerate(np.random.default_rng(0).random((n_maps, 3, 2)))]
