import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator

from sklearn_align.plotting import ModalityWeightsDisplay

WEIGHTS = np.array([[0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


class Gate(BaseEstimator):
    """A fusion with fixed weights."""

    def __init__(self, modalities=None):
        self.modalities = modalities

    def fit(self, X, y=None):
        self.modality_names_ = list(self.modalities)
        return self

    def modality_weights(self, X):
        return WEIGHTS


@pytest.fixture
def gate():
    return Gate({"a": 1, "b": 1, "c": 1}).fit(None)


def widths(display):
    return {name: [bar.get_width() for bar in bars] for name, bars in display.bars_.items()}


def test_means_of_all_samples_and_of_groups():
    display = ModalityWeightsDisplay.from_predictions(
        WEIGHTS, modality_names=["a", "b", "c"], groups=["x", "x", "y", "y"]
    )
    display.figure_.canvas.draw()
    drawn = widths(display)
    assert drawn["a"] == pytest.approx([0.45, 0.4, 0.5])
    assert drawn["b"] == pytest.approx([0.3, 0.6, 0.0])
    assert drawn["c"] == pytest.approx([0.25, 0.0, 0.5])
    starts = [bar.get_x() for bar in display.bars_["b"]]
    assert starts == pytest.approx(drawn["a"])
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels[0].startswith("all samples\nn=4")
    assert labels[2] == "y\nn=2, effective 1.00"


def test_estimator_is_split_by_presence_by_default(gate):
    X = np.array([[1, 1, np.nan], [1, 1, np.nan], [1, np.nan, np.nan], [np.nan, np.nan, 1]])
    display = ModalityWeightsDisplay.from_estimator(gate, X)
    assert display.group_names_ == ["a + b", "a", "c"]
    assert widths(display)["a"] == pytest.approx([0.45, 0.4, 1.0, 0.0])


def test_estimator_is_split_by_class_on_request(gate):
    display = ModalityWeightsDisplay.from_estimator(gate, np.ones((4, 3)), [1, 0, 1, 1])
    assert display.group_names_ == [0, 1]


def test_presence_groups_are_ordered_by_the_number_of_modalities():
    fusion = Gate({"a + b": 1, "c": 1, "d": 1}).fit(None)
    X = np.array([[1, np.nan, np.nan], [np.nan, 1, 1], [np.nan, 1, 1], [1, 1, np.nan]])
    display = ModalityWeightsDisplay.from_estimator(fusion, X)
    assert display.group_names_ == ["a + b + c", "c + d", "a + b"]


def test_presence_groups_of_one_label_are_kept_apart():
    fusion = Gate({"a + b": 1, "a": 1, "b": 1}).fit(None)
    X = np.array([[1, np.nan, np.nan], [np.nan, 1, 1], [np.nan, 1, 1], [np.nan, 1, np.nan]])
    display = ModalityWeightsDisplay.from_estimator(fusion, X)
    assert display.group_names_ == ["'a' + 'b'", "'a + b'", "'a'"]
    assert [bar.get_width() for bar in display.bars_["a + b"]] == pytest.approx(
        [0.45, 0.6, 0.6, 0.0]
    )


def test_labels_of_the_user_are_sorted_by_value():
    display = ModalityWeightsDisplay.from_predictions(WEIGHTS, groups=["x + y", "a", "a", "x"])
    assert display.group_names_ == ["a", "x", "x + y"]


def test_order_of_groups():
    labels = np.array(["x", "y", "y", "x"])
    display = ModalityWeightsDisplay(WEIGHTS, ["a", "b", "c"], labels, group_names=["y", "x"])
    assert display.plot().group_names_ == ["y", "x"]
    assert widths(display)["a"] == pytest.approx([0.45, 0.6, 0.3])


def test_names_default_to_numbers_and_axes_are_used():
    _, ax = plt.subplots()
    display = ModalityWeightsDisplay.from_predictions(WEIGHTS, ax=ax, height=0.3)
    assert display.ax_ is ax
    assert list(display.bars_) == ["modality 0", "modality 1", "modality 2"]
    assert display.bars_["modality 0"][0].get_height() == 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modality_names": ["a"]}, "1 names for 3 columns"),
        ({"groups": [0, 1]}, "inconsistent numbers of samples"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        ModalityWeightsDisplay.from_predictions(WEIGHTS, **options)
