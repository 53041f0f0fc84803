"""What the selection makes of its best candidate at the end, between wide spaces."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_align.alignment import _selection
from sklearn_align.alignment._selection import SuccessiveHalving
from tests.alignment.counting import (
    FIRST,
    PAIRS,
    SECOND,
    Counting,
    CountingProblem,
    Quality,
    QualityOfPairs,
)


class WideCountingProblem(CountingProblem):
    """The same between wide spaces."""

    wide = True

    def with_pairs(self, pairs):
        return WideCountingProblem(self.rise, self.most, pairs)


@pytest.fixture
def wide_counters(counters, monkeypatch):
    """Without reflections; the consensus is worse than all other candidates."""
    monkeypatch.setattr(SuccessiveHalving, "_best_reflection", lambda self, *_: None)
    monkeypatch.setattr(_selection, "consensus", lambda maps: np.array([[0.0, 0.0]]))


def last_states(problem, starts, **options):
    halving = SuccessiveHalving(
        problem, starts, random_state=np.random.RandomState(0), n_jobs=1, **options
    )
    return list(halving.rounds())[-2:]


@pytest.mark.usefixtures("wide_counters")
@pytest.mark.parametrize(("agreement", "independent"), [(0.6, False), (0.8, False), (0.81, True)])
@pytest.mark.parametrize("analyses", [(1, 2, 3), (None, None, None)])
def test_the_mean_of_candidates_that_agree_is_refined(
    monkeypatch, agreement, independent, analyses
):
    def agree(probe, W, V):
        qualities = {round(W[0, 0]), round(V[0, 0])}
        return agreement if qualities in ({9, 7}, {9, 8}) else 0.59

    monkeypatch.setattr(_selection, "map_agreement", agree)
    starts = [Quality(9.0), Quality(7.0), Quality(5.0)]
    for start, analysis in zip(starts, analyses, strict=True):
        start.analysis = analysis
    before, state = last_states(WideCountingProblem(rise=1.0), starts)
    n_iter = before.candidates[[c.start for c in before.candidates].index(starts[0])].map[0, 1]
    mean = next(c for c in state.candidates if c.map[0, 0] == 8)
    # Both have run as many iterations, and 30 more follow.
    assert mean.map[0, 1] == n_iter + 30
    assert mean.start is before.candidates[0].start
    assert state.agreement == before.agreement
    # Maps that the mean was made of are evidence only where they were before, the best one never.
    qualities = {V[0, 0] for V in state.independent_maps}
    assert qualities - {0.0} == ({5.0, 7.0} if independent else {5.0})


@pytest.mark.usefixtures("wide_counters")
@pytest.mark.parametrize(
    ("problem", "agreement"), [(CountingProblem, 0.9), (WideCountingProblem, 0.59)]
)
def test_no_mean_between_narrow_spaces_or_of_maps_that_differ(monkeypatch, problem, agreement):
    monkeypatch.setattr(_selection, "map_agreement", lambda probe, W, V: agreement)
    states = last_states(problem(rise=1.0), [Quality(9.0), Quality(7.0)])
    assert {c.map[0, 0] for c in states[-1].candidates} <= {9.0, 7.0, 0.0}


@pytest.mark.usefixtures("wide_counters")
def test_a_mean_of_lower_score_comes_after_the_best_candidate(monkeypatch):
    monkeypatch.setattr(_selection, "map_agreement", lambda probe, W, V: 0.9)
    before, state = last_states(WideCountingProblem(), [Quality(9.0), Quality(7.0)])
    assert [c.map[0, 0] for c in state.candidates] == [9.0, 8.0, 7.0]
    assert state.independent_maps == before.independent_maps
    assert [V[0, 0] for V in state.independent_maps] == [7.0]


@pytest.mark.usefixtures("wide_counters", "shares")
@pytest.mark.parametrize("from_pairs", [True, False])
def test_the_mean_is_fitted_to_pairs_if_the_best_candidate_is(monkeypatch, from_pairs):
    monkeypatch.setattr(_selection, "map_agreement", lambda probe, W, V: 0.9)
    seen = []

    class Recording(Counting):
        def iterate(self, problem, W, random_state):
            seen.append(problem.pairs)
            yield from super().iterate(problem, W, random_state)

    monkeypatch.setattr(_selection, "candidate_refinements", lambda: [Recording()])
    start = QualityOfPairs(9.0) if from_pairs else Quality(9.0)
    states = last_states(WideCountingProblem(rise=1.0, pairs=PAIRS), [start, Quality(7.0)])
    assert states[-1].candidates[0].map[0, 0] == 8
    assert seen[-1] == (PAIRS if from_pairs else None)


@pytest.mark.usefixtures("wide_counters", "shares")
def test_a_map_from_pairs_is_no_part_of_the_mean_of_others(monkeypatch):
    """Pairs judge this mean, which must not be fitted to them."""
    monkeypatch.setattr(_selection, "map_agreement", lambda probe, W, V: 0.7)
    problem = WideCountingProblem(rise=1.0, pairs=PAIRS)
    *_, state = last_states(problem, [Quality(9.0), QualityOfPairs(7.0), Quality(5.0)])
    qualities = {c.map[0, 0] for c in state.candidates}
    # The mean of 9 and 5, and of the consensus, which is 0 and agrees as well.
    assert {9.0, 7.0, 5.0, 14 / 3} <= qualities


@pytest.mark.usefixtures("wide_counters", "shares")
@pytest.mark.parametrize("relearned", [False, True])
def test_a_map_made_of_the_best_one_does_not_make_a_third_one_the_best(monkeypatch, relearned):
    """The evidence is that for the best one, and a part of it is the third map."""
    made = 10.0 if relearned else 8.0

    def agree(probe, W, V):
        qualities = {W[0, 0], V[0, 0]}
        if qualities == {made, 6.0}:
            # The map from pairs.
            return 0.85
        return 0.7 if qualities == {9.0, 7.0} and not relearned else 0.5

    monkeypatch.setattr(_selection, "map_agreement", agree)
    monkeypatch.setattr(
        _selection, "learn_again_from_leading_part", lambda *_: np.array([[10.0, 0.0]])
    )
    problem = WideCountingProblem(rise=0 if relearned else 1.0, pairs=PAIRS)
    starts = [Quality(9.0), QualityOfPairs(6.0), Quality(7.0)]
    before, state = last_states(problem, starts, learn_again=relearned)
    best = state.candidates[0]
    assert best.map[0, 0] == made
    assert best.start is starts[0]
    assert all(V[0, 0] not in (9.0, made) for V in state.independent_maps)
    assert state.agreement == before.agreement


@pytest.mark.usefixtures("wide_counters")
def test_halves_of_the_pairs_judge_maps_made_of_the_best_one_as_that_one(monkeypatch, shares):
    """Their maps are neither averaged nor learned again."""
    monkeypatch.setattr(_selection, "map_agreement", lambda probe, W, V: 0.7)
    monkeypatch.setattr(
        _selection, "learn_again_from_leading_part", lambda *_: np.array([[7.0, 0.0]])
    )
    shares.update({(9.0, FIRST): 0.06, (9.0, SECOND): 0.06})
    starts = [QualityOfPairs(9.0), Quality(8.0)]
    problem = WideCountingProblem(rise=1.0, pairs=PAIRS)
    *_, state = last_states(problem, starts, learn_again=True)
    of_pairs = [c for c in state.candidates if c.start is starts[0]]
    # The consensus, 0, is a part of the mean.
    assert {c.map[0, 0] for c in of_pairs} == {9.0, 17 / 3, 7.0}
    assert {c.share_of_pairs for c in of_pairs} == {0.06}
    halves = {id(half) for c in of_pairs for half in c.halves}
    assert len(halves) == 2


@pytest.fixture
def learned(monkeypatch):
    """Calls that learn a map again, and the qualities of their results."""

    class Calls(list):
        qualities = (10.0,)

    calls = Calls()

    def learn(problem, W, n_directions, random_state, workers, parallel):
        calls.append((problem, W[0, 0], n_directions, random_state.random_sample()))
        assert parallel([]) == []
        return np.array([[calls.qualities[len(calls) - 1], 0.0]])

    monkeypatch.setattr(_selection, "learn_again_from_leading_part", learn)
    return calls


@pytest.mark.usefixtures("wide_counters")
@pytest.mark.parametrize("qualities", [(9.0,), (10.0,), (8.0, 9.5), (8.0, 8.5)])
def test_the_best_map_is_learned_again_at_the_end(learned, qualities):
    learned.qualities = qualities
    starts = [Quality(9.0), Quality(7.0)]
    before, state = last_states(WideCountingProblem(), starts, learn_again=True)
    stream = np.random.RandomState(0)
    stream.random_sample(3)
    stream.randint(2**31 - 1, size=3)
    # From more directions, if the score is lower.
    for (problem, quality, n_directions, draw), expected in zip(learned, (8, 16), strict=False):
        assert (problem.wide, problem.pairs, quality) == (True, None, 9.0)
        assert n_directions == expected
        assert draw == stream.random_sample()
    assert len(learned) == len(qualities)
    best = state.candidates[0]
    assert best.map[0, 0] == max(*qualities, 9.0)
    # Of two equal scores, the map that was learned again, which has no iterations.
    assert (best.map[0, 1] == 0) == (qualities[-1] >= 9)
    assert best.start is starts[0]
    assert len(state.candidates) == len(before.candidates) + 1
    assert (state.agreement, state.independent_maps) == (before.agreement, before.independent_maps)


@pytest.mark.usefixtures("wide_counters")
@pytest.mark.parametrize(
    ("problem", "asked"), [(CountingProblem, True), (WideCountingProblem, False)]
)
def test_when_no_map_is_learned_again(learned, problem, asked):
    last_states(problem(), [Quality(9.0), Quality(7.0)], learn_again=asked)
    assert learned == []


@pytest.mark.usefixtures("wide_counters")
@pytest.mark.parametrize("from_pairs", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Pairs and scores of maps that are learned from 8 and 16 directions.
        ((10.0, 0.4), None, 10.0),
        ((10.0, 0.2), (9.5, 0.4), 9.5),
        ((10.0, 0.2), (11.0, 0.2), 9.0),
        # Twice as many pairs count more than the score.
        ((8.5, 0.95), (9.5, 0.4), 8.5),
    ],
)
def test_known_pairs_and_a_map_that_is_learned_again(
    learned, shares, from_pairs, first, second, expected
):
    """They are used if they made the map; if not, they judge both maps."""
    given = [first] if second is None else [first, second]
    learned.qualities = [quality for quality, _ in given]
    shares.update({9.0: 0.45, **dict(given)})
    start = QualityOfPairs(9.0) if from_pairs else Quality(9.0)
    *_, state = last_states(WideCountingProblem(pairs=PAIRS), [start], learn_again=True)
    best = state.candidates[0].map[0, 0]
    if from_pairs:
        # Maps from halves, by which a map from pairs is judged, are not learned again.
        expected = first[0] if first[0] > 9 else second[0]
    assert best == expected
    assert {problem.pairs for problem, *_ in learned} == {PAIRS if from_pairs else None}
    # A map that is better ends it.
    assert len(learned) == (1 if best == first[0] else len(given))
