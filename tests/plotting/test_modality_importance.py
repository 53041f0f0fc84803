import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_align.datasets import make_multimodal_classification
from sklearn_align.metrics import modality_importance
from sklearn_align.plotting import ModalityImportanceDisplay


@pytest.fixture(scope="module")
def fitted():
    data = make_multimodal_classification(200, widths=(3, 2), random_state=0)
    return HistGradientBoostingClassifier(max_iter=5).fit(data.data, data.target), data


def widths(display):
    return {name: [bar.get_width() for bar in bars] for name, bars in display.bars_.items()}


def error_bars(display, name):
    (collection,) = display.bars_[name].errorbar.lines[2]
    return [abs(np.diff(one[:, 0]).item()) / 2 for one in collection.get_segments()]


def test_shows_the_importances_of_an_estimator(fitted):
    model, data = fitted
    options = {
        "modalities": data.modalities, "method": "permute", "scoring": "neg_log_loss",
        "n_repeats": 3, "random_state": 0,
    }  # fmt: skip
    display = ModalityImportanceDisplay.from_estimator(model, data.data, data.target, **options)
    display.figure_.canvas.draw()
    result = modality_importance(model, data.data, data.target, **options)
    np.testing.assert_allclose(widths(display)["permute"], result.importances_mean)
    np.testing.assert_allclose(error_bars(display, "permute"), result.importances_std)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == result.names
    assert display.ax_.get_xlabel() == "Importance (difference of neg_log_loss)"
    assert display.ax_.get_legend() is None


def test_several_scorers_and_results_are_drawn_side_by_side(fitted):
    model, data = fitted
    options = {"modalities": data.modalities}
    scoring = ["accuracy", "neg_log_loss"]
    display = ModalityImportanceDisplay.from_estimator(
        model, data.data, data.target, scoring=scoring, **options
    )
    assert list(display.bars_) == scoring
    results = {
        method: modality_importance(model, data.data, data.target, method=method, **options)
        for method in ("drop", "shapley")
    }
    display = ModalityImportanceDisplay.from_importances(results, score_name="accuracy")
    for name, result in results.items():
        np.testing.assert_allclose(widths(display)[name], result.importances_mean)
        assert display.bars_[name].errorbar is None
    first, second = ([bar.get_y() for bar in bars] for bars in display.bars_.values())
    height = display.bars_["drop"][0].get_height()
    np.testing.assert_allclose(np.subtract(second, first), height)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == list(results)


def test_from_one_result_and_from_an_array(fitted):
    model, data = fitted
    result = modality_importance(model, data.data, data.target, modalities=data.modalities)
    _, ax = plt.subplots()
    display = ModalityImportanceDisplay.from_importances(result, ax=ax, color="k")
    assert display.ax_ is ax
    assert display.modality_names == result.names
    assert display.bars_["importance"][0].get_facecolor() == (0, 0, 0, 1)
    display = ModalityImportanceDisplay.from_importances([[0.1, 0.3], [-0.1, -0.1]])
    assert display.modality_names == ["modality 0", "modality 1"]
    assert widths(display)["importance"] == pytest.approx([0.2, -0.1])
    assert error_bars(display, "importance") == pytest.approx([0.1, 0.0])


@pytest.mark.parametrize(
    ("importances", "options", "message"),
    [
        ([[0.1], [0.2]], {"modality_names": ["a"]}, "1 names for 2 modalities"),
        ({}, {}, "empty dict"),
        ([0.1, 0.2], {}, "Expected 2D array"),
        ({"a": [[np.nan]]}, {}, "importances of 'a' contains NaN"),
        ({"a": [[0.1]], "b": [[0.1], [0.2]]}, {}, "'b' are of the modalities .* separate displays"),
    ],
)
def test_bad_input(importances, options, message):
    with pytest.raises(ValueError, match=message):
        ModalityImportanceDisplay.from_importances(importances, **options)
