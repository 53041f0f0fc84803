"""Number types and containers: one rule for what is scored, one for the precision of results."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align._samples import check_samples, computing_dtype
from sklearn_align.alignment import TransportRefinement
from sklearn_align.metrics import csls_score, retrieval_accuracy
from tests.conftest import no_convergence_check

# Most samples here are made for their type and not like those of fit.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SampleLengthWarning")


@pytest.fixture(scope="module")
def whole(spaces):
    """Return new samples of both spaces, whole numbers that every number type can hold."""
    return np.round(20 * spaces.XA_test), np.round(20 * spaces.XB_test)


@pytest.fixture(scope="module")
def aligner(spaces):
    return MiniVec2Vec(
        n_init=1, refinements=[TransportRefinement(max_iter=10)], random_state=0
    ).fit(20 * spaces.XA, 20 * spaces.XB)


CONTAINERS = {
    **{
        name: lambda X, name=name: X.astype(name)
        for name in [
            "int8", "int16", "int32", "int64", "float16", "float32", "float64", "longdouble", ">f4"
        ]
    },
    "object": lambda X: X.astype(int).astype(object),
    "list": lambda X: X.astype(int).tolist(),
    "list of floats": lambda X: X.tolist(),
    "frame": lambda X: pd.DataFrame(X.astype(np.int8)),
    "Int64": lambda X: pd.DataFrame(X.astype(int)).astype("Int64"),
    "Int8": lambda X: pd.DataFrame(X.astype(int)).astype("Int8"),
    "Float64": lambda X: pd.DataFrame(X).astype("Float64"),
    "frame of objects": lambda X: pd.DataFrame(X.astype(int).astype(object)),
    "mixed frame": lambda X: pd.DataFrame(X).astype({0: "int8", 1: "Int16", 2: "float16"}),
    "polars": lambda X: pl.DataFrame(X.astype(np.int16)),
    "Fortran": lambda X: np.asfortranarray(X.astype(np.int8)),
}  # fmt: skip


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.filterwarnings("ignore:.*feature names:UserWarning")
def test_the_score_depends_on_the_shape_of_y_not_on_its_type(aligner, whole, container):
    A, B = whole
    y = CONTAINERS[container](B)
    T = aligner.transform_target(B)
    paired = aligner.score(A, y)
    assert paired == retrieval_accuracy(aligner.transform(A), T)
    assert paired > 0.5
    assert aligner.score(A, y[:-30]) == pytest.approx(
        csls_score(aligner.transform(A), T[:-30]), abs=1e-6
    )
    assert aligner.score(CONTAINERS[container](A), B) == paired


NOT_COUNTERPARTS = {
    "None": lambda B, n: None,
    "labels": lambda B, n: np.arange(n) % 3,
    "float vector": lambda B, n: B[:, 0],
    "list": lambda B, n: ["a", "b"] * (n // 2),
    "series": lambda B, n: pd.Series(np.arange(n)).astype("Int64"),
    "narrow": lambda B, n: B[:, 1:],
    "wide": lambda B, n: np.column_stack([B, B[:, 0]]),
    "label matrix": lambda B, n: (B[:, :3] > 0).astype(int),
    "frame of another width": lambda B, n: pd.DataFrame(B[:, :5]),
    "column": lambda B, n: B[:, :1],
    "ragged": lambda B, n: [[1], [1, 2]] * (n // 2),
    "text of another width": lambda B, n: np.full((n, 2), "a"),
}


@pytest.mark.parametrize("kind", NOT_COUNTERPARTS)
def test_other_shapes_are_not_counterparts(aligner, whole, kind):
    A, B = whole
    n = len(A) // 2 * 2
    expected = csls_score(aligner.transform(A[:n]), aligner.target_sample_)
    assert aligner.score(A[:n], NOT_COUNTERPARTS[kind](B[:n], n)) == pytest.approx(expected)


EXACT_IN_SINGLE = ["float32", "float16", "int8", "uint8", "int16", "uint16", "bool"]
IN_DOUBLE = ["float64", "int32", "uint32", "int64", "uint64", "longdouble", "object"]


@pytest.mark.parametrize("dtype", EXACT_IN_SINGLE + IN_DOUBLE)
def test_precision_of_the_results(aligner, whole, dtype):
    expected = np.float32 if dtype in EXACT_IN_SINGLE else np.float64
    A, B = ((np.abs(X) % 2).astype(int).astype(dtype) for X in whole)
    assert aligner.transform(A).dtype == expected
    assert aligner.to_target(A).dtype == expected
    assert aligner.transform_target(B).dtype == expected
    assert aligner.inverse_transform(B).dtype == expected
    converted = A.astype(expected)
    assert aligner.transform(A).tobytes() == aligner.transform(converted).tobytes()
    assert aligner.to_target(A).tobytes() == aligner.to_target(converted).tobytes()


@pytest.mark.parametrize(("dtype", "same"), [("int8", "float32"), ("int32", "float64")])
def test_a_fit_on_integers_is_that_on_floats(spaces, quick, dtype, same):
    A, B = (np.round(20 * X).astype(dtype) for X in (spaces.XA, spaces.XB))
    with no_convergence_check():
        expected = quick().fit(A.astype(same), B.astype(same))
    fitted = quick().fit(A, B)
    assert fitted.map_.dtype == fitted.source_mean_.dtype == fitted.target_sample_.dtype == same
    assert fitted.map_.tobytes() == expected.map_.tobytes()
    assert fitted.converged_


METHODS = {
    "transform": "float32",
    "to_target": "float32",
    "transform_target": "float32",
    "inverse_transform": "float32",
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", EXACT_IN_SINGLE + IN_DOUBLE)
def test_no_samples_give_an_empty_result(aligner, method, dtype):
    result = getattr(aligner, method)(np.zeros((0, 24), dtype))
    assert result.shape == (0, 24)
    assert result.dtype == (np.float32 if dtype in EXACT_IN_SINGLE else np.float64)


def test_no_samples_with_unequal_widths_and_in_frames(quick, spaces):
    fitted = quick().fit(spaces.XA, spaces.XB[:, :20])
    assert fitted.transform(np.zeros((0, 24))).shape == (0, 20)
    assert fitted.to_target(np.zeros((0, 24))).shape == (0, 20)
    assert fitted.transform_target(np.zeros((0, 20))).shape == (0, 20)
    assert fitted.inverse_transform(np.zeros((0, 20))).shape == (0, 24)
    for backend, frame in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        fitted.set_output(transform=backend)
        empty = fitted.transform(np.zeros((0, 24)))
        assert isinstance(empty, frame)
        assert empty.shape == (0, 20)
        assert list(empty.columns) == fitted.get_feature_names_out().tolist()


@pytest.mark.parametrize("empty", ["X", "y"])
def test_nothing_can_be_scored_on_no_samples(aligner, whole, empty):
    A, B = whole
    arguments = (A[:0], B) if empty == "X" else (A, B[:0])
    with pytest.raises(ValueError, match="0 sample"):
        aligner.score(*arguments)


@pytest.mark.parametrize("shape", [(0,), (0, 23), (0, 0)])
def test_no_samples_of_a_wrong_width(aligner, shape):
    with pytest.raises(ValueError, match=r"1D array|feature"):
        aligner.transform(np.zeros(shape))
    with pytest.raises(ValueError, match=r"1D array|feature"):
        aligner.transform_target(np.zeros(shape))


def peak(function, *arguments):
    """Return the bytes that a call allocates at most at one time, its result included."""
    tracemalloc.start()
    try:
        result = function(*arguments)
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


# Blocks of 16 MiB, for the samples in single precision and what is computed with them.
BLOCKS = 3 * 2**24


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float16"])
@pytest.mark.parametrize("method", METHODS)
def test_blocks_are_converted_never_all_samples(dtype, method):
    n_samples, width_A, width_B = 400_000, 128, 3
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((60, width_A)), rng.standard_normal((60, width_B))
    fitted = MiniVec2Vec(n_init=1, refinements=[], random_state=0)
    with pytest.warns(match="did not converge"):
        fitted.fit(A, B) if method != "inverse_transform" else fitted.fit(B, A)
    if method == "transform_target":
        fitted = fitted.set_params(refinements=[])
        with pytest.warns(match="did not converge"):
            fitted.fit(B, A)
    X = np.ones((n_samples, width_A), dtype)
    used, result = peak(getattr(fitted, method), X)
    in_double = X.size * 8
    assert result.dtype == np.float32
    # Beside the result, which is narrow but for `transform_target`, only blocks are allocated.
    assert used < result.nbytes + BLOCKS < in_double


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_a_fit_never_copies_all_samples(dtype):
    rng = np.random.default_rng(0)
    A, B = (rng.integers(-100, 100, (n, 32)).astype(dtype) for n in (1_000_000, 300))
    aligner = MiniVec2Vec(
        n_init=1, refinements=[], max_samples=200, score_sample_size=100, random_state=0
    )
    used, _ = peak(aligner.fit, A, B)
    # A copy of the source samples in single precision has 128 MB, in double precision 256 MB.
    assert used < 80e6


@pytest.mark.parametrize("kind", ["int8", "float16", "mixed", "Int16", "text", "big", "longdouble"])
def test_samples_keep_their_number_type(kind):
    X = np.arange(6).reshape(3, 2)
    given = {
        "int8": X.astype(np.int8),
        "float16": X.astype(np.float16),
        "mixed": pd.DataFrame({"a": X[:, 0].astype(np.int8), "b": X[:, 1] > 2}),
        "Int16": pd.DataFrame(X).astype("Int16"),
        "text": X.astype(str),
        "big": X.astype(object) * 10**25,
        "longdouble": X.astype(np.longdouble),
    }[kind]
    checked = check_samples(given, input_name="X")
    expected = {"int8": "int8", "float16": "float16", "mixed": "float32", "Int16": "float32"}
    assert checked.dtype == expected.get(kind, "float64")
    if kind in expected:
        assert computing_dtype(checked) == np.float32
        np.testing.assert_array_equal(checked, given)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, object, np.longdouble])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "beyond"])
def test_values_that_are_no_finite_numbers_are_named(dtype, value):
    if value == "beyond":
        if dtype is not np.longdouble:
            return
        value = np.longdouble(1e300) ** 2
    X = np.ones((300, 4), dtype)
    X[-1, 2] = value
    with pytest.raises(ValueError, match=r"Input XB contains (NaN|infinity)"):
        check_samples(X, input_name="XB")
