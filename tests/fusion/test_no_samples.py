"""Batches without samples, as batch engines send them, give results without samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor

MODALITIES = {"image": 3, "sound": 2}
TARGETS = {
    "binary": (AECFClassifier, lambda z: z % 2),
    "str": (AECFClassifier, lambda z: np.array(["a", "bb", "ccc"])[z]),
    "labels": (AECFClassifier, lambda z: np.column_stack([z == 0, z > 0, z == 2]).astype(int)),
    "one": (AECFRegressor, lambda z: 3.0 * z),
    "two": (AECFRegressor, lambda z: np.column_stack([z, 2.0 * z])),
    "none": (AECFEmbedder, lambda z: None),
}
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "transform",
    "modality_weights",
    "gate_entropy",
)


def fitted(kind, dtype=np.float64, **options):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5)).astype(dtype)
    net, targets = TARGETS[kind]
    return net(modalities=MODALITIES, max_epochs=1, random_state=0, **options).fit(
        X, targets(np.arange(30) % 3)
    ), X


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"fusion": "mean"}, {"partial_missing": "impute"}])
def test_results_have_the_shape_and_type_of_others(kind, dtype, options):
    if kind == "none":
        options = {name: value for name, value in options.items() if name != "fusion"}
    net, X = fitted(kind, dtype, **options)
    for method in METHODS:
        if hasattr(net, method):
            some, none = getattr(net, method)(X), getattr(net, method)(X[:0])
            assert none.shape == (0, *some.shape[1:]), method
            assert none.dtype == some.dtype, method


@pytest.mark.parametrize("kind", TARGETS)
def test_frames_and_pipelines_without_samples(kind):
    net, X = fitted(kind)
    frame = pd.DataFrame(X[:0])
    assert net.transform(frame).shape == (0, net.transform(X).shape[1])
    assert net.transform(frame.astype(object)).shape[0] == 0
    pipeline = make_pipeline(FunctionTransformer(), net)
    assert pipeline.transform(X[:0]).shape[0] == 0
    assert net.set_output(transform="pandas").transform(X[:0]).shape[0] == 0


@pytest.mark.parametrize("kind", TARGETS)
def test_no_samples_are_still_refused_for_training(kind):
    net, X = fitted(kind)
    y = np.zeros(0)
    for method in (net.fit, net.partial_fit):
        with pytest.raises(ValueError, match="0 sample"):
            method(X[:0], y)
    if kind == "binary":
        with pytest.raises(ValueError, match="0 sample"):
            net.calibrate(X[:0], y)
    with pytest.raises(ValueError, match="5 features"):
        net.transform(X[:0, :3])
    with pytest.raises(ValueError, match="2D"):
        net.transform([])
