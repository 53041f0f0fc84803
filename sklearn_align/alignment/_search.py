"""The search for a map: initialization, selection and refinements, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._monitor import FitMonitor
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._selection import (
    Round,
    SuccessiveHalving,
    problem_seen_by,
    reduce_problem,
)
from sklearn_align.alignment.refinements import Refinement
from sklearn_align.alignment.starts import PairStart, Start

# From a map and the problem to the fitted attributes that belong to the map.
Attributes = Callable[[FloatArray, AlignmentProblem], dict[str, Any]]


class MapSearch:
    """Finds a map (n_features_A, n_features_B), and finds it again with other known pairs.

    Without a `selection`, the first map is that of the first initialization at full width. Else it
    is the best candidate of the selection, whose last round is `selected`. Stages and iterations
    are reported to the `monitor`, with the fitted attributes of the map of the time.
    """

    def __init__(
        self,
        starts: Sequence[Start],
        refinements: Sequence[Refinement],
        *,
        selection: str | None,
        n_jobs: int | None,
        random_state: np.random.RandomState,
        monitor: FitMonitor,
        attributes: Attributes,
    ) -> None:
        self._starts = starts
        self._refinements = refinements
        self._selection = selection
        self._n_jobs = n_jobs
        self._random_state = random_state
        self._monitor = monitor
        self._attributes = attributes
        self._first_map: FloatArray
        # Rounds after which a callback stopped the selection.
        self._max_rounds: int | None = None
        self._n_iterations: list[int] = []
        self.selected: Round | None = None

    def run(self, problem: AlignmentProblem, reduced: ReducedProblem) -> list[FloatArray]:
        """Return the maps after all stages, fewer where a callback asks to stop the fit."""
        stopped = self._start(problem, reduced)
        maps = [self._first_map]
        for refinement in self._refinements:
            if stopped:
                break
            # A refinement may update its map in place, and that before it is used again.
            W = maps[-1].copy(order="K")
            W, stopped = self._refine(refinement, W, problem)
            maps.append(W)
        return maps

    def again(self, problem: AlignmentProblem) -> FloatArray:
        """Return the orthogonal map of a problem with other known pairs.

        The first map is the same, unless the known pairs made it. The search stops where a callback
        has stopped the first one.
        """
        W = self._first_map.copy(order="K")
        made_by = self.selected.candidates[0].start if self.selected else self._starts[0]
        if isinstance(made_by, PairStart):
            W = self._map_from_pairs(made_by, problem)
        for refinement, n_iter in zip(self._refinements, self._n_iterations, strict=False):
            iterations = refinement.iterate(problem, W, self._random_state)
            for W_new in islice(iterations, n_iter):
                W = W_new
        return polar_factor(W)

    def _map_from_pairs(self, start: PairStart, problem: AlignmentProblem) -> FloatArray:
        if self._selection is None:
            return start.initial_map(problem, self._random_state)
        reduced = reduce_problem(problem, self._random_state)
        with closing(self._halving(reduced, [start]).rounds()) as rounds:
            *_, state = islice(rounds, self._max_rounds)
        return reduced.lift(state.candidates[0].map)

    def _start(self, problem: AlignmentProblem, reduced: ReducedProblem) -> bool:
        """Set the first map and the last round of the selection; whether to stop the fit."""
        with self._monitor.stage("start", max_iter=None) as stage:
            if self._selection is None:
                (start,) = self._starts
                W = start.initial_map(problem_seen_by(start, problem), self._random_state)
                stage.iteration(problem.score(W), partial(self._attributes, W, problem))
            else:
                starts = self._starts
                if problem.pairs is not None and not any(isinstance(s, PairStart) for s in starts):
                    starts = [PairStart(), *starts]
                with closing(self._halving(reduced, starts).rounds()) as rounds:
                    for n_rounds, state in enumerate(rounds, start=1):
                        best = state.candidates[0]
                        W = reduced.lift(best.map)
                        stage.append("start_scores", [c.score for c in state.candidates])
                        stage.append("agreement", state.agreement)
                        if stage.iteration(best.score, partial(self._attributes, W, problem)):
                            self._max_rounds = n_rounds
                            break
                self.selected = state
        self._first_map = W
        return stage.stop_requested

    def _halving(self, reduced: ReducedProblem, starts: Sequence[Start]) -> SuccessiveHalving:
        return SuccessiveHalving(
            reduced,
            starts,
            random_state=self._random_state,
            n_jobs=self._n_jobs,
            learn_again=True,
        )

    def _refine(
        self, refinement: Refinement, W: FloatArray, problem: AlignmentProblem
    ) -> tuple[FloatArray, bool]:
        """Return the refined map and whether a callback asked to stop the fit."""
        name = type(refinement).__name__
        max_iter = getattr(refinement, "max_iter", None)
        self._n_iterations.append(0)
        with self._monitor.stage(name, max_iter=max_iter) as stage:
            for W_new in refinement.iterate(problem, W, self._random_state):
                W = W_new
                self._n_iterations[-1] += 1
                if stage.iteration(problem.score(W), partial(self._attributes, W, problem)):
                    break
        return W, stage.stop_requested
