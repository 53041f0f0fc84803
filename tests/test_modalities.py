from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sklearn_align
from sklearn_align import ModalityLayout, pack_modalities
from sklearn_align._modalities import parse_modalities


def test_none_is_one_modality_with_all_columns():
    layout = parse_modalities(None, 4)
    assert layout.n_modalities == 1
    np.testing.assert_array_equal(layout.columns[0], [0, 1, 2, 3])


@pytest.mark.parametrize(
    "modalities",
    [
        {"a": 2, "b": 3},
        {"a": slice(0, 2), "b": slice(2, None)},
        {"a": [0, 1], "b": [2, 3, 4]},
        {"a": np.array([0, 1]), "b": [-3, -2, -1]},
        {"a": ["p", "q"], "b": ["r", "s", "t"]},
    ],
)
def test_all_spellings_of_a_layout_agree(modalities):
    layout = parse_modalities(modalities, 5, feature_names=list("pqrst"))
    assert layout.names == ("a", "b")
    np.testing.assert_array_equal(layout.columns[0], [0, 1])
    np.testing.assert_array_equal(layout.columns[1], [2, 3, 4])


def test_columns_may_interleave():
    layout = parse_modalities({"a": [0, 2], "b": [1, 3]}, 4)
    X = np.array([[np.nan, 1.0, np.nan, 2.0]])
    np.testing.assert_array_equal(layout.presence(X), [[False, True]])
    np.testing.assert_array_equal(layout.split(X)["b"], [[1.0, 2.0]])


@pytest.mark.parametrize(
    ("modalities", "error", "message"),
    [
        ([2, 3], TypeError, "must be a dict"),
        ({}, ValueError, "empty"),
        ({"a": 2, "b": 2}, ValueError, "sum to 4, but X has 5"),
        ({"a": 0, "b": 5}, ValueError, "at least 1"),
        ({"a": 2, "b": slice(2, 5)}, TypeError, "mixes widths"),
        ({"a": [0, 1], "b": [1, 2, 3, 4]}, ValueError, r"overlap in column\(s\) \[1\]"),
        ({"a": [0, 1], "b": [3, 4]}, ValueError, r"column\(s\) \[2\] of X belong to no modality"),
        ({"a": [0, 9]}, ValueError, "outside X"),
        ({"a": slice(5, 9), "b": slice(0, 5)}, ValueError, "selects no column"),
        ({"a": ["nope"]}, ValueError, "does not have: \\['nope'\\]"),
        ({"a": "pq"}, ValueError, "does not have: \\['pq'\\]"),
        ({"a": 1.5}, TypeError, "must be a width"),
        ({"a": [0, "p"]}, TypeError, "only column positions"),
        ({1: 5}, TypeError, "non-empty strings"),
        ({"a": True}, TypeError, "must be a width"),
    ],
)
def test_bad_layouts_name_the_fault(modalities, error, message):
    with pytest.raises(error, match=message):
        parse_modalities(modalities, 5, feature_names=list("pqrst"))


def test_layout_is_public_and_describes_the_blocks():
    assert "ModalityLayout" in sklearn_align.__all__
    layout = parse_modalities({"a": [3, 0], "b": [1, 2, 4]}, 5)
    assert isinstance(layout, ModalityLayout)
    assert layout.widths == (2, 3)
    assert layout.n_modalities == 2
    assert layout.order.tolist() == [3, 0, 1, 2, 4]


def test_layout_is_imported_on_first_use():
    code = (
        "import sys, sklearn_align; "
        "assert 'sklearn_align._modalities' not in sys.modules; "
        "sklearn_align.ModalityLayout; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_need_a_dataframe():
    with pytest.raises(ValueError, match="no column names"):
        parse_modalities({"a": ["p"]}, 1)


def test_partial_block_is_refused_unless_allowed():
    layout = parse_modalities({"a": 2, "b": 1}, 3)
    X = np.array([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]])
    with pytest.raises(ValueError, match=r"modality 'a' in 1 sample\(s\), the first is sample 1"):
        layout.presence(X)
    assert layout.presence(X, allow_partial=True).all()


@settings(max_examples=50, deadline=None)
@given(
    widths=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    n_samples=st.integers(1, 5),
    seed=st.integers(0, 10_000),
)
def test_split_undoes_pack_and_presence_is_what_was_packed(widths, n_samples, seed):
    rng = np.random.default_rng(seed)
    names = [f"m{i}" for i in range(len(widths))]
    blocks = {n: rng.normal(size=(n_samples, w)) for n, w in zip(names, widths, strict=True)}
    present = rng.random((n_samples, len(widths))) < 0.6
    for i, name in enumerate(names):
        blocks[name][~present[:, i]] = np.nan
    X = pack_modalities(blocks)
    layout = parse_modalities(dict(zip(names, widths, strict=True)), X.shape[1])
    for name, block in layout.split(X).items():
        np.testing.assert_array_equal(block, blocks[name])
    np.testing.assert_array_equal(layout.presence(X), present)


def test_pack_fills_absent_modalities():
    sound = np.ones((2, 1))
    for blocks in ({"sound": sound}, {"image": None, "sound": sound}):
        X = pack_modalities(blocks, modalities={"image": 2, "sound": 1})
        np.testing.assert_array_equal(X, [[np.nan, np.nan, 1.0]] * 2)
    X = pack_modalities({"sound": sound}, modalities={"image": [1, 2], "sound": slice(0, 1)})
    np.testing.assert_array_equal(X, [[1.0, np.nan, np.nan]] * 2)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((np.float32, np.float32), np.float32),
        ((np.float16, np.float32), np.float32),
        ((np.float32, np.float64), np.float64),
        ((np.int64, np.float32), np.float64),
    ],
)
def test_pack_keeps_the_precision(dtypes, expected):
    X = pack_modalities({"a": np.ones((1, 1), dtypes[0]), "b": np.ones((1, 1), dtypes[1])})
    assert X.dtype == expected


@pytest.mark.parametrize(
    ("blocks", "modalities", "message"),
    [
        ({"a": np.ones((2, 1)), "b": np.ones((3, 1))}, None, "different numbers of samples"),
        ({"a": np.ones(3)}, None, "two-dimensional"),
        ({"a": None}, None, "no array"),
        ({"a": np.ones((2, 1)), "b": None}, None, "width of \\['b'\\]"),
        ({"c": np.ones((2, 1))}, {"a": 1}, "modalities does not name"),
        ({"a": np.ones((2, 2))}, {"a": 1}, "has 2 columns"),
        ({"a": np.ones((2, 2))}, {"a": ["x", "y"]}, "column names.*packing needs a width"),
        ({"a": np.ones((2, 2))}, {"a": slice(0, None)}, "slice with a stop"),
        ({"a": np.ones((2, 2))}, {"a": [-2, -1]}, "positions of at least 0"),
        ({"a": np.ones((2, 2))}, {"a": []}, r"modalities\['a'\] = \[\] selects no column"),
        ({"a": np.ones((2, 2))}, {}, "modalities is empty"),
    ],
)
def test_pack_refuses_what_does_not_fit(blocks, modalities, message):
    with pytest.raises(ValueError, match=message):
        pack_modalities(blocks, modalities)


@pytest.mark.parametrize(
    ("blocks", "modalities", "message"),
    [
        ({"a": np.ones((2, 2))}, ["a"], r"modalities must be .*got \['a'\]. Pass \{name: width\}"),
        ({"a": np.ones((2, 2))}, 2, "modalities must be .*got 2"),
        ({"a": np.ones((2, 2))}, {"a": None}, r"modalities\['a'\] = None .*packing needs"),
        ({"a": np.ones((2, 2))}, {"a": 2.0}, r"modalities\['a'\] = 2.0 .*packing needs"),
        ({"a": np.ones((2, 2))}, {"a": True}, r"modalities\['a'\] = True .*packing needs"),
        ({"a": np.ones((2, 2))}, {"a": [0.5]}, r"modalities\['a'\] = \[0.5\] .*packing needs"),
        (
            ModalityLayout(("a",), (np.arange(2),), 2),
            {"a": 2},
            r"pack_modalities\(blocks, layout\)",
        ),
    ],
)
def test_pack_says_what_it_takes(blocks, modalities, message):
    with pytest.raises(TypeError, match=message):
        pack_modalities(blocks, modalities)


def test_pack_takes_layouts_that_leave_columns_out():
    blocks = {"b": np.full((2, 1), 3.0), "a": np.ones((2, 2))}
    layout = ModalityLayout(("a", "b"), (np.array([0, 1]), np.array([3])), 5)
    expected = [[1.0, 1.0, np.nan, 3.0, np.nan]] * 2
    np.testing.assert_array_equal(pack_modalities(blocks, layout), expected)
    by_position = pack_modalities(blocks, {"a": [0, 1], "b": [3]})
    np.testing.assert_array_equal(by_position, np.array(expected)[:, :4])
    by_mask = {"a": [True, True, False, False, False], "b": [False, False, False, True, False]}
    np.testing.assert_array_equal(pack_modalities(blocks, by_mask), expected)
    with pytest.raises(ValueError, match=r"blocks has \['c'\]"):
        pack_modalities({"c": np.ones((2, 1))}, layout)


def test_pack_does_not_touch_its_input():
    block = np.ones((2, 2))
    pack_modalities({"a": block})[:] = 5
    assert (block == 1).all()
