from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

import sklearn_align._linalg as module
from sklearn_align._linalg import (
    partial_isometry,
    polar_factor,
    principal_axes,
    scale_to_unit_length,
    thin_svd,
    unit_rows,
)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipy_for_equal_widths(seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, 40, 7))
    np.testing.assert_allclose(
        polar_factor(X.T @ Y), linalg.orthogonal_procrustes(X, Y)[0], rtol=0, atol=1e-10
    )


@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(deadline=None, max_examples=50)
def test_polar_factor_is_a_partial_isometry_that_no_other_beats(rows, columns, seed, dtype):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((rows, columns)).astype(dtype)
    W = polar_factor(M)
    assert W.dtype == dtype
    assert W.shape == M.shape
    gram = W @ W.T if rows <= columns else W.T @ W
    np.testing.assert_allclose(gram, np.eye(min(rows, columns)), atol=1e-5)
    # The trace against M is the sum of the singular values, an upper bound for all isometries.
    assert np.vdot(W, M) == pytest.approx(np.linalg.svd(M, compute_uv=False).sum(), rel=1e-4)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6)])
def test_polar_factor_of_an_isometry_is_the_isometry(shape):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((8, 8)))[0][: shape[0], : shape[1]]
    W = polar_factor(Q)
    np.testing.assert_allclose(polar_factor(3 * W), W, atol=1e-12)


def test_known_rotation_is_found_from_as_many_samples_as_columns():
    rng = np.random.default_rng(1)
    R = np.linalg.qr(rng.standard_normal((9, 9)))[0]
    X = rng.standard_normal((9, 9))
    np.testing.assert_allclose(polar_factor(X.T @ X @ R), R, atol=1e-9)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_partial_isometry_has_its_rank_and_the_leading_directions(rank):
    rng = np.random.default_rng(2)
    M = rng.standard_normal((6, 5))
    W = partial_isometry(M, rank)
    singular = np.linalg.svd(W, compute_uv=False)
    np.testing.assert_allclose(singular[:rank], 1)
    np.testing.assert_allclose(singular[rank:], 0, atol=1e-12)
    assert np.vdot(W, M) == pytest.approx(np.linalg.svd(M, compute_uv=False)[:rank].sum())


@pytest.mark.parametrize("function", [polar_factor, partial(partial_isometry, rank=2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("failure", ["an error", "NaN", "NaN in U", "NaN in Vt"])
def test_falls_back_when_divide_and_conquer_fails(monkeypatch, failure, dtype, function):
    M = np.random.default_rng(3).standard_normal((6, 4)).astype(dtype)
    expected = function(M)
    svd = linalg.svd

    def only_qr_iteration(*args, lapack_driver="gesdd", **kwargs):
        if lapack_driver == "gesdd":
            if failure == "an error":
                raise linalg.LinAlgError("did not converge")
            return tuple(
                part if failure == f"NaN in {other}" else np.full_like(part, np.nan)
                for part, other in zip(svd(*args, **kwargs), ("Vt", None, "U"), strict=True)
            )
        return svd(*args, lapack_driver=lapack_driver, **kwargs)

    monkeypatch.setattr(module.linalg, "svd", only_qr_iteration)
    found = function(M)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_thin_svd_multiplies_to_the_matrix(shape):
    M = np.random.default_rng(4).standard_normal(shape)
    U, s, Vt = thin_svd(M)
    assert (U.shape, s.shape, Vt.shape) == ((shape[0], 4), (4,), (4, shape[1]))
    np.testing.assert_allclose(U * s @ Vt, M, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_principal_axes_have_the_largest_spreads_first(dtype):
    rng = np.random.default_rng(5)
    R = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    spread = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    directions = np.linalg.qr(rng.standard_normal((40, 5)))[0]
    axes = principal_axes((directions * spread @ R).astype(dtype), 3)
    assert axes.dtype == dtype
    assert axes.flags.c_contiguous
    assert axes.shape == (5, 3)
    np.testing.assert_allclose(np.abs(R @ axes), np.eye(5, 3), atol=1e-5)


# Squares of the smallest two are denormal and zero.
@pytest.mark.parametrize("scale", [1e-25, 1e-22, 1.0, 1e25])
def test_unit_samples_in_single_precision_at_any_scale(scale):
    X = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    expected = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(unit_rows(X * np.float32(scale)), expected, rtol=1e-5)


def test_zero_samples_stay_zero_and_arguments_stay_as_they_are():
    X = np.array([[0.0, 0.0], [3.0, 4.0]])
    X.setflags(write=False)
    np.testing.assert_allclose(unit_rows(X), [[0, 0], [0.6, 0.8]])
    np.testing.assert_allclose(unit_rows(X, np.array([3.0, 4.0])), [[-0.6, -0.8], [0, 0]])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_scaling_without_samples_or_features_is_allowed(shape):
    Z = np.empty(shape)
    scale_to_unit_length(Z)
    assert Z.shape == shape
