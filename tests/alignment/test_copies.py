"""Near copies among the samples of a space."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import _copies
from sklearn_align.alignment._copies import (
    distinct_samples,
    has_near_copy_before,
    max_squared_distance_of_copies,
)
from sklearn_align.alignment._recipes import CopySettings


def unit_samples(n_samples, n_features=30, seed=0):
    return unit_rows(np.random.default_rng(seed).standard_normal((n_samples, n_features)))


@pytest.mark.parametrize("block_size", [7, 20, 50, 100])
def test_copies_against_all_distances(monkeypatch, block_size):
    monkeypatch.setattr(_copies, "COPIES", CopySettings(block_size=block_size))
    X = unit_samples(50, n_features=3)
    squared_distance = cdist(X, X, "sqeuclidean")
    for limit in (0.01, 0.1, 0.5):
        expected = [(squared_distance[i, :i] < limit).any() for i in range(50)]
        found = has_near_copy_before(X, limit)
        np.testing.assert_array_equal(found, expected)
        assert 0 < found.sum() < 50


def test_the_limit_is_a_quarter_of_the_usual_squared_distance():
    X = unit_samples(200)
    distance = cdist(X, X, "sqeuclidean") + 5 * np.eye(200)
    usual = np.quantile(distance.min(axis=1), 0.9)
    assert max_squared_distance_of_copies(X) == pytest.approx(0.25 * usual)
    # A few copies have no effect.
    some = np.concatenate([X, X[:5]])
    assert max_squared_distance_of_copies(some) == pytest.approx(0.25 * usual, rel=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-3])
def test_one_of_each_sample_and_its_copies_is_kept(dtype, noise):
    rng = np.random.default_rng(1)
    X = unit_samples(600)
    number = np.concatenate([np.arange(600), rng.integers(600, size=900)])
    copies = unit_rows(X[number] + noise * rng.standard_normal((1500, 30))).astype(dtype)
    before = copies.copy()
    kept = distinct_samples(copies, np.random.RandomState(0))
    np.testing.assert_array_equal(np.sort(number[kept]), np.arange(600))
    np.testing.assert_array_equal(copies, before)
    # Which one is kept depends on the random state.
    np.testing.assert_array_equal(kept, distinct_samples(copies, np.random.RandomState(0)))
    assert (kept != distinct_samples(copies, np.random.RandomState(1))).any()


def test_exact_copies_may_be_more_than_a_small_draw_has_samples():
    X = np.repeat(unit_samples(20), 100, axis=0)
    kept = distinct_samples(X, np.random.RandomState(0))
    np.testing.assert_array_equal(kept.reshape(20, 100).sum(axis=1), 1)


def test_samples_without_copies_are_all_kept():
    assert distinct_samples(unit_samples(1500), np.random.RandomState(0)).all()


def test_the_usual_distance_is_that_of_a_small_draw(monkeypatch):
    monkeypatch.setattr(_copies, "COPIES", CopySettings(n_drawn=40))
    drawn = []

    def limit(samples):
        drawn.append(len(samples))
        return 0.0

    monkeypatch.setattr(_copies, "max_squared_distance_of_copies", limit)
    assert distinct_samples(unit_samples(100), np.random.RandomState(0)).all()
    assert drawn == [40]
