"""Transport from batches to all targets against Sinkhorn scaling and written-out sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sklearn_align import _similarity
from sklearn_align._similarity import row_blocks
from sklearn_align.alignment._recipes import STOCHASTIC_TRANSPORT
from sklearn_align.alignment.solvers import _semi_dual
from sklearn_align.alignment.solvers._semi_dual import SemiDual
from sklearn_align.alignment.solvers._sinkhorn import partial_whitening, sinkhorn_scaling


def unit_samples(seed, n_samples, n_features=6, dtype=np.float64):
    X = np.random.default_rng(seed).standard_normal((n_samples, n_features))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(dtype)


@pytest.fixture
def stream():
    return np.random.RandomState(0)


def test_weights_converge_to_those_of_sinkhorn(stream):
    X, Y, W = unit_samples(0, 60), unit_samples(1, 90), np.eye(6)
    transport = SemiDual(Y, 0.3)
    for _ in range(200):
        C = transport.cross_covariance(X, W, None, stream)
    K = np.exp(X @ Y.T / 0.3)
    row, column = sinkhorn_scaling(K, 500)
    np.testing.assert_allclose(C, X.T @ (row[:, None] * K * column) @ Y, atol=1e-8)
    np.testing.assert_allclose(transport.weights, column / column.mean(), rtol=1e-6)


def test_batches_lead_to_the_weights_of_all_samples(stream):
    X, Y, W = unit_samples(0, 600), unit_samples(1, 40), np.eye(6)
    batches, whole = SemiDual(Y, 0.3), SemiDual(Y, 0.3)
    for _ in range(100):
        batches.cross_covariance(X[stream.choice(600, 300, replace=False)], W, None, stream)
        whole.cross_covariance(X, W, None, stream)
    np.testing.assert_allclose(np.log(batches.weights), np.log(whole.weights), atol=0.1)
    assert np.log(whole.weights).std() > 0.1


def test_the_first_batch_written_out(stream):
    X, Y = unit_samples(0, 20), unit_samples(1, 30)
    W = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 6)))[0]
    transport = SemiDual(Y, 0.2)
    C = transport.cross_covariance(X, W, None, stream)
    K, b = np.exp(X @ W @ Y.T / 0.2), np.ones(30)

    def plan():
        P = K * b
        return P / P.sum(axis=1, keepdims=True) / 20

    for _ in range(2):
        b = b / np.maximum(30 * plan().sum(axis=0), 0.05)
        b /= b.mean()
    np.testing.assert_allclose(C, X.T @ plan() @ Y)
    b = b / np.maximum(30 * plan().sum(axis=0), 0.05) ** 0.5
    np.testing.assert_allclose(transport.weights, b / b.mean())


def test_blocks_do_not_change_the_result(stream, monkeypatch):
    X, Y, W = unit_samples(0, 50), unit_samples(1, 70), np.eye(6)
    whole = SemiDual(Y, 0.1).cross_covariance(X, W, None, stream)
    monkeypatch.setattr(_similarity, "_BLOCK_BYTES", 70 * 8 * 3)
    np.testing.assert_allclose(SemiDual(Y, 0.1).cross_covariance(X, W, None, stream), whole)


@pytest.mark.parametrize("n_targets", [None, 40])
def test_similarities_that_are_kept_do_not_change_the_result(n_targets, monkeypatch):
    X, Y, W = unit_samples(0, 50), unit_samples(1, 70), np.eye(6)

    def results(max_kept_bytes):
        monkeypatch.setattr(
            _semi_dual,
            "STOCHASTIC_TRANSPORT",
            replace(STOCHASTIC_TRANSPORT, max_kept_bytes=max_kept_bytes),
        )
        transport, stream = SemiDual(Y, 0.1, 0.4), np.random.RandomState(0)
        return [transport.cross_covariance(X, W, n_targets, stream) for _ in range(3)]

    for kept, computed_again in zip(results(2**20), results(0), strict=True):
        np.testing.assert_array_equal(kept, computed_again)


def test_similarities_of_unseen_targets_are_computed_once(stream, monkeypatch):
    blocks = []

    def counted(*shape):
        blocks.append(shape)
        return row_blocks(*shape)

    monkeypatch.setattr(_semi_dual, "row_blocks", counted)
    SemiDual(unit_samples(1, 70), 0.1).cross_covariance(
        unit_samples(0, 50), np.eye(6), None, stream
    )
    assert len(blocks) == 1


def test_whitening_is_that_of_the_targets_that_were_drawn():
    X, Y, W = unit_samples(0, 50), unit_samples(1, 70), np.eye(6)
    C = SemiDual(Y, 0.3, 0.8).cross_covariance(X, W, 20, np.random.RandomState(3))
    drawn = np.random.RandomState(3).choice(70, 20, replace=False)
    alone = SemiDual(Y[drawn], 0.3, 0.8).cross_covariance(X, W, None, np.random.RandomState(3))
    np.testing.assert_allclose(C, alone)


def test_whitened_samples_are_compared_and_targets_themselves_averaged(stream):
    X, Y, W = unit_samples(0, 50), unit_samples(1, 70), np.eye(6)
    D = partial_whitening(X @ W, Y, 0.6)
    mapped, compared = (Z / np.linalg.norm(Z, axis=1, keepdims=True) for Z in (X @ D, Y @ D))
    transport = SemiDual(Y, 0.3, whitening=0.6)
    for _ in range(200):
        C = transport.cross_covariance(X, W, None, stream)
    K = np.exp(mapped @ compared.T / 0.3)
    row, column = sinkhorn_scaling(K, 500)
    np.testing.assert_allclose(C, X.T @ (row[:, None] * K * column) @ Y, atol=1e-8)


def test_only_the_targets_that_were_drawn_are_used(stream):
    X, Y, W = unit_samples(0, 50), unit_samples(1, 70), np.eye(6)
    transport = SemiDual(Y, 0.1)
    C = transport.cross_covariance(X, W, 20, np.random.RandomState(3))
    drawn = np.random.RandomState(3).choice(70, 20, replace=False)
    others = np.setdiff1d(np.arange(70), drawn)
    np.testing.assert_array_equal(transport.weights[others], 1)
    few = SemiDual(Y[drawn], 0.1)
    np.testing.assert_allclose(C, few.cross_covariance(X, W, None, stream))
    np.testing.assert_allclose(transport.weights[drawn], few.weights)
    seen = transport.weights.copy()
    transport.cross_covariance(X, W, 70, stream)
    assert (transport.weights[others] != 1).all()
    assert (transport.weights[drawn] != seen[drawn]).all()


def test_the_map_is_applied_to_the_batch_and_targets_of_no_mass_stay_finite(stream):
    X, Y = unit_samples(0, 40, dtype=np.float32), unit_samples(1, 50, dtype=np.float32)
    Y[:25] = -X.mean(axis=0) / np.linalg.norm(X.mean(axis=0))
    W = np.eye(6, dtype=np.float32)
    transport = SemiDual(Y, 0.015)
    for _ in range(5):
        C = transport.cross_covariance(7 * X, W, None, stream)
        assert np.isfinite(C).all()
        assert C.dtype == np.float32
        assert np.isfinite(transport.weights).all()
