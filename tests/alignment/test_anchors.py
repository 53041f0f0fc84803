import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from sklearn_align.alignment._anchors import (
    AnchorStart,
    centred_gram,
    k_means_centres,
    match_in_relative_coordinates,
)
from sklearn_align.alignment._problem import AlignmentProblem, unit_rows
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import retrieval_accuracy


def cosines(X, Y):
    return unit_rows(X) @ unit_rows(Y).T


@pytest.fixture(scope="module")
def spaces():
    data = make_rotated_embeddings(1200, 20, n_clusters=12, cluster_std=0.3, random_state=0)
    A, B = (unit_rows(X, X.mean(axis=0)) for X in (data.XA, data.XB))
    return data, AlignmentProblem(A, B)


@pytest.mark.parametrize("n_anchors", [3, 40])
@pytest.mark.parametrize("k", [1, 7])
def test_bilinear_form_against_explicit_relative_coordinates(n_anchors, k):
    rng = np.random.default_rng(0)
    X, Y = unit_rows(rng.standard_normal((25, 6))), unit_rows(rng.standard_normal((30, 8)))
    anchors_A, anchors_B = rng.standard_normal((n_anchors, 6)), rng.standard_normal((n_anchors, 8))
    relative_A, relative_B = cosines(X, anchors_A), cosines(Y, anchors_B)
    nearest = np.argsort(-cosines(relative_A, relative_B), axis=1)[:, :k]
    np.testing.assert_allclose(
        match_in_relative_coordinates(X, Y, anchors_A, anchors_B, k),
        Y[nearest].mean(axis=1),
        atol=1e-12,
    )


def test_a_target_row_without_cosine_to_any_anchor_is_harmless():
    X, Y = np.eye(3), np.eye(3)
    anchors = np.array([[1.0, 0, 0], [0, 1, 0]])
    matched = match_in_relative_coordinates(X[:2], Y, anchors, anchors, 1)
    np.testing.assert_allclose(matched, Y[:2])


def test_gram_matrices_are_centred_scaled_and_blind_to_rotation_and_shift():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 7, 5))
    R = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    gram = centred_gram(centres)
    np.testing.assert_allclose(gram.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(gram, axis=(1, 2)), 1)
    np.testing.assert_allclose(centred_gram(3 * centres @ R + 2), gram, atol=1e-12)


def test_gram_matrix_of_equal_centres_is_zero():
    assert not centred_gram(np.ones((1, 4, 3))).any()


def test_centres_agree_with_scikit_learn():
    rows = np.random.default_rng(0).standard_normal((80, 4))
    expected = KMeans(5, n_init=1, random_state=np.random.RandomState(3)).fit(rows)
    centres = k_means_centres(rows, 5, np.random.RandomState(3))
    np.testing.assert_allclose(centres, expected.cluster_centers_)


@pytest.mark.parametrize("threads", [1, 2])
def test_centres_do_not_depend_on_the_number_of_threads(threads):
    rows = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
    expected = k_means_centres(rows, 10, np.random.RandomState(0))
    with threadpool_limits(threads, user_api="openmp"):
        np.testing.assert_array_equal(k_means_centres(rows, 10, np.random.RandomState(0)), expected)


def test_fewer_distinct_rows_than_clusters_give_no_warning():
    rows = np.repeat(np.eye(3), 5, axis=0)
    centres = k_means_centres(rows, 6, np.random.RandomState(0))
    assert {tuple(c) for c in centres.round(9)} == {tuple(r) for r in np.eye(3)}


def test_anchors_correspond_on_clustered_data(spaces):
    data, problem = spaces
    start = AnchorStart(n_clusters=12, n_runs=6, n_restarts=30)
    A, B = start.anchors(problem, np.random.RandomState(0))
    assert A.shape == B.shape == (72, 20)
    # Centres of rows around the same latent centre point the same way under the true map.
    own = np.einsum("ij,ij->i", unit_rows(A @ data.rotation), unit_rows(B))
    assert np.median(own) > 0.9


def test_first_map_points_the_right_way_and_is_orthogonal(spaces):
    data, problem = spaces
    start = AnchorStart(n_clusters=12, n_runs=10, n_neighbors=10)
    W = start.map(problem, np.random.RandomState(0))
    np.testing.assert_allclose(W @ W.T, np.eye(20), atol=1e-8)
    Z = (data.XA_test - data.XA.mean(axis=0)) @ W
    T = data.XB_test - data.XB.mean(axis=0)
    assert retrieval_accuracy(Z, T) > 0.5


def test_more_clusters_and_neighbours_than_rows_are_clipped(spaces):
    _, problem = spaces
    few = AlignmentProblem(problem.A[:6], problem.B[:5])
    W = AnchorStart(n_clusters=20, n_runs=2, n_restarts=2).map(few, np.random.RandomState(0))
    assert W.shape == (20, 20)
    assert np.isfinite(W).all()
