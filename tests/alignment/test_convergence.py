"""The convergence check: success is recognised, and never claimed on unrelated data."""

from __future__ import annotations

from itertools import zip_longest
from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import (
    AlignmentProblem,
    AnchorStart,
    ComponentStart,
    KnownPairs,
    PairStart,
    _convergence,
)
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._convergence import (
    NO_RUNS_FROM_PAIRS,
    Convergence,
    RunsFromPairs,
    agreement_with_halves,
    agreement_with_independent_runs,
    check_convergence,
    corrected_by_pairs,
    runs_from_pairs,
    warn_unless_converged,
)
from sklearn_align.alignment._expected_accuracy import (
    SampleKind,
    estimate_accuracy,
    needed_relative_score,
)
from sklearn_align.alignment._held_out import retrieval_of_pairs
from sklearn_align.alignment._problem import ReducedProblem
from sklearn_align.alignment._recipes import ROBUST
from sklearn_align.alignment._relearned import RelearnedMaps
from sklearn_align.alignment._selection import (
    SuccessiveHalving,
    limit_components,
    reduce_problem,
)
from sklearn_align.alignment._steps import list_starts
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning, AmbiguousAlignmentWarning

MESSAGE = r"did not converge.*More samples.*pairs=.*n_init=.*closer encoders"


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


def test_success_is_not_claimed_on_unrelated_data(sentences, quick):
    XA, XB = permuted_columns(sentences.XA[:600, :64], sentences.XB[:600, :64])
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
    ("init", "seed"),
    [("components", 0), ("components", 1), (AnchorStart(n_runs=5), 2)],
    ids=["components-0", "components-1", "anchors-2"],
)
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


def test_one_best_match_of_unrelated_narrow_spaces_is_no_success():
    one, other = (make_rotated_embeddings(800, 24, random_state=s) for s in (2, 102))
    with pytest.warns(AlignmentWarning, match=MESSAGE):
        aligner = MiniVec2Vec(random_state=2).fit(one.XA, other.XB)
    assert aligner.converged_ is False
    assert aligner.relative_score_ < 0.6


def test_a_right_map_from_anchors_converges(spaces):
    aligner = MiniVec2Vec(init=AnchorStart(n_runs=10), n_init=2, random_state=0)
    aligner.fit(spaces.XA, spaces.XB)
    assert aligner.score(spaces.XA_test, spaces.XB_test) > 0.9
    assert aligner.converged_ is True


@pytest.fixture(scope="module")
def reduced_without_shape():
    """Samples of no shape, of which known pairs alone determine the map."""
    rng = np.random.default_rng(0)
    R = np.linalg.qr(rng.standard_normal((10, 10)))[0].astype(np.float32)
    A, B = (unit_rows(rng.standard_normal((700, 10)).astype(np.float32)) for _ in "AB")
    pairs = KnownPairs(A[:40], A[:40] @ R, 100.0)
    problem = AlignmentProblem(A, B, pairs)
    return reduce_problem(problem, np.random.RandomState(0)), R


def test_runs_from_halves_of_the_pairs_confirm_a_map(reduced_without_shape):
    reduced, R = reduced_without_shape
    found = runs_from_pairs(reduced, reduced.reduce(R), np.random.RandomState(0))
    assert found.agreement > 0.9
    assert found.share > 0.9
    assert found.n_pairs == 40
    wrong = reduced.reduce(np.roll(R, 1, axis=1))
    other = runs_from_pairs(reduced, wrong, np.random.RandomState(0))
    assert other.agreement < 0.2
    assert other[1:] == found[1:]


def test_wrong_pairs_confirm_no_map_that_is_fitted_to_them(reduced_without_shape):
    reduced, _ = reduced_without_shape
    axes = np.eye(10, dtype=np.float32)
    wrong = reduced.with_pairs(KnownPairs(axes[:6], axes[4:], 100.0))
    W = PairStart().initial_map(wrong, np.random.RandomState(0))
    # A map from all of the pairs retrieves them.
    assert retrieval_of_pairs(W, wrong.pairs, wrong.B, np.random.RandomState(0)) == 1
    assert runs_from_pairs(wrong, W, np.random.RandomState(0)) == (0.0, 0.0, 6)


@pytest.mark.parametrize("n_pairs", [0, 3])
def test_too_few_pairs_confirm_nothing(reduced_without_shape, n_pairs):
    reduced, R = reduced_without_shape
    few = reduced.with_pairs(reduced.pairs.take(np.arange(n_pairs)) if n_pairs else None)
    found = runs_from_pairs(few, reduced.reduce(R), np.random.RandomState(0))
    assert found == NO_RUNS_FROM_PAIRS


def test_an_estimate_has_the_weight_of_ten_pairs():
    for kind in (SampleKind(3000, wide=False), SampleKind(1499, wide=True)):
        found = [corrected_by_pairs(0.9, RunsFromPairs(0.8, 0.5, n), kind) for n in (30, 4)]
        np.testing.assert_allclose(found, [24 / 40, 11 / 14])
        assert corrected_by_pairs(0.5, RunsFromPairs(0.8, 0.5, 4), kind) == pytest.approx(0.5)


@pytest.mark.parametrize("unseen", [False, True])
def test_runs_from_pairs_do_not_lower_the_estimate_of_large_wide_spaces(unseen):
    kind = SampleKind(1500, wide=True, unseen=unseen)
    runs = RunsFromPairs(0.8, 0.5, 30)
    assert corrected_by_pairs(0.1, runs, kind) == pytest.approx(16 / 40)
    assert corrected_by_pairs(0.9, runs, kind) == 0.9


@pytest.mark.parametrize(
    ("wide", "of_runs", "of_pairs", "corrected"),
    [
        (False, 0.2, 0.8, True),
        (True, 0.2, 0.8, True),
        # Other runs agree on accidents of the samples, too.
        (False, 0.9, 0.7, True),
        (True, 0.9, 0.7, True),
        # Runs that lead elsewhere, or retrieve no pairs, say nothing.
        (False, 0.2, 0.69, False),
        (True, 0.9, 0.69, False),
        (False, 0.2, 0.0, False),
    ],
)
def test_pairs_correct_the_estimate_of_a_map_that_they_confirm(
    monkeypatch, wide, of_runs, of_pairs, corrected
):
    def from_pairs(*_):
        return RunsFromPairs(of_pairs, 0.6, 20)

    figures = RelearnedMaps(0.9, 0.1)
    monkeypatch.setattr(_convergence, "learn_again", lambda *_: figures)
    monkeypatch.setattr(_convergence, "relative_score", lambda *_: 1.0)
    monkeypatch.setattr(_convergence, "agreement_with_independent_runs", lambda *_, **__: of_runs)
    monkeypatch.setattr(_convergence, "runs_from_pairs", from_pairs)
    monkeypatch.setattr(_convergence, "follows_pairs", lambda *_: True)
    problem = SimpleNamespace(A=np.empty((3000, 2)), B=np.empty((3000, 2)), pairs=None)
    given = SimpleNamespace(
        A=problem.A, B=problem.B, reduce=lambda W: W, wide=wide, without_copies=lambda _: given
    )
    found = check_convergence(problem, given, MAP, [], "start", "stream")
    agreement = max(of_runs, of_pairs)
    kind = SampleKind(3000, wide=wide)
    relearned = (figures,) if wide else ()
    estimate = estimate_accuracy(agreement, 1.0, kind, *relearned)
    assert found.agreement == agreement
    expected = corrected_by_pairs(estimate, RunsFromPairs(of_pairs, 0.6, 20), kind)
    assert expected != estimate
    assert found.expected_accuracy == (expected if corrected else estimate)


def test_pairs_that_an_ambiguous_map_does_not_retrieve_do_not_confirm_it(monkeypatch):
    runs = RunsFromPairs(0.8, 0.6, 20)
    monkeypatch.setattr(_convergence, "relative_score", lambda *_: 1.0)
    monkeypatch.setattr(_convergence, "agreement_with_independent_runs", lambda *_, **__: 0.9)
    monkeypatch.setattr(_convergence, "runs_from_pairs", lambda *_: runs)
    monkeypatch.setattr(_convergence, "follows_pairs", lambda *_: False)
    monkeypatch.setattr(_convergence, "agreement_with_equivalent_maps", lambda *_: 0.1)
    problem = SimpleNamespace(A=np.empty((3000, 2)), B=np.empty((3000, 2)), pairs=None)
    given = SimpleNamespace(A=problem.A, B=problem.B, reduce=lambda W: W, wide=False)
    found = check_convergence(problem, given, MAP, [], "start", "stream")
    assert found.ambiguous
    expected = estimate_accuracy(0.1, 1.0, SampleKind(3000, wide=False))
    assert found.expected_accuracy == expected < 0.1


@pytest.mark.parametrize("measured", [True, False])
def test_one_threshold_of_the_expected_accuracy_decides(measured):
    for agreement, score in ((0.0, 0.0), (1.0, 1.0)):
        assert Convergence(agreement, score, 0.5, measured=measured).converged
        assert not Convergence(agreement, score, 0.499, measured=measured).converged


@pytest.mark.parametrize(
    ("agreement", "score", "ambiguous", "measured", "reason"),
    [
        (0.7, 0.399, False, False, "farther from target samples"),
        (0.7, 0.4, False, False, "too low for this number of samples"),
        (0.699, 0.1, False, False, "no independent run"),
        (0.0, 0.1, True, False, "symmetric"),
        (0.0, 0.1, False, True, "left out are retrieved"),
    ],
)
def test_the_reason_of_a_failure(agreement, score, ambiguous, measured, reason):
    evidence = Convergence(agreement, score, 0.1, 0.4, measured=measured, ambiguous=ambiguous)
    assert reason in evidence.reason


@pytest.mark.parametrize(
    ("agreement", "score", "relearned", "expected"),
    [
        (0.7, 0.4, 0.6, True),
        (0.7, 0.4, float("nan"), False),
        (0.7, 0.3, 0.6, False),
        (0.6, 0.4, 0.6, False),
    ],
)
def test_maps_of_halves_are_the_reason_if_nothing_else_is(agreement, score, relearned, expected):
    evidence = Convergence(agreement, score, 0.1, 0.4, RelearnedMaps(relearned, 0.1))
    assert ("do not fit the other half" in evidence.reason) is expected


def test_no_further_runs_where_the_accuracy_is_measured(spaces, problem, monkeypatch):
    reduced = reduce_problem(problem, np.random.RandomState(0))
    monkeypatch.setattr(_convergence, "SuccessiveHalving", None)
    evidence = check_convergence(
        problem,
        reduced,
        spaces.rotation.astype(np.float32),
        [],
        None,
        np.random.RandomState(0),
        expected_accuracy=0.9,
    )
    assert evidence.converged
    assert evidence.measured
    assert evidence.expected_accuracy == 0.9


@pytest.mark.parametrize("measured", [True, False])
def test_the_warning_has_the_figures_and_what_helps(measured):
    with pytest.warns(AlignmentWarning) as caught:
        warn_unless_converged(Convergence(0.25, 0.5, 0.125, measured=measured))
    reason, others = (
        (
            "few of the known pairs that were left out are retrieved, so that the map or some of "
            "the pairs are wrong",
            "",
        )
        if measured
        else (
            "no independent run leads to the same map",
            "; agreement_=0.250, relative_score_=0.500",
        )
    )
    assert str(caught[0].message) == (
        f"The alignment did not converge: {reason} (expected_accuracy_=0.125, needed 0.5{others}). "
        "More samples, some known pairs (pairs=...), more candidates (n_init=...) or closer "
        "encoders help."
    )
    assert type(caught[0].message) is AlignmentWarning
    warn_unless_converged(Convergence(0.75, 0.65, 0.75))


def test_the_warning_of_an_ambiguous_alignment():
    with pytest.warns(AmbiguousAlignmentWarning) as caught:
        warn_unless_converged(Convergence(0.0625, 1.0, 0.25, ambiguous=True))
    assert str(caught[0].message) == (
        "The alignment is ambiguous: the spaces are symmetric, so that several maps are equally "
        "good, and another one sends 0.062 of the samples to the same place. Only known pairs "
        "(pairs=...) that the map retrieves can tell which one is right."
    )


# ------------------------------------------------------- the decisions, with figures that are given

MAP = SimpleNamespace(shape=(2, 2))
REDUCED = SimpleNamespace(
    reduce=lambda W: "reduced map" if W is MAP else None, wide=False, pairs=None
)


@pytest.mark.parametrize(
    ("score", "independent", "with_runs", "with_pairs", "expected", "n_more"),
    [
        # A map whose score says that it is right gets many runs, any other few.
        (1.0, 2, [0.2], 0.3, 0.3, [14]),
        (0.6, 2, [0.2], 0.1, 0.2, [14]),
        (1.5, 0, [0.0], 0.0, 0.0, [16]),
        (0.59, 1, [0.2], 0.9, 0.9, [2]),
        (1.51, 1, [0.2], 0.0, 0.2, [2]),
        (0.1, 5, [0.1], 0.0, 0.1, [-2]),
        # Runs from pairs are made where others agree, too.
        (1.0, 3, [0.7], 0.0, 0.7, [13]),
        (1.0, 3, [0.7], 0.9, 0.9, [13]),
        # Agreement that is no chance brings further runs, unless there were many.
        (1.6, 1, [0.35, 0.9], 0.0, 0.9, [2, 13]),
        (1.6, 1, [0.69, 0.1], 0.2, 0.69, [2, 13]),
        (1.6, 1, [0.34], 0.0, 0.34, [2]),
        (1.6, 1, [0.7], 0.2, 0.7, [2]),
        (1.0, 1, [0.5], 0.0, 0.5, [15]),
        (0.3, 1, [0.5], 0.0, 0.5, [2]),
    ],
)
def test_how_many_runs_are_made_and_what_counts(
    monkeypatch, score, independent, with_runs, with_pairs, expected, n_more
):
    calls = []
    results = iter(with_runs)

    def runs(reduced, W, maps, start, random_state, *, n_more):
        assert (reduced, W, start, random_state) == (REDUCED, MAP, "start", "stream")
        calls.append((len(maps), n_more))
        return next(results)

    def relative(problem, W, random_state):
        assert (W, random_state) == (MAP, "stream")
        return score

    def pairs(reduced, W, random_state):
        assert (reduced, W, random_state) == (REDUCED, "reduced map", "stream")
        return RunsFromPairs(with_pairs)

    monkeypatch.setattr(_convergence, "relative_score", relative)
    monkeypatch.setattr(_convergence, "agreement_with_independent_runs", runs)
    monkeypatch.setattr(_convergence, "runs_from_pairs", pairs)
    monkeypatch.setattr(_convergence, "agreement_with_halves", lambda *_: 1.0)
    monkeypatch.setattr(_convergence, "agreement_with_equivalent_maps", lambda *_: 1.0)
    problem = SimpleNamespace(A=np.empty((900, 2)), B=np.empty((800, 2)), pairs=None)
    found = check_convergence(problem, REDUCED, MAP, ["V"] * independent, "start", "stream")
    assert (found.agreement, found.relative_score) == (expected, score)
    assert found.expected_accuracy == pytest.approx(
        estimate_accuracy(expected, score, SampleKind(800, wide=False))
    )
    assert (found.measured, found.ambiguous) == (False, False)
    assert found.min_relative_score == 0.6
    assert calls == list(zip((independent, 0), n_more, strict=False))


@pytest.mark.parametrize("is_unseen", [True, False])
def test_samples_that_the_search_has_not_seen_give_the_score(monkeypatch, is_unseen):
    def score(problem, W, random_state):
        return 0.5 if problem is unseen else 0.9

    monkeypatch.setattr(_convergence, "relative_score", score)
    monkeypatch.setattr(_convergence, "agreement_with_independent_runs", lambda *_, **__: 0.9)
    monkeypatch.setattr(_convergence, "agreement_with_halves", lambda *_: 1.0)
    monkeypatch.setattr(_convergence, "agreement_with_equivalent_maps", lambda *_: 1.0)
    problem = SimpleNamespace(A=np.empty((900, 2)), B=np.empty((800, 2)), pairs=None)
    unseen = SimpleNamespace() if is_unseen else None
    found = check_convergence(problem, REDUCED, MAP, [], "start", "stream", unseen=unseen)
    assert found.relative_score == (0.5 if is_unseen else 0.9)
    kind = SampleKind(800, wide=False, unseen=is_unseen)
    assert found.expected_accuracy == estimate_accuracy(0.9, found.relative_score, kind)
    assert found.min_relative_score == needed_relative_score(kind)


@pytest.mark.parametrize(
    ("n_samples", "n_distinct", "wide", "unseen", "measured", "expected", "n_more"),
    [
        (1500, 1500, True, False, False, (0.5, 0.3), 16),
        (1500, 1500, True, False, False, (0.9, 0.2), 16),
        # A map that halves do not lead to, or that does not fit others, is given few further runs.
        (1500, 1500, True, False, False, (0.1, 0.2), 3),
        (1500, 1500, True, False, False, (0.9, 0.0), 3),
        (1499, None, True, False, False, None, 16),
        (1500, None, False, False, False, None, 16),
        (1500, None, True, True, False, None, 16),
        (1500, None, True, False, True, None, 0),
        # Copies do not count.
        (2500, 1500, True, False, False, (0.9, 0.2), 16),
        (2500, 1499, True, False, False, None, 16),
    ],
)
@pytest.mark.parametrize("smaller", ["A", "B"])
def test_maps_that_are_learned_again(
    monkeypatch, n_samples, n_distinct, wide, unseen, measured, expected, n_more, smaller
):
    larger = {"A": "B", "B": "A"}[smaller]
    # Of 9,000 samples, the search sees 8,000.
    sides = {smaller: np.empty((n_samples, 2)), larger: np.empty((8000, 2))}
    distinct = SimpleNamespace(**{smaller: np.empty(n_distinct or 0), larger: np.empty(8000)})

    def without_copies(random_state):
        assert (random_state, n_distinct is None) == ("stream", False)
        return distinct

    given = SimpleNamespace(
        reduce=lambda W: "reduced map",
        wide=wide,
        pairs=None,
        without_copies=without_copies,
        **sides,
    )

    def relearned(reduced, W, random_state):
        assert (reduced, W, random_state) == (distinct, "reduced map", "stream")
        assert expected is not None
        return RelearnedMaps(*expected)

    def runs(*_, n_more):
        calls.append(n_more)
        return 0.9

    calls = []
    monkeypatch.setattr(_convergence, "learn_again", relearned)
    monkeypatch.setattr(_convergence, "relative_score", lambda *_: 0.9)
    monkeypatch.setattr(_convergence, "agreement_with_independent_runs", runs)
    monkeypatch.setattr(_convergence, "agreement_with_halves", lambda *_: 1.0)
    monkeypatch.setattr(_convergence, "agreement_with_equivalent_maps", lambda *_: 1.0)
    sides[larger] = np.empty((9000, 2))
    problem = SimpleNamespace(**sides, pairs=None)
    found = check_convergence(
        problem, given, MAP, [], "start", "stream",
        unseen=SimpleNamespace() if unseen else None,
        expected_accuracy=0.75 if measured else float("nan"),
    )  # fmt: skip
    assert calls == [n_more]
    np.testing.assert_equal(tuple(found.relearned), expected or (np.nan, np.nan))
    if measured:
        assert found.expected_accuracy == 0.75
    else:
        kind = SampleKind(n_distinct or n_samples, wide, unseen)
        assert found.expected_accuracy == estimate_accuracy(0.9, 0.9, kind, found.relearned)


@pytest.mark.parametrize(
    ("of_runs", "relearned", "unrivalled", "of_others", "converged", "agreement"),
    [
        # A map without rivals needs no agreement of independent runs.
        (0.1, 0.3, True, 1.0, True, 0.1),
        (0.69, 0.3, True, 1.0, True, 0.69),
        (0.1, 0.3, False, None, False, 0.1),
        # But symmetric spaces are ambiguous.
        (0.1, 0.3, True, 0.2, False, 0.1),
        (0.4, 0.3, True, 0.2, False, 0.2),
        # Rivals are looked for only where they decide.
        (0.7, 0.3, None, 1.0, True, 0.7),
        (0.1, 0.0, None, None, False, 0.1),
    ],
)
def test_maps_without_rivals(
    monkeypatch, of_runs, relearned, unrivalled, of_others, converged, agreement
):
    figures = RelearnedMaps(0.95, relearned)
    distinct = SimpleNamespace(A=np.empty(3000), B=np.empty(3000))
    given = SimpleNamespace(
        A=distinct.A, B=distinct.B, wide=True, pairs=None, reduce=lambda W: "reduced map",
        without_copies=lambda random_state: distinct,
    )  # fmt: skip

    def rivals(*given):
        assert given == (distinct, "reduced map", figures, "stream")
        assert unrivalled is not None
        return unrivalled

    def others(*_):
        assert of_others is not None
        return of_others

    monkeypatch.setattr(_convergence, "learn_again", lambda *_: figures)
    monkeypatch.setattr(_convergence, "is_unrivalled", rivals)
    monkeypatch.setattr(_convergence, "relative_score", lambda *_: 0.8)
    monkeypatch.setattr(_convergence, "agreement_with_independent_runs", lambda *_, **__: of_runs)
    monkeypatch.setattr(_convergence, "runs_from_pairs", lambda *_: NO_RUNS_FROM_PAIRS)
    monkeypatch.setattr(_convergence, "agreement_with_equivalent_maps", others)
    problem = SimpleNamespace(A=given.A, B=given.B, pairs=None)
    found = check_convergence(problem, given, MAP, [], "start", "stream")
    assert found.converged is converged
    assert found.agreement == agreement
    assert found.ambiguous is (of_others == 0.2)


@pytest.mark.parametrize(
    ("score", "of_runs", "follows", "of_others", "expected", "ambiguous"),
    [
        (1.0, 0.9, None, 0.1, 0.1, True),
        (1.0, 0.9, None, 1.0, 0.9, False),
        # Symmetry is looked for only where the map would be a success, unless it retrieves pairs.
        (0.5, 0.9, None, None, 0.9, False),
        (1.0, 0.6, None, None, 0.6, False),
        (1.0, 0.9, True, None, 0.9, False),
        (1.0, 0.9, False, 0.1, 0.1, True),
    ],
)
def test_equivalent_maps(monkeypatch, score, of_runs, follows, of_others, expected, ambiguous):
    def others(reduced, W, random_state):
        assert (reduced, W, random_state) == (REDUCED, "reduced map", "stream")
        assert of_others is not None
        return of_others

    monkeypatch.setattr(_convergence, "relative_score", lambda *_: score)
    monkeypatch.setattr(_convergence, "agreement_with_independent_runs", lambda *_, **__: of_runs)
    monkeypatch.setattr(_convergence, "runs_from_pairs", lambda *_: NO_RUNS_FROM_PAIRS)
    monkeypatch.setattr(_convergence, "agreement_with_halves", lambda *_: 1.0)
    monkeypatch.setattr(_convergence, "agreement_with_equivalent_maps", others)
    monkeypatch.setattr(_convergence, "follows_pairs", lambda *_: bool(follows))
    problem = SimpleNamespace(A=np.empty((900, 2)), B=np.empty((800, 2)), pairs=None)
    found = check_convergence(problem, REDUCED, MAP, ["V"], "start", "stream")
    assert (found.agreement, found.ambiguous) == (expected, ambiguous)
    assert found.converged is (expected == 0.9 and score == 1.0)


class Maps:
    """A reduced problem whose maps are the names of their agreement with the checked one."""

    A = B = np.zeros((1, 300))

    def __init__(self, pairs=True):
        self.pairs = pairs

    def without_pairs(self):
        return Maps(pairs=False)

    def sample(self, side, size, random_state):
        assert not self.pairs
        assert (side, size, random_state) == ("A", 1500, "stream")
        return "probe"

    def reduce(self, W):
        return f"reduced {W}"


@pytest.fixture
def scripted(monkeypatch):
    """Runs that lead to given agreements, and a record of what was run."""
    record = {"starts": [], "refined": [], "closed": 0, "script": []}

    def agreement(probe, W, V):
        assert (probe, W) == ("probe", "reduced W")
        return V

    class Steps:
        def iterate(self, problem, V, random_state):
            assert not problem.pairs
            assert random_state == "stream"
            record["refined"].append(V)
            yield V + 0.1
            yield V + 0.2

    class Runs:
        def __init__(self, problem, starts, *, random_state, n_jobs):
            assert not problem.pairs
            assert (len(starts), random_state, n_jobs) == (1, "stream", 1)
            record["starts"] += starts

        def rounds(self):
            try:
                for V in record["script"].pop(0):
                    yield Round(V)
            finally:
                record["closed"] += 1

    class Round:
        def __init__(self, V):
            self.candidates = [Candidate(V), Candidate(1.0)]

    class Candidate:
        def __init__(self, V):
            self.map = V

    monkeypatch.setattr(_convergence, "map_agreement", agreement)
    monkeypatch.setattr(_convergence, "candidate_refinements", lambda: [None, Steps()])
    monkeypatch.setattr(_convergence, "SuccessiveHalving", Runs)
    return record


def agreement_of(maps, n_more, start=None):
    return agreement_with_independent_runs(Maps(), "W", maps, start, "stream", n_more=n_more)


@pytest.mark.parametrize(
    ("maps", "refined", "expected"),
    [
        ([], [], 0.0),
        ([0.05, 0.02], [], 0.05),
        ([0.02, 0.06, 0.03], [0.06], 0.26),
        ([0.7, 0.1], [], 0.7),
        ([0.1, 0.69], [0.69], 0.89),
    ],
)
def test_the_independent_map_that_agrees_most_is_refined(scripted, maps, refined, expected):
    assert agreement_of(maps, -1) == pytest.approx(expected)
    assert scripted["refined"] == refined
    assert scripted["starts"] == []


def test_a_refinement_that_spoils_a_map_is_not_counted(scripted, monkeypatch):
    class Spoils:
        def iterate(self, problem, V, random_state):
            yield 0.0

    monkeypatch.setattr(_convergence, "candidate_refinements", lambda: [Spoils()])
    assert agreement_of([0.5], 0) == 0.5


def test_runs_end_as_soon_as_one_agrees(scripted):
    scripted["script"] = [[0.1, 0.3], [0.2, 0.7, 0.9], [1.0]]
    assert agreement_of([], 3) == 0.7
    assert len(scripted["starts"]) == scripted["closed"] == 2
    assert scripted["script"] == [[1.0]]


def test_the_largest_agreement_of_all_rounds_counts(scripted):
    scripted["script"] = [[0.1, 0.6, 0.3], [0.2]]
    assert agreement_of([0.01], 2) == 0.6
    assert scripted["closed"] == 2


def test_a_map_that_agrees_already_needs_no_run(scripted):
    assert agreement_of([0.7], 5) == 0.7
    assert scripted["starts"] == []


def test_runs_start_from_the_recipe_those_of_another_analysis_first(scripted):
    recipe = list_starts("components", "auto", "halving")
    scripted["script"] = [[0.0]] * 14
    agreement_of([], 14, start=ComponentStart(80, contrast="logcosh"))
    # The second of the recipe is the one with the same analysis; after all of them they repeat.
    order = [*(i for i in range(12) if i != 1), 1, 0, 2]
    expected = [recipe[i].get_params() for i in order]
    assert [start.get_params() for start in scripted["starts"]] == expected


def test_equal_starts_in_narrow_spaces_run_once(scripted, monkeypatch):
    monkeypatch.setattr(Maps, "A", np.zeros((1, 60)))
    scripted["script"] = [[0.0]] * 3
    agreement_of([], 3)
    assert [(s.n_components, s.contrast) for s in scripted["starts"]] == [
        (60, "skew"),
        (60, "logcosh"),
        (60, "skew"),
    ]


@pytest.mark.parametrize(
    ("score", "of_runs", "wide", "of_others", "of_halves", "expected"),
    [
        # Halves lead elsewhere: their agreement is the one that counts.
        (1.0, 0.9, False, 1.0, 0.34, 0.34),
        (1.0, 0.9, False, 1.0, 0.35, 0.9),
        # They are not asked where the verdict is known, and not in wide spaces.
        (1.0, 0.9, True, 1.0, None, 0.9),
        (1.0, 0.9, False, 0.1, None, 0.1),
        (1.0, 0.69, False, None, None, 0.69),
        (0.59, 0.9, False, None, None, 0.9),
    ],
)
def test_runs_on_halves(monkeypatch, score, of_runs, wide, of_others, of_halves, expected):
    given = SimpleNamespace(reduce=lambda W: W, wide=wide, pairs=None)

    def halves(reduced, checked, random_state):
        assert (reduced, checked, random_state) == (given, MAP, "stream")
        assert of_halves is not None
        return of_halves

    for name, value in {
        "relative_score": score,
        "agreement_with_independent_runs": of_runs,
        "runs_from_pairs": NO_RUNS_FROM_PAIRS,
        "agreement_with_equivalent_maps": of_others,
    }.items():
        monkeypatch.setattr(_convergence, name, lambda *_, value=value, **__: value)
    monkeypatch.setattr(_convergence, "agreement_with_halves", halves)
    problem = SimpleNamespace(A=np.empty((800, 2)), B=np.empty((900, 2)), pairs=None)
    found = check_convergence(problem, given, MAP, [], "start", "stream")
    assert found.agreement == expected
    assert found.ambiguous is (of_others == 0.1)


@pytest.mark.parametrize(
    ("of_halves", "confirmed", "n_samples", "expected"),
    [
        # One run in four may lead elsewhere.
        ((0.2, 0.6, 0.9, 0.7), "", 500, 0.6),
        ((0.9, 0.6, 0.7, 0.2), "", 500, 0.6),
        ((0.35, 0.9, 0.34, 0.9), "", 500, 0.35),
        # The others are not made if two do.
        ((0.9, 0.2, 0.34), "", 500, 0.34),
        ((0.2, 0.1), "", 500, 0.2),
        # A confirmed run that leads elsewhere counts, unless it has seen few samples.
        ((0.9, 0.1), "01", 500, 0.1),
        ((0.9, 0.1, 0.9, 0.8), "0100", 498, 0.8),
        ((0.9, 0.4, 0.9, 0.8), "1111", 500, 0.4),
    ],
)
def test_which_runs_on_halves_count(monkeypatch, of_halves, confirmed, n_samples, expected):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((n_samples, 3)), rng.standard_normal((600, 4))
    reduced = ReducedProblem(
        AlignmentProblem(A, B), n_components=4, n_samples=600, score_sample_size=50,
        random_state=np.random.RandomState(0),
    )  # fmt: skip
    script = iter(zip_longest(of_halves, confirmed, fillvalue="0"))
    W = np.eye(3, 4)

    class Runs:
        def __init__(self, problem, starts, *, random_state, n_jobs):
            assert (random_state is stream, n_jobs) == (True, 3)
            assert repr(starts) == repr([ComponentStart(**s) for s in ROBUST.starts])
            assert problem.pairs is None
            assert len(problem.A) == n_samples // 2

        def rounds(self):
            V, is_confirmed = next(script)
            for last in (False, True):  # The last round counts.
                candidate = SimpleNamespace(map=V if last else 1.0)
                agreement = 0.7 if last and is_confirmed == "1" else 0.69
                yield SimpleNamespace(candidates=[candidate], agreement=agreement)

    def agreement(probe, right, V):
        assert probe.shape[1] == right.shape[0]
        np.testing.assert_array_equal(right, reduced.reduce(W))
        return V

    monkeypatch.setattr(_convergence, "SuccessiveHalving", Runs)
    monkeypatch.setattr(_convergence, "map_agreement", agreement)
    monkeypatch.setattr(_convergence, "n_linear_algebra_threads", lambda: 3)
    stream = np.random.RandomState(0)
    assert agreement_with_halves(reduced, W, stream) == expected
    assert not list(script)


@pytest.mark.parametrize(
    ("fits", "expected"),
    [
        # A run whose map fits its samples less well than the map that is checked has failed.
        ([False, False], 0.9),
        ([True, False], 0.8),
        # Where the samples cannot tell, or both fit, runs count.
        ([True, True], 0.2),
        ([None, None], 0.2),
        ([None, False], 0.8),
    ],
)
def test_runs_on_halves_that_fit_less_well_do_not_count(monkeypatch, fits, expected):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((500, 3)), rng.standard_normal((600, 4))
    stream = np.random.RandomState(0)
    reduced = ReducedProblem(
        AlignmentProblem(A, B), n_components=4, n_samples=600, score_sample_size=50,
        random_state=stream,
    )  # fmt: skip
    W = np.eye(3, 4)
    agreements, answers = iter([0.1, 0.2, 0.8, 0.9]), iter(fits)
    maps = []

    class Runs:
        def __init__(self, problem, starts, **_):
            self.problem = problem

        def rounds(self):
            maps.append((self.problem, rng.standard_normal((3, 4))))
            yield SimpleNamespace(candidates=[SimpleNamespace(map=maps[-1][1])], agreement=0.0)

    def fits_as_well(A_half, B_half, V, reference, random_state):
        half, made = maps[-1]
        assert (A_half is half.A, B_half is half.B, V is made) == (True, True, True)
        np.testing.assert_array_equal(reference, reduced.reduce(W))
        assert random_state is stream
        return next(answers)

    monkeypatch.setattr(_convergence, "SuccessiveHalving", Runs)
    monkeypatch.setattr(_convergence, "map_agreement", lambda *_: next(agreements))
    monkeypatch.setattr(_convergence, "fits_as_well", fits_as_well)
    assert agreement_with_halves(reduced, W, stream) == expected
    # Only runs that lead elsewhere are asked.
    assert not list(answers)


# Independent runs on these samples agree on .4 to 1, depending on rounding.
@pytest.mark.parametrize("seed", [12, 17])
def test_maps_between_few_samples_of_unrelated_mixtures_are_no_success(seed):
    rng = np.random.default_rng(seed)
    A, B = (
        2 * rng.standard_normal((5, 14))[rng.choice(5, 130)] + rng.standard_normal((130, 14))
        for _ in range(2)
    )
    model = MiniVec2Vec(random_state=seed)
    with pytest.warns(AlignmentWarning):
        assert not model.fit(A, B).converged_
    assert model.expected_accuracy_ < 0.2


@pytest.mark.parametrize(("rank", "noise"), [(3, 0.0), (8, 0.0), (3, 0.05)])
def test_features_that_depend_on_others_do_not_make_a_space_wide(rank, noise):
    """Independent features of one distribution, of which every permutation is as good."""
    rng = np.random.default_rng(1)

    def space(width):
        axes = np.linalg.qr(rng.standard_normal((width, rank)))[0]
        X = rng.gamma(1, 1, (300, rank))
        noise_of_rows = rng.standard_normal((300, width)) * (noise * X.std() / np.sqrt(width))
        return X @ axes.T + noise_of_rows

    with pytest.warns(AlignmentWarning):
        model = MiniVec2Vec(random_state=1).fit(space(200), space(150))
    assert not model.converged_
