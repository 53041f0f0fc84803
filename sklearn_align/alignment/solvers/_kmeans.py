"""Cluster centres that do not depend on the number of threads."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_align._typing import FloatArray


def k_means_centers(
    X: FloatArray,
    n_clusters: int,
    random_state: np.random.RandomState,
    init: FloatArray | str = "k-means++",
) -> FloatArray:
    """Cluster centres (n_clusters, n_features), the same to the bit for any number of threads.

    With fewer distinct samples than clusters, some centres coincide.
    """
    model = KMeans(n_clusters, init=init, n_init=1, random_state=random_state)
    # Threads of k-means add their parts of a centre in the order in which they finish.
    with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        return np.asarray(model.fit(X).cluster_centers_)
