"""The verdict: success is recognised, and never claimed on unrelated data."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment._diagnostics import agreement_with_pairs, agreement_with_witnesses
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs, unit_rows
from sklearn_align.alignment._starts import reduce_problem
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning

MESSAGE = r"cannot be trusted.*More rows.*pairs=.*n_init=.*closer encoders"


def gaussian(XA, XB):
    rng = np.random.default_rng(0)
    return XA, rng.standard_normal(XB.shape).astype(np.float32)


def same_covariance(XA, XB):
    """Normal rows with the covariance of the other space: the spectrum fits, the shape does not."""
    rng = np.random.default_rng(0)
    L = np.linalg.cholesky(np.cov(XB.T) + 1e-9 * np.eye(XB.shape[1]))
    return XA, (rng.standard_normal(XB.shape) @ L.T).astype(np.float32)


def permuted_columns(XA, XB):
    """Every column keeps its distribution, the rows lose their coherence."""
    rng = np.random.default_rng(0)
    return XA, rng.permuted(XB, axis=0)


def another_kind(XA, XB):
    return XA, make_rotated_embeddings(len(XB), 100, random_state=0).XB.astype(np.float32)


@pytest.mark.parametrize(
    "spoil",
    [
        gaussian,
        permuted_columns,
        another_kind,
        pytest.param(same_covariance, marks=pytest.mark.slow),
    ],
)
def test_success_is_not_claimed_on_unrelated_data(sentences, spoil):
    XA, XB = spoil(sentences.XA[:1000], sentences.XB[:1000])
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = MiniVec2Vec(n_init=3, random_state=0).fit(XA, XB)
    assert aligner.converged_ is False
    assert aligner.agreement_ < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [gaussian, permuted_columns, another_kind, same_covariance])
def test_success_is_not_claimed_on_unrelated_data_by_default(sentences, spoil):
    XA, XB = spoil(sentences.XA, sentences.XB)
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = MiniVec2Vec(random_state=1).fit(XA, XB)
    assert aligner.converged_ is False


@pytest.mark.parametrize("init", ["components", "anchors"])
@pytest.mark.parametrize("seed", range(3))
def test_success_is_not_claimed_on_two_kinds_of_synthetic_data(quick, init, seed):
    one, other = (make_rotated_embeddings(800, 24, random_state=s) for s in (seed, 100 + seed))
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = quick(n_init=2, n_runs=5, init=init).fit(one.XA, other.XB)
    assert aligner.converged_ is False


def test_wrong_pairs_do_not_buy_success_on_unrelated_data(quick):
    one, other = (make_rotated_embeddings(800, 24, random_state=s) for s in (0, 100))
    rows = np.arange(30)
    with pytest.warns(AlignmentWarning):
        aligner = quick(pair_weight=5.0).fit(one.XA, other.XB, pairs=(rows, rows))
    assert aligner.converged_ is False


@pytest.mark.parametrize("init", ["components", "anchors"])
def test_success_is_recognised(spaces, quick, init):
    aligner = quick(init=init, n_runs=10).fit(spaces.XA, spaces.XB)
    assert aligner.converged_ is True
    assert aligner.agreement_ > 0.9


@pytest.fixture(scope="module")
def problem(spaces):
    A, B = (unit_rows(X, X.mean(axis=0)).astype(np.float32) for X in (spaces.XA, spaces.XB))
    pairs = KnownPairs(
        *(
            unit_rows(test[:30], X.mean(axis=0)).astype(np.float32)
            for X, test in ((spaces.XA, spaces.XA_test), (spaces.XB, spaces.XB_test))
        ),
        1.0,
    )
    return AlignmentProblem(A, B, pairs)


def test_the_closest_witness_counts(spaces, problem):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    truth = spaces.rotation.astype(np.float32)
    wrong = np.roll(truth, 1, axis=1)

    def agreement(witnesses):
        return agreement_with_witnesses(
            reduced, truth, [reduced.reduce(W) for W in witnesses], np.random.RandomState(0)
        )

    assert agreement([wrong, truth, wrong]) == pytest.approx(1, abs=0.01)
    assert agreement([wrong]) < 0.05


def test_witnesses_are_sought_where_there_are_none(spaces, problem):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    truth = spaces.rotation.astype(np.float32)
    for W, expected in ((truth, 1), (np.roll(truth, 1, axis=1), 0)):
        found = agreement_with_witnesses(reduced, W, [], np.random.RandomState(0))
        assert found == pytest.approx(expected, abs=0.1)


def test_pairs_that_stay_together_unaided_are_evidence(spaces, problem):
    truth = spaces.rotation.astype(np.float32)
    assert agreement_with_pairs(problem, truth, np.random.RandomState(0)) > 0.9
    wrong = np.roll(truth, 1, axis=1)
    assert agreement_with_pairs(problem, wrong, np.random.RandomState(0)) < 0.2


def test_fewer_than_five_pairs_are_no_evidence(spaces, problem):
    pairs = KnownPairs(problem.pairs.A[:4], problem.pairs.B[:4], 1.0)
    few = AlignmentProblem(problem.A, problem.B, pairs)
    truth = spaces.rotation.astype(np.float32)
    assert agreement_with_pairs(few, truth, np.random.RandomState(0)) == 0
    none = AlignmentProblem(problem.A, problem.B)
    assert agreement_with_pairs(none, truth, np.random.RandomState(0)) == 0
