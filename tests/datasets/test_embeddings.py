import re

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import normalize

from sklearn_align.datasets import load_sentence_embeddings, make_rotated_embeddings
from sklearn_align.metrics import mean_cosine_similarity, retrieval_accuracy


def centred(X, reference):
    return X - reference.mean(axis=0)


class TestSentences:
    def test_contents(self):
        data = load_sentence_embeddings()
        assert data.XA.shape == data.XB.shape == (3000, 300)
        assert data.XA_test.shape == data.XB_test.shape == (1500, 300)
        for key in ("XA", "XB", "XA_test", "XB_test"):
            assert data[key].dtype == np.float32
            assert np.isfinite(data[key]).all()
            assert (np.abs(data[key]).sum(axis=1) > 0).all()
        assert len(set(data.feature_names_A + data.feature_names_B)) == 600
        assert "word2vec" in data.DESCR

    def test_labels(self):
        data = load_sentence_embeddings()
        for side in ("A", "B", "test"):
            labels = data[f"labels_{side}"]
            assert len(labels) == len(data.XA_test if side == "test" else data[f"X{side}"])
            assert set(labels) == set(range(len(data.label_names)))
        # The kind of a held-out sentence can be predicted from its embedding in either space.
        for side in ("A", "B"):
            clf = NearestCentroid().fit(data[f"X{side}"], data[f"labels_{side}"])
            assert clf.score(data[f"X{side}_test"], data.labels_test) > 0.6

    def test_tuple(self):
        XA, XB = load_sentence_embeddings(return_X_y=True)
        data = load_sentence_embeddings()
        np.testing.assert_array_equal(XA, data.XA)
        np.testing.assert_array_equal(XB, data.XB)

    def test_each_call_returns_arrays_of_its_own(self):
        load_sentence_embeddings().XA[:] = 0
        assert load_sentence_embeddings().XA.any()

    def test_held_out_samples_are_pairs_that_a_rotation_maps_onto_each_other(self):
        data = load_sentence_embeddings()
        A, B = centred(data.XA_test, data.XA), centred(data.XB_test, data.XB)
        half = len(A) // 2
        rotation, _ = orthogonal_procrustes(A[:half], B[:half])
        assert retrieval_accuracy(A[half:] @ rotation, B[half:]) > 0.95
        assert retrieval_accuracy(A[half:], B[half:]) < 0.01

    def test_sides_are_not_paired(self):
        data = load_sentence_embeddings()
        A, B = centred(data.XA_test, data.XA), centred(data.XB_test, data.XB)
        rotation, _ = orthogonal_procrustes(A, B)
        Z = centred(data.XA, data.XA) @ rotation
        assert mean_cosine_similarity(Z, centred(data.XB, data.XB)) < 0.2


class TestSentenceEncoders:
    @pytest.fixture(scope="class")
    @staticmethod
    def data():
        return load_sentence_embeddings(pair="minilm_mpnet")

    def test_contents(self, data):
        assert data.XA.shape == (5000, 384)
        assert data.XB.shape == (5000, 768)
        assert data.XA_test.shape == (1500, 384)
        assert data.XB_test.shape == (1500, 768)
        for key in ("XA", "XB", "XA_test", "XB_test"):
            assert data[key].dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(data[key], axis=1), 1, rtol=1e-5)
        assert data.feature_names_A == [f"minilm{j}" for j in range(384)]
        assert data.feature_names_B == [f"mpnet{j}" for j in range(768)]
        for credit in ("all-MiniLM-L6-v2", "all-mpnet-base-v2", "Apache License 2.0"):
            assert credit in data.DESCR

    def test_labels(self, data):
        for side in ("A", "B"):
            assert len(data[f"labels_{side}"]) == 5000
            clf = KNeighborsClassifier(10).fit(data[f"X{side}"], data[f"labels_{side}"])
            assert clf.score(data[f"X{side}_test"], data.labels_test) > 0.6

    def test_tuple(self, data):
        XA, XB = load_sentence_embeddings(pair="minilm_mpnet", return_X_y=True)
        np.testing.assert_array_equal(XA, data.XA)
        np.testing.assert_array_equal(XB, data.XB)

    def test_held_out_samples_are_pairs_that_an_orthogonal_map_finds(self, data):
        A, B = centred(data.XA_test, data.XA), centred(data.XB_test, data.XB)
        U, _, Vt = np.linalg.svd(A[:1000].T @ B[:1000], full_matrices=False)
        assert retrieval_accuracy(A[1000:] @ U @ Vt, B[1000:]) > 0.97
        # The map is particular to the pairs: with the counterparts moved by one it finds nothing.
        U, _, Vt = np.linalg.svd(A[:1000].T @ np.roll(B[:1000], 1, axis=0), full_matrices=False)
        assert retrieval_accuracy(A[1000:] @ U @ Vt, B[1000:]) < 0.05

    def test_sides_do_not_hold_the_same_sentences(self, data):
        A, B = centred(data.XA_test, data.XA), centred(data.XB_test, data.XB)
        U, _, Vt = np.linalg.svd(A[:1000].T @ B[:1000], full_matrices=False)

        def cosine_with_the_nearest(X, Y):
            return (normalize(X @ U @ Vt) @ normalize(Y).T).max(axis=1)

        held_out = cosine_with_the_nearest(A[1000:], B[1000:])
        sides = cosine_with_the_nearest(centred(data.XA, data.XA)[:1000], centred(data.XB, data.XB))
        assert np.median(sides) < np.quantile(held_out, 0.1)

    def test_default_is_the_word2vec_pair(self):
        np.testing.assert_array_equal(
            load_sentence_embeddings().XA, load_sentence_embeddings(pair="word2vec").XA
        )

    @pytest.mark.parametrize("pair", ["minilm", "minilm_mpnet.npz", None, ["word2vec"]])
    def test_unknown_pair(self, pair):
        message = f"pair must be one of ['word2vec', 'minilm_mpnet'], got {pair!r}."
        with pytest.raises(ValueError, match=re.escape(message)):
            load_sentence_embeddings(pair=pair)


class TestRotated:
    @pytest.mark.parametrize(("width_A", "width_B"), [(8, 8), (8, 13), (13, 8), (1, 1), (1, 4)])
    def test_shapes_and_the_true_map(self, width_A, width_B):
        data = make_rotated_embeddings(
            60,
            width_A,
            n_samples_target=45,
            n_features_target=width_B,
            n_test=20,
            noise=0,
            shift=0,
            random_state=0,
        )
        assert data.XA.shape == (60, width_A)
        assert data.XB.shape == (45, width_B)
        assert data.XA_test.shape == (20, width_A)
        assert data.XB_test.shape == (20, width_B)
        np.testing.assert_allclose(data.XA_test @ data.rotation, data.XB_test, atol=1e-10)
        np.testing.assert_allclose(data.XB_test @ data.rotation.T, data.XA_test, atol=1e-10)
        singular = np.linalg.svd(data.rotation, compute_uv=False)
        np.testing.assert_allclose(singular, 1)
        assert len(data.labels_A) == 60
        assert len(data.labels_B) == 45
        assert len(data.labels_test) == 20

    def test_noise_and_shift_have_the_length_asked_for(self):
        clean, noisy, shifted = (
            make_rotated_embeddings(4000, 16, noise=noise, shift=shift, random_state=0)
            for noise, shift in ((0, 0), (0.3, 0), (0, 0.4))
        )
        length = np.sqrt((clean.XA**2).sum(axis=1).mean())
        noise = np.sqrt(((noisy.XA - clean.XA) ** 2).sum(axis=1).mean())
        assert noise == pytest.approx(0.3 * length, rel=0.03)
        difference = shifted.XA - clean.XA
        np.testing.assert_allclose(difference, difference[:1].repeat(4000, axis=0), atol=1e-12)
        assert np.linalg.norm(difference[0]) == pytest.approx(0.4 * length, rel=0.03)

    def test_training_samples_are_not_paired(self):
        data = make_rotated_embeddings(500, 8, noise=0, shift=0, random_state=0)
        assert not np.isclose(data.XA @ data.rotation, data.XB).all(axis=1).any()

    def test_spectrum(self):
        flat, steep = (
            make_rotated_embeddings(
                5000, 10, n_clusters=3000, spectrum_decay=decay, noise=0, shift=0, random_state=0
            )
            for decay in (0, 1)
        )
        for data, low, high in ((flat, 1.0, 1.4), (steep, 8.0, 12.5)):
            singular = np.linalg.svd(data.XA, compute_uv=False)
            assert low <= singular[0] / singular[-1] <= high

    def test_random_state(self):
        one, same, other = (make_rotated_embeddings(20, 4, random_state=s) for s in (0, 0, 1))
        np.testing.assert_array_equal(one.XB, same.XB)
        assert not np.array_equal(one.XB, other.XB)

    @pytest.mark.parametrize(
        "options",
        [
            {"n_samples": 0},
            {"n_features": 0},
            {"n_samples_target": -1},
            {"n_clusters": 0},
            {"n_test": -1},
            {"noise": -0.1},
            {"cluster_std": -1},
            {"shift": -1},
            {"spectrum_decay": -1},
        ],
    )
    def test_bad_input(self, options):
        (name,) = options
        with pytest.raises(ValueError, match=name):
            make_rotated_embeddings(**options)


@pytest.mark.parametrize("name", ["cluster_std", "spectrum_decay", "noise", "shift"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_undefined_and_infinite_parameters_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite"):
        make_rotated_embeddings(20, 3, **{name: value})


@pytest.mark.parametrize("name", ["cluster_std", "noise", "shift"])
def test_samples_beyond_the_range_of_float64_are_refused(name):
    with pytest.raises(ValueError, match=f"reduce .*{name}"):
        make_rotated_embeddings(20, 3, random_state=0, **{"cluster_std": 1e3, name: 1e307})
