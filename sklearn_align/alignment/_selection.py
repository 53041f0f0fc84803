"""Selection among several initializations by successive halving."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from joblib import Parallel, delayed

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import agreement_with_pairs, map_agreement
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._recipes import REFLECTIONS, SELECTION
from sklearn_align.alignment._reflections import (
    consensus,
    principal_directions,
    reflect,
    shared_map,
)
from sklearn_align.alignment._threads import Workers, on_one_thread
from sklearn_align.alignment.refinements import Refinement, TransportRefinement
from sklearn_align.alignment.starts import ComponentStart, PairStart, Start


@dataclass
class Candidate:
    """A map in the selection.

    `refinement` yields the map after each further iteration; `start` is the initialization that
    made the first map, None for the consensus of all.
    """

    map: FloatArray
    refinement: Iterator[FloatArray]
    start: Start | None
    score: float = -np.inf


class Round:
    """The selection after a round.

    `candidates` are those that remain, best score first; `independent_maps` those of
    initializations that share no analysis with that of the best one; `agreement` is the largest
    agreement of the best map with one of them on the samples of `probe`.
    """

    def __init__(self, candidates: list[Candidate], probe: FloatArray) -> None:
        best = candidates[0]
        # Two analyses of one kind often end in the same components, right or wrong.
        others = [
            c
            for c in candidates[1:]
            if c.start is not None and not same_analysis(c.start, best.start)
        ]
        agreements = [map_agreement(probe, best.map, c.map) for c in others]
        if best.start is None and others:
            # The consensus may depend on the candidate that agrees with it most.
            closest = int(np.argmax(agreements))
            del others[closest], agreements[closest]
        self.candidates = candidates
        self.independent_maps = [c.map for c in others]
        self.agreement = max(agreements, default=0.0)


def reduce_problem(
    problem: AlignmentProblem, random_state: np.random.RandomState
) -> ReducedProblem:
    """Return the smaller problem in which candidates are refined and compared."""
    return ReducedProblem(
        problem,
        n_components=SELECTION.n_components,
        n_samples=SELECTION.n_samples,
        score_sample_size=SELECTION.n_probe_samples,
        random_state=random_state,
    )


def candidate_refinements() -> list[Refinement]:
    """Return the refinements of candidates, one after the other."""
    return [TransportRefinement(**SELECTION.early), TransportRefinement(**SELECTION.late)]


def refine(
    refinements: Sequence[Refinement],
    problem: AlignmentProblem,
    W: FloatArray,
    random_state: np.random.RandomState,
) -> Iterator[FloatArray]:
    """Yield the map after every iteration of several refinements."""
    for refinement in refinements:
        for W in refinement.iterate(problem, W, random_state):  # noqa: B020
            yield W


def same_analysis(one: Start | None, other: Start | None) -> bool:
    """Whether two initializations rest on the same analysis and are no independent runs."""
    analysis = getattr(one, "analysis", None)
    return analysis is not None and analysis == getattr(other, "analysis", None)


def limit_components(starts: Sequence[Start], problem: AlignmentProblem) -> list[Start]:
    """Return initializations that ask for no more components than there are features."""
    width = min(problem.A.shape[1], problem.B.shape[1])
    return [
        start.limited_to(width) if isinstance(start, ComponentStart) else start for start in starts
    ]


# A direction that is reflected, and the candidates after the reflection.
Trial = tuple[FloatArray, list[Candidate]]


def _best_score(candidates: Sequence[Candidate]) -> float:
    return max(candidate.score for candidate in candidates)


def _best_trials(trials: Sequence[Trial], n_kept: int) -> list[Trial]:
    """Return the first trial, which reflects nothing, and the best others."""
    unchanged, *reflected = trials
    ranked = sorted(reflected, key=lambda trial: -_best_score(trial[1]))
    return [unchanged, *ranked[:n_kept]]


class SuccessiveHalving:
    """Refines candidates in rounds until two independent ones agree or none improves.

    Wrong maps differ from one another, right ones do not. So agreement between maps that were found
    independently tells success without labels, and ends the selection. Every candidate has its own
    random stream and runs on one thread, so that the result does not depend on `n_jobs`.
    """

    def __init__(
        self,
        problem: ReducedProblem,
        starts: Sequence[Start],
        *,
        random_state: np.random.RandomState,
        n_jobs: int | None,
    ) -> None:
        self._problem = problem
        # Only the initialization from pairs sees the pairs, so that agreement with it is evidence.
        self._problem_without_pairs = problem.without_pairs()
        self._probe = problem.sample("A", SELECTION.n_probe_samples, random_state)
        self._seeds = random_state.randint(np.iinfo(np.int32).max, size=len(starts) + 1)
        self._starts = limit_components(starts, problem)
        self._n_jobs = n_jobs
        self._first_maps: list[FloatArray] = []
        self._workers = Workers()

    def rounds(self) -> Generator[Round]:
        """Yield the state after every batch of candidates and every further round."""
        # Candidates are generators, which do not leave the process, whatever backend is in force.
        parallel = Parallel(n_jobs=self._n_jobs, prefer="threads", require="sharedmem")
        with on_one_thread(), closing(Workers()) as self._workers, parallel:
            candidates: list[Candidate] = []
            step = SELECTION.batch_size
            for first in range(0, len(self._starts), step):
                batch = zip(
                    self._starts[first : first + step],
                    self._seeds[first : first + step],
                    strict=False,
                )
                created = parallel(delayed(self._create)(start, int(seed)) for start, seed in batch)
                self._first_maps.extend(W for W, _ in created)
                candidates.extend(candidate for _, candidate in created)
                state = self._rank(candidates)
                yield state
                if self._is_decided(state):
                    return
            for n_iter in SELECTION.full_rounds:
                candidates = parallel(delayed(self._continue)(c, n_iter) for c in candidates)
                state = self._rank(candidates)
                yield state
                if self._is_decided(state):
                    return
            if len(self._starts) == 1:
                return
            # Those of low score share a wrong map with one another as often as the right one.
            better_half = state.candidates[: -(-len(state.candidates) // 2)]
            refined = [replace(candidate) for candidate in better_half]
            candidates = [*state.candidates[: SELECTION.n_finalists], self._consensus_candidate()]
            best_score = state.candidates[0].score
            best, decided = yield from self._final_rounds(candidates, best_score, parallel)
            if not decided:
                yield from self._reflected_rounds(refined, best, parallel)

    def _final_rounds(
        self, candidates: list[Candidate], best_score: float, parallel: Parallel
    ) -> Generator[Round, None, tuple[Candidate, bool]]:
        """Continue some candidates while the best score rises and independent ones disagree.

        Returns the best one, and whether independent ones agree.
        """
        for n_iter in SELECTION.final_rounds:
            candidates = parallel(delayed(self._continue)(c, n_iter) for c in candidates)
            state = self._rank(candidates)
            yield state
            best = state.candidates[0]
            decided = self._is_decided(state)
            if decided or best.score < best_score + SELECTION.min_rise:
                break
            best_score = best.score
        return best, decided

    def _reflected_rounds(
        self, refined: Sequence[Candidate], best: Candidate, parallel: Parallel
    ) -> Generator[Round]:
        """Reflect candidates that share a map, and continue those that profit.

        Between spaces that are not alike, many initializations lead to maps with the same wrong
        sign of a leading direction. Refinement does not correct it, but the reflection of this
        direction does. Candidates that are reflected alike are still independent otherwise.
        """
        if not self._problem.wide:
            return
        shared, weights, strength = shared_map([candidate.map for candidate in refined])
        if strength < REFLECTIONS.min_strength:
            return
        heaviest = np.argsort(-weights, kind="stable")[: REFLECTIONS.n_candidates]
        candidates = [refined[i] for i in heaviest]
        for _ in range(REFLECTIONS.max_reflections):
            reflected = self._best_reflection(shared, candidates, parallel)
            if reflected is None:
                return
            best, decided = yield from self._final_rounds(
                [*reflected, best], _best_score(reflected), parallel
            )
            if decided:
                return
            _, *candidates = reflected
            shared, *_ = shared_map([candidate.map for candidate in reflected])

    def _best_reflection(
        self, shared: FloatArray, candidates: Sequence[Candidate], parallel: Parallel
    ) -> list[Candidate] | None:
        """Return the shared map and candidates after the best reflection, None if none is better.

        All reflections are tried on the shared map. For the best of them, the candidates are
        reflected, too. The score of a reflection is the best one of its maps.
        """
        problem = self._problem
        directions = principal_directions(problem.A, problem.B, shared, REFLECTIONS.n_directions)
        zero = np.zeros_like(directions[0])
        trials = [
            (direction, [self._start_again(reflect(shared, direction), None)])
            for direction in (zero, *directions)
        ]
        self._continue_trials([trial for _, trial in trials], REFLECTIONS.n_iter, parallel)
        trials = _best_trials(trials, REFLECTIONS.n_kept)
        others = [
            [self._start_again(reflect(c.map, direction), c.start) for c in candidates]
            for direction, _ in trials
        ]
        self._continue_trials(others, REFLECTIONS.n_iter, parallel)
        trials = [(d, [*trial, *more]) for (d, trial), more in zip(trials, others, strict=True)]
        trials = _best_trials(trials, REFLECTIONS.n_finalists)
        self._continue_trials([trial for _, trial in trials], REFLECTIONS.n_more, parallel)
        (_, unchanged), (_, best) = _best_trials(trials, 1)
        return best if _best_score(best) >= _best_score(unchanged) + REFLECTIONS.min_rise else None

    def _continue_trials(
        self, trials: Sequence[Sequence[Candidate]], n_iter: int, parallel: Parallel
    ) -> None:
        """Run further iterations; threads share the candidates, which are changed in place."""
        parallel(delayed(self._continue_and_average)(c, n_iter) for trial in trials for c in trial)

    def _start_again(self, W: FloatArray, start: Start | None) -> Candidate:
        """Make a candidate from a map; all of them see the same samples, so that scores compare."""
        return self._enter(W, np.random.RandomState(int(self._seeds[-1])), start, 0)

    def _continue_and_average(self, candidate: Candidate, n_iter: int) -> None:
        """Run further iterations and score the mean of the last half of the maps.

        A single map varies from one iteration to the next, and so does its score.
        """
        with self._workers:
            maps = [W.copy() for W in islice(candidate.refinement, n_iter)]
            if maps:
                candidate.map = maps[-1]
                mean = np.mean(maps[len(maps) // 2 :], axis=0)
                candidate.score = self._problem.score(polar_factor(mean))

    def _create(self, start: Start, seed: int) -> tuple[FloatArray, Candidate]:
        """Return a first map and its candidate after the initial iterations."""
        with self._workers:
            stream = np.random.RandomState(seed)
            W = start.initial_map(self._problem, stream)
            return W, self._enter(W, stream, start, SELECTION.n_initial_iterations)

    def _enter(
        self, W: FloatArray, stream: np.random.RandomState, start: Start | None, n_iter: int
    ) -> Candidate:
        """Make a candidate and run its first iterations."""
        problem = self._problem if isinstance(start, PairStart) else self._problem_without_pairs
        refinement = refine(candidate_refinements(), problem, W, stream)
        return self._advance(Candidate(W, refinement, start), n_iter)

    def _continue(self, candidate: Candidate, n_iter: int) -> Candidate:
        """Run further iterations."""
        with self._workers:
            return self._advance(candidate, n_iter)

    def _advance(self, candidate: Candidate, n_iter: int) -> Candidate:
        """Run iterations and score the map."""
        for W in islice(candidate.refinement, n_iter):
            candidate.map = W
        candidate.score = self._problem.score(candidate.map)
        return candidate

    def _consensus_candidate(self) -> Candidate:
        """Make the candidate that several first maps have in common."""
        stream = np.random.RandomState(int(self._seeds[-1]))
        n_iter = SELECTION.n_initial_iterations + sum(SELECTION.full_rounds)
        return self._enter(consensus(self._first_maps), stream, None, n_iter)

    def _rank(self, candidates: Sequence[Candidate]) -> Round:
        """Order candidates by score."""
        return Round(sorted(candidates, key=lambda candidate: -candidate.score), self._probe)

    def _is_decided(self, state: Round) -> bool:
        """Whether independent maps agree, or a map from pairs is confirmed without them."""
        if state.agreement > SELECTION.min_agreement:
            return True
        best = state.candidates[0]
        if not isinstance(best.start, PairStart):
            return False
        stream = np.random.RandomState(int(self._seeds[-1]))
        return agreement_with_pairs(self._problem, best.map, stream) > SELECTION.min_agreement
