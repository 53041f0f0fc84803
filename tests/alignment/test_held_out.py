"""Accuracy on known pairs that are left out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import expit, logit

from sklearn_align import MiniVec2Vec
from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import (
    AlignmentProblem,
    AnchorStart,
    KnownPairs,
    PairStart,
    TransportRefinement,
    _held_out,
)
from sklearn_align.alignment._held_out import (
    accuracy_on_pairs,
    leave_out,
    retrieval_of_pairs,
    split_pairs,
    with_all_samples,
)
from sklearn_align.alignment._recipes import HELD_OUT
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning


def unit_samples(seed, n_samples, n_features=5):
    return unit_rows(np.random.default_rng(seed).standard_normal((n_samples, n_features)))


@pytest.fixture
def stream():
    return np.random.RandomState(0)


@pytest.mark.parametrize(
    ("n_pairs", "n_left_out"),
    [(50, [12] * 4), (100, [25] * 3), (200, [50, 50]), (299, [74, 74]), (300, [75]), (1001, [250])],
)
def test_quarters_of_the_pairs_are_left_out_until_they_are_many(stream, n_pairs, n_left_out):
    A = unit_samples(0, n_pairs)
    folds = split_pairs(KnownPairs(A, -A, 3.0), stream)
    assert [len(left_out) for _, left_out in folds] == n_left_out
    for used, left_out in folds:
        assert len(used) + len(left_out) == n_pairs
        together = np.concatenate([used.A, left_out.A])
        assert {tuple(a) for a in together} == {tuple(a) for a in A}
        for part in (used, left_out):
            np.testing.assert_array_equal(part.B, -part.A)
            assert part.weight == 3.0
    assert len({tuple(a) for _, left_out in folds for a in left_out.A}) == sum(n_left_out)


@pytest.mark.parametrize("shared", ["A", "B", "chains"])
def test_left_out_pairs_share_no_sample_with_used_ones(stream, shared):
    A, B = unit_samples(0, 144), unit_samples(1, 144)
    # Three or four pairs have a sample in common; both together link twelve.
    number = np.arange(144)
    if shared in ("A", "chains"):
        A = A[number // 3]
    if shared in ("B", "chains"):
        B = B[number // 4]
    folds = split_pairs(KnownPairs(A, B, 1.0), stream)
    assert len(folds) == 3
    for used, left_out in folds:
        assert len(used) + len(left_out) == 144
        assert 25 <= len(left_out) <= 36
        for one, other in ((used.A, left_out.A), (used.B, left_out.B)):
            assert not {tuple(x) for x in one} & {tuple(x) for x in other}


def test_a_sample_of_many_pairs_is_always_used(stream):
    A, B = unit_samples(0, 100), unit_samples(1, 100)
    A[40:] = A[40]
    for used, left_out in split_pairs(KnownPairs(A, B, 1.0), stream):
        assert np.equal(used.A, A[40]).all(axis=1).sum() == 60
        assert len(left_out) >= 13


def test_no_accuracy_where_all_pairs_share_a_sample(stream):
    A = np.tile(unit_samples(0, 1), (80, 1))
    problem = AlignmentProblem(A, A, KnownPairs(A, unit_samples(1, 80), 1.0))
    assert np.isnan(accuracy_on_pairs(problem, None, stream))


def rows(X):
    return {tuple(x) for x in X}


@pytest.mark.parametrize("wide", [True, False])
def test_maps_are_fitted_without_the_pairs_they_are_tested_on(stream, monkeypatch, wide):
    A, B = unit_samples(0, 80), unit_samples(1, 400)
    known = unit_samples(2, 60)
    pairs = KnownPairs(known, known, 1.0)
    # Samples of half of the pairs are on both sides of the problem.
    problem = AlignmentProblem(*(np.concatenate([X, known[:30]]) for X in (A, B)), pairs)
    seen, judged = [], []

    def fit_map(problem):
        seen.append(problem)
        return np.eye(5)

    def retrieval(W, left_out, targets, random_state):
        judged.append((left_out, targets))
        return len(judged) / 10

    def of_all(accuracy, share):
        # Mean of four folds.
        assert accuracy == pytest.approx(0.25)
        assert share == pytest.approx(0.74, abs=0.01)
        return 0.375

    monkeypatch.setattr(_held_out, "retrieval_of_pairs", retrieval)
    monkeypatch.setattr(_held_out, "with_all_samples", of_all)
    found = accuracy_on_pairs(problem, fit_map, stream, wide=wide)
    assert found == (0.375 if wide else pytest.approx(0.25))
    assert len(seen) == 4
    for fitted, (left_out, targets) in zip(seen, judged, strict=True):
        assert (len(left_out), len(fitted.pairs)) == (15, 45)
        assert not rows(left_out.A) & (rows(fitted.A) | rows(fitted.B) | rows(fitted.pairs.A))
        assert rows(A) <= rows(fitted.A) == rows(problem.A) - rows(left_out.A)
        # A quarter of the other targets is left out.
        others = rows(problem.B) - rows(left_out.B)
        assert rows(fitted.B) | rows(targets) == others
        assert len(fitted.B) == len(others) - len(others) // 4
        assert rows(targets[: len(others) // 4]) == others - rows(fitted.B)


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_accuracy_with_all_samples(accuracy):
    """Log-odds rise with the logarithm of the number of samples."""
    slope = HELD_OUT.slope_of_samples
    expected = [expit(logit(accuracy) + slope * np.log(n)) for n in (1, 4 / 3, 2)]
    found = [with_all_samples(accuracy, share) for share in (1, 0.75, 0.5)]
    assert found == pytest.approx(expected)
    assert found[0] == pytest.approx(accuracy)
    if 0 < accuracy < 1:
        assert accuracy + 0.02 < found[1] < found[2] < accuracy + 0.3


def test_at_most_999_targets_are_left_out(stream):
    few = KnownPairs(unit_samples(2, 5), unit_samples(3, 5), 1.0)
    for n, n_left_out, n_targets in ((100, 25, 100), (1500, 375, 999), (6000, 999, 999)):
        A, B = unit_samples(0, 80), unit_samples(1, n)
        rest, targets = leave_out(AlignmentProblem(A, B), few, few, stream)
        assert (len(rest.B), len(targets)) == (n - n_left_out, n_targets)
        assert not rows(rest.B) & rows(targets[:n_left_out])


def test_samples_stay_where_nearly_all_of_them_are_in_left_out_pairs(stream):
    pairs = KnownPairs(unit_samples(2, 20), unit_samples(3, 20), 1.0)
    problem = AlignmentProblem(np.repeat(pairs.A, 3, axis=0), unit_samples(1, 50))
    rest, _ = leave_out(problem, pairs, pairs, stream)
    assert rest.A is problem.A


def test_few_pairs_and_no_pairs_measure_nothing(stream):
    A, B = unit_samples(0, 80), unit_samples(1, 400)
    few = KnownPairs(A[:49], B[:49], 1.0)
    assert np.isnan(accuracy_on_pairs(AlignmentProblem(A, B, few), None, stream))
    assert np.isnan(accuracy_on_pairs(AlignmentProblem(A, B), None, stream))


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
    assert aligner.expected_accuracy_ == pytest.approx(accuracy, abs=0.1)
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
    assert made == [(80, 0), (80, 1)] + [(60, 0), (60, 1)] * 4


def test_wrong_pairs_are_not_retrieved(data):
    aligner = fit(data, wrong=1)
    assert aligner.expected_accuracy_ < 0.2
    assert aligner.converged_ is False


@pytest.mark.parametrize("init", [PairStart(), AnchorStart(8, n_runs=2, n_neighbors=5)])
def test_pairs_do_not_measure_a_map_that_they_have_made(init):
    """Between unrelated wide spaces, such a map retrieves arbitrary pairs."""
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((500, 160)) for _ in range(2))
    pairs = tuple(rng.standard_normal((60, 160)) for _ in range(2))
    aligner = MiniVec2Vec(
        init=init,
        selection=None,
        refinements=[],
        correction=None,
        pair_weight=10.0,
        random_state=0,
    )
    with warnings.catch_warnings(action="ignore", category=AlignmentWarning):
        aligner.fit(A, XB=B, pairs=pairs)
    assert aligner.accuracy_measured_ is True
    assert aligner.expected_accuracy_ < 0.2
    assert aligner.converged_ is False


def test_few_pairs_do_not_measure_the_accuracy(data):
    assert fit(data, n_pairs=49).accuracy_measured_ is False
    assert fit(data, n_pairs=50).accuracy_measured_ is True
