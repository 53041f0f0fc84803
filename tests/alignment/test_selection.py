import threading

import numpy as np
import pytest
from joblib import parallel_config

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import (
    AlignmentProblem,
    AnchorStart,
    ComponentStart,
    KnownPairs,
    PairStart,
    _pair_evidence,
    _selection,
)
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._problem import ReducedProblem
from sklearn_align.alignment._recipes import SelectionSettings
from sklearn_align.alignment._selection import (
    Candidate,
    Round,
    SuccessiveHalving,
    candidate_refinements,
    consensus,
    limit_components,
    reduce_problem,
    refine,
    same_analysis,
)
from sklearn_align.alignment._steps import list_starts
from tests.alignment.counting import (
    FIRST,
    PAIRS,
    SECOND,
    Counting,
    CountingProblem,
    Quality,
    QualityOfPairs,
)

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


@pytest.mark.parametrize(("n_threads", "n_jobs", "expected"), [(3, None, 3), (1, 2, 2), (1, 1, 1)])
def test_maps_are_learned_again_on_the_threads_of_blas(
    reduced, monkeypatch, n_threads, n_jobs, expected
):
    seen = []

    def learn_again(problem, W, n_directions, random_state, workers, parallel):
        seen.append(parallel.n_jobs)
        return W

    monkeypatch.setattr(_selection, "n_linear_algebra_threads", lambda: n_threads)
    monkeypatch.setattr(_selection, "learn_again_from_leading_part", learn_again)
    halving = SuccessiveHalving(
        reduced, COMPONENT_STARTS[:1], random_state=np.random.RandomState(0), n_jobs=n_jobs
    )
    halving._learns_again = True
    list(halving.rounds())
    assert set(seen) == {expected}


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
    # The nearest one need not have the best score.
    state = Round(
        [candidate(one, None, 3.0), *(candidate(W, NamedStart(), 2.0) for W in (other, one))],
        probe,
    )
    assert state.agreement == expected
    assert [W is other for W in state.independent_maps] == [True]
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


def test_weights_of_the_consensus_are_those_of_the_leading_eigenvector():
    maps = [orthogonal(seed, 5).astype(np.float32) for seed in range(4)]
    inner = np.array(
        [[0.0 if i == j else np.vdot(maps[i], maps[j]) for j in range(4)] for i in range(4)]
    )
    values, vectors = np.linalg.eigh(inner)
    mean = np.tensordot(vectors[:, values.argmax()] ** 2, maps, axes=1)
    U, _, Vt = np.linalg.svd(mean)
    found = consensus(maps)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, U @ Vt, atol=1e-4)


def test_the_consensus_of_maps_between_spaces_of_other_widths_has_their_shape():
    W = orthogonal(0)[:, :5]
    np.testing.assert_allclose(consensus([W, W]), W, atol=1e-9)


def test_the_reduced_problem_has_the_sizes_of_the_settings(monkeypatch):
    rng = np.random.default_rng(0)
    A, B = (unit_rows(rng.standard_normal((n, 7))) for n in (90, 80))
    settings = SelectionSettings(n_components=4, n_samples=70, n_probe_samples=30)
    monkeypatch.setattr(_selection, "SELECTION", settings)
    reduced = reduce_problem(AlignmentProblem(A, B), np.random.RandomState(0))
    expected = ReducedProblem(
        AlignmentProblem(A, B),
        n_components=4,
        n_samples=70,
        score_sample_size=30,
        random_state=np.random.RandomState(0),
    )
    np.testing.assert_array_equal(reduced.A, expected.A)
    np.testing.assert_array_equal(reduced.B, expected.B)
    assert reduced.score(np.eye(4)) == expected.score(np.eye(4))


def test_refinements_follow_one_another(probe):
    class Adds:
        def __init__(self, step):
            self.step = step

        def iterate(self, problem, W, random_state):
            assert problem is probe
            for _ in range(2):
                W = W + self.step * random_state
                yield W

    maps = [float(W) for W in refine([Adds(1), Adds(10)], probe, np.float64(0), 3)]
    assert maps == [3, 6, 36, 66]
    early, late = candidate_refinements()
    assert early.get_params() == {**early.get_params(), **_selection.SELECTION.early}
    assert late.get_params() == {**late.get_params(), **_selection.SELECTION.late}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ComponentStart(10), ComponentStart(10, matched_fraction=0.5), True),
        (ComponentStart(10), ComponentStart(11), False),
        (ComponentStart(10), AnchorStart(), False),
        (AnchorStart(), AnchorStart(), False),
        (AnchorStart(), ComponentStart(10), False),
        (None, ComponentStart(10), False),
        (ComponentStart(10), None, False),
        (None, None, False),
    ],
)
def test_starts_of_one_analysis(one, other, same):
    assert same_analysis(one, other) is same


@pytest.mark.parametrize(("n_A", "n_B"), [(9, 7), (7, 9)])
def test_starts_ask_for_no_more_components_than_the_narrower_space_has(n_A, n_B):
    problem = AlignmentProblem(np.eye(9)[:, :n_A], np.eye(9)[:, :n_B])
    few, anchors = ComponentStart(6), AnchorStart()
    limited = limit_components([few, ComponentStart(8), anchors], problem)
    assert limited[0] is few
    assert limited[1].n_components == 7
    assert limited[2] is anchors


# ------------------------------------------------------- rounds with maps that are counters


def states_of(problem, starts, **options):
    halving = SuccessiveHalving(
        problem, starts, random_state=np.random.RandomState(0), n_jobs=1, **options
    )
    return halving.rounds()


def rounds_of(problem, starts, **options):
    # Maps are replaced as the selection goes on.
    return [
        ([tuple(c.map[0]) for c in state.candidates], [c.start for c in state.candidates])
        for state in states_of(problem, starts, **options)
    ]


@pytest.mark.usefixtures("counters")
def test_batches_full_rounds_and_final_rounds():
    starts = [Quality(q) for q in (3.0, 1.0, 7.0, 2.0, 6.0, 5.0, 4.0)]
    found = rounds_of(CountingProblem(rise=0.01), starts)
    expected = [
        [(q, 15.0) for q in (7, 3, 1)],
        [(q, 15.0) for q in (7, 6, 5, 3, 2, 1)],
        *([(q, float(n)) for q in (7, 6, 5, 4, 3, 2, 1)] for n in (15, 30, 60)),
        *([(q, float(n)) for q in (57, 7, 6, 5, 4)] for n in (90, 120, 150)),
    ]
    assert [maps for maps, _ in found] == expected
    assert found[-1][1] == [None, *(starts[i] for i in (2, 4, 5, 6))]


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize(
    ("rise", "most", "n_rounds"),
    [
        (0.0, 1000, 1),
        (0.0009 / 30, 1000, 1),
        (0.0011 / 30, 1000, 3),
        (-1.0, 1000, 1),
        (0.01, 60, 1),
        (0.01, 90, 2),
        (0.01, 120, 3),
    ],
)
def test_final_rounds_end_when_the_best_score_does_not_rise(rise, most, n_rounds):
    # The consensus, of the least quality, does not change the best score.
    starts = [Quality(100.0), Quality(99.0)]
    assert len(rounds_of(CountingProblem(rise, most), starts)) == 1 + 2 + n_rounds


@pytest.mark.usefixtures("counters")
def test_without_refinements_the_first_maps_are_compared(monkeypatch):
    monkeypatch.setattr(_selection, "candidate_refinements", list)
    maps = [maps for maps, _ in rounds_of(CountingProblem(), [Quality(1.0), Quality(2.0)])]
    assert maps == [[(2.0, 0.0), (1.0, 0.0)]] * 3 + [[(52.0, 0.0), (2.0, 0.0), (1.0, 0.0)]] * 2


@pytest.mark.usefixtures("counters")
def test_candidates_run_at_the_same_time_in_threads_of_this_process():
    barrier = threading.Barrier(2, timeout=20)

    class Waits(Quality):
        def initial_map(self, problem, random_state):
            barrier.wait()
            return super().initial_map(problem, random_state)

    halving = SuccessiveHalving(
        CountingProblem(),
        [Waits(1.0), Waits(2.0)],
        random_state=np.random.RandomState(0),
        n_jobs=2,
    )
    # Whatever backend the caller has chosen: generators do not leave a process.
    with parallel_config("loky"):
        assert [state.candidates[0].map[0, 0] for state in halving.rounds()][:3] == [2.0] * 3


@pytest.mark.usefixtures("counters")
def test_a_single_start_has_no_final_rounds():
    found = rounds_of(CountingProblem(), [Quality(1.0)])
    assert [maps for maps, _ in found] == [[(1.0, n)] for n in (15.0, 30.0, 60.0)]


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize("agreement", [0.8, 0.81])
@pytest.mark.parametrize(
    ("iterations", "n_rounds"), [(15, 1), (30, 3), (60, 4), (90, 5), (120, 6), (150, 7)]
)
def test_agreement_above_the_threshold_ends_the_selection(
    monkeypatch, agreement, iterations, n_rounds
):
    def agree(probe, W, V):
        np.testing.assert_array_equal(probe, np.random.RandomState(0).random_sample(3))
        return agreement if W[0, 1] >= iterations else 0.0

    monkeypatch.setattr(_selection, "map_agreement", agree)
    starts = [Quality(q) for q in (4.0, 3.0, 2.0, 1.0)]
    found = rounds_of(CountingProblem(rise=0.01), starts)
    assert len(found) == (n_rounds if agreement > 0.8 else 7)


@pytest.mark.usefixtures("counters")
def test_every_candidate_has_its_own_random_stream():
    starts = [Quality(q) for q in (4.0, 3.0, 2.0, 1.0)]
    problem = CountingProblem()
    rounds_of(problem, starts)
    stream = np.random.RandomState(0)
    stream.random_sample(3)
    seeds = stream.randint(2**31 - 1, size=5)
    for start, seed in zip(starts, seeds, strict=False):
        assert start.problem.pairs is None
        assert start.draw == np.random.RandomState(seed).random_sample()


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize(
    ("retrieved", "expected"),
    [
        # Those that retrieve less than half as many as the best one come last.
        ({1.0: 0.3, 2.0: 0.14, 3.0: 0.15}, [3, 1, 4, 2]),
        ({1.0: 0.3, 2.0: 0.3, 4.0: 0.2}, [4, 2, 1, 3]),
        ({1.0: 0.06, 2.0: 0.04}, [1, 4, 3, 2]),
        # Chance retrieves as many.
        ({1.0: 0.04, 2.0: 0.03}, [4, 3, 2, 1]),
        ({}, [4, 3, 2, 1]),
    ],
)
def test_candidates_that_retrieve_pairs_come_first(shares, retrieved, expected):
    shares.update(retrieved)
    starts = [Quality(q) for q in (1.0, 2.0, 3.0, 4.0)]
    maps = [maps for maps, _ in rounds_of(CountingProblem(pairs=PAIRS), starts)]
    assert [quality for quality, _ in maps[1]] == expected


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize(("share", "n_rounds"), [(0.49, 7), (0.5, 1)])
def test_pairs_that_the_best_candidate_retrieves_end_the_selection(shares, share, n_rounds):
    # Its score is not the best one.
    shares[1.0] = share
    starts = [Quality(q) for q in (1.0, 2.0, 3.0, 4.0)]
    rounds = rounds_of(CountingProblem(rise=0.01, pairs=PAIRS), starts)
    assert len(rounds) == n_rounds
    assert len(rounds_of(CountingProblem(rise=0.01), starts)) == 7


@pytest.mark.usefixtures("counters")
def test_one_pair_of_two_ends_no_selection(shares):
    shares[4.0] = 0.5
    starts = [Quality(q) for q in (4.0, 3.0)]
    assert len(rounds_of(CountingProblem(pairs=PAIRS[:2]), starts)) > 1
    shares[4.0] = 1.0
    assert len(rounds_of(CountingProblem(pairs=PAIRS[:2]), starts)) == 1


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize(
    ("of_second", "of_first", "n_rounds"),
    # Maps from each half retrieve the other one: 30 and 10 of the 40 pairs.
    [(1.0, 0.33, 7), (1.0, 0.34, 1), (0.2, 0.6, 1), (0.0, 0.66, 7)],
)
def test_a_map_from_pairs_is_judged_by_maps_from_halves(shares, of_second, of_first, n_rounds):
    # A map from all pairs retrieves these, and that is no evidence.
    shares |= {(60.0, PAIRS): 1.0, (60.0, SECOND): of_second, (60.0, FIRST): of_first}
    starts = [QualityOfPairs(60.0), Quality(1.0), Quality(2.0), Quality(3.0)]
    rounds = rounds_of(CountingProblem(rise=0.01, pairs=PAIRS), starts)
    assert len(rounds) == n_rounds
    assert rounds[0][0][0] == (60.0, 15.0)


@pytest.mark.usefixtures("counters", "shares")
@pytest.mark.parametrize(("agreement", "best"), [(0.8, 3.0), (0.81, 2.0)])
def test_a_map_from_pairs_is_better_than_one_that_agrees_with_it(monkeypatch, agreement, best):
    monkeypatch.setattr(
        _selection, "map_agreement", lambda probe, W, V: agreement if V[0, 0] == 2 else 0.1
    )
    starts = [QualityOfPairs(2.0), Quality(3.0), Quality(1.0)]
    (first, *_), *_ = (maps for maps, _ in rounds_of(CountingProblem(pairs=PAIRS), starts))
    assert first[0] == best


@pytest.mark.usefixtures("counters")
def test_a_map_from_pairs_too_few_to_split_is_ranked_by_its_score(monkeypatch, shares):
    monkeypatch.setattr(_selection, "halves_of_pairs", lambda pairs, stream: None)
    shares[60.0] = 1.0
    rounds = rounds_of(CountingProblem(pairs=PAIRS[:3]), [QualityOfPairs(60.0), Quality(61.0)])
    assert len(rounds) > 1
    assert [quality for quality, _ in rounds[0][0]] == [61.0, 60.0]


@pytest.mark.usefixtures("counters")
def test_maps_from_halves_are_refined_as_long_as_the_map_from_all_pairs(monkeypatch, shares):
    seen = {FIRST: [], SECOND: []}

    def retrieval_of_pairs(W, pairs, B, random_state):
        if pairs in seen:
            seen[pairs].append(W[0, 1])
        return 0.0

    monkeypatch.setattr(_pair_evidence, "retrieval_of_pairs", retrieval_of_pairs)
    rounds = rounds_of(CountingProblem(rise=0.01, pairs=PAIRS), [QualityOfPairs(9.0), Quality(1.0)])
    of_pairs = [n for maps, _ in rounds for quality, n in maps if quality == 9]
    assert len(of_pairs) == len(rounds) > 3
    assert seen == {FIRST: of_pairs, SECOND: of_pairs}


@pytest.mark.usefixtures("counters", "shares")
def test_only_initializations_from_pairs_see_them():
    starts = [QualityOfPairs(3.0), Quality(2.0)]
    rounds_of(CountingProblem(pairs=PAIRS), starts)
    # The last map is that of half of the pairs.
    assert starts[0].problem.pairs == SECOND
    assert starts[1].problem.pairs is None


@pytest.mark.usefixtures("counters", "shares")
def test_maps_from_the_same_pairs_do_not_confirm_one_another(monkeypatch):
    monkeypatch.setattr(_selection, "map_agreement", lambda probe, W, V: 0.9)
    starts = [QualityOfPairs(3.0), QualityOfPairs(2.0)]
    states = list(states_of(CountingProblem(rise=0.01, pairs=PAIRS), starts))
    assert len(states) > 1
    assert {state.agreement for state in states} == {0.0}


@pytest.mark.usefixtures("counters", "shares")
def test_a_consensus_confirms_no_part_of_it_but_maps_from_pairs(monkeypatch):
    """With one other candidate, it is the first map of that one."""
    monkeypatch.setattr(
        _selection, "map_agreement", lambda probe, W, V: 0.75 if V[0, 0] == 3 else 0.7
    )
    starts = [QualityOfPairs(3.0), Quality(2.0)]
    *_, state = states_of(CountingProblem(rise=0.01, pairs=PAIRS), starts)
    assert state.candidates[0].start is None
    assert [V[0, 0] for V in state.independent_maps] == [3.0]
    assert state.agreement == 0.75


@pytest.mark.usefixtures("counters", "shares")
def test_maps_from_pairs_alone_have_no_consensus():
    starts = [QualityOfPairs(3.0), QualityOfPairs(2.0)]
    maps, _ = rounds_of(CountingProblem(rise=0.01, pairs=PAIRS), starts)[-1]
    assert sorted(quality for quality, _ in maps) == [2.0, 3.0]


@pytest.mark.usefixtures("counters", "shares")
def test_only_refinements_of_maps_from_pairs_see_them(monkeypatch):
    seen = []

    class Recording(Counting):
        def iterate(self, problem, W, random_state):
            seen.append((W[0, 0], problem.pairs, random_state.random_sample()))
            yield from super().iterate(problem, W, random_state)

    monkeypatch.setattr(_selection, "candidate_refinements", lambda: [Recording()])
    rounds_of(CountingProblem(pairs=PAIRS), [QualityOfPairs(2.0), Quality(1.0)])
    assert [record[:2] for record in seen] == [
        (2.0, PAIRS),
        (2.0, FIRST),
        (2.0, SECOND),
        (1.0, None),
        # The consensus is that of the others.
        (51.0, None),
    ]
    stream = np.random.RandomState(0)
    stream.random_sample(3)
    draws = [
        np.random.RandomState(seed).random_sample(4) for seed in stream.randint(2**31 - 1, size=3)
    ]
    # Both maps from halves have one stream, which is not that of the map from all pairs.
    assert [record[2] for record in seen] == [
        draws[0][1], draws[0][2], draws[0][3], draws[1][1], draws[2][0]
    ]  # fmt: skip


def test_the_mean_corrects_what_each_candidate_has_wrong(reduced, monkeypatch):
    class Projecting:
        def iterate(self, problem, W, random_state):
            while True:
                W = polar_factor(W)
                yield W

    class Given:
        """The right map, but for the sign of one direction."""

        def __init__(self, wrong):
            self.analysis = wrong

        def initial_map(self, problem, random_state):
            W = right.copy()
            W[:, self.analysis] *= -1
            return W

    problem = reduced.without_pairs()
    problem.wide = True
    right = polar_factor(np.random.default_rng(0).standard_normal((24, 24)).astype(np.float32))
    assert problem.A.shape[1] == problem.B.shape[1] == len(right)
    monkeypatch.setattr(_selection, "candidate_refinements", lambda: [Projecting()])
    monkeypatch.setattr(ReducedProblem, "score", lambda self, W: np.vdot(W, right) / len(right))
    halving = SuccessiveHalving(
        problem, [Given(k) for k in (21, 22, 23)], random_state=np.random.RandomState(0), n_jobs=1
    )
    *_, state = halving.rounds()
    np.testing.assert_allclose(state.candidates[0].map, right, atol=1e-5)
