"""Initialization from matched cluster centres: Algorithms 1 and 2 of mini-vec2vec."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_align._constraints import AT_LEAST_TWO, POSITIVE_INT
from sklearn_align._linalg import unit_rows
from sklearn_align._similarity import nearest_mean
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._inputs import clip_to_samples
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment.solvers._kmeans import k_means_centers
from sklearn_align.alignment.solvers._two_opt import two_opt


class AnchorStart(BaseEstimator):
    """Match cluster centres by quadratic assignment, then samples by cosines with the centres.

    Each of the `n_runs` runs clusters both spaces by k-means and subtracts the mean of the cluster
    centres. It matches the centres by the permutation ``p`` that maximises ``sum_ij K_A[i, j] *
    K_B[p[i], p[j]]``, where ``K_A`` and ``K_B`` are their Gram matrices. The matched centres of all
    runs are the anchors. The relative coordinates of a sample are its cosines with the anchors of
    its space. Every source sample is matched with the mean of the `n_neighbors` target samples
    whose relative coordinates are most similar. Orthogonal Procrustes then gives the map.

    Parameters
    ----------
    n_clusters : int, default=20
        Number of clusters of each space in one run, at most the number of samples.

    n_runs : int, default=30
        Number of runs. The matched cluster centres of all runs are used.

    n_qap_restarts : int, default=30
        Number of random restarts of the quadratic assignment in a run.

    n_neighbors : int, default=50
        Number of target samples that are averaged for each source sample, at most the number of
        target samples.

    n_cluster_samples : int or None, default=10000
        Number of samples of each space that are clustered; None uses all samples.

    n_match_samples : int or None, default=None
        Number of samples of each space that are matched; None uses all samples.

    See Also
    --------
    ComponentStart : Matches independent components.
    sklearn_align.MiniVec2Vec.from_paper : The complete published recipe.

    References
    ----------
    .. [1] G. Dar, "mini-vec2vec: Scaling Universal Geometry Alignment with Linear
       Transformations", arXiv:2510.02348, Algorithms 1 and 2.

    Examples
    --------
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.alignment import AnchorStart
    >>> MiniVec2Vec(init=AnchorStart(n_clusters=30)).get_params()["init__n_clusters"]
    30
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [POSITIVE_INT],
        "n_runs": [POSITIVE_INT],
        "n_qap_restarts": [POSITIVE_INT],
        "n_neighbors": [POSITIVE_INT],
        "n_cluster_samples": [AT_LEAST_TWO, None],
        "n_match_samples": [AT_LEAST_TWO, None],
    }

    def __init__(
        self,
        n_clusters: int = 20,
        *,
        n_runs: int = 30,
        n_qap_restarts: int = 30,
        n_neighbors: int = 50,
        n_cluster_samples: int | None = 10_000,
        n_match_samples: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_runs = n_runs
        self.n_qap_restarts = n_qap_restarts
        self.n_neighbors = n_neighbors
        self.n_cluster_samples = n_cluster_samples
        self.n_match_samples = n_match_samples

    def initial_map(
        self, problem: AlignmentProblem, random_state: np.random.RandomState
    ) -> FloatArray:
        """Return an initial map; see :class:`Start`."""
        anchors_A, anchors_B = self.anchors(problem, random_state)
        X = problem.sample("A", self.n_match_samples, random_state)
        Y = problem.sample("B", self.n_match_samples, random_state)
        k = clip_to_samples("n_neighbors", self.n_neighbors, len(Y))
        return problem.solve(X, match_in_relative_coordinates(X, Y, anchors_A, anchors_B, k))

    def anchors(
        self, problem: AlignmentProblem, random_state: np.random.RandomState
    ) -> tuple[FloatArray, FloatArray]:
        """Return the matched cluster centres of all runs.

        Parameters
        ----------
        problem : AlignmentProblem
            Samples of both spaces.

        random_state : RandomState
            Source of randomness.

        Returns
        -------
        anchors_A : ndarray of shape (n_runs * n_clusters, n_features_A)
            Cluster centres of the source space.

        anchors_B : ndarray of shape (n_runs * n_clusters, n_features_B)
            The matched cluster centres of the target space, in the same order.
        """
        X = problem.sample("A", self.n_cluster_samples, random_state)
        Y = problem.sample("B", self.n_cluster_samples, random_state)
        n_clusters = clip_to_samples("n_clusters", self.n_clusters, min(len(X), len(Y)))
        centers_A = self._centers(X, n_clusters, random_state)
        centers_B = self._centers(Y, n_clusters, random_state)
        permutation, _ = two_opt(
            centered_gram(centers_A),
            centered_gram(centers_B),
            n_restarts=self.n_qap_restarts,
            random_state=random_state,
        )
        matched_B = np.take_along_axis(centers_B, permutation[:, :, None], axis=1)
        return centers_A.reshape(-1, X.shape[1]), matched_B.reshape(-1, Y.shape[1])

    def _centers(
        self, X: FloatArray, n_clusters: int, random_state: np.random.RandomState
    ) -> FloatArray:
        """Cluster centres of every run: (n_runs, n_clusters, n_features)."""
        centers = np.empty((self.n_runs, n_clusters, X.shape[1]), dtype=X.dtype)
        for run in centers:
            run[:] = k_means_centers(X, n_clusters, random_state)
        return centers


def centered_gram(centers: FloatArray) -> FloatArray:
    """Gram matrices (n_runs, n_clusters, n_clusters) of centred centres, of unit Frobenius norm."""
    centred = centers - centers.mean(axis=1, keepdims=True)
    gram = centred @ centred.swapaxes(1, 2)
    norm = np.sqrt(np.einsum("bij,bij->b", gram, gram))
    norm[norm == 0] = 1
    return np.asarray(gram / norm[:, None, None])


def match_in_relative_coordinates(
    X: FloatArray, Y: FloatArray, anchors_A: FloatArray, anchors_B: FloatArray, n_neighbors: int
) -> FloatArray:
    """Mean of the target samples whose cosines with the anchors are most similar: (n_X, n_B).

    The inner product of relative coordinates, ``(x @ U_A.T) @ (y @ U_B.T)``, is a bilinear form of
    the samples, so it is evaluated at the width of the target space however many anchors there are.
    """
    U_A, U_B = unit_rows(anchors_A), unit_rows(anchors_B)
    length = np.sqrt(np.maximum(np.einsum("ij,ij->i", Y @ (U_B.T @ U_B), Y), 0))
    length[length == 0] = 1
    return nearest_mean(X @ (U_A.T @ U_B), Y / length[:, None], Y, n_neighbors)
