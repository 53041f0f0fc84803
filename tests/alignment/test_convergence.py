"""The convergence check: success is recognised, and never claimed on unrelated data."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import AlignmentProblem, AnchorStart, KnownPairs, _convergence
from sklearn_align.alignment._agreement import agreement_with_pairs, map_agreement
from sklearn_align.alignment._convergence import (
    Convergence,
    agreement_with_independent_runs,
    check_convergence,
    relative_score,
)
from sklearn_align.alignment._selection import (
    SuccessiveHalving,
    limit_components,
    reduce_problem,
)
from sklearn_align.alignment._steps import list_starts
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning

MESSAGE = r"did not converge.*More samples.*pairs=.*n_init=.*closer encoders"


def gaussian(XA, XB):
    rng = np.random.default_rng(0)
    return XA, rng.standard_normal(XB.shape).astype(np.float32)


def same_covariance(XA, XB):
    """Normal samples with the covariance of the other space, but not its shape."""
    rng = np.random.default_rng(0)
    L = np.linalg.cholesky(np.cov(XB.T) + 1e-9 * np.eye(XB.shape[1]))
    return XA, (rng.standard_normal(XB.shape) @ L.T).astype(np.float32)


def permuted_columns(XA, XB):
    """Every column keeps its distribution, the samples lose their coherence."""
    rng = np.random.default_rng(0)
    return XA, rng.permuted(XB, axis=0)


def another_kind(XA, XB):
    return XA, make_rotated_embeddings(len(XB), 100, random_state=0).XB.astype(np.float32)


@pytest.mark.parametrize(
    "spoil", [permuted_columns, pytest.param(gaussian, marks=pytest.mark.slow)]
)
def test_success_is_not_claimed_on_unrelated_data(sentences, quick, spoil):
    XA, XB = spoil(sentences.XA[:600, :64], sentences.XB[:600, :64])
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = quick(n_init=3).fit(XA, XB)
    assert aligner.converged_ is False
    assert aligner.agreement_ < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "n_samples"), [(another_kind, 400), (same_covariance, 600)])
def test_success_is_not_claimed_on_unrelated_data_by_default(sentences, spoil, n_samples):
    # The relative score alone would take these for right: the agreement must tell.
    XA, XB = spoil(sentences.XA[:n_samples, :64], sentences.XB[:n_samples, :64])
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = MiniVec2Vec(random_state=1).fit(XA, XB)
    assert aligner.converged_ is False
    assert aligner.relative_score_ > 0.6


@pytest.mark.parametrize(
    "init", ["components", AnchorStart(n_runs=5)], ids=["components", "anchors"]
)
@pytest.mark.parametrize("seed", range(3))
def test_success_is_not_claimed_on_two_kinds_of_synthetic_data(quick, init, seed):
    one, other = (make_rotated_embeddings(800, 24, random_state=s) for s in (seed, 100 + seed))
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = quick(n_init=2, init=init).fit(one.XA, other.XB)
    assert aligner.converged_ is False


def test_wrong_pairs_do_not_converge_on_unrelated_data(quick):
    one, other = (make_rotated_embeddings(800, 24, random_state=s) for s in (0, 100))
    indices = np.arange(30)
    with pytest.warns(AlignmentWarning):
        aligner = quick(pair_weight=5.0).fit(one.XA, other.XB, pairs=(indices, indices))
    assert aligner.converged_ is False


@pytest.mark.parametrize(
    "init", ["components", AnchorStart(n_runs=10)], ids=["components", "anchors"]
)
def test_success_is_recognised(spaces, quick, init):
    aligner = quick(init=init).fit(spaces.XA, spaces.XB)
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


def test_the_largest_agreement_counts(spaces, problem):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    truth = spaces.rotation.astype(np.float32)
    wrong = np.roll(truth, 1, axis=1)

    def agreement(maps):
        return agreement_with_independent_runs(
            reduced,
            truth,
            [reduced.reduce(W) for W in maps],
            None,
            np.random.RandomState(0),
            n_more=0,
        )

    assert agreement([wrong, truth, wrong]) == pytest.approx(1, abs=0.01)
    assert agreement([wrong]) < 0.05


def test_independent_runs_are_made_where_there_are_none(spaces, problem):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    truth = spaces.rotation.astype(np.float32)
    for W, expected in ((truth, 1), (np.roll(truth, 1, axis=1), 0)):
        found = agreement_with_independent_runs(
            reduced, W, [], None, np.random.RandomState(0), n_more=2
        )
        assert found == pytest.approx(expected, abs=0.1)


def test_no_more_runs_are_made_than_allowed(spaces, problem):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    truth = spaces.rotation.astype(np.float32)
    assert (
        agreement_with_independent_runs(
            reduced, truth, [], None, np.random.RandomState(0), n_more=0
        )
        == 0
    )


def test_runs_with_another_analysis_come_first(spaces, problem, monkeypatch):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    analyses = []

    def spy(problem, starts, **options):
        analyses.extend(start.analysis for start in starts)
        return SuccessiveHalving(problem, starts, **options)

    monkeypatch.setattr(_convergence, "SuccessiveHalving", spy)
    wrong = np.roll(spaces.rotation.astype(np.float32), 1, axis=1)
    start = limit_components(list_starts("components", "auto", "halving"), reduced)[0]
    agreement_with_independent_runs(reduced, wrong, [], start, np.random.RandomState(0), n_more=3)
    assert len(analyses) == 3
    assert analyses[0] != start.analysis


def test_a_rough_independent_map_is_refined(spaces, problem):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    truth = spaces.rotation.astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(truth.shape).astype(np.float32)
    rough = reduced.reduce(polar_factor(truth + 0.3 * noise))
    probe = reduced.A
    assert map_agreement(probe, reduced.reduce(truth), rough) < 0.7
    found = agreement_with_independent_runs(
        reduced, truth, [rough], None, np.random.RandomState(0), n_more=0
    )
    assert found > 0.9


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


def test_agreement_and_relative_score_are_both_needed(spaces, problem):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    truth = spaces.rotation.astype(np.float32)
    wrong = np.roll(truth, 1, axis=1)
    good, bad = (
        check_convergence(
            AlignmentProblem(problem.A, problem.B),
            reduced,
            W,
            [reduced.reduce(W)],
            None,
            np.random.RandomState(0),
        )
        for W in (truth, wrong)
    )
    assert good.agreement > 0.9
    assert good.converged
    # A second map with the same error agrees; the relative score is low.
    assert bad.agreement > 0.9
    assert not bad.converged


@pytest.mark.parametrize("seed", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_one_best_match_of_unrelated_narrow_spaces_is_no_success(seed):
    one, other = (make_rotated_embeddings(800, 24, random_state=s) for s in (seed, 100 + seed))
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = MiniVec2Vec(random_state=seed).fit(one.XA, other.XB)
    assert aligner.converged_ is False
    assert aligner.relative_score_ < 0.6


def test_a_right_map_from_anchors_converges(spaces):
    aligner = MiniVec2Vec(init=AnchorStart(n_runs=10), n_init=2, random_state=0)
    aligner.fit(spaces.XA, spaces.XB)
    assert aligner.score(spaces.XA_test, spaces.XB_test) > 0.9
    assert aligner.converged_ is True


def test_pairs_retrieved_without_being_used_are_evidence(spaces, problem):
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


@pytest.mark.parametrize(
    ("agreement", "score", "converged", "reason"),
    [
        (0.7, 0.6, True, None),
        (1.0, 5.0, True, None),
        (0.699, 1.0, False, "no independent run"),
        (1.0, 0.599, False, "farther from target samples"),
        (0.0, 0.0, False, "no independent run"),
    ],
)
def test_both_thresholds_count(agreement, score, converged, reason):
    evidence = Convergence(agreement, score)
    assert evidence.converged is converged
    if reason is not None:
        assert reason in evidence.reason
