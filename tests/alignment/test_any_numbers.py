"""Whatever finite numbers come in, no method returns NaN, warns of arithmetic, or touches them."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import (
    AnchorStart,
    ClusterRefinement,
    ComponentStart,
    MutualNeighborRefinement,
    NeighborRefinement,
    TransportRefinement,
)
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.exceptions import (
    AlignmentWarning,
    PairingWarning,
    SampleLengthWarning,
    SmallSampleWarning,
)
from tests.repetitions import repetitions

SCALES = {
    np.dtype(np.float32): [1.0, 1e-30, 1e30, 1e38, 1e-38, 1e-42, 1e-18, 1e18],
    np.dtype(np.float64): [1.0, 1e-30, 1e30, 1e160, 1e-160, 1e300, 1e307, 1e-310, 1e-45, 1e39],
    np.dtype(np.float16): [1.0, 100.0, 1e-4, 1e-7],
    np.dtype(np.int8): [10.0],
    np.dtype(np.uint8): [10.0],
    np.dtype(np.int64): [10.0, 1e17],
}
KINDS = [
    "gamma",
    "normal",
    "constant columns",
    "duplicates",
    "zeros",
    "one long",
    "one line",
    "shifted far",
    "unit length",
    "two points",
    "whole numbers",
]
STARTS = [
    ComponentStart(8),
    AnchorStart(3, n_runs=2, n_neighbors=2, n_qap_restarts=2),
    ComponentStart(4, contrast="logcosh"),
]
REFINEMENTS = [
    TransportRefinement(2),
    NeighborRefinement(1, n_neighbors=2),
    ClusterRefinement(3),
    MutualNeighborRefinement(1, n_neighbors=2),
    TransportRefinement(2, whitening=(-0.2, 0.5), momentum=0.5),
]


def draw_samples(rng, kind, n_samples, width, dtype, scale):
    """Return samples of a kind, at least two of which differ."""
    X = (
        rng.gamma(1, 1, (n_samples, width))
        if kind != "normal"
        else rng.normal(size=(n_samples, width))
    )
    if kind == "constant columns":
        X[:, 1::2] = 0.5
    elif kind == "duplicates":
        X[1:-1] = X[0]
    elif kind == "zeros":
        X[::2] = 0
    elif kind == "one line":
        X = np.outer(X[:, 0], X[0])
    elif kind == "shifted far":
        X += 1000
    elif kind == "unit length":
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    elif kind == "two points":
        X = np.where(np.arange(n_samples)[:, None] % 2, X[0], X[1])
    elif kind == "whole numbers":
        X = np.round(5 * X)
    X /= np.abs(X).max() or 1.0
    if kind == "one long":
        X[1:] /= 1e4
    limit = np.iinfo(dtype).max if dtype.kind in "iu" else np.finfo(dtype).max
    low = np.iinfo(dtype).min if dtype.kind in "iu" else -limit
    X = X * scale
    if dtype.kind in "iu":
        X = np.round(np.clip(X, float(low), float(limit) / 2))
    X = X.astype(dtype)
    if (X[0] == X).all():
        X[0] = 1 if dtype.kind in "iu" else np.finfo(dtype).smallest_subnormal
        X[1:] = 0
    return X


@st.composite
def spaces(draw):
    """Draw a source and a target space and new samples of both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sides = []
    for _ in range(2):
        dtype = draw(st.sampled_from(list(SCALES)))
        scale = draw(st.sampled_from(SCALES[dtype]))
        kind = draw(st.sampled_from(KINDS))
        n_samples, width = draw(st.integers(2, 40)), draw(st.integers(1, 12))
        X = draw_samples(rng, kind, n_samples, width, dtype, scale)
        new_dtype = draw(st.sampled_from([dtype, dtype, *SCALES]))
        new_scale = draw(st.sampled_from([scale, *SCALES[new_dtype]])) if new_dtype == dtype else (
            draw(st.sampled_from(SCALES[new_dtype]))
        )  # fmt: skip
        new = draw_samples(rng, draw(st.sampled_from(KINDS)), 5, width, new_dtype, new_scale)
        sides.append((X, new))
    return sides


def digest(*arrays):
    return [hashlib.sha256(X.tobytes()).hexdigest() for X in arrays]


EXPECTED = (AlignmentWarning, PairingWarning, SampleLengthWarning, SmallSampleWarning)


def call(method, *arguments):
    """Return finite results; samples out of range of the result's type may be refused by name."""
    try:
        result = method(*arguments)
    except ValueError as error:
        assert "out of the range of float" in str(error)  # noqa: PT017
        return None
    assert np.isfinite(result).all()
    return result


def check_any_numbers(sides, start, refinement, with_pairs):
    (A, new_A), (B, new_B) = sides
    before = digest(A, new_A, B, new_B)
    for X in (A, new_A, B, new_B):
        X.setflags(write=False)
    aligner = MiniVec2Vec(
        init=start, n_init=1, refinements=[refinement], score_sample_size=20, random_state=0
    )
    n_pairs = min(len(A), len(B), 3)
    pairs = (A[:n_pairs], B[:n_pairs]) if with_pairs else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in EXPECTED:
            warnings.simplefilter("ignore", category)
        aligner.fit(A, XB=B, pairs=pairs)
        fitted = [
            aligner.map_,
            aligner.source_mean_,
            aligner.target_mean_,
            aligner.target_sample_,
            [aligner.alignment_score_, aligner.agreement_, aligner.relative_score_],
            *(record["score"] for record in aligner.history_),
        ]
        for value in fitted:
            assert np.isfinite(value).all()
        gram = aligner.map_.T.astype(float) @ aligner.map_
        if A.shape[1] >= B.shape[1]:
            np.testing.assert_allclose(gram, np.eye(B.shape[1]), atol=1e-4)
        for X in (A, new_A):
            Z = aligner.transform(X)
            lengths = np.linalg.norm(Z.astype(float), axis=1)
            np.testing.assert_allclose(lengths[lengths > 0], 1, atol=1e-5)
            call(aligner.to_target, X)
            call(aligner.inverse_transform, Z)
            assert np.isfinite(aligner.score(X))
        for X in (B, new_B):
            T = aligner.transform_target(X)
            lengths = np.linalg.norm(T.astype(float), axis=1)
            np.testing.assert_allclose(lengths[lengths > 0], 1, atol=1e-5)
            call(aligner.inverse_transform, X)
            assert np.isfinite(aligner.score(new_A, X))
    assert digest(A, new_A, B, new_B) == before


def property_test(n_examples):
    return settings(
        max_examples=n_examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(
        given(
            sides=spaces(),
            start=st.sampled_from(STARTS),
            refinement=st.sampled_from(REFINEMENTS),
            with_pairs=st.booleans(),
        )(check_any_numbers)
    )


def test_any_finite_numbers():
    property_test(repetitions(30, 1000))()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", [-1.0, -0.9, -0.5, -0.3, 0.0, 0.3, 0.5, 0.9, 0.98])
def test_the_scale_of_a_space_changes_no_direction(dtype, power):
    # Powers of two change no digit, but where numbers have fewer of them below the normal range.
    exponent = int(power * -np.finfo(dtype).minexp)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4)).astype(dtype)
    W = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    scaled = np.ldexp(X, exponent).astype(dtype)
    plain, normalizer = CentredNormalizer.fit(X), CentredNormalizer.fit(scaled)
    tolerance = 1e-5 if power < -0.8 or dtype == np.float32 else 1e-12
    for matrix in (None, W):
        np.testing.assert_allclose(
            normalizer.transform(scaled, matrix), plain.transform(X, matrix), atol=tolerance
        )
    back = normalizer.inverse_transform(normalizer.transform(scaled))
    expected = plain.inverse_transform(plain.transform(X))
    np.testing.assert_allclose(
        np.ldexp(back.astype(float), -exponent), expected, atol=10 * tolerance
    )


@pytest.mark.parametrize("scale", [1e-60, 1e-30, 1e30, 1e60, 1e150])
@pytest.mark.parametrize("equal_length", [True, False])
def test_single_precision_samples_of_a_space_beyond_its_range(scale, equal_length):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4)) + 1
    if equal_length:
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    plain, normalizer = CentredNormalizer.fit(X), CentredNormalizer.fit(scale * X)
    Z = plain.transform(X).astype(np.float32)
    expected = plain.inverse_transform(Z)
    np.testing.assert_allclose(
        normalizer.inverse_transform(Z.astype(float)) / scale, expected, atol=1e-6
    )
    if 1e-38 < scale < 1e38:
        np.testing.assert_allclose(
            normalizer.inverse_transform(Z).astype(float) / scale, expected, atol=1e-6
        )
    else:
        with pytest.raises(ValueError, match=r"out of the range of float32. Pass float64 samples"):
            normalizer.inverse_transform(Z)


ARGUMENTS = ["X", "XB", "pairs A", "pairs B", "transform", "to_target", "transform_target",
             "inverse_transform", "score X", "score y"]  # fmt: skip


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_argument_may_hold_nan_or_infinity(spaces_of_4, argument, value, dtype):
    A, B, fitted = spaces_of_4
    bad = A.astype(dtype)
    bad[3, 2] = value
    calls = {
        "X": lambda: MiniVec2Vec().fit(bad, B),
        "XB": lambda: MiniVec2Vec().fit(A, XB=bad),
        "pairs A": lambda: MiniVec2Vec().fit(A, B, pairs=(bad, B)),
        "pairs B": lambda: MiniVec2Vec().fit(A, B, pairs=(A, bad)),
        "score X": lambda: fitted.score(bad),
        "score y": lambda: fitted.score(A, bad),
    }
    names = {"pairs A": r"pairs\[0\]", "pairs B": r"pairs\[1\]", "XB": "XB", "score y": "y",
             "transform_target": "XB"}  # fmt: skip
    name = names.get(argument, "X")
    with pytest.raises(ValueError, match=f"Input {name} contains (NaN|infinity)"):
        calls[argument]() if argument in calls else getattr(fitted, argument)(bad)


@pytest.fixture(scope="module")
def spaces_of_4():
    A, B = np.random.default_rng(0).gamma(1, 1, (2, 40, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return A, B, MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(A, B)
