import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from sklearn_align.plotting import ReliabilityDisplay
from sklearn_align.plotting._groups import label_groups, presence_groups


def members(groups):
    return {name: np.flatnonzero(mask).tolist() for name, mask in groups.members()}


def test_presence_groups():
    X = pd.DataFrame({"b": [1, np.nan, np.nan], "a1": [1, 2, np.nan], "a2": [1, 3, np.nan]})
    groups = presence_groups(X, {"a": ["a1", "a2"], "b": ["b"]})
    assert groups.labels.tolist() == ["a + b", "a", "none"]
    assert groups.names == ["a + b", "a", "none"]


def test_patterns_of_one_size_follow_the_order_of_the_modalities():
    X = np.array([[np.nan, 1.0], [1.0, np.nan]])
    assert presence_groups(X, {"image": 1, "audio": 1}).names == ["image", "audio"]


def test_plus_sign_in_the_name_of_a_modality():
    X = np.array([[1, np.nan, np.nan], [np.nan, 1, 1]])
    groups = presence_groups(X, {"a + b": 1, "c": 1, "d": 1})
    assert members(groups) == {"c + d": [1], "a + b": [0]}
    assert groups.names == ["c + d", "a + b"]


@pytest.mark.parametrize(
    ("names", "X", "expected"),
    [
        (
            ["a + b", "a", "b"],
            [[1, np.nan, np.nan], [np.nan, 1, 1]],
            {"'a' + 'b'": [1], "'a + b'": [0]},
        ),
        (["none", "a"], [[1, np.nan], [np.nan, np.nan]], {"'none'": [0], "none": [1]}),
    ],
)
def test_patterns_whose_labels_look_alike_are_kept_apart(names, X, expected):
    groups = presence_groups(np.array(X), dict.fromkeys(names, 1))
    assert members(groups) == expected


def test_labels_are_sorted_by_value():
    assert label_groups(np.array([10, 9, 10])).names == [9, 10]
    assert label_groups(["b + c", "a"]).names == ["a", "b + c"]


def test_order_of_the_curves_of_a_reliability_display():
    class Constant(BaseEstimator):
        classes_ = np.array([0, 1])

        def fit(self, X, y):
            self.is_fitted_ = True
            return self

        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    X = np.array([[1, np.nan, np.nan], [np.nan, 1, 1]] * 3)
    display = ReliabilityDisplay.from_estimator(
        Constant().fit(X, None),
        X,
        [0, 1] * 3,
        by_presence=True,
        modalities={"a + b": 1, "c": 1, "d": 1},
    )
    assert list(display.errors) == ["c + d", "a + b"]
