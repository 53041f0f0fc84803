import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from sklearn_align._linalg import polar_factor
from sklearn_align.alignment.solvers._sinkhorn import (
    partial_whitening,
    sinkhorn_scaling,
    transport_cross_covariance,
)


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@given(n=st.integers(1, 20), m=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_marginals_are_uniform(n, m, seed):
    K = np.exp(np.random.default_rng(seed).uniform(-2, 2, (n, m)))
    row, column = sinkhorn_scaling(K, 200)
    plan = row[:, None] * K * column
    np.testing.assert_allclose(plan.sum(axis=0), 1 / m)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / n, rtol=1e-6)


def test_last_round_fixes_the_columns_exactly():
    K = np.exp(np.random.default_rng(0).uniform(-5, 5, (6, 9)))
    row, column = sinkhorn_scaling(K, 1)
    np.testing.assert_allclose((row[:, None] * K * column).sum(axis=0), 1 / 9)


@pytest.mark.parametrize("n_rounds", [1, 2, 3])
def test_a_round_scales_rows_and_then_columns(n_rounds):
    K = np.exp(np.random.default_rng(0).uniform(-5, 5, (6, 9)))
    plan = K.copy()
    for _ in range(n_rounds):
        plan /= 6 * plan.sum(axis=1, keepdims=True)
        plan /= 9 * plan.sum(axis=0)
    row, column = sinkhorn_scaling(K, n_rounds)
    np.testing.assert_allclose(row[:, None] * K * column, plan)


def test_columns_that_underflow_stay_finite():
    K = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    row, column = sinkhorn_scaling(K, 5)
    assert np.isfinite(row[:, None] * K * column).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_covariance_against_sinkhorn_in_the_log_domain(dtype):
    rng = np.random.default_rng(0)
    X, Y = unit(rng.standard_normal((30, 5))), unit(rng.standard_normal((20, 4)))
    W = polar_factor(rng.standard_normal((5, 4)))
    epsilon = 0.1
    logits = (X @ W @ Y.T) / epsilon
    f, g = np.zeros(30), np.zeros(20)
    for _ in range(500):
        f = -np.log(30) - logsumexp(logits + g, axis=1)
        g = -np.log(20) - logsumexp(logits + f[:, None], axis=0)
    plan = np.exp(logits + f[:, None] + g)
    C = transport_cross_covariance(
        X.astype(dtype), Y.astype(dtype), W.astype(dtype), epsilon=epsilon, n_rounds=500
    )
    assert C.dtype == dtype
    np.testing.assert_allclose(C, X.T @ plan @ Y, atol=1e-5)


@pytest.mark.parametrize(("epsilon", "whitening"), [(0.1, 0.0), (0.05, 0.0), (0.1, 0.6)])
def test_cross_covariance_agrees_with_pot(epsilon, whitening):
    rng = np.random.default_rng(4)
    X, Y = unit(rng.standard_normal((30, 5))), unit(rng.standard_normal((20, 4)))
    W = polar_factor(rng.standard_normal((5, 4)))
    mapped, target = X @ W, Y
    if whitening:
        D = partial_whitening(mapped, Y, whitening)
        mapped, target = unit(mapped @ D), unit(Y @ D)
    plan = ot.sinkhorn([], [], -(mapped @ target.T), epsilon, numItermax=5000, stopThr=1e-14)
    C = transport_cross_covariance(X, Y, W, epsilon=epsilon, n_rounds=5000, whitening=whitening)
    np.testing.assert_allclose(C, X.T @ plan @ Y, atol=1e-10)


def test_small_epsilon_approaches_the_best_assignment():
    rng = np.random.default_rng(1)
    X, Y = unit(rng.standard_normal((2, 12, 6)))
    rows, columns = linear_sum_assignment(-(X @ Y.T))
    C = transport_cross_covariance(X, Y, np.eye(6), epsilon=0.003, n_rounds=3000)
    np.testing.assert_allclose(C, X[rows].T @ Y[columns] / 12, atol=1e-3)


def test_large_epsilon_approaches_the_product_of_the_means():
    rng = np.random.default_rng(2)
    X, Y = unit(rng.standard_normal((15, 4))), unit(rng.standard_normal((11, 4)))
    C = transport_cross_covariance(X, Y, np.eye(4), epsilon=1e6, n_rounds=3)
    np.testing.assert_allclose(C, np.outer(X.mean(axis=0), Y.mean(axis=0)), atol=1e-6)


def test_hardest_matching_stays_finite():
    rng = np.random.default_rng(3)
    X, Y = unit(rng.standard_normal((2, 25, 4))).astype(np.float32)
    W = np.eye(4, dtype=np.float32)
    assert np.isfinite(transport_cross_covariance(X, Y, W, epsilon=1e-4, n_rounds=6)).all()


def test_a_sample_far_from_all_others_keeps_its_mass_at_a_small_epsilon():
    rng = np.random.default_rng(6)
    Y = unit(rng.standard_normal((7, 4)) * [1, 1, 1, 0.01])
    X = np.concatenate([Y[:5], np.eye(4)[3:]])
    epsilon, n_rounds = 0.004, 3
    logits, f, g = X @ Y.T / epsilon, np.zeros(6), np.full(7, -np.log(7))
    for _ in range(n_rounds):
        f = -np.log(6) - logsumexp(logits + g, axis=1)
        g = -np.log(7) - logsumexp(logits + f[:, None], axis=0)
    plan = np.exp(logits + f[:, None] + g)
    assert plan[-1].sum() > 0.1
    C = transport_cross_covariance(
        *(array.astype(np.float32) for array in (X, Y, np.eye(4))),
        epsilon=epsilon,
        n_rounds=n_rounds,
    )
    np.testing.assert_allclose(C, X.T @ plan @ Y, atol=1e-3)


def test_partial_whitening_equalises_the_spread_of_all_directions():
    X = np.random.default_rng(0).standard_normal((4000, 6)) * np.geomspace(1, 0.1, 6)
    spread = np.sqrt(((X @ partial_whitening(X, X, 1.0)) ** 2).mean(axis=0))
    np.testing.assert_allclose(spread, spread[0])
    D = partial_whitening(X, X, 0.0)
    np.testing.assert_allclose(D.T @ D, np.eye(6), atol=1e-12)


@pytest.mark.parametrize("power", [-0.5, 0.4, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_partial_whitening_divides_by_a_power_of_the_spread_of_both_sides(power, dtype):
    rng = np.random.default_rng(2)
    # The last direction has less variance than the fraction up to which spreads count.
    spread_Z, spread_Y = np.array([[9.0, 5.0, 1.0, 2.0, 0.01], [2.0, 4.0, 6.0, 1.0, 0.02]])
    R = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    Z, Y = (np.linalg.qr(rng.standard_normal((n, 5)))[0] * np.sqrt(n) for n in (400, 100))
    Z, Y = Z * spread_Z @ R, Y * spread_Y @ R
    D = partial_whitening(Z.astype(dtype), Y.astype(dtype), power)
    assert D.dtype == dtype
    variance = spread_Z**2 + spread_Y**2
    share = np.maximum(variance / variance.max(), 1e-3)
    np.testing.assert_allclose(R @ D @ D.T @ R.T, np.diag(share**-power), atol=1e-2)


def test_partial_whitening_of_zeros_is_finite():
    assert np.isfinite(partial_whitening(np.zeros((3, 2)), np.zeros((4, 2)), 0.5)).all()


def test_whitened_transport_does_not_depend_on_the_basis_of_the_target():
    rng = np.random.default_rng(1)
    X, Y = unit(rng.standard_normal((40, 5))), unit(rng.standard_normal((30, 5)))
    W, Q = (polar_factor(rng.standard_normal((5, 5))) for _ in range(2))
    settings_ = {"epsilon": 0.1, "n_rounds": 5, "whitening": 0.7}
    C = transport_cross_covariance(X, Y, W, **settings_)
    rotated = transport_cross_covariance(X, Y @ Q, W @ Q, **settings_)
    np.testing.assert_allclose(rotated, C @ Q, atol=1e-10)
