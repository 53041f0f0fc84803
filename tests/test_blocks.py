"""Blocks as users have them: nullable, sparse, masked, with text, dates or too many axes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse

from sklearn_align import AECFClassifier, AECFEmbedder, AECFRegressor, pack_modalities
from sklearn_align.datasets import drop_modalities
from sklearn_align.metrics import missing_modality_curve, modality_importance
from sklearn_align.plotting import ReliabilityDisplay

NAN = np.nan
VALUES = np.array([[1.0, NAN], [NAN, NAN], [3.0, 0.5]])
DENSE = np.array([[0.0, 2.0], [0.0, 0.0], [3.0, 0.0]])


@pytest.mark.parametrize(
    "block",
    [
        pd.DataFrame({"a": [1, pd.NA, 3], "b": [pd.NA, pd.NA, 0.5]}, dtype="Float64"),
        pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [NAN, NAN, 0.5]}),
        pd.DataFrame({"a": [1, None, 3], "b": [pd.NA, None, 0.5]}, dtype=object),
        pd.DataFrame({"a": [1, pd.NaT, 3], "b": [pd.NA, None, 0.5]}, dtype=object),
        pd.DataFrame(VALUES, columns=["a", "b"]).astype(pd.SparseDtype(float, NAN)),
        np.array([[1, None], [None, None], [Fraction(3), Decimal("0.5")]], dtype=object),
        np.array([[True, None], [None, None], [np.float16(3), np.float32(0.5)]], dtype=object),
        np.ma.array([[1, 7], [7, 7], [3, 0.5]], mask=[[0, 1], [1, 1], [0, 0]]),
        np.ma.array([[1, 7], [7, 7], [3, 0.5]], mask=[[0, 1], [1, 1], [0, 0]], dtype=np.float32),
        [[1, None], [None, None], [3, 0.5]],
        [[1, NAN], [NAN, NAN], [3, 0.5]],
        pl.DataFrame({"a": [1, None, 3], "b": [None, None, 0.5]}),
        torch.tensor(VALUES),
        np.asfortranarray(VALUES),
        VALUES[::-1][::-1].astype(">f4"),
        VALUES.astype(np.longdouble),
    ],
    ids=lambda block: type(block).__name__,
)
def test_missing_values_of_every_kind_are_nan(block):
    X = pack_modalities({"m": block})
    assert X.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(X, VALUES)


@pytest.mark.parametrize(
    "block",
    [
        sparse.csr_matrix(DENSE),
        sparse.csc_array(DENSE),
        sparse.coo_array(DENSE.astype(np.float32)),
        pd.DataFrame(DENSE, columns=["a", "b"]).astype(pd.SparseDtype(float, 0.0)),
        pd.DataFrame({"a": pd.arrays.SparseArray(DENSE[:, 0]), "b": DENSE[:, 1]}),
        DENSE.astype(np.int8),
        pd.DataFrame(DENSE).astype("category"),
    ],
    ids=lambda block: type(block).__name__,
)
def test_zeros_of_sparse_blocks_are_values(block):
    X = pack_modalities({"m": block, "n": np.full((3, 1), NAN)})
    np.testing.assert_array_equal(X, np.column_stack([DENSE, [NAN] * 3]))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.ones((3, 2)) + 0j, "complex128 values.*real and imaginary parts as separate columns"),
        (sparse.csr_matrix(np.eye(3) * 1j), "complex128 values.*separate columns"),
        (np.array([[1.0, 2j]], dtype=object), "holds 2j in column 1 of sample 0.*separate columns"),
        (np.array([["a", "b"]]), "values, not real numbers. Encode text"),
        (np.array([["1.5", "2"]]), "values, not real numbers. Encode text"),
        (np.array([[b"a"]]), "not real numbers. Encode bytes"),
        (np.array([["2024-01-01"]], dtype="M8[D]"), "not real numbers. Turn times into numbers"),
        (np.array([[3]], dtype="m8[s]"), "not real numbers. Turn durations into numbers"),
        (
            pd.DataFrame({"age": [3, 4], "town": ["Bonn", "Rome"]}),
            "holds 'Bonn' in column 'town' of sample 0, which is not a real number. Encode text",
        ),
        (
            pd.DataFrame({"age": [3, 4], "size": ["1.5", pd.NA]}, dtype=object),
            "holds '1.5' in column 'size' of sample 0",
        ),
        (
            pd.DataFrame({"a": [1.0, 2.0], "day": pd.to_datetime(["2024-01-01"] * 2)}),
            "in column 'day' of sample 0, which is not a real number",
        ),
        (np.array([[1.0], [datetime(2024, 1, 1)]], dtype=object), "column 0 of sample 1"),
        (np.array([[1.0, (1, 2)]], dtype=object), r"holds \(1, 2\) in column 1"),
        (np.ones((3, 4, 5)), r"shape \(3, 4, 5\). Flatten .* block.reshape\(len\(block\), -1\)"),
        (np.ones(3), r"shape \(3,\). Convert it to a single column: block.reshape\(-1, 1\)"),
        (pd.Series([1.0]), "Convert it to a single column"),
        ([[1, 2], [3]], "not an array of shape .n_samples, width.*same number of values"),
        (pd.Series([np.ones(2)] * 3), r"for each sample: .*numpy.stack\(block\)"),
        ("text", r"two-dimensional"),
        (3, "one row for each sample; widths are given in `modalities`"),
    ],
)  # fmt: skip
def test_what_is_no_block_of_numbers_is_refused(block, message):
    with pytest.raises(ValueError, match=f"block 'sound' .*{message}"):
        pack_modalities({"sound": block, "image": np.ones((1, 1))}, {"sound": 1, "image": 1})


@pytest.mark.parametrize("blocks", [[np.ones((3, 2))], (np.ones((3, 2)),), np.ones((3, 2)), None])
def test_blocks_without_names_are_refused(blocks):
    with pytest.raises(TypeError, match=r"blocks must be a dict.*pack_modalities"):
        pack_modalities(blocks)


def views(n=20):
    rng = np.random.default_rng(0)
    return {"image": rng.normal(size=(n, 3)), "sound": rng.normal(size=(n, 2))}, np.arange(n) % 2


ESTIMATORS = [AECFClassifier, AECFRegressor, AECFEmbedder]
NOT_PACKED = {
    "dict": lambda blocks: blocks,
    "dict of frames": lambda blocks: {k: pd.DataFrame(v) for k, v in blocks.items()},
    "dict with None": lambda blocks: {**blocks, "sound": None},
    "dict called X and presence": lambda blocks: {"X": blocks["image"], "presence": None},
    "list": lambda blocks: list(blocks.values()),
    "tuple": lambda blocks: tuple(blocks.values()),
    "list of equal widths": lambda blocks: [blocks["image"], blocks["image"]],
    "list with None": lambda blocks: [None, blocks["sound"]],
    "list of frames": lambda blocks: [pd.DataFrame(v) for v in blocks.values()],
    "list of tensors": lambda blocks: [torch.tensor(v) for v in blocks.values()],
}


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("container", NOT_PACKED)
def test_estimators_say_how_to_pack_views(kind, container):
    blocks, y = views()
    unpacked = NOT_PACKED[container](blocks)
    net = kind(modalities={"image": 3, "sound": 2}, max_epochs=1, random_state=0)
    with pytest.raises(TypeError, match="pack_modalities"):
        net.fit(unpacked, y)
    with pytest.raises(TypeError, match="pack_modalities"):
        net.partial_fit(unpacked, y)
    X = pack_modalities(blocks)
    net.fit(X, y)
    for method in ("predict", "predict_proba", "transform", "modality_weights", "gate_entropy"):
        if hasattr(net, method):
            with pytest.raises(TypeError, match="pack_modalities"):
                getattr(net, method)(unpacked)
    if kind is AECFClassifier:
        with pytest.raises(TypeError, match="pack_modalities"):
            net.calibrate(unpacked, y)


def test_functions_say_how_to_pack_views():
    blocks, y = views()
    layout = {"image": 3, "sound": 2}
    clf = AECFClassifier(modalities=layout, max_epochs=1).fit(pack_modalities(blocks), y)
    with pytest.raises(TypeError, match="pack_modalities"):
        drop_modalities(blocks, layout, 0.5)
    with pytest.raises(TypeError, match="pack_modalities"):
        missing_modality_curve(clf, blocks, y)
    with pytest.raises(TypeError, match="pack_modalities"):
        modality_importance(clf, blocks, y)
    with pytest.raises(TypeError, match="pack_modalities"):
        ReliabilityDisplay.from_estimator(clf, blocks, y, by_presence=True)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_estimators_say_how_to_flatten(kind):
    X, y = np.random.default_rng(0).normal(size=(20, 2, 3)), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"dim 3 and shape \(20, 2, 3\). .*X.reshape\(len\(X\)"):
        kind(max_epochs=1).fit(X, y)
    net = kind(max_epochs=1).fit(X.reshape(20, -1), y)
    for method in ("predict", "transform"):
        if hasattr(net, method):
            with pytest.raises(ValueError, match=r"X.reshape\(len\(X\), -1\)"):
                getattr(net, method)(torch.tensor(X))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            np.zeros((4, 2, 3)).tolist(),
            ValueError,
            r"list with dim 3.*reshape\(len\(X\), -1",
        ),
        ([[np.zeros(2)] * 3] * 4, ValueError, "nested list with dim 3"),
        ([{"a": 1.0, "b": 2.0}] * 4, TypeError, r"keys \['a', 'b'\].*pandas.DataFrame\(X\)"),
    ],
)
def test_nested_lists_and_records_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        AECFClassifier(max_epochs=1).fit(X, [0, 1, 0, 1])


def test_lists_of_samples_are_still_samples():
    blocks, y = views()
    X = pack_modalities(blocks)
    clf = AECFClassifier(max_epochs=1, random_state=0).fit(list(X), y)
    np.testing.assert_array_equal(clf.predict(X.tolist()), clf.predict(X))
