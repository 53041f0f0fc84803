import numpy as np
import pytest

from sklearn_align.alignment._agreement import shared_retrieval


@pytest.fixture
def rows():
    X = np.random.default_rng(0).standard_normal((400, 10))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def test_equal_maps_agree_on_all_rows(rows):
    W = np.linalg.qr(np.random.default_rng(1).standard_normal((10, 10)))[0]
    assert shared_retrieval(rows, W, W) == 1
    assert shared_retrieval(rows, W, 3 * W) == 1


def test_unrelated_maps_agree_by_chance(rows):
    W, V = (
        np.linalg.qr(np.random.default_rng(seed).standard_normal((10, 10)))[0] for seed in (1, 2)
    )
    assert shared_retrieval(rows, W, V) < 0.02


def test_share_against_brute_force(rows):
    W, V = np.random.default_rng(3).standard_normal((2, 10, 7))
    V = W + 0.3 * V
    nearest = [
        max(range(len(rows)), key=lambda j: (x @ W) @ (rows[j] @ V) / np.linalg.norm(rows[j] @ V))
        for x in rows
    ]
    share = np.mean(np.array(nearest) == np.arange(len(rows)))
    assert 0 < share < 1
    assert shared_retrieval(rows, W, V) == pytest.approx(share)


def test_agreement_falls_as_maps_part(rows):
    noise = np.random.default_rng(4).standard_normal((10, 10))
    shares = [shared_retrieval(rows, np.eye(10), np.eye(10) + s * noise) for s in (0, 0.1, 0.3, 1)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
