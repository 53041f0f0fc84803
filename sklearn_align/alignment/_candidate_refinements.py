"""Refinements of candidates in the leading directions, which the convergence check uses, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._recipes import SELECTION
from sklearn_align.alignment.refinements import Refinement, TransportRefinement


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
