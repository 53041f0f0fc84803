"""Initialization from independent components."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._constraints import FRACTION_ABOVE_ZERO, POSITIVE_INT
from sklearn_align._linalg import partial_isometry
from sklearn_align._sklearn import StrOptions
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._problem import AlignmentProblem, Side
from sklearn_align.alignment._recipes import Contrast
from sklearn_align.alignment.solvers._component_statistics import (
    Components,
    component_relations,
    component_similarity,
)
from sklearn_align.alignment.solvers._fastica import fast_ica
from sklearn_align.alignment.solvers._graph_matching import match_graphs


class ComponentStart(BaseEstimator):
    """Match independent components of the two spaces.

    The components of each space are found by independent component analysis. If one space is a
    linear map of the other, both have the same components. The components are matched by statistics
    that do not depend on the basis: the distribution of the samples along each component, and the
    dependence between each two components. The map is ``U @ V.T`` of the singular value
    decomposition of ``sum_k a_k b_k.T`` over the matched directions ``a_k`` and ``b_k``.

    Parameters
    ----------
    n_components : int, default=96
        Number of leading principal directions that are analysed.

    contrast : {"logcosh", "skew"}, default="skew"
        Contrast function of the analysis.

    matched_fraction : float, default=1.0
        Fraction of the components that are matched, in (0, 1]; the most skewed components are used.
        The other components are often mixtures without a counterpart in the other space.

    See Also
    --------
    AnchorStart : Matches cluster centres.

    References
    ----------
    .. [1] A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component
       analysis", IEEE Transactions on Neural Networks 10(3), 1999.
    .. [2] S. Gold, A. Rangarajan, "A graduated assignment algorithm for graph matching", IEEE
       Transactions on Pattern Analysis and Machine Intelligence 18(4), 1996.

    Examples
    --------
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.alignment import ComponentStart
    >>> aligner = MiniVec2Vec(init=ComponentStart(n_components=64))
    >>> aligner.get_params()["init__n_components"]
    64
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [POSITIVE_INT],
        "contrast": [StrOptions({"logcosh", "skew"})],
        "matched_fraction": [FRACTION_ABOVE_ZERO],
    }

    def __init__(
        self,
        n_components: int = 96,
        *,
        contrast: Contrast = "skew",
        matched_fraction: float = 1.0,
    ) -> None:
        self.n_components = n_components
        self.contrast = contrast
        self.matched_fraction = matched_fraction

    @property
    def analysis(self) -> tuple[int, str]:
        """Parameters on which the components depend, see :class:`Start`."""
        return self.n_components, self.contrast

    def limited_to(self, width: int) -> ComponentStart:
        """Return an initialization with at most as many components as features.

        Parameters
        ----------
        width : int
            Number of features of the narrower space.

        Returns
        -------
        ComponentStart
            An initialization that matches all components of a narrow space, because each of them is
            needed.
        """
        if self.n_components < width:
            return self
        return ComponentStart(width, contrast=self.contrast)

    def initial_map(
        self, problem: AlignmentProblem, random_state: np.random.RandomState
    ) -> FloatArray:
        """Return an initial map; see :class:`Start`."""
        A = self._components(problem, "A", random_state)
        B = self._components(problem, "B", random_state)
        matched_A, matched_B = match_graphs(
            component_relations(A),
            component_relations(B),
            component_similarity(A, B),
            random_state=random_state,
        )
        return partial_isometry(
            A.directions[:, matched_A] @ B.directions[:, matched_B].T, rank=len(matched_A)
        )

    def _components(
        self, problem: AlignmentProblem, side: Side, random_state: np.random.RandomState
    ) -> Components:
        """Return the most skewed components of one side."""
        sources, directions = fast_ica(
            problem.whitening(side),
            self.n_components,
            contrast=self.contrast,
            random_state=random_state,
        )
        return Components.oriented(sources, directions).most_skewed(self.matched_fraction)
