"""Samples mapped block by block, against the formulas, without a fit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.utils import assert_all_finite

import sklearn_align.alignment._mapping as module
from sklearn_align.alignment import _threads
from sklearn_align.alignment._mapping import map_samples
from sklearn_align.alignment._normalizer import CentredNormalizer

KINDS = ["equal", "centred", "directions"]
WIDTHS = [(4, 7), (7, 4)]


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def make_space(kind, width, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, width)) + 0.3
    if kind == "equal":
        return 2 * unit(X)
    return X * rng.lognormal(0, 1.5, (60, 1)) if kind == "directions" else X


def with_threads(monkeypatch, n_threads):
    """Share blocks among threads, whatever BLAS has."""

    def share_work(work, slices):
        if n_threads == 1:
            work(slices)
        else:
            _threads._call_on_threads(work, slices, n_threads)

    monkeypatch.setattr(module, "share_work", share_work)


def make_map(widths):
    return np.random.default_rng(2).standard_normal(widths)


def unit_mapped(X, W, source):
    start = unit(X) if source.directions else X
    return unit((start - source.mean) @ W)


def raw_mapped(X, W, source, target):
    """Coordinates in the target space by the formulas of ``MiniVec2Vec.to_target``."""
    Z = unit_mapped(X, W, source)
    lengths = np.full(len(X), target.radius)
    if source.length is None:
        removed = X if source.directions else X - source.mean
        lengths *= np.linalg.norm(removed, axis=1) / source.radius
    if target.length is None and not target.directions:
        return target.mean + lengths[:, None] * Z
    radius = 1.0 if target.directions else target.length
    along = Z @ target.mean
    reach = np.sqrt(radius**2 - target.mean @ target.mean + along**2) - along
    V = target.mean + reach[:, None] * Z
    return V * lengths[:, None] if target.directions else V


@pytest.mark.parametrize("block_bytes", [1, 200, 2**21])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("target_kind", KINDS)
@pytest.mark.parametrize("source_kind", KINDS)
def test_result_of_the_formulas(source_kind, target_kind, widths, block_bytes, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    X, W = make_space(source_kind, widths[0], 0), make_map(widths)
    source = CentredNormalizer.fit(X)
    target = CentredNormalizer.fit(make_space(target_kind, widths[1], 1))
    assert [source.directions, target.directions] == [
        kind == "directions" for kind in (source_kind, target_kind)
    ]
    Z, V = unit_mapped(X, W, source), raw_mapped(X, W, source, target)
    np.testing.assert_allclose(map_samples(X, W, source), Z)
    np.testing.assert_allclose(map_samples(X, W, source, target), V)
    for dtype in (np.float32, np.float64):
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        out = np.full(Z.shape, np.nan, dtype)
        assert map_samples(X, W, source, target, out=out) is out
        np.testing.assert_allclose(out, V, rtol=tolerance, atol=tolerance)
        result = map_samples(X, W, source, target, dtype=dtype)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, out)


@pytest.mark.parametrize(
    ("dtype", "computing"),
    [(np.float16, np.float32), (np.int8, np.float32), (np.int32, np.float64)],
)
def test_type_of_the_result(dtype, computing):
    X = np.round(5 * make_space("centred", 4, 0)).astype(dtype)
    W = make_map((4, 7))
    source = CentredNormalizer.fit(X)
    Z = map_samples(X, W, source)
    assert Z.dtype == computing
    np.testing.assert_allclose(Z, unit_mapped(X.astype(float), W, source), atol=1e-5)
    out = np.empty((60, 7), np.dtype(computing).name)
    assert map_samples(X, W, source, out=out, dtype=computing) is out
    np.testing.assert_array_equal(out, Z)


def test_a_result_of_the_computing_type_is_written_directly(monkeypatch):
    monkeypatch.setattr(module, "_convert", None)
    X, W = make_space("centred", 4, 0), make_map((4, 7))
    source, out = CentredNormalizer.fit(X), np.empty((60, 7))
    np.testing.assert_allclose(map_samples(X, W, source, out=out), unit_mapped(X, W, source))
    assert map_samples(X.astype(np.float32), W, source).dtype == np.float32


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("widths", [(64, 2), (2, 64)])
def test_no_more_than_a_block_for_each_thread_is_held(widths, n_threads, monkeypatch):
    with_threads(monkeypatch, n_threads)
    # Of the size of a block, so that what asking for the number of threads takes does not count.
    block = 2**20
    monkeypatch.setattr(module, "_BLOCK_BYTES", block)
    X = np.random.default_rng(0).standard_normal((40_000, widths[0])).astype(np.float32)
    out = np.empty((40_000, widths[1]), np.float16)
    source, W = CentredNormalizer.fit(X), make_map(widths).astype(np.float32)
    map_samples(X[:10], W, source, out=out[:10])
    tracemalloc.start()
    map_samples(X, W, source, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * block * n_threads


ALLOWED = "['float16', 'float32', 'float64']"
REFUSED = {
    "another dtype": (
        {"dtype": "int8"},
        f"dtype must be one of {ALLOWED} or None, got 'int8'.",
    ),
    "a list": ({"out": [[0.0]]}, "out must be a NumPy array or None, got list."),
    "another shape": (
        {"out": np.empty((60, 6))},
        f"out must have the shape (60, 7) and one of the types {ALLOWED}, got float64 of shape "
        "(60, 6). Pass numpy.empty((60, 7), dtype).",
    ),
    "whole numbers": (
        {"out": np.empty((60, 7), np.int64)},
        f"out must have the shape (60, 7) and one of the types {ALLOWED}, got int64 of shape "
        "(60, 7). Pass numpy.empty((60, 7), dtype).",
    ),
    "another byte order": (
        {"out": np.empty((60, 7), np.dtype(float).newbyteorder())},
        f"out must have the shape (60, 7) and one of the types {ALLOWED}, got >f8 of shape "
        "(60, 7). Pass numpy.empty((60, 7), dtype).",
    ),
    "two types": (
        {"out": np.empty((60, 7)), "dtype": "float32"},
        "out has the type float64, but dtype='float32'. Leave out dtype.",
    ),
    "read-only": (
        {"out": np.broadcast_to(0.0, (60, 7))},
        "out is read-only. Pass an array, or a memmap of mode 'r+', to write to.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    options, message = REFUSED[case]
    X = make_space("centred", 4, 0)
    with pytest.raises((TypeError, ValueError)) as raised:
        map_samples(X, make_map((4, 7)), CentredNormalizer.fit(X), **options)
    assert str(raised.value) == message


def test_the_samples_may_not_be_written_over():
    both = np.empty((60, 11))
    X, out = both[:, :4], both[:, 3:10]
    X[:] = make_space("centred", 4, 0)
    source = CentredNormalizer.fit(X)
    with pytest.raises(ValueError, match="out overlaps") as raised:
        map_samples(X, make_map((4, 7)), source, out=out)
    assert str(raised.value) == "out overlaps the samples that are mapped. Pass another array."


def test_the_largest_value_of_a_type_is_held():
    largest = float(np.finfo(np.float16).max)
    W = np.eye(2)
    source = CentredNormalizer(np.zeros(2), 1.0, None)
    fits = CentredNormalizer(np.zeros(2), largest, None)
    X = np.array([[1.0, 0], [0, -1]])
    result = map_samples(X, W, source, fits, dtype=np.float16)
    np.testing.assert_array_equal(result, largest * X)
    beyond = CentredNormalizer(np.zeros(2), 2 * largest, None)
    for sample in (X[:1], -X[:1]):
        with pytest.raises(ValueError, match="out of the range") as raised:
            map_samples(sample, W, source, beyond, dtype=np.float16)
        assert str(raised.value) == (
            "A coordinate of 1.31e+05 is out of the range of float16. Pass another dtype."
        )
    assert map_samples(X[:0], W, source, beyond, dtype=np.float16).shape == (0, 2)


@pytest.mark.parametrize("target_kind", [None, *KINDS])
@pytest.mark.parametrize("source_kind", KINDS)
def test_the_number_of_threads_changes_no_bit(source_kind, target_kind, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 200)
    X, W = make_space(source_kind, 4, 0).astype(np.float32), make_map((4, 7))
    source = CentredNormalizer.fit(X)
    target = None if target_kind is None else CentredNormalizer.fit(make_space(target_kind, 7, 1))
    results = []
    for n_threads in (1, 2, 3):
        with_threads(monkeypatch, n_threads)
        results.append(map_samples(X, W, source, target).tobytes())
    assert results[1:] == results[:1] * 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_samples_that_are_not_finite_are_checked_wherever_they_are(kind, value, dtype, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 500)
    with_threads(monkeypatch, 2)
    X, W = make_space(kind, 4, 0), make_map((4, 7))
    # A feature that does not count is checked all the same.
    W[2] = 0
    source = CentredNormalizer.fit(X)
    X = X.astype(dtype)
    for place in ((0, 0), (31, 2), (59, 3)):
        spoiled = X.copy()
        spoiled[place] = value
        with pytest.raises(ValueError, match="Input contains"):
            map_samples(spoiled, W, source, check=assert_all_finite)
    map_samples(X, W, source, check=assert_all_finite)
