"""Alignments where some samples are much longer than others."""

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import retrieval_accuracy

N_FEATURES = 24


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(1000, N_FEATURES, n_test=400, noise=0.1, random_state=0)


def fit(XA, XB, pairs=None):
    return MiniVec2Vec(n_init=3, random_state=0).fit(XA, XB, pairs=pairs)


def accuracy(aligner, XA, XB):
    return retrieval_accuracy(aligner.transform(XA), aligner.transform_target(XB))


@pytest.fixture(scope="module")
def clean(data):
    aligner = fit(data.XA, data.XB)
    assert accuracy(aligner, data.XA_test, data.XB_test) > 0.95
    return aligner


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("side", ["XA", "XB"])
@pytest.mark.parametrize("n_long", [1, 5, 100])  # 100 are more than 5%
def test_long_samples_do_not_ruin_the_map(data, clean, side, n_long):
    sides = {"XA": data.XA.copy(), "XB": data.XB.copy()}
    sides[side][:n_long] *= 1000
    aligner = fit(**sides)
    assert accuracy(aligner, data.XA_test, data.XB_test) > 0.95
    if n_long < 100:
        np.testing.assert_allclose(aligner.map_, clean.map_, atol=0.05)


@pytest.mark.parametrize("sigma", [0.5, 1.5, 2.5])
def test_lengths_of_a_lognormal_distribution(data, sigma):
    rng = np.random.default_rng(0)
    A, B, A_test, B_test = (
        X * rng.lognormal(0, sigma, (len(X), 1))
        for X in (data.XA, data.XB, data.XA_test, data.XB_test)
    )
    aligner = fit(A, B)
    assert aligner.source_normalized_
    assert aligner.target_normalized_
    assert aligner.converged_
    assert accuracy(aligner, A_test, B_test) > 0.95
    # Lengths are those of the source, in the unit of the target.
    lengths_A, lengths_B, lengths_test = (np.linalg.norm(X, axis=1) for X in (A, B, A_test))
    np.testing.assert_allclose(
        np.linalg.norm(aligner.to_target(A_test), axis=1),
        lengths_test * np.median(lengths_B) / np.median(lengths_A),
    )


@pytest.mark.usefixtures("unjudged")
def test_known_pairs_pass_through_the_same_centre(data):
    rng = np.random.default_rng(1)
    A = data.XA * rng.lognormal(0, 2, (len(data.XA), 1))
    known = np.arange(40)
    factors = rng.lognormal(0, 2, (2, len(known), 1))
    pairs = (data.XA_test[known], data.XB_test[known])
    plain = fit(A, data.XB, pairs)
    scaled = fit(A, data.XB, (pairs[0] * factors[0], pairs[1]))
    np.testing.assert_allclose(scaled.map_, plain.map_, atol=1e-4)


def test_the_distance_from_the_mean_is_kept(data, clean):
    assert not clean.source_normalized_
    assert not clean.target_normalized_
    distances = np.linalg.norm(data.XA_test - clean.source_mean_, axis=1)
    unit = np.median(np.linalg.norm(data.XB - clean.target_mean_, axis=1)) / np.median(
        np.linalg.norm(data.XA - clean.source_mean_, axis=1)
    )
    np.testing.assert_allclose(
        np.linalg.norm(clean.to_target(data.XA_test) - clean.target_mean_, axis=1),
        distances * unit,
    )


@pytest.mark.usefixtures("unjudged")
def test_equal_lengths_on_either_side_set_the_length(data):
    unit_A = data.XA / np.linalg.norm(data.XA, axis=1, keepdims=True)
    unit_B = 7 * data.XB / np.linalg.norm(data.XB, axis=1, keepdims=True)
    to_equal = fit(data.XA, unit_B).to_target(data.XA_test)
    np.testing.assert_allclose(np.linalg.norm(to_equal, axis=1), 7)
    aligner = fit(unit_A, data.XB)
    distances = np.linalg.norm(aligner.to_target(unit_A) - aligner.target_mean_, axis=1)
    np.testing.assert_allclose(
        distances, np.median(np.linalg.norm(data.XB - aligner.target_mean_, axis=1))
    )


@pytest.mark.usefixtures("unjudged")
def test_samples_of_zeros_stay_zeros(data):
    rng = np.random.default_rng(2)
    A, B = (X * rng.lognormal(0, 2, (len(X), 1)) for X in (data.XA, data.XB))
    aligner = fit(A, B)
    zeros = np.zeros((2, N_FEATURES))
    assert not aligner.transform(zeros).any()
    assert not aligner.to_target(zeros).any()
    assert not aligner.transform_target(zeros).any()
