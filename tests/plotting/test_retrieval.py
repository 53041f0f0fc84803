import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator

from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import retrieval_accuracy
from sklearn_align.plotting import RetrievalDisplay


class KnownMap(BaseEstimator):
    """An aligner with a given map."""

    def __init__(self, data):
        self.source_mean_ = data.XA.mean(axis=0)
        self.target_mean_ = data.XB.mean(axis=0)
        self.map_ = data.rotation

    def fit(self, X):
        return self

    def transform(self, X):
        return (X - self.source_mean_) @ self.map_

    def transform_target(self, X):
        return X - self.target_mean_


def test_values_are_those_of_the_metric():
    rng = np.random.default_rng(0)
    T = rng.standard_normal((50, 4))
    Z = T + rng.standard_normal(T.shape)
    display = RetrievalDisplay.from_predictions(Z, T, name="noisy")
    display.figure_.canvas.draw()
    x, y = display.lines_[0].get_data()
    assert x[0] == 1
    assert x[-1] == 50
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(y, [retrieval_accuracy(Z, T, int(k)) for k in x])
    assert display.ax_.get_xscale() == "log"
    np.testing.assert_allclose(display.chance_line_.get_ydata(), x / 50)


@pytest.mark.parametrize("width_B", [10, 14, 7])
def test_before_after_and_oracle(width_B):
    data = make_rotated_embeddings(
        300, 10, n_features_target=width_B, n_test=300, noise=0.2, random_state=0
    )
    aligner = KnownMap(data)
    half = 150
    display = RetrievalDisplay.from_estimator(
        aligner,
        data.XA_test[:half],
        data.XB_test[:half],
        pairs=(data.XA_test[half:], data.XB_test[half:]),
    )
    names = ["aligned", "oracle"]
    assert list(display.accuracies) == (["before alignment", *names] if width_B == 10 else names)
    top = {name: values[0] for name, values in display.accuracies.items()}
    assert top["aligned"] == retrieval_accuracy(
        aligner.transform(data.XA_test[:half]), aligner.transform_target(data.XB_test[:half])
    )
    assert abs(top["oracle"] - top["aligned"]) < 0.15
    if width_B == 10:
        assert top["before alignment"] < 0.2 < top["aligned"]


def test_given_axes_are_used():
    _, ax = plt.subplots()
    display = RetrievalDisplay.from_predictions(np.eye(3), np.eye(3), ax=ax, color="r")
    assert display.ax_ is ax
    assert display.lines_[0].get_color() == "r"


def test_bad_input():
    data = make_rotated_embeddings(50, 4, n_test=20, random_state=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RetrievalDisplay.from_estimator(KnownMap(data), data.XA_test, data.XB_test[:10])
    with pytest.raises(ValueError, match="Z has 3 samples"):
        RetrievalDisplay.from_predictions(np.eye(3), np.eye(4)[:, :3])
