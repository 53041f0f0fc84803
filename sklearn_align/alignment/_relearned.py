"""Whether samples determine a map: maps that halves of them lead to from its leading part."""

from __future__ import annotations

from itertools import islice

import numpy as np
from scipy.special import expit, logit

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._problem import ReducedProblem
from sklearn_align.alignment._recipes import CONVERGENCE, RELEARNING
from sklearn_align.alignment._selection import candidate_refinements
from sklearn_align.alignment._threads import on_one_thread


def agreement_with_relearned_maps(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Agreement of a map of the reduced problem with maps that halves of the samples lead to.

    Of the map, only the part between some leading directions of both spaces is kept. Refinement on
    one half of the samples of each space, without known pairs, learns the other directions again.
    Independent runs on the same samples agree on errors that fit the accidents of these samples;
    halves have other accidents. 1 where the samples determine the map.

    The agreements for two numbers of leading directions and two disjoint halves are averaged as
    log-odds, so that .99 and .999 differ as much as .9 and .99.
    """
    probe = reduced.sample("A", CONVERGENCE.n_probe_samples, random_state)
    first, second, *_ = reduced.halves(random_state)
    with on_one_thread():
        agreements = [
            map_agreement(probe, W, relearn(half, W, n_directions, random_state))
            for n_directions in RELEARNING.n_directions
            for half in (first, second)
        ]
    return float(expit(np.mean(logit(np.clip(agreements, *RELEARNING.agreement_range)))))


def relearn(
    problem: ReducedProblem, W: FloatArray, n_directions: int, random_state: np.random.RandomState
) -> FloatArray:
    """Refine the part of a map between the leading directions, in which samples vary most."""
    V = np.zeros_like(W)
    V[:n_directions, :n_directions] = W[:n_directions, :n_directions]
    iterations = candidate_refinements()[-1].iterate(problem, V, random_state)
    *_, V = islice(iterations, RELEARNING.n_iterations)
    return V
