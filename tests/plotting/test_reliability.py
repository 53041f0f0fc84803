import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_align.datasets import drop_modalities, make_multimodal_classification
from sklearn_align.metrics import ConfidenceBins, expected_calibration_error
from sklearn_align.plotting import ReliabilityDisplay


@pytest.fixture(scope="module")
def fitted():
    data = make_multimodal_classification(400, random_state=0)
    model = HistGradientBoostingClassifier(max_iter=10).fit(data.data, data.target)
    X = drop_modalities(data.data, data.modalities, 0.5, random_state=0)
    return model, X, data.target, data.modalities


def test_one_curve(fitted):
    model, X, y, _ = fitted
    display = ReliabilityDisplay.from_estimator(model, X, y)
    display.figure_.canvas.draw()
    (name,) = display.errors
    assert name == "HistGradientBoostingClassifier"
    expected = expected_calibration_error(y, model.predict_proba(X), n_bins=10, strategy="quantile")
    assert display.errors[name] == expected
    x, height = display.lines_[0].get_data()
    bins = display.bins[name]
    np.testing.assert_array_equal(x, bins.confidence)
    np.testing.assert_array_equal(height, bins.accuracy)
    assert np.average(bins.gap, weights=bins.weight) == pytest.approx(expected)
    assert display.histograms_[0].get_ydata().sum() == pytest.approx(1)
    assert f"{expected:.3f}" in display.ax_.get_legend().get_texts()[1].get_text()


def test_the_histogram_has_bins_of_equal_width_whatever_the_strategy(fitted):
    model, X, y, _ = fitted
    uniform, quantile = (
        ReliabilityDisplay.from_estimator(model, X, y, n_bins=8, strategy=strategy)
        for strategy in ("uniform", "quantile")
    )
    np.testing.assert_array_equal(
        uniform.histograms_[0].get_data(), quantile.histograms_[0].get_data()
    )
    assert np.ptp(uniform.histograms_[0].get_ydata()) > 0.1
    assert not np.array_equal(uniform.lines_[0].get_xdata(), quantile.lines_[0].get_xdata())


def test_bins_of_few_samples_are_open_markers_beside_the_curve():
    # 40 samples of confidence 0.6, 20 of 0.8 and 3 of 1, the last of weight 100 each.
    confidence = np.repeat([0.6, 0.8, 1.0], [40, 20, 3])
    proba = np.column_stack([confidence, 1 - confidence])
    y = np.r_[np.tile([0, 1], 30), 1, 1, 1]
    weight = np.repeat([1, 1, 100], [40, 20, 3])
    display = ReliabilityDisplay.from_predictions(
        y, proba, n_bins=5, strategy="uniform", sample_weight=weight
    )
    np.testing.assert_allclose(display.lines_[0].get_xdata(), [0.6, 0.8])
    (thin,) = display.thin_bins_
    np.testing.assert_allclose(thin.get_xydata(), [[1.0, 0.0]])
    assert thin.get_markerfacecolor() == "none"
    assert thin.get_color() == display.lines_[0].get_color()
    assert [text.get_text() for text in display.ax_.texts] == ["3"]
    assert "fewer than 20" in display.ax_.get_legend().get_texts()[-1].get_text()
    assert display.bins["classifier"].n_samples.tolist() == [40, 20, 3]
    many = ReliabilityDisplay.from_predictions(np.tile(y, 7), np.tile(proba, (7, 1)))
    assert many.thin_bins_ == []
    assert len(many.ax_.get_legend().get_texts()) == 2


def test_bins_without_a_number_of_samples_are_all_drawn():
    bins = ConfidenceBins(np.array([0.5, 0.9]), np.array([0.4, 1.0]), np.array([3.0, 1.0]))
    display = ReliabilityDisplay({"model": bins}, {"model": 0.1}).plot()
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), bins.confidence)
    assert display.thin_bins_ == []


def test_a_curve_for_each_set_of_modalities(fitted):
    model, X, y, modalities = fitted
    display = ReliabilityDisplay.from_estimator(
        model,
        X,
        y,
        by_presence=True,
        modalities=modalities,
        n_bins=15,
        strategy="uniform",
    )
    assert list(display.errors) == ["m0 + m1", "m0", "m1"]
    assert len(display.lines_) == len(display.histograms_) == 3
    only = ~np.isnan(X[:, 0]) & np.isnan(X[:, -1])
    assert display.errors["m0"] == pytest.approx(
        expected_calibration_error(y[only], model.predict_proba(X[only]), labels=model.classes_)
    )
    with pytest.raises(ValueError, match="modalities is needed"):
        ReliabilityDisplay.from_estimator(model, X, y, by_presence=True)


def test_groups_in_which_a_class_does_not_occur():
    y = np.array([0, 1, 2, 0, 1, 0])
    display = ReliabilityDisplay.from_predictions(
        y, np.full((6, 3), 1 / 3), groups=[0, 0, 0, 1, 1, 1]
    )
    assert list(display.errors) == ["0", "1"]


def test_multilabel_and_weights():
    rng = np.random.default_rng(0)
    proba = rng.random((100, 3))
    y = (rng.random((100, 3)) < proba).astype(int)
    weight = rng.random(100)
    display = ReliabilityDisplay.from_predictions(
        y, proba, sample_weight=weight, n_bins=15, name="fusion"
    )
    assert display.errors["fusion"] == expected_calibration_error(
        y, proba, sample_weight=weight, strategy="quantile"
    )
    assert display.bins["fusion"].weight.sum() == pytest.approx(3 * weight.sum())


def test_given_axes_are_used(fitted):
    model, X, y, _ = fitted
    _, ax = plt.subplots()
    display = ReliabilityDisplay.from_estimator(model, X, y, ax=ax, name="m", linewidth=3)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.lines_[0].get_linewidth() == 3
    assert len(plt.get_fignums()) == 1
