"""Whether samples determine a map: maps that halves of them lead to from its leading part."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import numpy as np

from sklearn_align._linalg import polar_factor
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._leading_part import (
    iterations_from,
    leading_directions,
    leading_part,
)
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._recipes import CONVERGENCE, RELEARNING
from sklearn_align.alignment._relative_score import relative_score
from sklearn_align.alignment._threads import on_one_thread


class RelearnedMaps(NamedTuple):
    """What maps that are learned again from halves of the samples tell about a map."""

    # Fraction of the samples that these maps and the map send to the same place.
    agreement: float
    # Their relative score on the samples that they have not seen.
    score: float


def learn_again(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> RelearnedMaps:
    """Learn a map of the reduced problem again, from each of two halves of the samples.

    Of the map, only the part between some leading directions of both spaces is kept. Refinement on
    one half of the samples of each space, without known pairs, learns the other directions again.
    Independent runs on the same samples agree on errors that fit the accidents of these samples;
    halves have other accidents, and the samples of the other half show how much a map fits those of
    its own. Both figures are 1 where the samples determine the map and the spaces have one shape.

    `reduced` should have no near copies, which would be in both halves.
    """
    probe = reduced.sample("A", CONVERGENCE.n_probe_samples, random_state)
    part = leading_part(reduced, W, RELEARNING.n_directions)
    first, second, *_ = reduced.halves(random_state)
    agreements, scores = [], []
    with on_one_thread():
        for half, other in ((first, second), (second, first)):
            V = relearn(half, part, random_state)
            agreements.append(map_agreement(probe, W, V))
            scores.append(relative_score(other, V, random_state))
    return RelearnedMaps(float(np.mean(agreements)), float(np.mean(scores)))


def is_unrivalled(
    reduced: ReducedProblem,
    W: FloatArray,
    relearned: RelearnedMaps,
    random_state: np.random.RandomState,
) -> bool:
    """Whether arbitrary maps between the same leading directions lead to worse maps.

    They are learned again from one half of the samples, and their relative score on the other half
    is compared with that of `relearned`. Between unrelated spaces, also of separated groups, where
    any map that sends groups to groups fits other samples as well, and for wrong maps, they are as
    good. Arbitrary maps need no search: a right map that few initializations lead to has no rival.
    One that leads to the same map is none.
    """
    U, V = leading_directions(reduced, W, RELEARNING.n_directions)
    limit = RELEARNING.max_share_of_rivals * relearned.score
    probe = reduced.sample("A", CONVERGENCE.n_probe_samples, random_state)
    half, other, *_ = reduced.halves(random_state)
    with on_one_thread():
        for _ in range(RELEARNING.n_rivals):
            Q = polar_factor(random_state.standard_normal((U.shape[1], V.shape[1])))
            rival = relearn(half, (U @ Q @ V.T).astype(W.dtype), random_state)
            if map_agreement(probe, W, rival) >= CONVERGENCE.min_agreement:
                continue
            if relative_score(other, rival, random_state) > limit:
                return False
    return True


def relearn(
    problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState
) -> FloatArray:
    """Refine a part of a map on the samples of a problem."""
    *_, W = islice(iterations_from(problem, W, random_state), RELEARNING.n_iterations)
    return W
