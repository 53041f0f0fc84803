"""Mapping into arrays of the caller, of single vectors, and of samples of other lengths."""

import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_align import MiniVec2Vec
from sklearn_align.exceptions import SampleLengthWarning

WIDTHS = (6, 9)


def make(kind, rng, n_samples, width):
    X = rng.standard_normal((n_samples, width)) + 0.3
    if kind == "equal":
        X *= 2 / np.linalg.norm(X, axis=1, keepdims=True)
    elif kind == "tailed":
        X *= rng.lognormal(0, 1.5, (n_samples, 1))
    return X.astype(np.float32)


@pytest.fixture(scope="module", params=["equal-equal", "equal-centred", "centred-equal",
                                        "centred-tailed", "tailed-centred"])  # fmt: skip
def mapped(request):
    rng = np.random.default_rng(0)
    kinds = request.param.split("-")
    A, B = (make(kind, rng, 200, width) for kind, width in zip(kinds, WIDTHS, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(A, B)
    return aligner, make(kinds[0], rng, 300, WIDTHS[0])


@pytest.mark.parametrize("method", ["transform", "to_target"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_out_holds_the_result_in_its_own_type(mapped, method, dtype):
    aligner, X = mapped
    expected = getattr(aligner, method)(X)
    out = np.full((300, WIDTHS[1]), np.nan, dtype)
    assert getattr(aligner, method)(X, out=out) is out
    np.testing.assert_array_equal(out, expected.astype(dtype))


def test_dtype_of_the_result(mapped):
    aligner, X = mapped
    expected = aligner.to_target(X)
    for dtype in ("float16", np.float32, np.dtype("float64")):
        V = aligner.to_target(X, dtype=dtype)
        assert V.dtype == dtype
        np.testing.assert_array_equal(V, expected.astype(dtype))
    assert aligner.to_target(X[:0], dtype="float16").shape == (0, WIDTHS[1])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float16, np.float64])
def test_any_number_type_into_a_strided_array(mapped, dtype):
    aligner, X = mapped
    rounded = np.round(X * 5).clip(0, 100).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SampleLengthWarning)
        expected = aligner.to_target(rounded)
        out = np.zeros((600, 2 * WIDTHS[1]), np.float32)
        aligner.to_target(rounded, out=out[::2, ::2])
    np.testing.assert_allclose(out[::2, ::2], expected, rtol=1e-5, atol=1e-5)
    assert not out[1::2].any()
    assert not out[:, 1::2].any()


def test_from_file_to_file(mapped, tmp_path):
    aligner, X = mapped
    np.save(tmp_path / "source.npy", X)
    source = np.load(tmp_path / "source.npy", mmap_mode="r")
    target = np.lib.format.open_memmap(
        tmp_path / "target.npy", "w+", np.float32, (len(X), WIDTHS[1])
    )
    aligner.to_target(source, out=target)
    target.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "target.npy"), aligner.to_target(X))


@pytest.mark.parametrize("method", ["transform", "to_target"])
@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.float32])
def test_memory_of_a_block(method, dtype):
    rng = np.random.default_rng(0)
    width = 64
    X = rng.integers(-100, 100, (40_000, width)).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(X[:200], X[200:400])
    out = np.empty((len(X), width), np.float32)
    tracemalloc.start()
    getattr(aligner, method)(X, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes


def test_a_single_vector_comes_back_as_one(mapped):
    aligner, X = mapped
    V = aligner.to_target(X[7])
    assert V.shape == (WIDTHS[1],)
    np.testing.assert_allclose(V, aligner.to_target(X[7:8])[0], atol=1e-5)
    out = np.empty(WIDTHS[1])
    aligner.to_target(X[7], out=out)
    np.testing.assert_allclose(out, V, atol=1e-5)
    with pytest.raises(ValueError, match="Reshape your data"):
        aligner.transform(X[7])


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty((300, 5)), r"out must have the shape \(300, 9\)"),
        (np.empty((300, 9), int), "float64'], got int64"),
        (np.empty((300, 9), ">f4"), "out must have the shape"),
        (np.broadcast_to(np.float32(0), (300, 9)), "read-only"),
    ],
)
def test_arrays_that_cannot_hold_the_result(mapped, out, message):
    aligner, X = mapped
    with pytest.raises(ValueError, match=message):
        aligner.to_target(X, out=out)
    with pytest.raises(ValueError, match=message):
        aligner.transform(X, out=out)


def test_more_arguments_that_are_refused(mapped):
    aligner, X = mapped
    with pytest.raises(TypeError, match="out must be a NumPy array or None, got list"):
        aligner.to_target(X, out=[])
    with pytest.raises(ValueError, match="dtype must be one of"):
        aligner.to_target(X, dtype="int8")
    with pytest.raises(ValueError, match="Leave out dtype"):
        aligner.to_target(X, out=np.empty((300, 9)), dtype="float32")


def test_out_may_not_overlap_the_samples():
    rng = np.random.default_rng(0)
    X = make("equal", rng, 100, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(X, X[::-1])
    before = X.copy()
    with pytest.raises(ValueError, match="out overlaps the samples"):
        aligner.to_target(X, out=X)
    np.testing.assert_array_equal(X, before)


def test_coordinates_beyond_half_precision():
    rng = np.random.default_rng(0)
    A, B = make("equal", rng, 100, 6), 1e6 * make("equal", rng, 100, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(A, B)
    with pytest.raises(ValueError, match=r"out of the range of float16\. Pass another dtype"):
        aligner.to_target(A, dtype="float16")
    assert np.isfinite(aligner.to_target(A)).all()


def test_out_is_no_metadata(mapped):
    aligner, _ = mapped
    assert not hasattr(clone(aligner), "set_transform_request")


@pytest.mark.parametrize("method", ["transform", "to_target"])
@pytest.mark.parametrize("n_samples", [1, 300])
def test_not_a_number_is_an_error_and_no_warning(mapped, method, n_samples):
    aligner, X = mapped
    spoiled = X[:n_samples].copy()
    spoiled[-1, 3] = np.nan
    message = r"Input X contains NaN\.\nMiniVec2Vec does not accept"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            getattr(aligner, method)(spoiled)


# Lengths of new samples


def caught(function, *arguments):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        function(*arguments)
    return [w for w in record if w.category is SampleLengthWarning]


def test_samples_of_the_same_kind_cause_no_warning(mapped):
    aligner, X = mapped
    for n_samples in (1, 2, 25, 300):
        assert not caught(aligner.transform, X[:n_samples])
    for x in X[:50]:
        assert not caught(aligner.to_target, x)
    assert not caught(aligner.transform, X[:0])
    assert not caught(aligner.transform, np.zeros((30, WIDTHS[0])))


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize("factor", [0.01, 100])
def test_longer_and_shorter_samples_cause_a_warning(mapped, factor):
    aligner, X = mapped
    expected = 0 if aligner.source_normalized_ else 1
    for n_samples in (1, 25, 300):
        assert len(caught(aligner.transform, factor * X[:n_samples])) == expected


def test_the_warning_points_to_the_caller(mapped):
    aligner, X = mapped
    for warning in caught(aligner.transform, 100 * X):
        assert warning.filename == __file__


def test_samples_that_a_store_has_normalized_cause_a_warning():
    rng = np.random.default_rng(0)
    A, B = make("centred", rng, 300, 6), make("equal", rng, 300, 6)
    # Of the same median length: nothing but the spread differs.
    normalized = unit(A) * np.median(np.linalg.norm(A, axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(A, B)
        swapped = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(B, A)
    (warning,) = caught(aligner.to_target, normalized)
    assert "If a store normalizes" in str(warning.message)
    assert "The samples of X have a common length" in str(warning.message)
    (warning,) = caught(swapped.transform_target, normalized)
    assert "The samples of XB have a common length" in str(warning.message)
    assert not caught(aligner.transform_target, B)
    (warning,) = caught(aligner.transform_target, unit(B))
    assert "length 1, but the samples of fit have the length 2." in str(warning.message)
