import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align.datasets import make_multimodal_classification
from sklearn_align.metrics import missing_modality_curve
from sklearn_align.plotting import MissingModalityDisplay


@pytest.fixture(scope="module")
def fitted():
    data = make_multimodal_classification(200, random_state=0)
    return HistGradientBoostingClassifier(max_iter=5).fit(data.data, data.target), data


def test_shows_the_curve(fitted):
    model, data = fitted
    options = {"rates": [0, 0.5, 1], "modalities": data.modalities, "random_state": 0}
    display = MissingModalityDisplay.from_estimator(
        {"one": model, "two": model}, data.data, data.target, scoring="neg_log_loss", **options
    )
    display.figure_.canvas.draw()
    curve = missing_modality_curve(model, data.data, data.target, scoring="neg_log_loss", **options)
    assert [line.get_label() for line in display.lines_] == ["one", "two"]
    np.testing.assert_allclose(display.lines_[1].get_xdata(), [0, 50, 100])
    np.testing.assert_allclose(display.lines_[1].get_ydata(), curve.mean)
    band = display.bands_[0].get_paths()[0].get_extents()
    assert band.ymax == pytest.approx((curve.mean + curve.std).max())
    assert display.ax_.get_ylabel() == "neg_log_loss"


def test_single_estimator_is_named_by_its_class(fitted):
    model, data = fitted
    pipeline = make_pipeline(StandardScaler(), model).fit(data.data, data.target)
    _, ax = plt.subplots()
    display = MissingModalityDisplay.from_estimator(
        pipeline, data.data, data.target, modalities=data.modalities, ax=ax, color="k"
    )
    assert display.ax_ is ax
    assert display.lines_[0].get_label() == "HistGradientBoostingClassifier"
    assert display.lines_[0].get_color() == "k"


def test_from_a_computed_curve():
    display = MissingModalityDisplay.from_predictions([0, 0.5], [[1.0, 1.0], [0.4, 0.6]])
    np.testing.assert_allclose(display.lines_[0].get_ydata(), [1, 0.5])
    with pytest.raises(ValueError, match=r"shape \(2, n_repeats\)"):
        MissingModalityDisplay.from_predictions([0, 0.5], {"a": [1.0, 2.0]})
