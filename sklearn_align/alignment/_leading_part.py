"""The part of a map between leading directions, and maps that are learned again from it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from joblib import Parallel, delayed

from sklearn_align._linalg import polar_factor, thin_svd
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._candidate_refinements import candidate_refinements
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._recipes import LEARNING_AGAIN
from sklearn_align.alignment._threads import Workers


def leading_part(problem: AlignmentProblem, W: FloatArray, n_directions: int) -> FloatArray:
    """Part of a map between its leading directions."""
    U, V = leading_directions(problem, W, n_directions)
    return np.asarray(U @ (U.T @ W @ V) @ V.T, dtype=W.dtype)


def leading_directions(
    problem: AlignmentProblem, W: FloatArray, n_directions: int
) -> tuple[FloatArray, FloatArray]:
    """Directions of both spaces along which a map sends most variance to most variance, as columns.

    These are the singular vectors of the map, of which rows and columns are multiplied by the
    standard deviations of the samples along the coordinate axes. Principal directions of both
    spaces would not do: a map may send a leading one to a direction of little variance.
    """
    spread_A, spread_B = (np.sqrt(np.mean(np.square(X), axis=0)) for X in (problem.A, problem.B))
    U, _, Vt = thin_svd(spread_A[:, np.newaxis] * W * spread_B)
    return U[:, :n_directions], Vt[:n_directions].T


def iterations_from(
    problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
) -> Iterator[FloatArray]:
    """Yield the maps of the iterations that learn a map again from a part of it."""
    return candidate_refinements()[-1].iterate(problem, W, random_state)


def learn_again_from_leading_part(
    problem: ReducedProblem,
    W: FloatArray,
    n_directions: int,
    random_state: np.random.RandomState,
    workers: Workers,
    parallel: Parallel,
) -> FloatArray:
    """Learn a map again from the part of it between its leading directions.

    A selected map sends some directions of high variance to directions of low variance. Refinement
    does not correct this, because the matching compares what the map brings together. Such
    directions are not among the leading ones of the map. Refinement of the leading part alone
    learns the others again, most of them correctly. Several runs draw other samples and err in
    other directions. The result is the orthogonal map nearest to the mean of their last maps.

    The runs are jobs of `parallel`, threads that enter `workers`.
    """
    part = leading_part(problem, W, n_directions)
    seeds = random_state.randint(np.iinfo(np.int32).max, size=LEARNING_AGAIN.n_runs)
    runs = (delayed(_mean_of_run)(problem, part, int(seed), workers) for seed in seeds)
    return polar_factor(np.mean(list(parallel(runs)), axis=0))


def _mean_of_run(problem: ReducedProblem, W: FloatArray, seed: int, workers: Workers) -> FloatArray:
    n_iter, n_averaged = LEARNING_AGAIN.n_iter, LEARNING_AGAIN.n_averaged
    with workers:
        iterations = iterations_from(problem, W, np.random.RandomState(seed))
        # An iteration may update its map in place.
        last = [V.copy() for V in islice(iterations, n_iter - n_averaged, n_iter)]
    return np.asarray(np.mean(last, axis=0))
