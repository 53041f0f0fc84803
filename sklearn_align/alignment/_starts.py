"""Starts from independent components, and selection among several starts by successive halving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sklearn_align.alignment._components import (
    Contrast,
    component_profiles,
    component_relations,
    independent_components,
)
from sklearn_align.alignment._matching import match_graphs
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._procrustes import partial_isometry, polar_factor
from sklearn_align.alignment._refine import Refinement

FloatArray = NDArray[np.floating[Any]]


class Start(Protocol):
    """Makes a first map."""

    def map(self, problem: AlignmentProblem, random_state: np.random.RandomState) -> FloatArray:
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

    n_rows : int or None, default=7000
        Rows of each side that are used; None takes all.
    """

    n_components: int
    contrast: Contrast
    n_rows: int | None = 7000

    def map(self, problem: AlignmentProblem, random_state: np.random.RandomState) -> FloatArray:
        """Return a first map.

        Parameters
        ----------
        problem : AlignmentProblem
            Rows of both spaces.

        random_state : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            A partial isometry: directions without a matched component are mapped to zero.
        """
        A, B = (
            independent_components(
                problem.sample(side, self.n_rows, random_state),
                self.n_components,
                contrast=self.contrast,
                random_state=random_state,
            )
            for side in ("A", "B")
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


# Few components are found reliably, many cover more of the space: which is better depends on the
# data, so different numbers and contrasts take turns.
COMPONENT_STARTS = tuple(
    ComponentStart(n_components, contrast)
    for n_components, contrast in (
        (64, "skew"),
        (128, "skew"),
        (64, "logcosh"),
        (128, "logcosh"),
        (96, "skew"),
        (96, "logcosh"),
    )
)


_FIRST_ROUND_ITERATIONS = 10
_FURTHER_ITERATIONS = 5


@dataclass
class Candidate:
    """A start under selection.

    Parameters
    ----------
    map : ndarray of shape (n_features_A, n_features_B)
        Map as refined so far.

    score : float
        Its label-free score.

    refinement : iterator of ndarray
        Yields the map after each further iteration of the trial.
    """

    map: FloatArray
    score: float
    refinement: Iterator[FloatArray]


def halving_rounds(
    starts: Sequence[Start],
    trial: Refinement,
    problem: AlignmentProblem,
    seeds: NDArray[np.integer[Any]],
    *,
    n_jobs: int | None,
) -> Iterator[list[Candidate]]:
    """Refine several starts briefly and drop the worse half, until one is left.

    Every start runs on one thread of its own, so the result does not depend on `n_jobs`.

    Parameters
    ----------
    starts : sequence of Start
        One for each seed. When there are several, the mean of their maps joins the race: what they
        have in common is more often right than what they have not.

    trial : Refinement
        Iterated for every candidate that is still in the race.

    problem : AlignmentProblem
        Rows of both spaces.

    seeds : ndarray of shape (n_starts,)
        One for each start.

    n_jobs : int or None
        Threads.

    Yields
    ------
    list of Candidate
        Those still in the race, best first; a single one in the end.
    """

    def begin(start: Start, seed: int) -> Candidate:
        with threadpool_limits(1):
            random_state = np.random.RandomState(seed)
            return candidate(start.map(problem, random_state), random_state)

    def candidate(W: FloatArray, random_state: np.random.RandomState) -> Candidate:
        return Candidate(W, problem.score(W), trial.iterate(problem, W, random_state))

    def advance(candidate: Candidate, n_iter: int) -> Candidate:
        with threadpool_limits(1):
            for W in islice(candidate.refinement, n_iter):
                candidate.map = W
            candidate.score = problem.score(candidate.map)
            return candidate

    def best_first(candidates: list[Candidate]) -> list[Candidate]:
        return sorted(candidates, key=lambda candidate: -candidate.score)

    # The limit is set here as well: that of a thread ends with it, and restores what it found.
    with threadpool_limits(1), Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
        candidates = parallel(
            delayed(begin)(start, int(seed)) for start, seed in zip(starts, seeds, strict=True)
        )
        if len(candidates) > 1:
            consensus = polar_factor(np.sum([c.map for c in candidates], axis=0))
            candidates.append(candidate(consensus, np.random.RandomState(int(seeds[0]))))
        candidates = best_first(candidates)
        yield candidates
        n_iter = _FIRST_ROUND_ITERATIONS
        while len(candidates) > 1:
            candidates = best_first(parallel(delayed(advance)(c, n_iter) for c in candidates))
            candidates = candidates[: (len(candidates) + 1) // 2]
            yield candidates
            n_iter += _FURTHER_ITERATIONS
