"""Maps that are learned again from halves of the samples and from a part of a map."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit, logit

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import AlignmentProblem, KnownPairs, _relearned
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._recipes import RelearningSettings
from sklearn_align.alignment._relearned import agreement_with_relearned_maps, relearn
from sklearn_align.alignment._selection import candidate_refinements, reduce_problem, refine
from sklearn_align.datasets import make_rotated_embeddings


@pytest.fixture(scope="module")
def wide():
    """A rotation of 128 features, and the samples of both sides."""
    return make_rotated_embeddings(1200, 128, noise=0.1, random_state=0)


def reduced_problem(XA, XB, pairs=None):
    A, B = (unit_rows(X, X.mean(axis=0)).astype(np.float32) for X in (XA, XB))
    return reduce_problem(AlignmentProblem(A, B, pairs), np.random.RandomState(0))


@pytest.fixture(scope="module")
def reduced(wide):
    return reduced_problem(wide.XA, wide.XB)


@pytest.fixture(scope="module")
def truth(wide, reduced):
    return reduced.reduce(wide.rotation.astype(np.float32))


def agreement(problem, W, seed=0):
    return agreement_with_relearned_maps(problem, W, np.random.RandomState(seed))


def test_halves_lead_to_the_right_map_again(reduced, truth):
    before = truth.copy()
    assert agreement(reduced, truth) > 0.95
    np.testing.assert_array_equal(truth, before)


def test_a_map_that_fits_samples_of_unrelated_spaces_is_not_learned_again(wide):
    other = make_rotated_embeddings(1200, 128, noise=0.1, random_state=1)
    unrelated = reduced_problem(wide.XA, other.XB)
    random = polar_factor(np.random.default_rng(0).standard_normal((128, 128)))
    stream = np.random.RandomState(0)
    *_, W = refine(candidate_refinements(), unrelated, random.astype(np.float32), stream)
    # The samples are fitted: the refinement moves the map hardly any more.
    *_, again = candidate_refinements()[-1].iterate(unrelated, W, stream)
    assert map_agreement(unrelated.A, W, again) > 0.8
    assert agreement(unrelated, W) < 0.7


def test_only_the_leading_part_of_the_map_is_used(reduced, truth):
    # The leading part is right in both maps, the others only in one.
    rng = np.random.default_rng(0)
    other = truth.copy()
    other[16:, 16:] = polar_factor(rng.standard_normal((112, 112)))
    relearned = [relearn(reduced, W, 16, np.random.RandomState(0)) for W in (truth, other)]
    np.testing.assert_array_equal(*relearned)
    assert map_agreement(reduced.A, truth, relearned[0]) > 0.98
    assert agreement(reduced, other) < agreement(reduced, truth)


def test_known_pairs_are_not_used(wide, reduced, truth):
    A, B = (unit_rows(X, X.mean(axis=0)).astype(np.float32) for X in (wide.XA, wide.XB))
    wrong = KnownPairs(A[:500], B[500:1000], weight=100.0)
    assert agreement(reduced_problem(wide.XA, wide.XB, wrong), truth) == agreement(reduced, truth)


def test_maps_between_spaces_of_different_width(wide):
    narrow = unit_rows(wide.XB[:, :30] - wide.XB[:, :30].mean(axis=0))
    problem = reduced_problem(wide.XA, narrow)
    W = polar_factor(np.random.default_rng(0).standard_normal((128, 30))).astype(np.float32)
    assert relearn(problem, W, 16, np.random.RandomState(0)).shape == (128, 30)
    assert 0 < agreement(problem, W) < 1


def test_the_result_depends_on_the_random_state_alone(reduced, truth):
    rough = polar_factor(truth + 0.2 * np.random.default_rng(0).standard_normal(truth.shape))
    rough = rough.astype(np.float32)
    found = agreement(reduced, rough, 1)
    assert found == agreement(reduced, rough, 1)
    assert found != agreement(reduced, rough, 2)


def test_the_mean_of_log_odds(monkeypatch):
    """Two disjoint halves and two numbers of directions; shares are limited before the mean."""
    monkeypatch.setattr(_relearned, "RELEARNING", RelearningSettings(n_directions=(3, 5)))
    shares = {("first", 3): 0.2, ("second", 3): 0.7, ("first", 5): 0.9, ("second", 5): 1.0}

    def relearned(half, W, n_directions, random_state):
        assert (W, random_state) == ("W", "stream")
        return shares[half, n_directions]

    def share(probe, W, V):
        assert (probe, W) == ("probe", "W")
        return V

    def sample(side, size, random_state):
        assert (side, size, random_state) == ("A", 1500, "stream")
        return "probe"

    monkeypatch.setattr(_relearned, "relearn", relearned)
    monkeypatch.setattr(_relearned, "map_agreement", share)
    halves = ("first", "second", "source", "target")
    problem = SimpleNamespace(sample=sample, halves=lambda random_state: halves)
    expected = expit(np.mean(logit([0.2, 0.7, 0.9, 0.995])))
    found = agreement_with_relearned_maps(problem, "W", "stream")
    assert found == pytest.approx(expected)
    assert isinstance(found, float)


def test_iterations_of_the_last_refinement_of_candidates(monkeypatch):
    W = np.arange(12.0).reshape(3, 4)
    made = []

    class Steps:
        def iterate(self, problem, V, random_state):
            assert (problem, random_state) == ("half", "stream")
            np.testing.assert_array_equal(V, [[0, 1, 0, 0], [4, 5, 0, 0], [0, 0, 0, 0]])
            for number in range(1, 100):
                made.append(number)
                yield V + number

    monkeypatch.setattr(_relearned, "candidate_refinements", lambda: [None, Steps()])
    found = relearn("half", W, 2, "stream")
    assert found[2, 3] == made[-1] == RelearningSettings().n_iterations == 60
