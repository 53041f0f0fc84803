"""Cluster centres that do not depend on the number of threads."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

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
    with _openmp().limit(limits=1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        return np.asarray(model.fit(X).cluster_centers_)


@cache
def _openmp() -> ThreadpoolController:
    """Find scikit-learn's OpenMP among the libraries that are loaded, which takes milliseconds."""
    return ThreadpoolController().select(user_api="openmp")
