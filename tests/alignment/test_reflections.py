"""Reflections of principal directions of candidates that share a map."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import AlignmentProblem, ComponentStart, _selection
from sklearn_align.alignment._problem import ReducedProblem
from sklearn_align.alignment._reflections import principal_directions, reflect, shared_map
from sklearn_align.alignment._selection import SuccessiveHalving, reduce_problem

WIDTH = 12


def orthogonal(seed, n=WIDTH):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def near(W, scale, seed):
    noise = np.random.default_rng(seed).standard_normal(W.shape)
    U, _, Vt = np.linalg.svd(W + scale * noise)
    return U @ Vt


def test_the_shared_map_of_equal_maps_is_the_map():
    W = orthogonal(0)
    shared, weights, strength = shared_map([W, W, W, W])
    np.testing.assert_allclose(shared, W, atol=1e-9)
    np.testing.assert_allclose(weights, 1 / 4)
    assert strength == pytest.approx(3)


def test_the_shared_map_is_that_of_the_maps_that_are_alike():
    W = orthogonal(0, 40)
    maps = [orthogonal(seed, 40) for seed in (1, 2, 3)] + [near(W, 0.05, s) for s in (4, 5, 6)]
    shared, weights, strength = shared_map(maps)
    assert np.vdot(shared, W) / 40 > 0.95
    assert weights[3:].sum() > 0.98
    # the scale of a map is that of its components, which are fewer or more
    assert shared_map([2 * maps[0], *maps[1:]])[2] == pytest.approx(strength)
    assert shared_map(maps[:3])[2] < 0.2


def test_the_shared_map_does_not_depend_on_the_order():
    maps = [near(orthogonal(0), 0.3, seed) for seed in range(5)]
    for one, other in zip(shared_map(maps)[::2], shared_map(maps[::-1])[::2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_principal_directions_of_both_spaces():
    rng = np.random.default_rng(0)
    scales = np.array([3.0, 2.0, 1.0, 0.5])
    A, B = rng.standard_normal((2, 4000, 4)) * scales + 5
    W = orthogonal(1, 4)
    directions = np.array(principal_directions(A, B, W, 2))
    expected = [np.eye(4)[0], np.eye(4)[1], W[0], W[1]]
    np.testing.assert_allclose(np.abs(np.sum(directions * expected, axis=1)), 1, atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)


def test_directions_without_an_image_are_left_out():
    axes = np.diag([9.0, 3.0, 2.0, 1.0])
    A = np.concatenate([axes, -axes])
    W = np.eye(4)[:, 1:]
    directions = np.array(principal_directions(A, A @ W, W, 3))
    assert directions.shape == (3 + 2, 3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)


def test_a_reflection_reverses_one_direction_only():
    W, direction = orthogonal(0), orthogonal(1)[0]
    reflected = reflect(W, direction)
    np.testing.assert_allclose(reflected @ direction, -W @ direction, atol=1e-12)
    other = orthogonal(1)[1]
    np.testing.assert_allclose(reflected @ other, W @ other, atol=1e-12)
    np.testing.assert_allclose(reflect(reflected, direction), W, atol=1e-12)
    np.testing.assert_allclose(reflected @ reflected.T, np.eye(WIDTH), atol=1e-12)


class Given:
    """Initialization with a given map, and an analysis of its own."""

    def __init__(self, W):
        self.W = W
        self.analysis = id(self)

    def initial_map(self, problem, random_state):
        return self.W.astype(np.float32)


class Still:
    """Refinement that changes nothing."""

    def iterate(self, problem, W, random_state):
        while True:
            yield W


@pytest.fixture
def spaces(monkeypatch):
    """Two views of one space, and their map. The score is the similarity to this map."""
    monkeypatch.setattr(_selection, "candidate_refinements", lambda: [Still()])
    rng = np.random.default_rng(0)
    A = rng.gamma(1, 1, (3000, WIDTH)) * np.linspace(3, 1, WIDTH)
    W = orthogonal(3)
    A -= A.mean(axis=0)
    # the samples of both sides are different ones
    A, B = unit_rows(A[::2]).astype(np.float32), unit_rows(A[1::2] @ W).astype(np.float32)
    reduced = reduce_problem(AlignmentProblem(A, B), np.random.RandomState(0))
    reduced.wide = True
    target = reduced.reduce(W.astype(np.float32))
    monkeypatch.setattr(ReducedProblem, "score", lambda self, V: np.vdot(V, target) / WIDTH)
    return reduced, target


def candidates(reduced, target, wrong, n_candidates=6):
    """Reflect some principal directions of the right map, and add noise."""
    directions = principal_directions(reduced.A, reduced.B, target, 4)
    for k in wrong:
        target = reflect(target, directions[k])
    return [Given(near(target, 0.02, seed)) for seed in range(n_candidates)]


def last_round(reduced, starts, **options):
    halving = SuccessiveHalving(
        reduced, starts, random_state=np.random.RandomState(0), **{"n_jobs": 1, **options}
    )
    *_, state = halving.rounds()
    return state


@pytest.mark.parametrize("wrong", [[0], [1], [3], [6], [0, 2], [0, 1, 3]])
def test_wrong_signs_that_candidates_share_are_corrected(spaces, monkeypatch, wrong):
    reduced, target = spaces
    # candidates with the same wrong signs agree, which would end the selection
    monkeypatch.setattr(SuccessiveHalving, "_is_decided", lambda self, state: False)
    state = last_round(reduced, candidates(reduced, target, wrong))
    assert state.candidates[0].score > 0.97
    # others that were reflected alike agree with the best one
    assert state.agreement > 0.8


@pytest.mark.parametrize("reason", ["narrow", "nothing shared", "decided"])
def test_nothing_is_reflected(spaces, monkeypatch, reason):
    reduced, target = spaces
    starts = candidates(reduced, target, [0])
    monkeypatch.setattr(SuccessiveHalving, "_is_decided", lambda self, state: reason == "decided")
    reduced.wide = reason != "narrow"
    if reason == "nothing shared":
        settings = replace(_selection.REFLECTIONS, min_strength=10.0)
        monkeypatch.setattr(_selection, "REFLECTIONS", settings)
    assert last_round(reduced, starts).candidates[0].score < 0.9


def test_right_maps_are_not_reflected(spaces, monkeypatch):
    reduced, target = spaces
    monkeypatch.setattr(SuccessiveHalving, "_is_decided", lambda self, state: False)
    found = []
    best_reflection = SuccessiveHalving._best_reflection

    def record(self, *args):
        found.append(best_reflection(self, *args))
        return found[-1]

    monkeypatch.setattr(SuccessiveHalving, "_best_reflection", record)
    last_round(reduced, candidates(reduced, target, []))
    assert found == [None]


def test_reflections_do_not_depend_on_the_number_of_threads(spaces, monkeypatch):
    reduced, target = spaces
    monkeypatch.setattr(SuccessiveHalving, "_is_decided", lambda self, state: False)
    starts = candidates(reduced, target, [1])
    maps = [last_round(reduced, starts, n_jobs=n).candidates[0].map for n in (1, 2)]
    np.testing.assert_array_equal(*maps)


def degenerate_spaces():
    """Sides whose samples are few or vary in few directions."""
    rng = np.random.default_rng(0)
    X = rng.gamma(1, 1, (80, 10))
    constant = X * np.r_[np.zeros(5), np.ones(5)]
    low_rank = rng.gamma(1, 1, (80, 2)) @ rng.standard_normal((2, 10))
    repeated = np.repeat(X[:3], 20, axis=0)
    return {
        "two samples": (X[:2], X[2:4]),
        "few samples": (X[:5], X),
        "constant features": (constant, X),
        "low rank": (low_rank, X),
        "repeated samples": (repeated, repeated),
        "fewer features": (X, X[:, :3]),
        "more features": (X[:, :3], X),
    }


@pytest.mark.parametrize("name", degenerate_spaces())
@pytest.mark.filterwarnings("error")
def test_reflections_between_degenerate_spaces_give_orthogonal_maps(name, monkeypatch):
    A, B = (unit_rows(X, X.mean(axis=0)).astype(np.float32) for X in degenerate_spaces()[name])
    reduced = reduce_problem(AlignmentProblem(A, B), np.random.RandomState(0))
    reduced.wide = True
    # whatever the candidates are, the best reflection of each round is taken
    settings = replace(
        _selection.REFLECTIONS, n_iter=4, n_more=2, min_strength=-np.inf, min_rise=-np.inf
    )
    monkeypatch.setattr(_selection, "REFLECTIONS", settings)
    monkeypatch.setattr(SuccessiveHalving, "_is_decided", lambda self, state: False)
    starts = [ComponentStart(4, contrast=contrast) for contrast in ("skew", "logcosh")]
    state = last_round(reduced, starts)
    for candidate in state.candidates:
        W = candidate.map if candidate.map.shape[0] <= candidate.map.shape[1] else candidate.map.T
        assert np.isfinite(candidate.score)
        np.testing.assert_allclose(W @ W.T, np.eye(len(W)), atol=1e-4)
