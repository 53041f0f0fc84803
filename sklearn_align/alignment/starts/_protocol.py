"""The interface of an initialization."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem


@runtime_checkable
class Start(Protocol):
    """Interface of the objects in ``MiniVec2Vec(init=...)``.

    An optional attribute `analysis` says what the result depends on, apart from `random_state`. Two
    initializations with equal values of it are no independent runs for the convergence check.

    See Also
    --------
    ComponentStart : Matches independent components, the default.
    AnchorStart : Algorithms 1 and 2 of the paper.
    PairStart : Procrustes on known pairs.

    Examples
    --------
    The map that sends the principal axes of one space to those of the other:

    >>> import numpy as np
    >>> from sklearn_align.alignment import Start
    >>> class PrincipalAxes:
    ...     def initial_map(self, problem, random_state):
    ...         U = np.linalg.svd(problem.A, full_matrices=False)[2]
    ...         V = np.linalg.svd(problem.B, full_matrices=False)[2]
    ...         width = min(len(U), len(V))
    ...         return U[:width].T @ V[:width]
    >>> isinstance(PrincipalAxes(), Start)
    True
    """

    def initial_map(
        self, problem: AlignmentProblem, random_state: np.random.RandomState
    ) -> FloatArray:
        """Return a first map.

        Parameters
        ----------
        problem : AlignmentProblem
            Samples of both spaces; in their principal coordinates when candidates are selected by
            successive halving.

        random_state : RandomState
            The only source of randomness to use.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            Need not be orthogonal.
        """
        ...
