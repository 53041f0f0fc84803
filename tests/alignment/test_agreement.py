import numpy as np
import pytest

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import AlignmentProblem, KnownPairs, TransportRefinement, _agreement
from sklearn_align.alignment._agreement import agreement_with_pairs, map_agreement
from sklearn_align.alignment._recipes import ConvergenceSettings


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


@pytest.mark.parametrize("n_pairs", [4, 5, 40])
def test_agreement_with_pairs_against_its_definition(monkeypatch, n_pairs):
    monkeypatch.setattr(
        _agreement,
        "CONVERGENCE",
        ConvergenceSettings(n_target_samples=60, n_iterations_without_pairs=3),
    )
    rng = np.random.default_rng(5)
    A = unit_rows(rng.gamma(1, 1, (150, 6)) - 1)
    R = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    B = unit_rows(A @ R + 0.3 * rng.standard_normal((150, 6)))
    pairs = KnownPairs(A[:n_pairs], B[:n_pairs], 5.0)
    W = polar_factor(R + 0.2 * rng.standard_normal((6, 6)))
    stream = np.random.RandomState(0)
    *_, refined = TransportRefinement(3, smoothing=1.0).iterate(AlignmentProblem(A, B), W, stream)
    targets = [*pairs.B, *B[stream.choice(150, 60, replace=False)]]
    cosines = unit_rows(pairs.A @ refined) @ np.transpose(targets)
    expected = np.mean(cosines.argmax(axis=1) == np.arange(n_pairs))
    found = agreement_with_pairs(AlignmentProblem(A, B, pairs), W, np.random.RandomState(0))
    assert expected > 0
    assert found == (expected if n_pairs >= 5 else 0)


def test_the_refinement_without_pairs_does_not_stop_early(monkeypatch, samples):
    made = []

    class Idle:
        def __init__(self, **parameters):
            made.append(parameters)

        def iterate(self, problem, W, random_state):
            assert problem.pairs is None
            assert random_state is stream
            yield W

    monkeypatch.setattr(_agreement, "TransportRefinement", Idle)
    problem = AlignmentProblem(samples, samples, KnownPairs(samples[:9], samples[:9], 1.0))
    stream = np.random.RandomState(0)
    assert agreement_with_pairs(problem, np.eye(10), stream) == 1
    assert made == [{"max_iter": 10, "smoothing": 1.0, "n_iter_no_change": None}]
