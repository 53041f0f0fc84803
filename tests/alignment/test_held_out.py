"""Accuracy on known pairs that are left out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import AlignmentProblem, KnownPairs, TransportRefinement
from sklearn_align.alignment._held_out import accuracy_on_pairs, retrieval_of_pairs, split_pairs
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning


def unit_samples(seed, n_samples, n_features=5):
    return unit_rows(np.random.default_rng(seed).standard_normal((n_samples, n_features)))


@pytest.fixture
def stream():
    return np.random.RandomState(0)


@pytest.mark.parametrize(("n_pairs", "n_left_out"), [(50, 25), (100, 25), (200, 50), (1001, 250)])
def test_a_quarter_of_the_pairs_is_left_out_but_no_few(stream, n_pairs, n_left_out):
    A = unit_samples(0, n_pairs)
    used, left_out = split_pairs(KnownPairs(A, -A, 3.0), stream)
    assert (len(used), len(left_out)) == (n_pairs - n_left_out, n_left_out)
    together = np.concatenate([used.A, left_out.A])
    assert {tuple(a) for a in together} == {tuple(a) for a in A}
    for part in (used, left_out):
        np.testing.assert_array_equal(part.B, -part.A)
        assert part.weight == 3.0


@pytest.mark.parametrize("shared", ["A", "B", "chains"])
def test_left_out_pairs_share_no_sample_with_used_ones(stream, shared):
    A, B = unit_samples(0, 144), unit_samples(1, 144)
    # Three or four pairs have a sample in common; both together link twelve.
    number = np.arange(144)
    if shared in ("A", "chains"):
        A = A[number // 3]
    if shared in ("B", "chains"):
        B = B[number // 4]
    used, left_out = split_pairs(KnownPairs(A, B, 1.0), stream)
    assert len(used) + len(left_out) == 144
    assert 25 <= len(left_out) <= 36
    for one, other in ((used.A, left_out.A), (used.B, left_out.B)):
        assert not {tuple(x) for x in one} & {tuple(x) for x in other}


def test_no_accuracy_where_all_pairs_share_a_sample(stream):
    A = np.tile(unit_samples(0, 1), (80, 1))
    problem = AlignmentProblem(A, A, KnownPairs(A, unit_samples(1, 80), 1.0))
    assert np.isnan(accuracy_on_pairs(problem, None, stream))


def test_the_map_is_fitted_without_the_pairs_it_is_tested_on(stream):
    A, B = unit_samples(0, 80), unit_samples(1, 400)
    pairs = KnownPairs(unit_samples(2, 60), unit_samples(2, 60), 1.0)
    seen = []

    def fit_map(problem):
        seen.append(problem)
        return np.eye(5)

    assert accuracy_on_pairs(AlignmentProblem(A, B, pairs), fit_map, stream) == 1
    (problem,) = seen
    assert (problem.A is A, problem.B is B, len(problem.pairs)) == (True, True, 35)
    few = KnownPairs(pairs.A[:49], pairs.B[:49], 1.0)
    assert np.isnan(accuracy_on_pairs(AlignmentProblem(A, B, few), fit_map, stream))
    assert np.isnan(accuracy_on_pairs(AlignmentProblem(A, B), fit_map, stream))
    assert len(seen) == 1


def test_retrieval_against_the_definition(stream):
    pairs = KnownPairs(unit_samples(0, 40), unit_samples(1, 40), 1.0)
    B, W = unit_samples(2, 30), np.linalg.qr(unit_samples(3, 5))[0]
    W = W + 0.5 * pairs.A.T @ pairs.B
    expected = np.mean(
        [(b @ (a @ W)) > (B @ (a @ W)).max() for a, b in zip(pairs.A, pairs.B, strict=True)]
    )
    assert 0.1 < expected < 0.9
    assert retrieval_of_pairs(W, pairs, B, stream) == pytest.approx(expected)
    # The counterpart itself is no competitor.
    assert retrieval_of_pairs(W, pairs, np.concatenate([B, pairs.B[:1]]), stream) >= expected - 0.03


def test_a_thousand_targets_are_compared(stream):
    many = np.zeros((5000, 5))
    many[:, 0] = 1
    many[::4, 0] = -1
    a = KnownPairs(np.array([[1.0, 0, 0, 0, 0]]), np.array([[0.0, 1, 0, 0, 0]]), 1.0)
    assert retrieval_of_pairs(np.eye(5), a, many, stream) == 0
    rare = np.tile([-1.0, 0, 0, 0, 0], (100_000, 1))
    rare[0] = [1.0, 0, 0, 0, 0]
    # One nearer sample of 100,000 is rarely among those that are drawn.
    assert retrieval_of_pairs(np.eye(5), a, rare, stream) == 1


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(1200, 16, noise=0.3, random_state=0)


def fit(data, wrong=0, n_pairs=80, **parameters):
    steps = [TransportRefinement(max_iter=10)]
    aligner = MiniVec2Vec(n_init=1, refinements=steps, random_state=0, **parameters)
    B = np.roll(data.XB_test[:n_pairs], wrong, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        return aligner.fit(data.XA, data.XB, pairs=(data.XA_test[:n_pairs], B))


@pytest.mark.parametrize("correction", ["auto", None])
def test_the_expected_accuracy_is_close_to_the_true_one(data, correction):
    aligner = fit(data, correction=correction)
    Z, T = aligner.transform(data.XA_test[80:]), aligner.transform_target(data.XB_test[80:])
    targets = aligner.transform_target(data.XB[:999])
    own = (Z * T).sum(axis=1)
    accuracy = (own > (Z @ targets.T).max(axis=1)).mean()
    assert aligner.expected_accuracy_ == pytest.approx(accuracy, abs=0.15)
    assert aligner.converged_ is True


def test_the_second_fit_stops_where_a_callback_stopped_the_first(data, monkeypatch):
    made = []

    class Counted:
        max_iter = 5

        def iterate(self, problem, W, random_state):
            for number in range(self.max_iter):
                made.append((problem.pairs is not None and len(problem.pairs), number))
                yield W

    class Stop:
        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **data):
            pass

        def on_fit_task_end(self, estimator, context, **data):
            return len(made) >= 2

        def teardown(self, estimator, context):
            pass

    aligner = MiniVec2Vec(n_init=1, refinements=[Counted(), Counted()], random_state=0)
    aligner.set_callbacks(Stop())
    with warnings.catch_warnings(action="ignore", category=AlignmentWarning):
        aligner.fit(data.XA, data.XB, pairs=(data.XA_test[:80], data.XB_test[:80]))
    assert made == [(80, 0), (80, 1), (55, 0), (55, 1)]


def test_wrong_pairs_are_not_retrieved(data):
    aligner = fit(data, wrong=1)
    assert aligner.expected_accuracy_ < 0.2
    assert aligner.converged_ is False


def test_few_pairs_do_not_measure_the_accuracy(data):
    assert fit(data, n_pairs=49).accuracy_measured_ is False
    assert fit(data, n_pairs=50).accuracy_measured_ is True
