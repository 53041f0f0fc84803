from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import quadratic_assignment

from sklearn_align.alignment.solvers._two_opt import exchange_gains, two_opt


def symmetric(rng, n_problems, n):
    K = rng.standard_normal((n_problems, n, n))
    return K + K.swapaxes(1, 2)


def objective(K_A, K_B, p):
    p = list(p)
    return (K_A * K_B[np.ix_(p, p)]).sum()


@given(n=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_gains_against_brute_force(n, seed):
    K_A, K_B = symmetric(np.random.default_rng(seed), 2, n)
    gain = exchange_gains(K_A[None], K_B[None])[0]
    for i in range(n):
        for j in range(n):
            p = np.arange(n)
            p[i], p[j] = p[j], p[i]
            expected = objective(K_A, K_B, p) - objective(K_A, K_B, np.arange(n))
            assert gain[i, j] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", range(1, 7))
def test_optimum_of_small_problems_against_exhaustive_search(n):
    rng = np.random.default_rng(n)
    K_A, K_B = symmetric(rng, 8, n), symmetric(rng, 8, n)
    permutation, value = two_opt(K_A, K_B, n_restarts=60, random_state=np.random.RandomState(0))
    for a, b, p, reached in zip(K_A, K_B, permutation, value, strict=True):
        best = max(objective(a, b, q) for q in permutations(range(n)))
        assert sorted(p) == list(range(n))
        assert objective(a, b, p) == pytest.approx(reached, abs=1e-9)
        assert reached == pytest.approx(best, abs=1e-9)


def test_result_is_a_local_optimum_of_large_problems():
    rng = np.random.default_rng(0)
    K_A, K_B = symmetric(rng, 3, 20), symmetric(rng, 3, 20)
    permutation, value = two_opt(K_A, K_B, n_restarts=2, random_state=np.random.RandomState(0))
    matched = np.stack([K[np.ix_(p, p)] for K, p in zip(K_B, permutation, strict=True)])
    assert exchange_gains(K_A, matched).max() < 1e-9
    np.testing.assert_allclose((K_A * matched).sum(axis=(1, 2)), value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relabelled_geometry_is_recovered(dtype):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((15, 30)).astype(dtype)
    p = rng.permutation(15)
    K = points @ points.T
    found, _ = two_opt(
        K[np.ix_(p, p)][None], K[None], n_restarts=40, random_state=np.random.RandomState(0)
    )
    np.testing.assert_array_equal(found[0], p)


def test_reaches_what_scipy_reaches_from_as_many_permutations():
    rng = np.random.default_rng(2)
    K_A, K_B = symmetric(rng, 4, 8), symmetric(rng, 4, 8)
    _, value = two_opt(K_A, K_B, n_restarts=40, random_state=np.random.RandomState(0))
    for a, b, reached in zip(K_A, K_B, value, strict=True):
        library = max(
            quadratic_assignment(a, b, method="2opt", options={"maximize": True, "rng": rng}).fun
            for _ in range(40)
        )
        assert reached == pytest.approx(library)


def test_more_restarts_are_never_worse_on_average():
    rng = np.random.default_rng(1)
    K_A, K_B = symmetric(rng, 10, 12), symmetric(rng, 10, 12)
    few, many = (
        two_opt(K_A, K_B, n_restarts=n, random_state=np.random.RandomState(0))[1] for n in (1, 30)
    )
    assert many.mean() > few.mean()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_entries_end(dtype):
    # Every exchange gains nothing: rounding must not keep the search going.
    K = np.full((2, 9, 9), 0.1, dtype=dtype)
    permutation, value = two_opt(K, K, n_restarts=3, random_state=np.random.RandomState(0))
    assert (np.sort(permutation, axis=1) == np.arange(9)).all()
    np.testing.assert_allclose(value, 0.81, rtol=1e-5)


@pytest.mark.parametrize("scales", [(1e-20, 1.0), (1.0, 1e-20), (1e20, 1e-20)])
def test_problems_of_any_scale_are_solved_next_to_one_another(scales):
    rng = np.random.default_rng(3)
    K_A, K_B = symmetric(rng, 1, 6), symmetric(rng, 1, 6)
    permutation, _ = two_opt(
        np.concatenate([K_A, scales[0] * K_A]),
        np.concatenate([K_B, scales[1] * K_B]),
        n_restarts=40,
        random_state=np.random.RandomState(0),
    )
    best = max(objective(K_A[0], K_B[0], q) for q in permutations(range(6)))
    for p in permutation:
        assert objective(K_A[0], K_B[0], p) == pytest.approx(best)
