"""The part of a map between leading directions, and maps that are learned again from it."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import Parallel

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import AlignmentProblem, _leading_part
from sklearn_align.alignment._leading_part import (
    iterations_from,
    leading_part,
    learn_again_from_leading_part,
)
from sklearn_align.alignment._recipes import LearningAgainSettings
from sklearn_align.alignment._selection import reduce_problem
from sklearn_align.alignment._threads import Workers, on_one_thread
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.metrics import retrieval_accuracy

SETTINGS = LearningAgainSettings()


@pytest.fixture(scope="module")
def spaces():
    """Unpaired samples of two sentence encoders, and held-out pairs."""
    data = load_sentence_embeddings(pair="minilm_mpnet")
    mean_A, mean_B = data.XA.mean(axis=0), data.XB.mean(axis=0)
    return SimpleNamespace(
        A=unit_rows(data.XA, mean_A),
        B=unit_rows(data.XB, mean_B),
        A_test=unit_rows(data.XA_test, mean_A),
        B_test=unit_rows(data.XB_test, mean_B),
    )


@pytest.fixture(scope="module")
def reduced(spaces):
    return reduce_problem(AlignmentProblem(spaces.A, spaces.B), np.random.RandomState(0))


def test_the_leading_part_lies_between_the_leading_directions_of_both_spaces():
    """Samples vary along the coordinate axes, the map permutes them."""
    spread = np.array([9.0, 4.0, 3.0, 2.0, 1.0])
    rng = np.random.default_rng(0)
    A, B = (rng.choice([-1, 1], size=(400, 5)) * spread for _ in range(2))
    problem = AlignmentProblem(A, B)
    W = np.zeros((5, 5))
    W[np.arange(5), [2, 4, 1, 3, 0]] = [1, 1, 1, -1, 1]
    # Products of the standard deviations: 27, 4, 12, 4, 9.
    for n_directions, rows in ((1, [0]), (2, [0, 2]), (3, [0, 2, 4]), (5, [0, 1, 2, 3, 4])):
        expected = np.zeros((5, 5))
        expected[rows] = W[rows]
        found = leading_part(problem, W, n_directions)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_leading_part_turns_with_the_axes():
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((300, 6)) * np.linspace(3, 1, 6) for _ in range(2))
    W = polar_factor(rng.standard_normal((6, 6)))
    signs, order = rng.choice([-1, 1], size=6), rng.permutation(6)
    part = leading_part(AlignmentProblem(A, B), W, 2)
    turned = leading_part(AlignmentProblem(A * signs, B[:, order]), signs[:, None] * W[:, order], 2)
    np.testing.assert_allclose(turned, signs[:, None] * part[:, order], atol=1e-10)
    assert np.linalg.matrix_rank(part, tol=1e-8) == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_directions_are_the_map(reduced, dtype):
    W = polar_factor(np.random.default_rng(0).standard_normal((128, 128))).astype(dtype)
    part = leading_part(reduced, W, 128)
    assert part.dtype == dtype
    np.testing.assert_allclose(part, W, atol=1e-4)


# ------------------------------------------------------- maps that are learned again


class Drawing:
    """A refinement that adds a draw in place and yields the same array each time."""

    def __init__(self, seen):
        self.seen = seen

    def iterate(self, problem, W, random_state):
        self.seen.append((problem, W.copy()))
        W = W.copy()
        for _ in range(90):
            W += random_state.standard_normal(W.shape).astype(W.dtype)
            yield W


def learn(problem, W, n_jobs=1):
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")
    with on_one_thread(), parallel:
        return learn_again_from_leading_part(
            problem, W, 8, np.random.RandomState(0), Workers(), parallel
        )


def test_the_mean_of_the_last_maps_of_several_runs(reduced, monkeypatch):
    seen = []
    monkeypatch.setattr(_leading_part, "candidate_refinements", lambda: ["other", Drawing(seen)])
    W = polar_factor(np.random.default_rng(0).standard_normal((128, 128))).astype(np.float32)
    given = W.copy()
    found = learn(reduced, W)
    np.testing.assert_array_equal(W, given)
    part = leading_part(reduced, W, 8)
    assert len(seen) == SETTINGS.n_runs
    for problem, first in seen:
        assert problem is reduced
        np.testing.assert_array_equal(first, part)
    maps = []
    for seed in np.random.RandomState(0).randint(2**31 - 1, size=SETTINGS.n_runs):
        stream = np.random.RandomState(seed)
        draws = [stream.standard_normal(W.shape) for _ in range(SETTINGS.n_iter)]
        maps.extend((part + np.cumsum(draws, axis=0))[-SETTINGS.n_averaged :])
    np.testing.assert_allclose(found, polar_factor(np.mean(maps, axis=0)), atol=1e-4)
    assert found.dtype == np.float32


def test_no_run_begins_when_the_fit_has_ended(reduced):
    workers = Workers()
    workers.close()
    with Parallel(n_jobs=1) as parallel, pytest.raises(RuntimeError, match="has ended"):
        learn_again_from_leading_part(
            reduced, np.eye(128), 8, np.random.RandomState(0), workers, parallel
        )


def test_the_result_does_not_depend_on_the_number_of_jobs(reduced):
    W = polar_factor(np.random.default_rng(0).standard_normal((128, 128))).astype(np.float32)
    np.testing.assert_array_equal(learn(reduced, W, n_jobs=1), learn(reduced, W, n_jobs=3))


def test_directions_of_high_variance_are_learned_again(spaces, reduced):
    def accuracy(W):
        return retrieval_accuracy(spaces.A_test @ reduced.lift(W), spaces.B_test)

    right = polar_factor(reduced.reduce(polar_factor(spaces.A_test.T @ spaces.B_test)))
    order = np.arange(128)
    lost, others = [6, 12, 20], [100, 110, 120]
    order[lost + others] = others + lost
    wrong = right[:, order]
    found = learn(reduced, wrong)
    assert np.all((right.T @ found).diagonal()[lost] > 0.8)
    # More accurate than one run, whose last map is that of one draw of samples.
    *_, refined = islice(iterations_from(reduced, wrong, np.random.RandomState(0)), SETTINGS.n_iter)
    assert accuracy(found) > accuracy(refined) + 0.005
