"""Densities of mapped and target samples: which maps fit, and when samples cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from sklearn_align._linalg import unit_rows
from sklearn_align.alignment._discrepancy import _kernel, _mean_of_others, fits_as_well
from sklearn_align.datasets import make_rotated_embeddings

IDENTITY = np.eye(12, dtype=np.float32)


def spaces(n_samples=500, *, reflected=(), seed=0):
    """Two samples of a space, each reflected along some axes at random, as unit rows."""
    data = make_rotated_embeddings(n_samples, 12, random_state=seed)
    A, B = data.XA - data.XA.mean(axis=0), (data.XB - data.XB.mean(axis=0)) @ data.rotation.T
    axes = np.linalg.svd(A, full_matrices=False)[2]
    rng = np.random.default_rng(seed)
    sides = []
    for X in (A @ axes.T, B @ axes.T):
        signs = rng.choice([-1, 1], size=(len(X), 1))
        X[:, list(reflected)] *= signs
        sides.append(unit_rows(X).astype(np.float32))
    return sides


def reflection(*axes):
    S = IDENTITY.copy()
    S[axes, axes] = -1
    return S


def fits(A, B, W, reference=IDENTITY, seed=0):
    return fits_as_well(A, B, W, reference, np.random.RandomState(seed))


@pytest.mark.parametrize("seed", range(4))
def test_a_symmetry_fits_and_another_reflection_does_not(seed):
    A, B = spaces(reflected=(1, 3), seed=seed)
    assert fits(A, B, reflection(1, 3), seed=seed) is True
    assert fits(A, B, reflection(0, 2), seed=seed) is False
    A, B = spaces(seed=seed)
    assert fits(A, B, reflection(1, 3), seed=seed) is False


@pytest.mark.parametrize("seed", range(4))
def test_maps_between_two_spaces(seed):
    A, B = spaces(seed=seed)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((12, 12)))[0].astype(np.float32)
    assert fits(A, B @ Q, Q, Q) is True
    assert fits(A, B @ Q, reflection(0, 2) @ Q, Q) is False
    # The space of the targets, or that of the sources, may have more features.
    wider = np.eye(12, 15, dtype=np.float32)
    assert fits(A, B @ wider, reflection(0, 2) @ wider, wider) is False
    assert fits(A @ wider, B, wider.T @ reflection(0, 2), wider.T) is False
    assert fits(A @ wider, B, wider.T, wider.T) is True


def test_precision_does_not_matter():
    A, B = (X.astype(float) for X in spaces())
    for W, expected in ((IDENTITY, True), (reflection(0, 2), False)):
        assert fits(A, B, W.astype(float), IDENTITY.astype(float)) is expected


@pytest.mark.parametrize(("n_A", "n_B"), [(249, 500), (500, 249)])
def test_few_samples_cannot_tell(n_A, n_B):
    A, B = spaces()
    assert fits(A[:n_A], B[:n_B], reflection(0, 2)) is None
    assert fits(A[: n_A + 1], B[: n_B + 1], reflection(0, 2)) is False


def test_a_reference_that_does_not_fit_cannot_tell():
    A, B = spaces()
    assert fits(A, B, IDENTITY, reflection(0, 2)) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_density_without_structure_cannot_tell(seed):
    rng = np.random.default_rng(seed)
    A, B = (unit_rows(rng.standard_normal((500, 12))).astype(np.float32) for _ in range(2))
    assert fits(A, B, reflection(0, 2), seed=seed) is None


def test_equal_samples_cannot_tell():
    A = np.tile(IDENTITY[:1], (600, 1))
    assert fits(A, A, reflection(0)) is None


def test_arrays_stay_as_they_are():
    A, B = spaces()
    copies = [X.copy() for X in (A, B)]
    fits(A, B, reflection(0, 2))
    for X, before in zip((A, B), copies, strict=True):
        np.testing.assert_array_equal(X, before)


def test_the_statistic_is_that_of_scikit_learns_kernel():
    A, B = (unit_rows(X[:40].astype(float)) for X in spaces())
    K = rbf_kernel(A, B, gamma=1 / (2 * 0.3))
    np.testing.assert_allclose(_kernel(A, B, 0.3), K, rtol=1e-10)
    # Without the pairs of a sample with itself, the mean has no bias.
    square = rbf_kernel(A, gamma=1 / (2 * 0.3))
    others = square[~np.eye(len(A), dtype=bool)]
    assert _mean_of_others(square) == pytest.approx(others.mean())
