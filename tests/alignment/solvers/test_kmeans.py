import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_align.alignment.solvers import _kmeans
from sklearn_align.alignment.solvers._kmeans import k_means_centers


def test_centres_agree_with_scikit_learn():
    samples = np.random.default_rng(0).standard_normal((80, 4))
    expected = KMeans(5, n_init=1, random_state=np.random.RandomState(3)).fit(samples)
    centres = k_means_centers(samples, 5, np.random.RandomState(3))
    np.testing.assert_allclose(centres, expected.cluster_centers_)


@pytest.mark.parametrize("threads", [1, 2])
def test_centres_do_not_depend_on_the_number_of_threads(threads):
    samples = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
    expected = k_means_centers(samples, 10, np.random.RandomState(0))
    with threadpool_limits(threads, user_api="openmp"):
        np.testing.assert_array_equal(
            k_means_centers(samples, 10, np.random.RandomState(0)), expected
        )


def test_fewer_distinct_samples_than_clusters_give_no_warning():
    samples = np.repeat(np.eye(3), 5, axis=0)
    centres = k_means_centers(samples, 6, np.random.RandomState(0))
    assert {tuple(c) for c in centres.round(9)} == {tuple(r) for r in np.eye(3)}


def test_linear_algebra_keeps_its_threads(monkeypatch):
    seen = []

    class Spy(KMeans):
        def fit(self, X, y=None, sample_weight=None):
            seen.extend(threadpool_info())
            return super().fit(X)

    def threads(info, api):
        return [
            library["num_threads"]
            for library in info
            # BLAS that is built on OpenMP has one thread with it.
            if library["user_api"] == api and library.get("threading_layer") != "openmp"
        ]

    monkeypatch.setattr(_kmeans, "KMeans", Spy)
    with threadpool_limits(2):
        before = threadpool_info()
        k_means_centers(np.eye(3), 2, np.random.RandomState(0))
    assert threads(seen, "blas") == threads(before, "blas")
    assert set(threads(seen, "openmp")) == {1}
