"""Initialization from known pairs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._linalg import partial_isometry
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem


class PairStart(BaseEstimator):
    """Partial isometry that maps the source side of known pairs onto their target side.

    The map is ``U_r @ V_r.T`` of the singular value decomposition of ``pairs.A.T @ pairs.B``, with
    as many singular directions as pairs. Directions outside the span of the pairs are mapped to
    zero. If `fit` gets pairs, :class:`~sklearn_align.MiniVec2Vec` adds this start to the
    candidates.

    See Also
    --------
    KnownPairs : The pairs of a problem.

    Examples
    --------
    >>> from sklearn_align.alignment import PairStart
    >>> PairStart()
    PairStart()
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def initial_map(
        self, problem: AlignmentProblem, random_state: np.random.RandomState
    ) -> FloatArray:
        """Return an initial map; see :class:`Start`."""
        pairs = problem.pairs
        if pairs is None:
            raise ValueError(
                "PairStart needs known pairs: pass pairs=(rows_A, rows_B) to fit, or another init."
            )
        cross = pairs.A.T @ pairs.B
        return partial_isometry(cross, rank=min(len(pairs), *cross.shape))
