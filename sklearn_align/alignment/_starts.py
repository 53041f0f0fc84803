"""Starts from independent components, and selection among several starts by successive halving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sklearn_align._linalg import partial_isometry, polar_factor
from sklearn_align.alignment._agreement import agreement_with_pairs, shared_retrieval
from sklearn_align.alignment._components import (
    Contrast,
    component_profiles,
    component_relations,
    independent_components,
)
from sklearn_align.alignment._matching import match_graphs
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._refine import Refinement, TransportRefinement

FloatArray = NDArray[np.floating[Any]]


class Start(Protocol):
    """Makes a first map."""

    def map(self, problem: ReducedProblem, random_state: np.random.RandomState) -> FloatArray:
        """Return a map of shape (n_features_A, n_features_B)."""
        ...


@dataclass(frozen=True)
class ComponentStart:
    """A first map from independent components.

    The components of either space are found by independent component analysis. A linear map
    between the spaces carries them over, so they are matched by statistics of the rows along them:
    the distribution of each, and how any two depend on one another. Unlike cluster geometry, this
    survives strong differences between the spaces.

    Parameters
    ----------
    n_components : int
        Leading principal directions that are analysed.

    contrast : {"logcosh", "skew"}
        Contrast function of the analysis.

    share : float, default=1.0
        Share of the components that are matched, the most skewed ones. The others are mostly
        mixtures that the analysis of the other space does not find.
    """

    n_components: int
    contrast: Contrast
    share: float = 1.0

    @property
    def analysis(self) -> tuple[int, Contrast]:
        """What the components depend on. Two starts that share it are no independent evidence."""
        return self.n_components, self.contrast

    def map(self, problem: ReducedProblem, random_state: np.random.RandomState) -> FloatArray:
        """Return a first map.

        Parameters
        ----------
        problem : ReducedProblem
            Principal coordinates of both spaces.

        random_state : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            A partial isometry: directions without a matched component are mapped to zero.
        """
        A, B = (
            independent_components(
                coordinates,
                self.n_components,
                contrast=self.contrast,
                random_state=random_state,
            ).most_skewed(self.share)
            for coordinates in (problem.coordinates_A, problem.coordinates_B)
        )
        profiles_A, profiles_B = component_profiles(A), component_profiles(B)
        similarity = -((profiles_A[:, None] - profiles_B[None]) ** 2).mean(axis=2)
        similarity -= similarity.mean()
        similarity /= similarity.std() or 1
        matched_A, matched_B = match_graphs(
            component_relations(A),
            component_relations(B),
            similarity,
            random_state=random_state,
        )
        return partial_isometry(
            A.directions[:, matched_A] @ B.directions[:, matched_B].T, rank=len(matched_A)
        )


class PairStart:
    """A first map from known pairs: the partial isometry that maps one side onto the other."""

    def map(self, problem: ReducedProblem, random_state: np.random.RandomState) -> FloatArray:
        """Return a first map.

        Parameters
        ----------
        problem : ReducedProblem
            Holds the pairs.

        random_state : RandomState
            Not used.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            Directions that no pair spans are mapped to zero.
        """
        pairs = problem.pairs
        if pairs is None:
            raise ValueError("A start from pairs needs known pairs.")
        cross = pairs.A.T @ pairs.B
        return partial_isometry(cross, rank=min(len(pairs), *cross.shape))


# Few components are found reliably, many cover more of the space: which is better depends on the
# data, so different numbers, contrasts and shares take turns.
COMPONENT_STARTS: tuple[Start, ...] = (
    ComponentStart(96, "skew", 0.8),
    ComponentStart(80, "logcosh", 0.8),
    ComponentStart(128, "logcosh", 0.8),
    ComponentStart(80, "skew", 0.8),
    ComponentStart(96, "logcosh"),
    ComponentStart(128, "skew"),
    ComponentStart(112, "logcosh"),
    ComponentStart(64, "skew"),
    ComponentStart(72, "logcosh", 0.8),
    ComponentStart(88, "skew", 0.8),
    ComponentStart(88, "logcosh", 0.8),
    ComponentStart(112, "skew"),
)


# The first of them run in any case; more are tried only while no two of them agree.
_BATCH = 3
_ENTRY_ITERATIONS = 15
# The score tells right maps from wrong ones only after these, which all candidates are granted.
_QUALIFYING_ROUNDS = (15, 30)
_FINALISTS = 4
_FINAL_ROUNDS = (30, 30, 30)
# Two maps agree when this share of rows is mapped to the same place by both.
_AGREEMENT = 0.8
_LEAST_RISE = 0.001
_PROBE_ROWS = 1500
_REDUCED_COMPONENTS = 128
_REDUCED_ROWS = 8000


def reduce_problem(
    problem: AlignmentProblem, random_state: np.random.RandomState
) -> ReducedProblem:
    """Return the smaller problem in which starts are sought."""
    return ReducedProblem(
        problem,
        n_components=_REDUCED_COMPONENTS,
        n_rows=_REDUCED_ROWS,
        score_sample_size=_PROBE_ROWS,
        random_state=random_state,
    )


def race_steps() -> list[Refinement]:
    """Return the refinements by which candidates compete, one after the other."""
    n_early = _ENTRY_ITERATIONS + sum(_QUALIFYING_ROUNDS)
    step = TransportRefinement(
        n_early,
        sample_size=1500,
        epsilon=(0.055, 0.055),
        whitening=(-0.3, 0.0),
        momentum=0.9,
        n_iter_no_change=None,
    )
    late = TransportRefinement(
        sum(_FINAL_ROUNDS),
        sample_size=1500,
        epsilon=(0.055, 0.05),
        momentum=0.9,
        n_iter_no_change=None,
    )
    return [step, late]


def refine(
    steps: Sequence[Refinement],
    problem: AlignmentProblem,
    W: FloatArray,
    random_state: np.random.RandomState,
) -> Iterator[FloatArray]:
    """Yield the map after every iteration of several refinements."""
    for step in steps:
        for W in step.iterate(problem, W, random_state):  # noqa: B020
            yield W


@dataclass
class Candidate:
    """A start in the race.

    Parameters
    ----------
    map : ndarray of shape (n_features_A, n_features_B)
        Map as refined so far.

    refinement : iterator of ndarray
        Yields the map after each further iteration.

    origin : Start or None
        What made the first map; None for the consensus of all starts.

    score : float, default=-inf
        Label-free score of the map.
    """

    map: FloatArray
    refinement: Iterator[FloatArray]
    origin: Start | None
    score: float = -np.inf


def same_analysis(one: Start | None, other: Start | None) -> bool:
    """Whether two starts rest on the same kind of analysis of components."""
    return (
        isinstance(one, ComponentStart)
        and isinstance(other, ComponentStart)
        and one.analysis == other.analysis
    )


def within_width(starts: Sequence[Start], problem: AlignmentProblem) -> list[Start]:
    """Return starts that ask for no more components than there are features.

    In narrow spaces starts that differ otherwise are of one kind, and every component is needed.
    """
    width = min(problem.A.shape[1], problem.B.shape[1])
    return [
        replace(start, n_components=width, share=1.0)
        if isinstance(start, ComponentStart) and start.n_components >= width
        else start
        for start in starts
    ]


class Standing:
    """The race after a round.

    Parameters
    ----------
    candidates : list of Candidate
        Those still in the race, best first.

    probe : ndarray of shape (n_rows, n_features_A)
        Rows on which maps are compared.

    Attributes
    ----------
    candidates : list of Candidate
        As given.

    witnesses : list of ndarray
        Maps that were found independently of the best one.

    agreement : float
        Share of rows that the best map and a witness map to the same place.
    """

    def __init__(self, candidates: list[Candidate], probe: FloatArray) -> None:
        best = candidates[0]
        # Two analyses of one kind often end in the same components, right or wrong.
        others = [
            c
            for c in candidates[1:]
            if c.origin is not None and not same_analysis(c.origin, best.origin)
        ]
        shares = [shared_retrieval(probe, best.map, c.map) for c in others]
        if best.origin is None and others:
            # The consensus may owe its map to the start that agrees with it most.
            closest = int(np.argmax(shares))
            del others[closest], shares[closest]
        self.candidates = candidates
        self.witnesses = [c.map for c in others]
        self.agreement = max(shares, default=0.0)


def race(
    problem: ReducedProblem,
    starts: Sequence[Start],
    *,
    random_state: np.random.RandomState,
    n_jobs: int | None,
) -> Iterator[Standing]:
    """Refine several starts until two independent ones agree or none gets better.

    Wrong maps differ from one another, right ones do not. So agreement between maps that were
    found independently tells success without labels, and ends the race.

    Parameters
    ----------
    problem : ReducedProblem
        Rows of both spaces in principal coordinates.

    starts : sequence of Start
        Tried in batches until two candidates agree.

    random_state : RandomState
        Source of randomness. Every start has its own stream and runs on one thread, so the result
        does not depend on `n_jobs`.

    n_jobs : int or None
        Threads.

    Yields
    ------
    Standing
        After every batch and every further round.
    """
    steps = race_steps()
    # Only the start from pairs sees the pairs, so that its agreement with others means something.
    unaided = problem.without_pairs()
    probe = problem.sample("A", _PROBE_ROWS, random_state)
    seeds = random_state.randint(np.iinfo(np.int32).max, size=len(starts) + 1)

    def enter(
        W: FloatArray, stream: np.random.RandomState, origin: Start | None, n_iter: int
    ) -> Candidate:
        seen = problem if isinstance(origin, PairStart) else unaided
        candidate = Candidate(W, refine(steps, seen, W, stream), origin)
        return advance(candidate, n_iter)

    def advance(candidate: Candidate, n_iter: int) -> Candidate:
        for W in islice(candidate.refinement, n_iter):
            candidate.map = W
        candidate.score = problem.score(candidate.map)
        return candidate

    def begin(start: Start, seed: int) -> tuple[FloatArray, Candidate]:
        with threadpool_limits(1):
            stream = np.random.RandomState(seed)
            W = start.map(problem, stream)
            return W, enter(W, stream, start, _ENTRY_ITERATIONS)

    def proceed(candidate: Candidate, n_iter: int) -> Candidate:
        with threadpool_limits(1):
            return advance(candidate, n_iter)

    def standing(candidates: Sequence[Candidate]) -> Standing:
        ranked = sorted(candidates, key=lambda candidate: -candidate.score)
        return Standing(ranked, probe)

    def decided(state: Standing) -> bool:
        if state.agreement > _AGREEMENT:
            return True
        best = state.candidates[0]
        return isinstance(best.origin, PairStart) and (
            agreement_with_pairs(problem, best.map, np.random.RandomState(int(seeds[-1])))
            > _AGREEMENT
        )

    starts = within_width(starts, problem)

    # The limit is set here as well: that of a thread ends with it, and restores what it found.
    with threadpool_limits(1), Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
        first_maps: list[FloatArray] = []
        candidates: list[Candidate] = []
        for batch in range(0, len(starts), _BATCH):
            entered = parallel(
                delayed(begin)(start, int(seed))
                for start, seed in zip(
                    starts[batch : batch + _BATCH], seeds[batch : batch + _BATCH], strict=False
                )
            )
            first_maps.extend(W for W, _ in entered)
            candidates.extend(candidate for _, candidate in entered)
            state = standing(candidates)
            yield state
            if decided(state):
                return
        for n_iter in _QUALIFYING_ROUNDS:
            candidates = parallel(delayed(proceed)(c, n_iter) for c in candidates)
            state = standing(candidates)
            yield state
            if decided(state):
                return
        if len(starts) == 1:
            return
        candidates = state.candidates[:_FINALISTS]
        stream = np.random.RandomState(int(seeds[-1]))
        n_iter = _ENTRY_ITERATIONS + sum(_QUALIFYING_ROUNDS)
        candidates.append(enter(consensus(first_maps), stream, None, n_iter))
        best_score = state.candidates[0].score
        for n_iter in _FINAL_ROUNDS:
            candidates = parallel(delayed(proceed)(c, n_iter) for c in candidates)
            state = standing(candidates)
            yield state
            if decided(state) or state.candidates[0].score < best_score + _LEAST_RISE:
                return
            best_score = state.candidates[0].score


def consensus(maps: Sequence[FloatArray]) -> FloatArray:
    """Return the map that several maps have most in common.

    Parameters
    ----------
    maps : sequence of ndarray of shape (n_features_A, n_features_B)
        Maps of one problem, most of which may be wrong.

    Returns
    -------
    ndarray of shape (n_features_A, n_features_B)
        Orthogonal part of the mean, in which maps that agree with others weigh more: the weights
        are the squared entries of the leading eigenvector of the matrix of inner products.
    """
    flat = np.stack([W.ravel() for W in maps])
    inner = flat @ flat.T
    np.fill_diagonal(inner, 0)
    weights = np.linalg.eigh(inner)[1][:, -1] ** 2
    return polar_factor((weights @ flat).reshape(maps[0].shape).astype(maps[0].dtype))
