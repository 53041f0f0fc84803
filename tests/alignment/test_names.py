"""Names of target features: which ones count, and what is said of others."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from sklearn_align.alignment._names import check_names, check_output_names, names_of

NAMES = np.array(["a", "b"], dtype=object)


class Caller(BaseEstimator):
    """An estimator that other names must not reach."""


def frame(*names):
    return pd.DataFrame(np.zeros((2, len(names))), columns=list(names))


def check(samples, expected):
    """Return the texts of the warnings."""
    caller = Caller()
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        assert check_names(samples, expected, input_name="XB", estimator=caller) is None
    assert not vars(caller)
    assert {warning.category for warning in record} <= {UserWarning}
    return [str(warning.message) for warning in record]


def test_names_are_those_of_data_frames():
    assert names_of(frame("a", "b")).tolist() == ["a", "b"]
    assert names_of(frame(0, 1)) is None
    assert names_of(np.zeros((2, 2))) is None


def test_the_same_names_or_none_on_either_side():
    assert check(frame("a", "b"), NAMES) == []
    assert check(np.zeros((2, 2)), None) == []
    assert check(frame(0, 1), None) == []


def test_names_on_one_side_only():
    assert check(frame("a", "b"), None) == [
        "XB has feature names, but Caller was fitted without feature names of that space"
    ]
    assert check(np.zeros((2, 2)), NAMES) == [
        "XB does not have valid feature names, but Caller was fitted with feature names of that "
        "space"
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "c"), "XB: The feature names should match those that were passed during fit."),
        (("b", "a"), "XB: The feature names should match those that were passed during fit."),
        (("a",), "XB: The feature names should match those that were passed during fit."),
    ],
)
def test_other_names_are_refused(names, message):
    with pytest.raises(ValueError, match="feature names") as raised:
        check(frame(*names), NAMES)
    assert str(raised.value).splitlines()[0] == message
    assert raised.value.__suppress_context__


def test_names_of_an_output():
    for samples in (frame("a", "b"), frame(0, 1), np.zeros((2, 2))):
        check_output_names(samples, NAMES, input_name="X")
    with pytest.raises(ValueError, match="feature names") as raised:
        check_output_names(frame("c", "d", "e"), NAMES, input_name="X")
    assert str(raised.value) == (
        "X has the feature names c, d, e, but the output of transform, which inverse_transform "
        "takes, has the feature names a, b. Pass that output, or an array without names."
    )
    many = np.array(["a", "b", "c", "d"], dtype=object)
    with pytest.raises(ValueError, match=r"names b, a, but .* names a, b, c, \.\.\.\. Pass"):
        check_output_names(frame("b", "a"), many, input_name="X")
