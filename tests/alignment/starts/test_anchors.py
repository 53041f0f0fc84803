import numpy as np
import pytest

from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import AlignmentProblem, AnchorStart
from sklearn_align.alignment.solvers._kmeans import k_means_centers
from sklearn_align.alignment.solvers._two_opt import two_opt
from sklearn_align.alignment.starts._anchors import centered_gram, match_in_relative_coordinates
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import SmallSampleWarning
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


def test_a_target_sample_without_cosine_to_any_anchor_is_harmless():
    X, Y = np.eye(3), np.eye(3)
    anchors = np.array([[1.0, 0, 0], [0, 1, 0]])
    matched = match_in_relative_coordinates(X[:2], Y, anchors, anchors, 1)
    np.testing.assert_allclose(matched, Y[:2])


def test_gram_matrices_are_centred_scaled_and_blind_to_rotation_and_shift():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 7, 5))
    R = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    gram = centered_gram(centres)
    np.testing.assert_allclose(gram.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(gram, axis=(1, 2)), 1)
    np.testing.assert_allclose(centered_gram(3 * centres @ R + 2), gram, atol=1e-12)


def test_gram_matrix_of_equal_centres_is_zero():
    assert not centered_gram(np.ones((1, 4, 3))).any()


def test_anchors_correspond_on_clustered_data(spaces):
    data, problem = spaces
    start = AnchorStart(n_clusters=12, n_runs=6, n_qap_restarts=30)
    A, B = start.anchors(problem, np.random.RandomState(0))
    assert A.shape == B.shape == (72, 20)
    # Centres of samples around the same latent centre point the same way under the true map.
    own = np.einsum("ij,ij->i", unit_rows(A @ data.rotation), unit_rows(B))
    assert np.median(own) > 0.9


def test_first_map_points_the_right_way_and_is_orthogonal(spaces):
    data, problem = spaces
    start = AnchorStart(n_clusters=12, n_runs=10, n_neighbors=10)
    W = start.initial_map(problem, np.random.RandomState(0))
    np.testing.assert_allclose(W @ W.T, np.eye(20), atol=1e-8)
    Z = (data.XA_test - data.XA.mean(axis=0)) @ W
    T = data.XB_test - data.XB.mean(axis=0)
    assert retrieval_accuracy(Z, T) > 0.5


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
def test_more_clusters_and_neighbors_than_samples_are_clipped(spaces):
    _, problem = spaces
    few = AlignmentProblem(problem.A[:6], problem.B[:5])
    W = AnchorStart(n_clusters=20, n_runs=2, n_qap_restarts=2).initial_map(
        few, np.random.RandomState(0)
    )
    assert W.shape == (20, 20)
    assert np.isfinite(W).all()


def test_defaults():
    assert AnchorStart().get_params() == {
        "n_clusters": 20,
        "n_runs": 30,
        "n_qap_restarts": 30,
        "n_neighbors": 50,
        "n_cluster_samples": 10_000,
        "n_match_samples": None,
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_is_kept(spaces, dtype):
    _, problem = spaces
    few = AlignmentProblem(problem.A[:90].astype(dtype), problem.B[:80].astype(dtype))
    start = AnchorStart(n_clusters=4, n_runs=2, n_qap_restarts=2)
    stream = np.random.RandomState(0)
    assert {side.dtype for side in start.anchors(few, stream)} == {np.dtype(dtype)}
    assert start.initial_map(few, stream).dtype == dtype


def test_first_map_against_the_algorithm_written_out(spaces):
    _, problem = spaces
    start = AnchorStart(
        n_clusters=5,
        n_runs=3,
        n_qap_restarts=2,
        n_neighbors=4,
        n_cluster_samples=100,
        n_match_samples=80,
    )
    few = AlignmentProblem(problem.A[:150], problem.B[:120, :15])
    W = start.initial_map(few, np.random.RandomState(1))
    stream = np.random.RandomState(1)
    X, Y = (few.sample(side, 100, stream) for side in "AB")
    centers_A = np.stack([k_means_centers(X, 5, stream) for _ in range(3)])
    centers_B = np.stack([k_means_centers(Y, 5, stream) for _ in range(3)])
    permutation, _ = two_opt(
        centered_gram(centers_A), centered_gram(centers_B), n_restarts=2, random_state=stream
    )
    anchors_A = np.concatenate(list(centers_A))
    anchors_B = np.concatenate([c[p] for c, p in zip(centers_B, permutation, strict=True)])
    X, Y = (few.sample(side, 80, stream) for side in "AB")
    matched = match_in_relative_coordinates(X, Y, anchors_A, anchors_B, 4)
    np.testing.assert_allclose(W, few.solve(X, matched), atol=1e-10)


@pytest.mark.parametrize(
    ("n_A", "n_B", "n_clusters", "n_neighbors", "message"),
    [
        (7, 8, 9, 2, "^n_clusters=9 was reduced to 7"),
        (8, 7, 9, 2, "^n_clusters=9 was reduced to 7"),
        (8, 7, 2, 9, "^n_neighbors=9 was reduced to 7"),
    ],
)
def test_parameters_above_the_number_of_samples_are_named(
    spaces, n_A, n_B, n_clusters, n_neighbors, message
):
    _, problem = spaces
    few = AlignmentProblem(problem.A[:n_A], problem.B[:n_B])
    start = AnchorStart(n_clusters, n_runs=1, n_qap_restarts=1, n_neighbors=n_neighbors)
    with pytest.warns(SmallSampleWarning, match=message):
        start.initial_map(few, np.random.RandomState(0))
