import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from sklearn_align import plotting
from sklearn_align.plotting._display import DisplayMixin


def make_displays():
    return [
        plotting.AlignmentHistoryDisplay([{"stage": "start", "score": [0.1, 0.2]}]),
        plotting.AlignmentScatterDisplay(np.eye(2), np.eye(2), before=-np.eye(2), paired=True),
        plotting.MissingModalityDisplay(np.array([0.0, 0.5]), {"model": np.ones((2, 3))}),
        plotting.ModalityImportanceDisplay({"drop": np.ones((2, 3))}, ["a", "b"]),
        plotting.ModalityWeightsDisplay(np.array([[0.5, 0.5]]), ["a", "b"]),
        plotting.ReliabilityDisplay.from_predictions([0, 1], [[0.7, 0.3], [0.4, 0.6]]),
        plotting.RetrievalDisplay(np.array([1, 2]), {"aligned": np.array([0.5, 1.0])}, 2),
    ]


def test_every_display_is_tested():
    assert {type(display).__name__ for display in make_displays()} == set(plotting.__all__)


@pytest.mark.parametrize("display", make_displays(), ids=lambda one: type(one).__name__)
def test_plot_sets_axes_and_figure_and_returns_the_display(display):
    assert isinstance(display, DisplayMixin)
    figure, ax = plt.subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.plot().ax_ is not ax


@pytest.mark.parametrize("display", make_displays(), ids=lambda one: type(one).__name__)
def test_missing_matplotlib_is_explained(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = rf"{type(display).__name__}.plot needs .*pip install 'sklearn-align\[plot\]'"
    with pytest.raises(ImportError, match=message):
        display.plot()


def test_import_does_not_load_matplotlib():
    code = "import sys, sklearn_align.plotting; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("display", "arguments"),
    [
        (plotting.AlignmentHistoryDisplay, ()),
        (plotting.AlignmentScatterDisplay, ([[1.0, 0.0]], [[1.0, 0.0]])),
        (plotting.ModalityWeightsDisplay, ([[1.0]],)),
        (plotting.ReliabilityDisplay, ([[1.0]], [0])),
        (plotting.RetrievalDisplay, ([[1.0]], [[1.0]])),
    ],
)
def test_unfitted_estimators_are_refused(display, arguments):
    class Unfitted(BaseEstimator):
        def fit(self, X, y=None):
            return self

    with pytest.raises(NotFittedError):
        display.from_estimator(Unfitted(), *arguments)
