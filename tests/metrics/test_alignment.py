import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group, rankdata
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer

import sklearn_align._similarity as blocked
from sklearn_align.metrics import (
    csls_score,
    foscttm,
    mean_cosine_similarity,
    mean_rank,
    mean_reciprocal_rank,
    retrieval_accuracy,
)

PAIRED = [
    retrieval_accuracy,
    mean_rank,
    mean_reciprocal_rank,
    mean_cosine_similarity,
    foscttm,
]
ALL = [*PAIRED, csls_score]


@pytest.fixture(params=[np.float32, np.float64])
def spaces(request):
    rng = np.random.default_rng(0)
    T = rng.standard_normal((83, 6))
    Z = T + 0.6 * rng.standard_normal(T.shape)
    return Z.astype(request.param), T.astype(request.param)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocked, "_BLOCK_BYTES", 4000)


def cosines(Z, T):
    Z, T = (X.astype(np.float64) for X in (Z, T))
    return np.array(
        [[z @ t / np.linalg.norm(z) / np.linalg.norm(t) for t in T] for z in Z],
    )


def brute_force_csls(Z, T, k):
    similarity = cosines(Z, T)
    r_Z = np.array([np.mean(sorted(row)[-k:]) for row in similarity])
    r_T = np.array([np.mean(sorted(column)[-k:]) for column in similarity.T])
    return np.mean([max(2 * similarity[i] - r_Z[i] - r_T) for i in range(len(Z))])


@pytest.mark.usefixtures("small_blocks")
def test_all_agree_with_brute_force_over_the_full_matrix(spaces):
    Z, T = spaces
    similarity = cosines(Z, T)
    ranks = np.array([rankdata(-row)[i] for i, row in enumerate(similarity)])
    back = np.array([rankdata(-row)[i] for i, row in enumerate(similarity.T)])
    n = len(Z)
    for k in (1, 3, 10):
        assert retrieval_accuracy(Z, T, k) == pytest.approx((ranks <= k).mean())
    assert mean_rank(Z, T) == pytest.approx(ranks.mean())
    assert mean_reciprocal_rank(Z, T) == pytest.approx((1 / ranks).mean())
    assert mean_cosine_similarity(Z, T) == pytest.approx(np.diag(similarity).mean(), abs=1e-6)
    assert foscttm(Z, T) == pytest.approx((ranks.mean() + back.mean() - 2) / 2 / (n - 1))
    for k in (1, 10):
        assert csls_score(Z, T, k) == pytest.approx(brute_force_csls(Z, T, k), abs=1e-6)


@pytest.mark.usefixtures("small_blocks")
def test_csls_score_of_unequal_numbers_of_samples(spaces):
    Z, T = spaces
    assert csls_score(Z[:31], T) == pytest.approx(brute_force_csls(Z[:31], T, 10), abs=1e-6)
    assert csls_score(Z, T[:7]) == pytest.approx(
        # Seven target samples: all of them are neighbours of a mapped sample.
        np.mean(
            (
                2 * cosines(Z, T[:7])
                - cosines(Z, T[:7]).mean(axis=1)[:, None]
                - np.sort(cosines(Z, T[:7]), axis=0)[-10:].mean(axis=0)
            ).max(axis=1)
        ),
        abs=1e-6,
    )


@pytest.mark.parametrize("metric", ALL)
def test_size_of_the_blocks_does_not_matter(metric, spaces, monkeypatch):
    whole = metric(*spaces)
    monkeypatch.setattr(blocked, "_BLOCK_BYTES", 1)
    assert metric(*spaces) == pytest.approx(whole, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-30, 1e30))
@pytest.mark.parametrize("metric", ALL)
def test_rotation_order_and_length_of_samples_do_not_matter(metric, seed, scale):
    rng = np.random.default_rng(seed)
    T = rng.standard_normal((40, 5))
    Z = T + 0.5 * rng.standard_normal(T.shape)
    expected = metric(Z, T)
    rotation = ortho_group.rvs(5, random_state=rng)
    order = rng.permutation(len(Z))
    assert metric(Z @ rotation, T @ rotation) == pytest.approx(expected, abs=1e-9)
    assert metric(Z[order], T[order]) == pytest.approx(expected, abs=1e-9)
    lengths = rng.uniform(0.1, 10, size=(len(Z), 1))
    assert metric(Z * lengths * scale, T / lengths) == pytest.approx(expected, abs=1e-9)


def test_order_of_unpaired_samples_does_not_matter_to_csls(spaces):
    Z, T = spaces
    assert csls_score(Z, T[::-1]) == pytest.approx(csls_score(Z, T), abs=1e-6)


def test_perfect_and_inverted_maps():
    X = np.random.default_rng(0).standard_normal((50, 4))
    assert retrieval_accuracy(X, X) == 1
    assert mean_rank(X, X) == 1
    assert mean_reciprocal_rank(X, X) == 1
    assert mean_cosine_similarity(X, X) == pytest.approx(1)
    assert foscttm(X, X) == 0
    assert mean_rank(-X, X) == len(X)
    assert mean_cosine_similarity(-X, X) == pytest.approx(-1)
    assert foscttm(-X, X) == 1


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_a_map_to_one_point_is_at_chance(constant):
    n = 20
    X = np.full((n, 3), constant)
    assert retrieval_accuracy(X, X, k=3) == pytest.approx(3 / n)
    assert mean_rank(X, X) == pytest.approx((n + 1) / 2)
    assert mean_reciprocal_rank(X, X) == pytest.approx(np.mean(1 / np.arange(1, n + 1)))
    assert foscttm(X, X) == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_samples_are_ties_in_spite_of_rounding(dtype):
    X = np.random.default_rng(0).standard_normal((501, 77)).astype(dtype)
    twice = np.vstack([X, X])
    assert retrieval_accuracy(twice, twice) == pytest.approx(0.5)
    assert mean_rank(twice, twice) == pytest.approx(1.5)
    assert mean_reciprocal_rank(twice, twice) == pytest.approx(0.75)


def test_accuracy_rises_with_k_up_to_one(spaces):
    Z, T = spaces
    values = [retrieval_accuracy(Z, T, k) for k in range(1, len(Z) + 1)]
    assert (np.diff(values) >= 0).all()
    assert values[-1] == 1


@pytest.mark.parametrize("metric", ALL)
def test_inputs_are_not_changed(metric, spaces):
    before = [X.copy() for X in spaces]
    metric(*spaces)
    np.testing.assert_array_equal(spaces[0], before[0])
    np.testing.assert_array_equal(spaces[1], before[1])


@pytest.mark.parametrize("metric", ALL)
def test_float_precisions_may_be_mixed(metric, spaces):
    Z, T = spaces
    mixed = metric(Z.astype(np.float32), T.astype(np.float64))
    assert isinstance(mixed, float)
    assert mixed == pytest.approx(metric(Z, T), abs=1e-5)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("Z", "T", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), "Z has 2 features and T has 4"),
        (np.ones((3, 2)), np.full((3, 2), np.nan), "T contains NaN"),
        (np.full((3, 2), np.inf), np.ones((3, 2)), "Z contains infinity"),
        (np.ones(3), np.ones((3, 2)), "Expected 2D array"),
        (np.ones((0, 2)), np.ones((0, 2)), "0 sample"),
        ([["a"]], [["b"]], "could not convert"),
    ],
)
def test_bad_input(metric, Z, T, message):
    with pytest.raises(ValueError, match=message):
        metric(Z, T)


@pytest.mark.parametrize("metric", PAIRED)
def test_unequal_numbers_of_samples_are_refused_where_samples_are_paired(metric):
    with pytest.raises(ValueError, match="Z has 3 samples and T has 4"):
        metric(np.ones((3, 2)), np.ones((4, 2)))


def test_bad_numbers_of_neighbours():
    X = np.eye(3)
    with pytest.raises(ValueError, match="k == 0, must be >= 1"):
        retrieval_accuracy(X, X, k=0)
    with pytest.raises(TypeError, match="k must be an instance of"):
        retrieval_accuracy(X, X, k=1.5)
    with pytest.raises(ValueError, match="n_neighbors == 0"):
        csls_score(X, X, n_neighbors=0)


def test_foscttm_needs_two_samples():
    with pytest.raises(ValueError, match="minimum of 2"):
        foscttm([[1.0]], [[1.0]])


def test_csls_is_higher_for_the_true_map_than_for_a_wrong_one():
    rng = np.random.default_rng(0)
    T = rng.standard_normal((400, 12))
    Z = T[:300] + 0.3 * rng.standard_normal((300, 12))
    assert csls_score(Z, T) > 1.5 * csls_score(Z @ ortho_group.rvs(12, random_state=rng), T)


def test_make_scorer_accepts_them():
    class Identity(BaseEstimator):
        def predict(self, X):
            return X

    X = np.eye(4)
    assert make_scorer(retrieval_accuracy, k=2)(Identity(), X, X) == 1
    assert make_scorer(mean_rank, greater_is_better=False)(Identity(), X, X) == -1


@pytest.mark.slow
def test_many_samples_need_little_memory():
    import tracemalloc

    rng = np.random.default_rng(0)
    X = rng.standard_normal((10_000, 4)).astype(np.float32)
    tracemalloc.start()
    try:
        mean_rank(X, X)
        csls_score(X, X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The full matrix would take 400 MB.
    assert peak < 200e6


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "int32", "float64"])
def test_the_number_type_does_not_matter(dtype):
    rng = np.random.default_rng(0)
    Z, T = (np.round(20 * rng.standard_normal((60, 8))) for _ in range(2))
    given = (Z.astype(dtype), T.astype(dtype))
    before = [X.tobytes() for X in given]
    for measure in (retrieval_accuracy, mean_rank, mean_cosine_similarity, csls_score, foscttm):
        assert measure(*given) == pytest.approx(measure(Z, T), abs=1e-6)
    assert [X.tobytes() for X in given] == before


def test_small_numbers_are_not_copied_in_double_precision():
    X = np.ones((200_000, 32), np.int8)
    tracemalloc.start()
    mean_cosine_similarity(X, X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.2 * X.size * 4
