"""The correction of a map by known pairs, against explicit regressions."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import AlignmentProblem, KnownPairs, PairStart
from sklearn_align.alignment import _correction as module
from sklearn_align.alignment._correction import (
    _left_out,
    _Retrieval,
    correct_map,
    correction_by_pairs,
)
from sklearn_align.alignment._recipes import CORRECTION
from sklearn_align.metrics import retrieval_accuracy

WIDTH_A, WIDTH_B = 10, 8


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def semi_orthogonal(rng, width_A=WIDTH_A, width_B=WIDTH_B):
    return np.linalg.qr(rng.standard_normal((width_A, width_B)))[0]


def stretched_pairs(rng, n_pairs, noise=0.2):
    """Pairs whose best map is an orthogonal one times unequal scales."""
    W = semi_orthogonal(rng)
    A = unit(rng.standard_normal((n_pairs, WIDTH_A)))
    B = A @ W * np.geomspace(0.1, 3.0, WIDTH_B) + noise * rng.standard_normal((n_pairs, WIDTH_B))
    return KnownPairs(A, unit(B), 1.0), W


@pytest.mark.parametrize("n_pairs", [6, 40])
def test_predictions_for_left_out_pairs_are_those_of_fits_without_them(n_pairs):
    rng = np.random.default_rng(0)
    A, R = rng.standard_normal((n_pairs, 5)), rng.standard_normal((n_pairs, 3))
    probe = np.array([0, 2, n_pairs - 1])
    strengths = []
    for strength, D, left_out in _left_out(A, R, probe):
        strengths.append(strength)
        ridge = Ridge(strength, fit_intercept=False)
        np.testing.assert_allclose(D, ridge.fit(A, R).coef_.T, atol=1e-9)
        for row, index in enumerate(probe):
            others = np.delete(np.arange(n_pairs), index)
            expected = ridge.fit(A[others], R[others]).predict(A[[index]])[0]
            np.testing.assert_allclose(left_out[row], expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(strengths, np.logspace(0.5, 3, 21)[::-1])


def test_score_is_the_log_probability_of_the_counterpart():
    rng = np.random.default_rng(0)
    B, reference = unit(rng.standard_normal((4, 3))), unit(rng.standard_normal((5, 3)))
    predicted = rng.standard_normal((4, 3))
    cosines = unit(predicted) @ np.vstack([B, reference]).T
    expected = []
    for temperature in CORRECTION.temperatures:
        probabilities = np.exp(cosines / temperature)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        expected.append(np.log(np.diag(probabilities)))
    expected = max(expected, key=np.mean)
    retrieval = _Retrieval(B, reference)
    np.testing.assert_allclose(retrieval.scores(predicted), expected)
    np.testing.assert_allclose(retrieval.scores(7 * predicted), expected)


@pytest.fixture
def one_temperature(monkeypatch):
    setting = dataclasses.replace(CORRECTION, temperatures=(0.05,))
    monkeypatch.setattr(module, "CORRECTION", setting)


@pytest.mark.usefixtures("one_temperature")
def test_a_counterpart_among_the_reference_samples_does_not_compete_with_itself():
    rng = np.random.default_rng(0)
    B, reference = unit(rng.standard_normal((1, 3))), unit(rng.standard_normal((5, 3)))
    predicted = B + 0.3 * rng.standard_normal((1, 3))
    score = _Retrieval(B, reference).scores(predicted)
    with_copies = _Retrieval(B, np.vstack([reference, B, B])).scores(predicted)
    np.testing.assert_allclose(with_copies, score)
    near = unit(B + 1e-2 * rng.standard_normal((1, 3)))
    assert _Retrieval(B, np.vstack([reference, near])).scores(predicted) < score - 0.1


@pytest.mark.usefixtures("one_temperature")
def test_equal_counterparts_do_not_compete_with_one_another():
    B = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]])
    retrieval = _Retrieval(B, np.empty((0, 3)))
    odds = np.exp(-1 / 0.05)
    np.testing.assert_allclose(retrieval.scores(B), -np.log1p([odds, odds, 2 * odds]))


def test_a_map_that_leaves_nothing_is_not_corrected():
    A = np.eye(6)
    corrected, strength = correct_map(np.eye(6), KnownPairs(A, A, 1.0), A)
    assert strength == np.inf
    np.testing.assert_array_equal(corrected, np.eye(6))


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        # A gain counts from twice its standard error on, here a quarter of its deviation ...
        ([(0.505, 1.0)], 0),
        ([(0.495, 1.0)], None),
        # ... and from a hundredth of the score of the map on, here of 10.
        ([(0.101, 0.0)], 0),
        ([(0.099, 0.0)], None),
        ([(0.2, 0.0), (0.3, 0.0), (0.25, 0.0)], 1),
        ([(0.2, 0.0), (0.2, 0.0)], 0),
    ],
)
def test_gain_of_a_correction(gains, chosen, monkeypatch):
    signs = np.tile([1.0, -1.0], 8)
    plain = -10 + signs
    scores = iter([plain, *(plain + mean + deviation * signs for mean, deviation in gains)])

    class Scores:
        def __init__(self, B, reference):
            pass

        def scores(self, predicted):
            return next(scores)

    settings = dataclasses.replace(CORRECTION, min_standard_errors=2.0, min_relative_gain=0.01)
    monkeypatch.setattr(module, "CORRECTION", settings)
    monkeypatch.setattr(module, "_Retrieval", Scores)
    monkeypatch.setattr(
        module, "_left_out", lambda A, R, probe: ((i, i + 1.0, 0 * R) for i in range(len(gains)))
    )
    pairs, W = stretched_pairs(np.random.default_rng(0), 16)
    corrected, strength = correct_map(W, pairs, pairs.B)
    assert strength == (np.inf if chosen is None else chosen)
    np.testing.assert_allclose(corrected, W if chosen is None else W + chosen + 1)


@pytest.mark.parametrize(
    ("n_pairs", "expected"), [(9, [0, 4, 8]), (4, [0, 1, 3]), (3, [0, 1, 2]), (2, [0, 1])]
)
def test_pairs_that_are_left_out_are_spread_over_all(n_pairs, expected, monkeypatch):
    seen = []

    def spy(A, R, probe):
        seen.append(probe.tolist())
        return iter(())

    monkeypatch.setattr(module, "_left_out", spy)
    monkeypatch.setattr(module, "CORRECTION", dataclasses.replace(CORRECTION, n_probe_pairs=3))
    pairs, W = stretched_pairs(np.random.default_rng(0), n_pairs)
    correct_map(W, pairs, pairs.B)
    assert seen == [expected]


def test_single_precision_is_computed_in_double_precision():
    pairs, W = stretched_pairs(np.random.default_rng(0), 100)
    single = KnownPairs(pairs.A.astype(np.float32), pairs.B.astype(np.float32), 1.0)
    expected = correct_map(
        W.astype(np.float32).astype(float),
        KnownPairs(single.A.astype(float), single.B.astype(float), 1.0),
        single.B.astype(float),
    )
    corrected, strength = correct_map(W.astype(np.float32), single, single.B)
    assert corrected.dtype == np.float64
    assert strength == expected[1]
    np.testing.assert_array_equal(corrected, expected[0])


def test_a_stretched_space_is_corrected():
    rng = np.random.default_rng(0)
    pairs, W = stretched_pairs(rng, 600)
    known, held_out = (
        KnownPairs(pairs.A[part], pairs.B[part], 1.0) for part in (slice(300), slice(300, None))
    )
    corrected, strength = correct_map(W, known, held_out.B)
    assert np.isfinite(strength)

    def accuracy(matrix):
        return retrieval_accuracy(held_out.A @ matrix, held_out.B)

    plain = RidgeCV(np.logspace(-3, 3, 25), fit_intercept=False).fit(known.A, known.B)
    assert accuracy(corrected) > accuracy(W) + 0.1
    assert accuracy(corrected) > accuracy(plain.coef_.T) - 0.01
    ridge = Ridge(strength, fit_intercept=False).fit(known.A, known.B - known.A @ W)
    np.testing.assert_allclose(corrected, W + ridge.coef_.T, atol=1e-9)


@pytest.mark.parametrize("n_wrong", [0, 50, 200])
@pytest.mark.parametrize("seed", range(5))
def test_pairs_that_say_nothing_do_no_harm(seed, n_wrong):
    rng = np.random.default_rng(seed)
    W = semi_orthogonal(rng)
    A = unit(rng.standard_normal((200, WIDTH_A)))
    B = unit(A @ W + 0.05 * rng.standard_normal((200, WIDTH_B)))
    # The counterparts of some pairs, or of all, belong to other samples.
    B[:n_wrong] = np.roll(B[:n_wrong], 1, axis=0)
    corrected, _ = correct_map(W, KnownPairs(A, B, 1.0), B[100:])
    held_out = unit(rng.standard_normal((500, WIDTH_A)))
    targets = unit(held_out @ W + 0.05 * rng.standard_normal((500, WIDTH_B)))
    lost = retrieval_accuracy(held_out @ W, targets) - retrieval_accuracy(
        held_out @ corrected, targets
    )
    assert lost < 0.05


def aligner(**parameters):
    return MiniVec2Vec(
        init=PairStart(), selection=None, refinements=[], random_state=0, **parameters
    )


@pytest.fixture(scope="module")
def stretched():
    rng = np.random.default_rng(1)
    pairs, _ = stretched_pairs(rng, 500)
    return pairs.A + 0.1, 3 * pairs.B - 0.2


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.parametrize(
    ("correction", "n_pairs", "corrected"),
    [
        ("auto", 49, False),
        ("auto", 50, True),
        ("ridge", 49, True),
        ("ridge", 1, False),
        (None, 200, False),
        ("auto", 200, True),
    ],
)
def test_when_pairs_correct_the_map(stretched, correction, n_pairs, corrected):
    A, B = stretched
    index = np.arange(n_pairs)
    fitted = aligner(correction=correction).fit(A, XB=B[::-1], pairs=(A[index], B[index]))
    np.testing.assert_allclose(fitted.map_.T @ fitted.map_, np.eye(WIDTH_B), atol=1e-9)
    assert np.isfinite(fitted.correction_strength_) == corrected
    assert np.array_equal(fitted.linear_map_, fitted.map_) != corrected
    centred = A - fitted.source_mean_
    np.testing.assert_allclose(fitted.transform(A), unit(centred @ fitted.linear_map_))
    reach = np.linalg.norm(centred, axis=1) / np.median(np.linalg.norm(centred, axis=1))
    reach *= np.median(np.linalg.norm(B - fitted.target_mean_, axis=1))
    np.testing.assert_allclose(
        fitted.to_target(A), fitted.transform(A) * reach[:, None] + fitted.target_mean_
    )


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_without_pairs_nothing_is_corrected(stretched):
    A, B = stretched
    fitted = MiniVec2Vec(n_init=1, refinements=[], correction="ridge", random_state=0).fit(A, B)
    assert fitted.linear_map_ is fitted.map_
    assert fitted.correction_strength_ == np.inf


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_a_second_fit_forgets_the_correction(stretched):
    A, B = stretched
    fitted = aligner().fit(A, XB=B, pairs=(A[:200], B[:200]))
    assert np.isfinite(fitted.correction_strength_)
    fitted.set_params(init="components").fit(A, XB=B)
    assert fitted.correction_strength_ == np.inf
    np.testing.assert_array_equal(fitted.linear_map_, fitted.map_)


@pytest.mark.parametrize(
    ("correction", "n_pairs", "asked"),
    [
        ("auto", 50, True),
        ("auto", 49, False),
        ("ridge", 1, True),
        (None, 99, False),
        ("ridge", 0, False),
    ],
)
@pytest.mark.parametrize("strength", [0.5, np.inf])
def test_when_a_correction_is_computed(correction, n_pairs, asked, strength, monkeypatch):
    calls = []

    def correct(W, pairs, reference):
        calls.append((W, pairs, reference))
        return W.astype(np.float64) + 1, strength

    monkeypatch.setattr(module, "correct_map", correct)
    rng = np.random.default_rng(0)
    W = semi_orthogonal(rng).astype(np.float32)
    A, B = rng.random((20, WIDTH_A)), rng.random((3001, WIDTH_B))
    pairs = KnownPairs(rng.random((n_pairs, WIDTH_A)), rng.random((n_pairs, WIDTH_B)), 1.0)
    corrected, found = correction_by_pairs(W, AlignmentProblem(A, B, pairs), correction)
    assert found == (strength if asked else np.inf)
    assert len(calls) == asked
    if asked:
        assert calls[0][0] is W
        assert calls[0][1] is pairs
        # At most 1500 samples, spread over the rows.
        np.testing.assert_array_equal(calls[0][2], B[::3])
    if asked and strength == 0.5:
        np.testing.assert_array_equal(corrected, W.astype(np.float64) + 1)
    else:
        assert corrected is None


@pytest.mark.parametrize(("n_target", "n_reference"), [(1500, 1500), (1501, 751)])
def test_reference_samples_of_a_correction(n_target, n_reference, monkeypatch):
    seen = []
    monkeypatch.setattr(
        module, "correct_map", lambda W, pairs, reference: (seen.append(reference), (W, np.inf))[1]
    )
    rng = np.random.default_rng(0)
    A, B = rng.random((9, WIDTH_A)), rng.random((n_target, WIDTH_B))
    problem = AlignmentProblem(A, B, KnownPairs(A, B[:9], 1.0))
    correction_by_pairs(semi_orthogonal(rng), problem, "ridge")
    assert len(seen[0]) == n_reference
