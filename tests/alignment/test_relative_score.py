"""Label-free score on the scale of the data."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from sklearn_align._linalg import polar_factor, principal_axes, unit_rows
from sklearn_align.alignment import AlignmentProblem, _relative_score
from sklearn_align.alignment._recipes import ConvergenceSettings
from sklearn_align.alignment._relative_score import draw_distinct_samples, relative_score
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import csls_score


def test_relative_score_is_one_for_a_rotation_of_one_population():
    same = make_rotated_embeddings(1500, 24, noise=0.0, random_state=0)
    A, B = (unit_rows(X, X.mean(axis=0)).astype(np.float32) for X in (same.XA, same.XB))
    problem = AlignmentProblem(A, B)
    right, wrong = (
        relative_score(problem, W.astype(np.float32), np.random.RandomState(0))
        for W in (same.rotation, np.roll(same.rotation, 1, axis=1))
    )
    assert right == pytest.approx(1, abs=0.15)
    assert wrong < 0.5


def test_relative_score_is_zero_where_the_score_says_nothing():
    rng = np.random.default_rng(0)
    sphere = unit_rows(rng.standard_normal((6, 3)).astype(np.float32))
    few = AlignmentProblem(sphere[:3], sphere[:3])
    assert relative_score(few, np.eye(3, dtype=np.float32), np.random.RandomState(0)) == 0


def test_relative_score_is_zero_where_arbitrary_maps_score_as_high(monkeypatch):
    monkeypatch.setattr(_relative_score, "_mean_score", lambda sources, targets: 0.5)
    X = unit_rows(np.random.default_rng(0).standard_normal((40, 3)))
    assert relative_score(AlignmentProblem(X, X), np.eye(3), np.random.RandomState(0)) == 0


@pytest.mark.parametrize(("n_samples", "expected"), [(3, 0.0), (4, 0.5)])
def test_relative_score_needs_two_samples_in_each_half(monkeypatch, n_samples, expected):
    # Of five arbitrary maps, of the map, and of two spaces with themselves.
    scores = cycle([*[1.0] * 5, 2.0, 4.0, 3.0])
    monkeypatch.setattr(_relative_score, "_mean_score", lambda sources, targets: next(scores))
    problem = AlignmentProblem(np.eye(n_samples), np.eye(n_samples))
    W = np.eye(n_samples)
    assert relative_score(problem, W, np.random.RandomState(0)) == pytest.approx(expected)


def test_near_copies_within_a_space_do_not_lower_the_relative_score_of_a_right_map():
    data = make_rotated_embeddings(1500, 24, noise=0.3, random_state=0)
    rng = np.random.default_rng(0)

    def relative(n_copies, noise):
        sides = [np.repeat(X, n_copies, axis=0) for X in (data.XA, data.XB)]
        A, B = (
            unit_rows(X + noise * X.std(axis=0) * rng.standard_normal(X.shape), X.mean(axis=0))
            for X in sides
        )
        problem = AlignmentProblem(A.astype(np.float32), B.astype(np.float32))
        W = data.rotation.astype(np.float32)
        return relative_score(problem, W, np.random.RandomState(0))

    distinct = relative(1, 0.0)
    assert relative(3, 0.0) > 0.8 * distinct
    assert relative(3, 0.05) > 0.8 * distinct


def test_relative_score_against_its_definition(monkeypatch):
    settings = ConvergenceSettings(
        n_score_samples=100, n_score_draws=2, max_score_draws=3, n_spare_samples=10
    )
    monkeypatch.setattr(_relative_score, "CONVERGENCE", settings)
    rng = np.random.default_rng(0)
    A = unit_rows(rng.standard_normal((130, 6)) * np.linspace(3, 1, 6))
    B = unit_rows(rng.standard_normal((150, 5)) * np.linspace(3, 1, 5))
    W = polar_factor(rng.standard_normal((6, 5)))
    axes = [principal_axes(X, 5) for X in (A, B)]
    stream = np.random.RandomState(0)
    scores = []
    # Halves have 65 samples instead of 100: four draws would be needed, three are allowed.
    for _ in range(3):
        drawn = [draw_distinct_samples(X, stream) for X in (A, B)]
        n_half = min(map(len, drawn)) // 2
        assert 50 < n_half <= 65
        halves_A, halves_B = ((X[:n_half], X[n_half : 2 * n_half]) for X in drawn)
        signs = stream.choice([-1, 1], size=(5, 5))

        def score(V, halves_A=halves_A, halves_B=halves_B):
            pairs = zip(halves_A, halves_B, strict=True)
            return np.mean([csls_score(a @ V, b) for a, b in pairs])

        arbitrary = np.mean([score(axes[0] * s @ axes[1].T) for s in signs])
        scores.append((score(W), arbitrary, csls_score(*halves_A), csls_score(*halves_B)))
    of_map, of_arbitrary, of_A, of_B = np.mean(scores, axis=0)
    expected = (of_map - of_arbitrary) / (min(of_A, of_B) - of_arbitrary)
    found = relative_score(AlignmentProblem(A, B), W, np.random.RandomState(0))
    assert found == pytest.approx(expected)


def test_distinct_samples_are_no_near_copies_and_in_random_order():
    rng = np.random.default_rng(0)
    X = unit_rows(rng.standard_normal((200, 30)))
    near = unit_rows(X[:150] + 1e-3 * rng.standard_normal((150, 30)))
    everything = np.concatenate([X, near, X[:30]])
    orders = set()
    for seed in range(3):
        drawn = draw_distinct_samples(everything, np.random.RandomState(seed))
        # One of every sample and its copies.
        nearest = (drawn @ X.T).argmax(axis=1)
        np.testing.assert_array_equal(np.sort(nearest), np.arange(200))
        orders.add(tuple(nearest))
    assert len(orders) == 3


def test_no_more_distinct_samples_are_drawn_than_two_halves(monkeypatch):
    settings = ConvergenceSettings(n_score_samples=20, n_spare_samples=15)
    monkeypatch.setattr(_relative_score, "CONVERGENCE", settings)
    rng = np.random.default_rng(0)
    X = unit_rows(rng.standard_normal((300, 30)))
    drawn = draw_distinct_samples(X, np.random.RandomState(0))
    assert drawn.shape == (40, 30)

    class Spy(np.random.RandomState):
        def choice(self, n, size, replace):
            assert (n, size, replace) == (300, 55, False)
            return super().choice(n, size, replace)

    draw_distinct_samples(X, Spy(0))
