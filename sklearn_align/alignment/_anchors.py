"""The start: anchors by k-means and quadratic assignment, then a match in relative coordinates."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_align._similarity import nearest_mean
from sklearn_align.alignment._problem import AlignmentProblem, unit_rows
from sklearn_align.alignment._qap import quadratic_assignment

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class AnchorStart:
    """Algorithms 1 and 2 of mini-vec2vec: a first map from cluster geometry alone.

    Parameters
    ----------
    n_clusters : int
        Clusters on each side in each anchor run.

    n_runs : int
        Anchor runs, whose matched centroids are all used.

    n_restarts : int
        Random restarts of the quadratic assignment in each run.

    n_neighbors : int
        Target rows averaged for each source row.

    n_cluster_rows : int or None
        Rows of each side that are clustered; None takes all.

    n_match_rows : int or None
        Rows of each side that are matched; None takes all.

    References
    ----------
    .. [1] G. Dar, "mini-vec2vec: Scaling Universal Geometry Alignment with Linear
       Transformations", arXiv:2510.02348, Algorithms 1 and 2.
    """

    n_clusters: int = 20
    n_runs: int = 30
    n_restarts: int = 30
    n_neighbors: int = 50
    n_cluster_rows: int | None = 10_000
    n_match_rows: int | None = None

    def map(self, problem: AlignmentProblem, random_state: np.random.RandomState) -> FloatArray:
        """Return a first map.

        Parameters
        ----------
        problem : AlignmentProblem
            Rows of both spaces.

        random_state : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (n_features_A, n_features_B)
            Orthogonal, or semi-orthogonal when the widths differ.
        """
        anchors_A, anchors_B = self.anchors(problem, random_state)
        X = problem.sample("A", self.n_match_rows, random_state)
        Y = problem.sample("B", self.n_match_rows, random_state)
        k = min(self.n_neighbors, len(Y))
        return problem.solve(X, match_in_relative_coordinates(X, Y, anchors_A, anchors_B, k))

    def anchors(
        self, problem: AlignmentProblem, random_state: np.random.RandomState
    ) -> tuple[FloatArray, FloatArray]:
        """Return the matched anchors of all runs.

        Parameters
        ----------
        problem : AlignmentProblem
            Rows of both spaces.

        random_state : RandomState
            Source of randomness.

        Returns
        -------
        anchors_A : ndarray of shape (n_runs * n_clusters, n_features_A)
            Cluster centres of the source space.

        anchors_B : ndarray of shape (n_runs * n_clusters, n_features_B)
            The centres of the target space matched with them, row by row.
        """
        X = problem.sample("A", self.n_cluster_rows, random_state)
        Y = problem.sample("B", self.n_cluster_rows, random_state)
        n_clusters = min(self.n_clusters, len(X), len(Y))
        centres_A = self._centres(X, n_clusters, random_state)
        centres_B = self._centres(Y, n_clusters, random_state)
        permutation, _ = quadratic_assignment(
            centred_gram(centres_A),
            centred_gram(centres_B),
            n_restarts=self.n_restarts,
            random_state=random_state,
        )
        matched_B = np.take_along_axis(centres_B, permutation[:, :, None], axis=1)
        return centres_A.reshape(-1, X.shape[1]), matched_B.reshape(-1, Y.shape[1])

    def _centres(
        self, rows: FloatArray, n_clusters: int, random_state: np.random.RandomState
    ) -> FloatArray:
        """Cluster centres at full width for every run: (n_runs, n_clusters, n_features)."""
        centres = np.empty((self.n_runs, n_clusters, rows.shape[1]), dtype=rows.dtype)
        for run in centres:
            run[:] = k_means_centres(rows, n_clusters, random_state)
        return centres


def k_means_centres(
    rows: FloatArray,
    n_clusters: int,
    random_state: np.random.RandomState,
    init: FloatArray | str = "k-means++",
) -> FloatArray:
    """Return cluster centres, the same to the bit for any number of threads.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows to cluster.

    n_clusters : int
        Number of clusters.

    random_state : RandomState
        Source of randomness.

    init : ndarray of shape (n_clusters, n_features) or str, default="k-means++"
        Initial centres, or how scikit-learn draws them.

    Returns
    -------
    ndarray of shape (n_clusters, n_features)
        With fewer distinct rows than clusters, some centres coincide.
    """
    model = KMeans(n_clusters, init=init, n_init=1, random_state=random_state)
    # Threads of k-means add their shares of a centre in the order in which they finish.
    with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        return np.asarray(model.fit(rows).cluster_centers_)


def centred_gram(centres: FloatArray) -> FloatArray:
    """Gram matrices of centres whose mean is removed, scaled to unit Frobenius norm.

    Parameters
    ----------
    centres : ndarray of shape (n_runs, n_clusters, n_features)
        Cluster centres of every run.

    Returns
    -------
    ndarray of shape (n_runs, n_clusters, n_clusters)
        The scale does not change the assignment, but keeps the arithmetic in range.
    """
    centred = centres - centres.mean(axis=1, keepdims=True)
    gram = centred @ centred.swapaxes(1, 2)
    norm = np.sqrt(np.einsum("bij,bij->b", gram, gram))
    norm[norm == 0] = 1
    return np.asarray(gram / norm[:, None, None])


def match_in_relative_coordinates(
    X: FloatArray, Y: FloatArray, anchors_A: FloatArray, anchors_B: FloatArray, n_neighbors: int
) -> FloatArray:
    """Mean of the target rows whose cosines with the anchors are most like those of each row.

    The relative coordinates of a row are its cosines with the anchors of its space. Their inner
    product across the spaces, ``(x @ U_A.T) @ (y @ U_B.T)``, is a bilinear form of the rows, so it
    is evaluated at the width of the target space however many anchors there are.

    Parameters
    ----------
    X : ndarray of shape (n_X, n_features_A)
        Unit rows of the source space.

    Y : ndarray of shape (n_Y, n_features_B)
        Unit rows of the target space.

    anchors_A : ndarray of shape (n_anchors, n_features_A)
        Anchors of the source space.

    anchors_B : ndarray of shape (n_anchors, n_features_B)
        Their counterparts in the target space.

    n_neighbors : int
        Target rows averaged for each source row.

    Returns
    -------
    ndarray of shape (n_X, n_features_B)
        What each row of `X` is matched with.
    """
    U_A, U_B = unit_rows(anchors_A), unit_rows(anchors_B)
    length = np.sqrt(np.maximum(np.einsum("ij,ij->i", Y @ (U_B.T @ U_B), Y), 0))
    length[length == 0] = 1
    return nearest_mean(X @ (U_A.T @ U_B), Y / length[:, None], Y, n_neighbors)
