"""Maps that are learned again from halves of the samples and from a part of a map."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import AlignmentProblem, KnownPairs, _leading_part, _relearned
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._leading_part import leading_directions, leading_part
from sklearn_align.alignment._recipes import RelearningSettings
from sklearn_align.alignment._relearned import (
    RelearnedMaps,
    is_unrivalled,
    learn_again,
    relearn,
)
from sklearn_align.alignment._selection import candidate_refinements, reduce_problem, refine
from sklearn_align.datasets import load_sentence_embeddings, make_rotated_embeddings


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


def again(problem, W, seed=0):
    return learn_again(problem, W, np.random.RandomState(seed))


def test_halves_lead_to_the_right_map_again(reduced, truth):
    before = truth.copy()
    found = again(reduced, truth)
    assert found.agreement > 0.95
    assert found.score > 0.7
    np.testing.assert_array_equal(truth, before)


def test_a_map_that_fits_samples_of_unrelated_spaces_does_not_fit_others(wide):
    # Normal samples with the covariance of the target.
    L = np.linalg.cholesky(np.cov(wide.XB.T) + 1e-9 * np.eye(128))
    unrelated = reduced_problem(
        wide.XA, np.random.default_rng(1).standard_normal((1200, 128)) @ L.T
    )
    random = polar_factor(np.random.default_rng(0).standard_normal((128, 128)))
    stream = np.random.RandomState(0)
    *_, W = refine(candidate_refinements(), unrelated, random.astype(np.float32), stream)
    # The samples are fitted: the refinement moves the map hardly any more.
    *_, V = candidate_refinements()[-1].iterate(unrelated, W, stream)
    assert map_agreement(unrelated.A, W, V) > 0.8
    assert again(unrelated, W).score < 0.1


def test_known_pairs_are_not_used(wide, reduced, truth):
    A, B = (unit_rows(X, X.mean(axis=0)).astype(np.float32) for X in (wide.XA, wide.XB))
    wrong = KnownPairs(A[:500], B[500:1000], weight=100.0)
    assert again(reduced_problem(wide.XA, wide.XB, wrong), truth) == again(reduced, truth)


def test_maps_between_spaces_of_different_width(wide):
    narrow = unit_rows(wide.XB[:, :30] - wide.XB[:, :30].mean(axis=0))
    problem = reduced_problem(wide.XA, narrow)
    W = polar_factor(np.random.default_rng(0).standard_normal((128, 30))).astype(np.float32)
    part = leading_part(problem, W, 16)
    assert relearn(problem, part, np.random.RandomState(0)).shape == part.shape == (128, 30)
    assert 0 < again(problem, W).agreement < 1


def test_the_result_depends_on_the_random_state_alone(reduced, truth):
    rough = polar_factor(truth + 0.2 * np.random.default_rng(0).standard_normal(truth.shape))
    rough = rough.astype(np.float32)
    found = again(reduced, rough, 1)
    assert found == again(reduced, rough, 1)
    assert found.score != again(reduced, rough, 2).score


def test_maps_of_two_halves_are_judged_on_the_other_half(monkeypatch):
    learned = {"first": 0.25, "second": 0.75}
    scores = {("second", 0.25): 0.5, ("first", 0.75): 1.0}

    def part(problem, W, n_directions):
        assert (problem, W, n_directions) == (given, "W", RelearningSettings().n_directions)
        return "part"

    def relearned(half, part, random_state):
        assert (part, random_state) == ("part", "stream")
        return learned[half]

    def share(probe, W, V):
        assert (probe, W) == ("probe", "W")
        return V

    def score(half, V, random_state):
        assert random_state == "stream"
        return scores[half, V]

    def sample(side, size, random_state):
        assert (side, size, random_state) == ("A", 1500, "stream")
        return "probe"

    monkeypatch.setattr(_relearned, "leading_part", part)
    monkeypatch.setattr(_relearned, "relearn", relearned)
    monkeypatch.setattr(_relearned, "map_agreement", share)
    monkeypatch.setattr(_relearned, "relative_score", score)
    halves = ("first", "second", "source", "target")
    given = SimpleNamespace(sample=sample, halves=lambda random_state: halves)
    assert learn_again(given, "W", "stream") == (0.5, 0.75)


def test_a_right_map_has_no_rival():
    data = load_sentence_embeddings()
    XA, XB = (X[:1500].astype(np.float32) for X in (data.XA, data.XB))
    A, B = (unit_rows(X, Y.mean(axis=0)) for X, Y in ((data.XA_test, XA), (data.XB_test, XB)))
    problem = reduced_problem(XA, XB)
    W = problem.reduce(polar_factor(A.T @ B).astype(np.float32))
    stream = np.random.RandomState(0)
    assert is_unrivalled(problem, W, again(problem, W), stream)


def test_a_map_between_groups_of_unrelated_spaces_has_rivals(wide):
    """It sends groups to groups, which fits other samples as well, as many other maps do."""
    other = make_rotated_embeddings(1200, 128, noise=0.1, random_state=1)
    unrelated = reduced_problem(wide.XA, other.XB)
    W = polar_factor(np.random.default_rng(0).standard_normal((128, 128))).astype(np.float32)
    stream = np.random.RandomState(0)
    *_, W = refine(candidate_refinements(), unrelated, W, stream)
    found = again(unrelated, W)
    assert found.agreement > 0.9
    assert found.score > 0.5
    assert not is_unrivalled(unrelated, W, found, stream)


@pytest.mark.parametrize(
    ("scores", "shares", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.0], [0.0] * 4, True),
        ([0.1, 0.31], [0.0] * 2, False),
        ([0.31], [0.69], False),
        ([0.3] * 4, [0.1] * 4, True),
        # The same map is no rival.
        ([0.9, 0.9, 0.1, 0.1], [0.7, 1.0, 0.0, 0.0], True),
        ([0.9, 0.31], [0.7, 0.0], False),
    ],
)
def test_rivals_have_three_quarters_of_the_score_at_most(monkeypatch, scores, shares, expected):
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((400, n)) * np.linspace(3, 1, n) for n in (20, 16))
    problem = reduced_problem(A, B)
    W = polar_factor(rng.standard_normal((20, 16)))
    U, V = leading_directions(problem, W, 12)
    parts = []

    def relearned(half, part, random_state):
        assert (len(half.A), random_state is stream) == (200, True)
        parts.append(part)
        return part

    def score(other, rival, random_state):
        assert rival is parts[-1]
        return scores[len(parts) - 1]

    def share(probe, checked, rival):
        assert (checked is W, rival is parts[-1]) == (True, True)
        return shares[len(parts) - 1]

    monkeypatch.setattr(_relearned, "relearn", relearned)
    monkeypatch.setattr(_relearned, "relative_score", score)
    monkeypatch.setattr(_relearned, "map_agreement", share)
    stream = np.random.RandomState(0)
    assert is_unrivalled(problem, W, RelearnedMaps(1.0, 0.4), stream) is expected
    assert len(parts) == len(scores)
    for part in parts:
        # A rotation between the leading directions of both spaces.
        Q = U.T @ part @ V
        np.testing.assert_allclose(Q @ Q.T, np.eye(12), atol=1e-5)
        np.testing.assert_allclose(U @ Q @ V.T, part, atol=1e-5)
    assert len({part.tobytes() for part in parts}) == len(parts)


def test_iterations_of_the_last_refinement_of_candidates(monkeypatch):
    made = []

    class Steps:
        def iterate(self, problem, V, random_state):
            assert (problem, V, random_state) == ("half", 0, "stream")
            for number in range(1, 100):
                made.append(number)
                yield number

    monkeypatch.setattr(_leading_part, "candidate_refinements", lambda: [None, Steps()])
    assert relearn("half", 0, "stream") == made[-1] == RelearningSettings().n_iterations == 60
