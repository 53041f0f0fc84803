"""Maps that count their iterations, for the fixtures `counters` and `shares`."""

from __future__ import annotations

import numpy as np

from sklearn_align.alignment import PairStart


class Counting:
    """Refinement whose maps count their iterations."""

    def iterate(self, problem, W, random_state):
        while True:
            W = W + [[0.0, 1.0]]
            yield W


class CountingProblem:
    """Problem of maps ``[[quality, number of iterations]]``; scores rise with both.

    After `most` iterations they do not rise any more.
    """

    wide = False

    def __init__(self, rise=0.0, most=1000, pairs=None):
        self.A = self.B = np.zeros((1, 1))
        self.rise = rise
        self.most = most
        self.pairs = pairs

    def without_pairs(self):
        return self.with_pairs(None)

    def with_pairs(self, pairs):
        return CountingProblem(self.rise, self.most, pairs)

    def sample(self, side, size, random_state):
        assert (side, size) == ("A", 1500)
        return random_state.random_sample(3)

    def score(self, W):
        return W[0, 0] + self.rise * min(W[0, 1], self.most)


class Quality:
    """Initialization with a given quality that records the problem and its random stream."""

    def __init__(self, quality):
        self.quality = quality

    def initial_map(self, problem, random_state):
        self.problem = problem
        self.draw = random_state.random_sample()
        return np.array([[self.quality, 0.0]])


class QualityOfPairs(Quality, PairStart):
    """The initialization from pairs, with a given quality."""


# Known pairs, and what a half leaves out.
PAIRS, FIRST, SECOND = tuple(range(40)), tuple(range(30)), tuple(range(30, 40))
