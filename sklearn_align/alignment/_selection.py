"""Selection among several initializations by successive halving."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._candidate_refinements import candidate_refinements, refine
from sklearn_align.alignment._leading_part import learn_again_from_leading_part
from sklearn_align.alignment._pair_evidence import (
    halves_of_pairs,
    needed_share,
    share_retrieved,
    some_of,
)
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs, ReducedProblem
from sklearn_align.alignment._recipes import LEARNING_AGAIN, PAIR_EVIDENCE, REFLECTIONS, SELECTION
from sklearn_align.alignment._reflections import (
    consensus,
    principal_directions,
    reflect,
    shared_map,
)
from sklearn_align.alignment._threads import Workers, n_linear_algebra_threads, on_one_thread
from sklearn_align.alignment.refinements import Refinement
from sklearn_align.alignment.starts import ComponentStart, PairStart, Start

Problem = TypeVar("Problem", bound=AlignmentProblem)


@dataclass
class MapFromPairs:
    """A map from half of the known pairs, and the other half, on which it is judged."""

    map: FloatArray
    refinement: Iterator[FloatArray]
    left_out: KnownPairs

    def advance(self, n_iter: int) -> None:
        """Run further iterations."""
        for W in islice(self.refinement, n_iter):
            self.map = W


@dataclass
class Candidate:
    """A map in the selection.

    `refinement` yields the map after each further iteration; `start` is the initialization that
    made the first map, None for the consensus of several. A map that is made of the best one has
    the initialization of that one. `share_of_pairs` is the fraction of known
    pairs that the map retrieves without being fitted to them. A map from all pairs has that of maps
    from `halves` of them.
    """

    map: FloatArray
    refinement: Iterator[FloatArray]
    start: Start | None
    score: float = -np.inf
    share_of_pairs: float = 0.0
    halves: Sequence[MapFromPairs] = ()


class Round:
    """The selection after a round.

    `candidates` are those that remain, best one first; `independent_maps` those of
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
        part_of_consensus = [i for i, c in enumerate(others) if not isinstance(c.start, PairStart)]
        if best.start is None and part_of_consensus:
            # The consensus may depend on the candidate that agrees with it most.
            closest = max(part_of_consensus, key=lambda i: agreements[i])
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


def maps_from_halves(
    start: PairStart, problem: ReducedProblem, random_state: np.random.RandomState
) -> list[MapFromPairs]:
    """Make a map from each half of the known pairs, to be judged on the other half.

    No maps if there are too few pairs.
    """
    halves = None if problem.pairs is None else halves_of_pairs(problem.pairs, random_state)
    maps = []
    for used, left_out in (halves, halves[::-1]) if halves else ():
        half = problem.with_pairs(used)
        W = start.initial_map(half, random_state)
        refinement = refine(candidate_refinements(), half, W, random_state)
        maps.append(MapFromPairs(W, refinement, some_of(left_out)))
    return maps


def problem_seen_by(start: Start | None, problem: Problem) -> Problem:
    """Return the problem with its known pairs only for an initialization from them.

    The pairs judge the maps of others, which they must not make.
    """
    return problem if isinstance(start, PairStart) else problem.without_pairs()


def same_analysis(one: Start | None, other: Start | None) -> bool:
    """Whether two initializations rest on the same analysis and are no independent runs."""
    if isinstance(one, PairStart) and isinstance(other, PairStart):
        return True
    analysis = getattr(one, "analysis", None)
    return analysis is not None and analysis == getattr(other, "analysis", None)


def limit_components(starts: Sequence[Start], problem: AlignmentProblem) -> list[Start]:
    """Return initializations that ask for no more components than there are features."""
    width = min(problem.A.shape[1], problem.B.shape[1])
    return [
        start.limited_to(width) if isinstance(start, ComponentStart) else start for start in starts
    ]


def _judge_as(candidate: Candidate, best: Candidate) -> None:
    """Let a map from pairs that was made of another one have the evidence of that one.

    Maps from halves of the pairs are evidence for maps from all of them, but no such map is
    averaged or learned again.
    """
    if isinstance(best.start, PairStart):
        candidate.halves, candidate.share_of_pairs = best.halves, best.share_of_pairs


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

    With `learn_again`, the best map between wide spaces is learned again at the end from its
    leading directions, see `_leading_part`.

    Wrong maps differ from one another, right ones do not. So agreement between maps that were found
    independently tells success without labels, and ends the selection. So do known pairs that a map
    retrieves without being fitted to them. Where a candidate retrieves some, those that retrieve
    far fewer come last: between dissimilar spaces, wrong maps can have a higher score. Every
    candidate has its own random stream and runs on one thread, so that the result does not depend
    on `n_jobs`.
    """

    def __init__(
        self,
        problem: ReducedProblem,
        starts: Sequence[Start],
        *,
        random_state: np.random.RandomState,
        n_jobs: int | None,
        learn_again: bool = False,
    ) -> None:
        self._problem = problem
        self._random_state = random_state
        self._learns_again = learn_again and problem.wide
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
        n_threads = n_linear_algebra_threads()
        with on_one_thread(), closing(Workers()) as self._workers, parallel:
            state = yield from self._search(parallel)
            agreeing = self._agreeing(state.candidates)
            if len(agreeing) > 1:
                state = self._with_mean(state, agreeing)
                yield state
            if self._learns_again:
                # These runs need no start, whose code may not be made for threads.
                n_jobs = max(n_threads, effective_n_jobs(self._n_jobs))
                runs = Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")
                yield self._with_map_learned_again(state, runs)

    def _search(self, parallel: Parallel) -> Generator[Round, None, Round]:
        """Create, refine and drop candidates; returns the last state."""
        candidates: list[Candidate] = []
        step = SELECTION.batch_size
        for first in range(0, len(self._starts), step):
            batch = zip(
                self._starts[first : first + step],
                self._seeds[first : first + step],
                strict=False,
            )
            created = parallel(delayed(self._create)(start, int(seed)) for start, seed in batch)
            # Known pairs that made a part of a map could not be used to judge it.
            self._first_maps.extend(W for W, c in created if not isinstance(c.start, PairStart))
            candidates.extend(candidate for _, candidate in created)
            state = self._rank(candidates)
            yield state
            if self._is_decided(state):
                return state
        for n_iter in SELECTION.full_rounds:
            candidates = parallel(delayed(self._continue)(c, n_iter) for c in candidates)
            state = self._rank(candidates)
            yield state
            if self._is_decided(state):
                return state
        if len(self._starts) == 1:
            return state
        # Those of low score share a wrong map with one another as often as the right one.
        better_half = state.candidates[: -(-len(state.candidates) // 2)]
        refined = [replace(c) for c in better_half if not isinstance(c.start, PairStart)]
        candidates = state.candidates[: SELECTION.n_finalists]
        if self._first_maps:
            candidates.append(self._consensus_candidate())
        best_score = state.candidates[0].score
        state = yield from self._final_rounds(candidates, best_score, parallel)
        if not self._is_decided(state):
            state = yield from self._reflected_rounds(refined, state, parallel)
        return state

    def _agreeing(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the best candidate and those that agree with it, in spaces that are wide.

        Narrow spaces have few components, and candidates that agree have them all in common. A map
        from known pairs is no part of the mean of others: pairs that made a part of a mean could
        not be used to judge it.
        """
        best = candidates[0]
        others = [
            c
            for c in candidates[1:]
            if self._problem.wide
            and not isinstance(c.start, PairStart)
            and map_agreement(self._probe, best.map, c.map) >= SELECTION.min_agreement_to_average
        ]
        return [best, *others]

    def _with_mean(self, state: Round, agreeing: Sequence[Candidate]) -> Round:
        """Return the last state with the refined mean of candidates that agree.

        Every candidate sends some leading directions to wrong ones, and no refinement corrects
        them. Independent candidates err in different directions. The mean is not made orthogonal: a
        direction in which they differ is short in it and has little effect on the first matching,
        by which it is learned again.
        """
        best = agreeing[0]
        mean = np.asarray(np.mean([c.map for c in agreeing], axis=0, dtype=best.map.dtype))
        stream = np.random.RandomState(int(self._seeds[-1]))
        late = candidate_refinements()[-1:]
        candidate = self._enter(
            mean, stream, best.start, SELECTION.n_iter_of_mean, refinements=late
        )
        _judge_as(candidate, best)
        with_mean = self._add_descendant(state, candidate)
        if with_mean.candidates[0] is candidate and state.agreement <= SELECTION.min_agreement:
            # Maps that the mean was made of do not confirm it where they did not before.
            made_of = [c.map for c in agreeing]
            with_mean.independent_maps = [
                V for V in state.independent_maps if not any(V is W for W in made_of)
            ]
        return with_mean

    def _with_map_learned_again(self, state: Round, parallel: Parallel) -> Round:
        """Return the last state with the best map learned again from its leading directions."""
        best = state.candidates[0]
        problem = problem_seen_by(best.start, self._problem)
        for n_directions in LEARNING_AGAIN.n_directions:
            W = learn_again_from_leading_part(
                problem, best.map, n_directions, self._random_state, self._workers, parallel
            )
            candidate = self._advance(Candidate(W, iter(()), best.start), 0)
            _judge_as(candidate, best)
            if self._ranked([candidate, best])[0] is candidate:
                break
        return self._add_descendant(state, candidate)

    def _add_descendant(self, state: Round, candidate: Candidate) -> Round:
        """Return the state with a candidate that was made of the best one.

        The evidence remains: neither of the two confirms the other. It would be none for a third
        map, so that one of the two stays the best.
        """
        best, _ = self._ranked([candidate, state.candidates[0]])
        ranked = self._ranked([candidate, *state.candidates])
        extended = copy.copy(state)
        extended.candidates = [best, *(c for c in ranked if c is not best)]
        return extended

    def _final_rounds(
        self, candidates: list[Candidate], best_score: float, parallel: Parallel
    ) -> Generator[Round, None, Round]:
        """Continue some candidates while the best score rises and independent ones disagree.

        Returns the last state.
        """
        for n_iter in SELECTION.final_rounds:
            candidates = parallel(delayed(self._continue)(c, n_iter) for c in candidates)
            state = self._rank(candidates)
            yield state
            score = state.candidates[0].score
            if self._is_decided(state) or score < best_score + SELECTION.min_rise:
                break
            best_score = score
        return state

    def _reflected_rounds(
        self, refined: Sequence[Candidate], state: Round, parallel: Parallel
    ) -> Generator[Round, None, Round]:
        """Reflect candidates that share a map, and continue those that profit.

        Between spaces that are not alike, many initializations lead to maps with the same wrong
        sign of a leading direction. Refinement does not correct it, but the reflection of this
        direction does. Candidates that are reflected alike are still independent otherwise. Returns
        the last state.
        """
        if not (self._problem.wide and refined):
            return state
        shared, weights, strength = shared_map([candidate.map for candidate in refined])
        if strength < REFLECTIONS.min_strength:
            return state
        heaviest = np.argsort(-weights, kind="stable")[: REFLECTIONS.n_candidates]
        candidates = [refined[i] for i in heaviest]
        for _ in range(REFLECTIONS.max_reflections):
            reflected = self._best_reflection(shared, candidates, parallel)
            if reflected is None:
                break
            state = yield from self._final_rounds(
                [*reflected, state.candidates[0]], _best_score(reflected), parallel
            )
            if self._is_decided(state):
                break
            _, *candidates = reflected
            shared, *_ = shared_map([candidate.map for candidate in reflected])
        return state

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
            W = start.initial_map(problem_seen_by(start, self._problem), stream)
            halves: Sequence[MapFromPairs] = ()
            if isinstance(start, PairStart):
                halves = maps_from_halves(start, self._problem, np.random.RandomState(seed))
            return W, self._enter(W, stream, start, SELECTION.n_initial_iterations, halves)

    def _enter(
        self,
        W: FloatArray,
        stream: np.random.RandomState,
        start: Start | None,
        n_iter: int,
        halves: Sequence[MapFromPairs] = (),
        refinements: Sequence[Refinement] | None = None,
    ) -> Candidate:
        """Make a candidate and run its first iterations, by default of all refinements."""
        refinements = refinements or candidate_refinements()
        refinement = refine(refinements, problem_seen_by(start, self._problem), W, stream)
        return self._advance(Candidate(W, refinement, start, halves=halves), n_iter)

    def _continue(self, candidate: Candidate, n_iter: int) -> Candidate:
        """Run further iterations."""
        with self._workers:
            return self._advance(candidate, n_iter)

    def _advance(self, candidate: Candidate, n_iter: int) -> Candidate:
        """Run iterations and score the map."""
        for W in islice(candidate.refinement, n_iter):
            candidate.map = W
        for half in candidate.halves:
            half.advance(n_iter)
        candidate.score = self._problem.score(candidate.map)
        candidate.share_of_pairs = self._share_of_pairs(candidate)
        return candidate

    def _share_of_pairs(self, candidate: Candidate) -> float:
        """Return the fraction of known pairs that are retrieved by maps not fitted to them."""
        pairs = self._problem.pairs
        if pairs is None:
            return 0.0
        if isinstance(candidate.start, PairStart):
            unseen = [(half.map, half.left_out) for half in candidate.halves]
        else:
            unseen = [(candidate.map, some_of(pairs))]
        # All maps retrieve them among the same target samples.
        stream = np.random.RandomState(int(self._seeds[-1]))
        share, _ = share_retrieved(unseen, self._problem.B, stream)
        return share

    def _consensus_candidate(self) -> Candidate:
        """Make the candidate that several first maps have in common."""
        stream = np.random.RandomState(int(self._seeds[-1]))
        n_iter = SELECTION.n_initial_iterations + sum(SELECTION.full_rounds)
        return self._enter(consensus(self._first_maps), stream, None, n_iter)

    def _rank(self, candidates: Sequence[Candidate]) -> Round:
        return Round(self._ranked(candidates), self._probe)

    def _ranked(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Order candidates by score, but those that retrieve far fewer pairs than others last.

        If the best one and the map from pairs agree, that map is better: it is fitted to the pairs.
        """
        needed = max(
            self._needed_share(),
            PAIR_EVIDENCE.min_share_of_best * max(c.share_of_pairs for c in candidates),
        )
        ranked = sorted(candidates, key=lambda c: (c.share_of_pairs < needed, -c.score))
        others = [] if isinstance(ranked[0].start, PairStart) else ranked[1:]
        for candidate in others:
            if isinstance(candidate.start, PairStart):
                agreement = map_agreement(self._probe, ranked[0].map, candidate.map)
                if agreement > SELECTION.min_agreement:
                    ranked = [candidate, *(c for c in ranked if c is not candidate)]
                break
        return ranked

    def _needed_share(self) -> float:
        pairs = self._problem.pairs
        return np.inf if pairs is None else needed_share(len(pairs))

    def _is_decided(self, state: Round) -> bool:
        """Whether independent maps agree, or pairs that made no map confirm the best one."""
        if state.agreement > SELECTION.min_agreement:
            return True
        needed = max(self._needed_share(), PAIR_EVIDENCE.min_share_to_decide)
        return state.candidates[0].share_of_pairs >= needed
