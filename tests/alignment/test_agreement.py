import numpy as np
import pytest

from sklearn_align.alignment._agreement import map_agreement


@pytest.fixture
def samples():
    X = np.random.default_rng(0).standard_normal((400, 10))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def test_equal_maps_agree_on_all_samples(samples):
    W = np.linalg.qr(np.random.default_rng(1).standard_normal((10, 10)))[0]
    assert map_agreement(samples, W, W) == 1
    assert map_agreement(samples, W, 3 * W) == 1


def test_unrelated_maps_agree_by_chance(samples):
    W, V = (
        np.linalg.qr(np.random.default_rng(seed).standard_normal((10, 10)))[0] for seed in (1, 2)
    )
    assert map_agreement(samples, W, V) < 0.02


def test_agreement_against_brute_force(samples):
    W, V = np.random.default_rng(3).standard_normal((2, 10, 7))
    V = W + 0.3 * V
    nearest = [
        max(
            range(len(samples)),
            key=lambda j: (x @ W) @ (samples[j] @ V) / np.linalg.norm(samples[j] @ V),
        )
        for x in samples
    ]
    share = np.mean(np.array(nearest) == np.arange(len(samples)))
    assert 0 < share < 1
    assert map_agreement(samples, W, V) == pytest.approx(share)


def test_agreement_falls_as_maps_part(samples):
    noise = np.random.default_rng(4).standard_normal((10, 10))
    agreements = [
        map_agreement(samples, np.eye(10), np.eye(10) + s * noise) for s in (0, 0.1, 0.3, 1)
    ]
    assert agreements == sorted(agreements, reverse=True)
    assert agreements[0] > agreements[-1]
