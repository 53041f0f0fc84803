"""The interface of an initialization."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem


@runtime_checkable
class Start(Protocol):
    """Interface of the objects in ``MiniVec2Vec(init=...)``.

    An optional attribute `analysis` is the set of parameters on which the result depends, in
    addition to `random_state`. For the convergence check, two initializations with equal `analysis`
    are not independent runs.

    Known pairs are in the problem (``problem.pairs``) for :class:`PairStart` and classes derived
    from it only. The pairs judge the maps of other initializations, which they must not make.

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
        """Return an initial map.

        Parameters
        ----------
        problem : AlignmentProblem
            Samples of both spaces. If candidates are selected by successive halving, the samples
            are in principal coordinates.

        random_state : RandomState
            The only random generator that may be used.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            The map, which need not be orthogonal.
        """
        ...
