import numpy as np
import pytest

from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import AlignmentProblem, ComponentStart, KnownPairs, PairStart
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._selection import (
    Candidate,
    Round,
    SuccessiveHalving,
    consensus,
    reduce_problem,
)
from sklearn_align.alignment._steps import list_starts

COMPONENT_STARTS = list_starts("components", "auto", "halving")


@pytest.fixture(scope="module")
def problem(spaces):
    A, B = (unit_rows(X, X.mean(axis=0)) for X in (spaces.XA, spaces.XB))
    pairs = KnownPairs(
        unit_rows(spaces.XA_test[:40], spaces.XA.mean(axis=0)),
        unit_rows(spaces.XB_test[:40], spaces.XB.mean(axis=0)),
        1.0,
    )
    return AlignmentProblem(A, B, pairs)


@pytest.fixture(scope="module")
def reduced(problem):
    return reduce_problem(problem, np.random.RandomState(0))


def orthogonal(seed, n=8):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def run(reduced, starts, n_jobs=1, seed=0):
    halving = SuccessiveHalving(
        reduced, starts, random_state=np.random.RandomState(seed), n_jobs=n_jobs
    )
    return list(halving.rounds())


@pytest.mark.parametrize("contrast", ["skew", "logcosh"])
def test_a_start_from_components_is_a_partial_isometry(reduced, contrast):
    W = ComponentStart(10, contrast=contrast).initial_map(reduced, np.random.RandomState(0))
    singular = np.linalg.svd(W, compute_uv=False)
    np.testing.assert_allclose(singular[:10], 1, atol=1e-6)
    np.testing.assert_allclose(singular[10:], 0, atol=1e-6)


def test_a_start_from_pairs_maps_them_onto_one_another(reduced):
    W = PairStart().initial_map(reduced, np.random.RandomState(0))
    cosine = np.einsum("ij,ij->i", unit_rows(reduced.pairs.A @ W), reduced.pairs.B)
    assert cosine.mean() > 0.85


def test_a_start_from_pairs_leaves_what_they_do_not_span(reduced):
    few = reduced.without_pairs()
    few.pairs = KnownPairs(reduced.pairs.A[:3], reduced.pairs.B[:3], 1.0)
    assert np.linalg.matrix_rank(PairStart().initial_map(few, np.random.RandomState(0))) == 3


def test_a_start_from_pairs_needs_pairs(reduced):
    with pytest.raises(ValueError, match="needs known pairs"):
        PairStart().initial_map(reduced.without_pairs(), np.random.RandomState(0))


def test_consensus_of_equal_maps_is_the_map():
    W = orthogonal(0)
    np.testing.assert_allclose(consensus([W, W, W]), W, atol=1e-9)


def test_consensus_finds_what_a_minority_shares():
    W, n = orthogonal(0, 30), 30
    maps = [orthogonal(seed, n) for seed in range(1, 8)]
    rng = np.random.default_rng(9)
    for _ in range(4):
        near = W + 0.05 * rng.standard_normal((n, n))
        maps.append(np.linalg.svd(near)[0] @ np.linalg.svd(near)[2])
    found = consensus(maps)
    np.testing.assert_allclose(found @ found.T, np.eye(n), atol=1e-9)
    assert np.vdot(found, W) / n > 0.9


def test_consensus_does_not_depend_on_the_order():
    maps = [orthogonal(seed) for seed in range(5)]
    np.testing.assert_allclose(consensus(maps[::-1]), consensus(maps), atol=1e-9)


def test_the_selection_ends_when_two_independent_starts_agree(reduced):
    rounds = run(reduced.without_pairs(), COMPONENT_STARTS)
    last = rounds[-1]
    assert last.agreement > 0.8
    assert len(last.candidates) < len(COMPONENT_STARTS)
    assert all(state.agreement <= 0.8 for state in rounds[:-1])
    best = last.candidates[0]
    assert best.score == max(candidate.score for candidate in last.candidates)
    assert max(
        map_agreement(reduced.A, best.map, independent) for independent in last.independent_maps
    ) == pytest.approx(last.agreement, abs=0.05)


def test_the_selection_continues_while_none_agree(reduced):
    noise = np.random.default_rng(0).standard_normal(reduced.B.shape).astype(np.float32)
    unrelated = reduced.without_pairs()
    unrelated.B, unrelated.coordinates_B = unit_rows(noise), noise
    rounds = run(unrelated, COMPONENT_STARTS[:4])
    assert len(rounds) > 3
    assert rounds[-1].agreement < 0.5
    # Only the best ones and the consensus of all are refined further.
    assert len(rounds[-1].candidates) <= 5


def test_a_single_start_is_not_compared_with_anything(reduced):
    rounds = run(reduced.without_pairs(), COMPONENT_STARTS[:1])
    assert all(state.agreement == 0 for state in rounds)
    assert all(state.independent_maps == [] for state in rounds)


def test_a_fraction_of_the_components_is_matched(reduced):
    W = ComponentStart(10, matched_fraction=0.7).initial_map(reduced, np.random.RandomState(0))
    assert np.linalg.matrix_rank(W, tol=1e-3) == 7


def test_repeats_of_one_analysis_are_no_independent_runs(reduced):
    rounds = run(reduced.without_pairs(), [COMPONENT_STARTS[0]] * 3)
    best = rounds[0].candidates[0]
    width = min(reduced.A.shape[1], reduced.B.shape[1])
    assert best.start.get_params() == {
        "n_components": width,
        "contrast": "skew",
        "matched_fraction": 1.0,
    }
    assert rounds[0].independent_maps == []
    assert rounds[0].agreement == 0


def test_only_the_start_from_pairs_sees_the_pairs(reduced):
    class Spy:
        def initial_map(self, problem, random_state):
            return np.eye(problem.A.shape[1], problem.B.shape[1], dtype=np.float32)

    with_pairs = run(reduced, [Spy()])[0].candidates[0].map
    without = run(reduced.without_pairs(), [Spy()])[0].candidates[0].map
    np.testing.assert_array_equal(with_pairs, without)


def test_the_result_does_not_depend_on_the_number_of_threads(reduced):
    results = [run(reduced, COMPONENT_STARTS[:4], n_jobs=n_jobs) for n_jobs in (1, 2)]
    assert [len(result) for result in results].count(len(results[0])) == 2
    for one, two in zip(*results, strict=True):
        assert one.agreement == two.agreement
        for a, b in zip(one.candidates, two.candidates, strict=True):
            assert a.score == b.score
            assert a.map.tobytes() == b.map.tobytes()


class NamedStart:
    """An initialization of its own kind, unless it shares its analysis with another."""

    def __init__(self, analysis=None):
        self.analysis = analysis


def candidate(W, start, score):
    return Candidate(W, iter(()), start, score)


@pytest.fixture(scope="module")
def probe():
    return unit_rows(np.random.default_rng(3).standard_normal((200, 8)))


def test_agreement_is_the_largest_with_an_independent_map(probe):
    one, near, other = orthogonal(0), orthogonal(0), orthogonal(1)
    state = Round(
        [
            candidate(one, NamedStart(), 3.0),
            candidate(other, NamedStart(), 2.0),
            candidate(near, NamedStart(), 1.0),
        ],
        probe,
    )
    assert state.agreement == 1
    assert len(state.independent_maps) == 2


def test_the_candidate_nearest_to_the_consensus_is_no_evidence_for_it(probe):
    one, other = orthogonal(0), orthogonal(1)
    expected = map_agreement(probe, one, other)
    assert expected < 0.2
    state = Round(
        [
            candidate(one, None, 3.0),
            candidate(one, NamedStart(), 2.0),
            candidate(other, NamedStart(), 1.0),
        ],
        probe,
    )
    assert state.agreement == expected
    assert [W is other for W in state.independent_maps] == [True]
    # A second candidate that agrees is evidence.
    state = Round(
        [candidate(one, None, 3.0), *(candidate(one, NamedStart(), 2.0) for _ in range(2))], probe
    )
    assert state.agreement == 1
    alone = Round([candidate(one, None, 3.0), candidate(one, NamedStart(), 2.0)], probe)
    assert alone.agreement == 0
    assert alone.independent_maps == []


def test_the_consensus_and_repeats_of_an_analysis_are_no_evidence_for_a_candidate(probe):
    W = orthogonal(0)
    best = candidate(W, NamedStart("components"), 3.0)
    for other in (candidate(W, None, 2.0), candidate(W, NamedStart("components"), 2.0)):
        state = Round([best, other], probe)
        assert state.agreement == 0
        assert state.independent_maps == []
    assert Round([best, candidate(W, NamedStart("anchors"), 2.0)], probe).agreement == 1
