"""Selectors of columns: what they select, and what is said of those that select nothing."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_selector
from sklearn.utils import _safe_indexing

from sklearn_align import ModalityLayout, pack_modalities
from sklearn_align._columns import ColumnTable, described
from sklearn_align._modalities import ColumnsByPosition, parse_modalities
from sklearn_align.datasets import drop_modalities

NAMES = ["img_1", "img_2", "snd_1", "snd_2", "id"]
FRAME = pd.DataFrame(np.arange(10.0).reshape(2, 5), columns=NAMES)


def parse(modalities, frame=FRAME, **options):
    return parse_modalities(modalities, frame.shape[1], list(frame.columns), X=frame, **options)


@pytest.mark.parametrize(
    "selector",
    [
        "img_*",
        "img_?",
        "img_[12]",
        ["img_*"],
        ["img_*", "img_1"],
        ["img_1", "*_2", "img_*"][:1] + ["img_2"],
        slice("img_1", "img_2"),
        slice(None, "img_2"),
        slice(-5, -3),
        make_column_selector(pattern="^img_"),
        make_column_selector(pattern="^img_", dtype_include=float),
        lambda X: [name for name in X.columns if name.startswith("img")],
        lambda X: X.columns[:2],
        lambda X: slice(0, 2),
        lambda X: slice("img_1", "img_2"),
        lambda X: X.columns.str.startswith("img"),
        lambda X: np.array([0, 1]),
        lambda X: "img_*",
        [True, True, False, False, False],
    ],
    ids=described,
)
def test_all_spellings_of_a_selector_agree(selector):
    layout = parse({"image": selector, "rest": ["snd_1", "snd_2", "id"]})
    assert [columns.tolist() for columns in layout.columns] == [[0, 1], [2, 3, 4]]
    assert not layout.leaves_out


@pytest.mark.parametrize("selector", ["id", lambda X: "id", lambda X: 4, lambda X: -1])
def test_a_single_column(selector):
    layout = parse({"image": slice(0, 4), "id": selector})
    assert layout.columns[1].tolist() == [4]


def test_an_exact_name_wins_over_the_pattern():
    frame = pd.DataFrame(np.zeros((1, 3)), columns=["a*", "ab", "b"])
    layout = parse({"star": "a*", "rest": ["ab", "b"]}, frame)
    assert layout.columns[0].tolist() == [0]
    # A slice of names has no patterns.
    assert parse({"star": slice("a*", "a*"), "rest": ["ab", "b"]}, frame).widths == (1, 2)


def test_patterns_tell_capitals_apart_on_every_system():
    frame = pd.DataFrame(np.zeros((1, 2)), columns=["Ab", "ab"])
    assert parse({"low": "a*", "high": "A*"}, frame).order.tolist() == [1, 0]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    names=st.lists(st.text("ab_", min_size=1, max_size=4), min_size=1, max_size=7, unique=True),
    pattern=st.text("ab_*?", min_size=1, max_size=4).filter(lambda p: "*" in p or "?" in p),
)
def test_patterns_against_fnmatch(names, pattern):
    expected = [index for index, name in enumerate(names) if fnmatchcase(name, pattern)]
    table = ColumnTable(len(names), names)
    if expected:
        assert table.resolve("a", pattern).tolist() == expected
    else:
        with pytest.raises(ValueError, match=re.escape(f"modalities['a'] = {pattern!r} selects")):
            table.resolve("a", pattern)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(first=st.sampled_from([None, *NAMES]), last=st.sampled_from([None, *NAMES]))
def test_slices_of_names_against_sklearn(first, last):
    expected = list(_safe_indexing(FRAME, slice(first, last), axis=1).columns)
    if expected:
        columns = ColumnTable(5, NAMES).resolve("a", slice(first, last))
        assert [NAMES[column] for column in columns] == expected


@pytest.mark.parametrize(
    ("modalities", "error", "message"),
    [
        ({"a": "x_*"}, ValueError, r"modalities\['a'\] = 'x_\*' selects no column.*'img_1'.*leave"),
        ({"a": ["img_*", "x_*"]}, ValueError, r"modalities\['a'\].*does not have: \['x_\*'\].*img"),
        ({"a": "nope"}, ValueError, r"does not have: \['nope'\]. X has the columns \['img_1'"),
        ({"a": []}, ValueError, r"modalities\['a'\] = \[\] selects no column"),
        ({"a": lambda X: []}, ValueError, r"modalities\['a'\] = .*lambda.* selects no column"),
        (
            {"a": make_column_selector(pattern="^x")},
            ValueError,
            r"modalities\['a'\] = make_column_selector\(pattern='\^x'\) selects no column",
        ),
        ({"a": lambda X: 1.5}, TypeError, r"modalities\['a'\] must return columns, not 1.5"),
        ({"a": lambda X: print}, TypeError, r"modalities\['a'\] must return columns"),
        ({"a": slice("img_1", 3)}, TypeError, "mixes a name with a position"),
        ({"a": slice("nope", None)}, ValueError, r"does not have: \['nope'\]"),
        ({"a": [True, False]}, ValueError, "mask of 2 columns; X has 5"),
        (
            {"a": "img_*", "b": ["img_2", "snd_*", "id"]},
            ValueError,
            r"overlap in column\(s\) \[1\] \(named \['img_2'\]\)\. Column 1 is selected by "
            r"modalities\['a'\] = 'img_\*' and modalities\['b'\] = \['img_2'.*Narrow",
        ),
        ({"a": ["id", "id"]}, ValueError, r"modalities\['a'\] = .*more than once"),
        (
            {"a": "img_*", "b": "snd_*"},
            ValueError,
            r"column\(s\) \[4\] of X belong to no modality \(named \['id'\]\).*remainder='drop'",
        ),
        ({"a": 2, "b": "snd_*"}, TypeError, "mixes widths"),
    ],
)
def test_a_selector_that_does_not_fit_is_named(modalities, error, message):
    with pytest.raises(error, match=message):
        parse(modalities)


@pytest.mark.parametrize(
    "selector", ["img_*", ["id"], slice("a", "b"), make_column_selector(), lambda X: [0]]
)
def test_selectors_need_names(selector):
    message = re.escape(f"modalities['a'] = {described(selector)}") + ".*no column names.*positions"
    with pytest.raises(ValueError, match=message):
        parse_modalities({"a": selector}, 5)


def test_many_columns_are_not_all_listed():
    frame = pd.DataFrame(np.zeros((1, 50)), columns=[f"c{i}" for i in range(50)])
    with pytest.raises(ValueError, match=r"'c7', \.\.\. \(50 in all\)\]"):
        parse({"a": "x*"}, frame)


@pytest.mark.parametrize(
    "modalities",
    [{"a": [1, 2]}, {"a": "*_2"}, {"a": 2}, {"a": slice(0, 1), "b": [4]}],
)
def test_columns_may_be_left_out_on_request(modalities):
    layout = parse(modalities, remainder="drop")
    assert layout.leaves_out
    assert layout.n_features == 5
    if "b" not in modalities:
        with pytest.raises(ValueError, match=r"no modality|sum to 2"):
            parse(modalities)


def test_widths_may_not_exceed_x():
    with pytest.raises(ValueError, match="sum to 6, but X has 5"):
        parse({"a": 6}, remainder="drop")


def test_a_layout_is_taken_as_it_is():
    layout = parse({"a": "img_*"}, remainder="drop")
    assert parse_modalities(layout, 5) is layout
    with pytest.raises(ValueError, match="X has 4 features, but the layout in modalities has 5"):
        parse_modalities(layout, 4)
    by_position = ColumnsByPosition(zip(layout.names, layout.columns, strict=True))
    assert parse_modalities(by_position, 5).leaves_out


def test_drop_modalities_takes_selectors_and_layouts():
    X = FRAME.assign(id=["p", "q"])
    layout = ModalityLayout(("image", "sound"), (np.array([0, 1]), np.array([2, 3])), 5)
    dropped = drop_modalities(X, layout, {"image": 1.0}, random_state=0)
    assert dropped[["img_1", "img_2"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(dropped[["snd_1", "snd_2", "id"]], X[["snd_1", "snd_2", "id"]])
    by_name = {"image": "img_*", "sound": make_column_selector(pattern="^snd"), "id": "id"}
    expected = drop_modalities(FRAME, {"image": 2, "sound": 2, "id": 1}, 0.5, random_state=0)
    pd.testing.assert_frame_equal(drop_modalities(FRAME, by_name, 0.5, random_state=0), expected)
    with pytest.raises(ValueError, match="belong to no modality"):
        drop_modalities(FRAME, {"image": "img_*"})


def test_the_left_out_columns_of_an_array_stay():
    X = FRAME.to_numpy()
    layout = ModalityLayout(("image", "sound"), (np.array([0, 1]), np.array([2, 3])), 5)
    dropped = drop_modalities(X, layout, {"image": 1.0}, random_state=0)
    np.testing.assert_array_equal(dropped[:, 2:], X[:, 2:])
    assert np.isnan(dropped[:, :2]).all()


@pytest.mark.parametrize("selector", ["img_*", slice("a", "b"), make_column_selector()])
def test_packing_has_no_names(selector):
    with pytest.raises(ValueError, match=r"modalities\['a'\].*packing needs"):
        pack_modalities({"a": np.ones((2, 2))}, {"a": selector})


def test_blocks_with_more_axes_say_how_an_encoder_gets_them_back():
    images = np.zeros((4, 1, 28, 28))
    for call in (lambda: pack_modalities({"image": images}), lambda: drop_modalities(images, {})):
        with pytest.raises(ValueError, match=r"reshape\(len\(.*\), -1\).*nn.Unflatten\(1, \(1, 28"):
            call()
