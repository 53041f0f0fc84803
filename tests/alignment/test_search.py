"""The search with stand-ins for the monitor, the selection and the steps: no fit is run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import sklearn_align.alignment._search as module
from sklearn_align._linalg import polar_factor
from sklearn_align.alignment import AnchorStart, PairStart
from sklearn_align.alignment._search import MapSearch
from tests.alignment.stand_ins import Problem, maps


class Monitor:
    """Notes the stages of a fit; `stop_after` iterations the callbacks ask for the end."""

    def __init__(self, stop_after=None, stop_at_end=False):
        self.stages = []
        self.iterations = []
        self.lists = []
        self.stop_after = stop_after
        self.stop_at_end = stop_at_end
        self.stop_requested = False

    def stage(self, name, max_iter):
        self.stages.append((name, max_iter))
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        # As in a fit, callbacks are asked when the stage is over.
        self.stop_requested = self.stop_at_end

    def iteration(self, score, reconstruct):
        self.iterations.append((score, reconstruct()))
        return len(self.iterations) == self.stop_after

    def append(self, name, value):
        self.lists.append((name, value))


def check_iterations(monitor, expected):
    assert [score for score, _ in monitor.iterations] == [float(W[0, 0]) for W in expected]
    for (_, (W, _)), expected_map in zip(monitor.iterations, expected, strict=True):
        np.testing.assert_array_equal(W, expected_map)
    assert all(isinstance(problem, Problem) for _, (_, problem) in monitor.iterations)


def make_search(starts=(), refinements=(), *, monitor=None, selection="halving", n_jobs=None):
    return MapSearch(
        starts,
        refinements,
        selection=selection,
        n_jobs=n_jobs,
        random_state=np.random.RandomState(0),
        monitor=monitor or Monitor(),
        attributes=lambda W, problem: (W.copy(), problem),
    )


def one_start(W):
    return SimpleNamespace(initial_map=lambda problem, random_state: W)


class Steps:
    """A refinement that adds the next of some maps to the map, in place."""

    max_iter = 17

    def __init__(self, *steps):
        self.steps = steps

    def iterate(self, problem, W, random_state):
        for step in self.steps:
            W += step
            yield W


@pytest.mark.parametrize("from_pairs", [False, True])
def test_only_a_map_from_pairs_sees_them_without_a_selection(from_pairs):
    """Pairs that made a map could not measure its accuracy in further fits."""
    given = []
    (W,) = maps(1)

    class OneMap(PairStart if from_pairs else object):
        def initial_map(self, problem, random_state):
            given.append((problem.pairs, random_state))
            return len(given) * W

    search = make_search([OneMap()], selection=None)
    search.run(Problem(pairs="all"), None)
    random_state = search._random_state
    assert given == [("all" if from_pairs else None, random_state)]
    again = search.again(Problem(pairs="some"))
    assert given[1:] == ([("some", random_state)] if from_pairs else [])
    np.testing.assert_allclose(again, polar_factor(W))


@pytest.mark.parametrize("stop", [False, True])
def test_search_without_a_selection(stop):
    monitor, (W, step) = Monitor(stop_at_end=stop), maps(2)
    search = make_search([one_start(W)], [Steps(step)], monitor=monitor, selection=None)
    found = search.run(Problem(), None)
    np.testing.assert_array_equal(found, [W] if stop else [W, W + step])
    assert search.selected is None
    assert monitor.stages == [("start", None), ("Steps", 17)][: len(found)]
    check_iterations(monitor, found)


@pytest.mark.parametrize("stop_after", [None, 2])
@pytest.mark.parametrize("with_pairs", [False, True])
@pytest.mark.parametrize("given", [AnchorStart(), PairStart()])
def test_search_with_a_selection(stop_after, with_pairs, given, monkeypatch):
    rounds = [
        SimpleNamespace(
            candidates=[SimpleNamespace(map=W, score=float(2 * W[0, 0])), SimpleNamespace(score=i)],
            agreement=i / 10,
        )
        for i, W in enumerate(maps(3))
    ]
    closed = []

    class Halving:
        def __init__(self, reduced, starts, *, random_state, n_jobs, learn_again):
            self.arguments = (reduced, starts, random_state, n_jobs, learn_again)
            made.append(self)

        def rounds(self):
            try:
                yield from rounds
            finally:
                closed.append(True)

    made = []
    monkeypatch.setattr(module, "SuccessiveHalving", Halving)
    problem = Problem(pairs="some" if with_pairs else None)
    monitor = Monitor(stop_after, stop_at_end=True)
    reduced = SimpleNamespace(lift=lambda W: 2 * W)
    search = make_search([given], [Steps(1)], monitor=monitor, n_jobs=3)
    (W,) = search.run(problem, reduced)
    n_rounds = stop_after or 3
    np.testing.assert_array_equal(W, 2 * rounds[n_rounds - 1].candidates[0].map)
    assert search.selected is rounds[n_rounds - 1]
    assert closed == [True]
    assert monitor.stages == [("start", None)]
    check_iterations(monitor, [2 * one.candidates[0].map for one in rounds[:n_rounds]])
    assert monitor.lists == [
        entry
        for one in rounds[:n_rounds]
        for entry in (
            ("start_scores", [c.score for c in one.candidates]),
            ("agreement", one.agreement),
        )
    ]
    (halving,) = made
    assert halving.arguments[0] is reduced
    assert halving.arguments[2:] == (search._random_state, 3, True)
    starts = halving.arguments[1]
    assert starts[-1] is given
    # One map from pairs is enough.
    added = with_pairs and not isinstance(given, PairStart)
    assert [type(start) for start in starts[:-1]] == [PairStart] * added


@pytest.mark.parametrize("stop_after", [None, 2])
@pytest.mark.parametrize("stop", [False, True])
def test_iterations_of_refinements(stop_after, stop):
    first, *steps, last = maps(6)
    monitor = Monitor()
    refinements = [Steps(*steps), Steps(last)]
    search = make_search([one_start(first)], refinements, monitor=monitor, selection=None)
    problem, random_state = Problem(), search._random_state
    refinements[0].iterate = watched(refinements[0].iterate, problem, random_state)
    # The first iteration is that of the initialization.
    monitor.stop_after = stop_after and stop_after + 1
    monitor.stop_at_end = False

    def stage(name, max_iter):
        monitor.stop_at_end = stop and bool(monitor.stages)
        return Monitor.stage(monitor, name, max_iter)

    monitor.stage = stage
    found = search.run(problem, None)
    expected = first + np.cumsum(steps, axis=0)[:stop_after]
    np.testing.assert_allclose(found[1], expected[-1])
    # A refinement that changes its map in place leaves that of the stage before as it was.
    np.testing.assert_array_equal(found[0], maps(6)[0])
    assert len(found) == (2 if stop else 3)
    assert monitor.stages == [("start", None), ("Steps", 17), ("Steps", 17)][: len(found)]
    maps_of_iterations = [W for _, (W, _) in monitor.iterations]
    np.testing.assert_allclose(maps_of_iterations[1 : 1 + len(expected)], expected)


def watched(iterate, *expected):
    def iterate_if_as_expected(problem, W, random_state):
        assert (problem, random_state) == expected
        return iterate(problem, W, random_state)

    return iterate_if_as_expected


def test_a_refinement_without_iterations():
    class Nothing:
        def iterate(self, problem, W, random_state):
            return iter(())

    monitor, (W,) = Monitor(), maps(1)
    search = make_search([one_start(W)], [Nothing()], monitor=monitor, selection=None)
    np.testing.assert_array_equal(search.run(Problem(), None), [W, W])
    assert monitor.stages == [("start", None), ("Nothing", None)]


@pytest.mark.parametrize("from_pairs", [False, True])
@pytest.mark.parametrize(("stop_after", "n_rounds", "n_iter"), [(None, 3, 5), (5, 3, 2), (2, 2, 5)])
def test_a_second_search_repeats_what_depends_on_pairs(
    from_pairs, stop_after, n_rounds, n_iter, monkeypatch
):
    rounds, rounds_again = maps(3), [W + 5 for W in maps(3)]
    start = PairStart() if from_pairs else AnchorStart()
    made, closed = [], []

    class Halving:
        def __init__(self, *arguments, **options):
            made.append((arguments, options))

        def rounds(self):
            try:
                for W in rounds if len(made) == 1 else rounds_again:
                    candidate = SimpleNamespace(map=W, score=0.0, start=start)
                    yield SimpleNamespace(candidates=[candidate], agreement=0.0)
            finally:
                closed.append(True)

    reduced, reduced_again = (SimpleNamespace(lift=lambda W, k=k: k * W) for k in (2, 3))
    problem, other = Problem(), Problem()
    monkeypatch.setattr(module, "SuccessiveHalving", Halving)
    monkeypatch.setattr(
        module,
        "reduce_problem",
        lambda given, random_state: reduced_again if given is other else None,
    )
    # A callback stops the selection after two rounds, or the refinement after two iterations.
    monitor = Monitor(stop_after)
    steps = np.arange(1, 6)
    search = make_search([start], [Steps(*steps)], monitor=monitor, n_jobs=3)
    search.run(problem, reduced)
    begin = 3 * rounds_again[n_rounds - 1] if from_pairs else 2 * rounds[n_rounds - 1]
    # As often as asked: the measured accuracy needs several fits.
    for _ in range(2):
        expected = polar_factor(begin + steps[:n_iter].sum())
        np.testing.assert_allclose(search.again(other), expected)
    again = made[1:]
    assert len(again) == 2 * from_pairs
    assert len(closed) == len(made)
    for (given, starts), options in again:
        assert given is reduced_again
        assert starts == [start]
        # As the first search does.
        assert options == made[0][1]
        assert options["n_jobs"] == 3


def test_a_second_search_without_a_selection():
    W, step = maps(2)
    search = make_search([one_start(W)], [Steps(step)], selection=None)
    search.run(Problem(), None)
    np.testing.assert_allclose(search.again(Problem()), polar_factor(W + step))
