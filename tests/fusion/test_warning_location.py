"""Warnings point at the line of the user's code, through whatever libraries it was called."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.fusion import AECFClassifier, AECFEmbedder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
X[0] = np.nan
Y = np.arange(40) % 2
SMALL = {"modalities": {"a": 3, "b": 2}, "n_units": 4, "hidden_sizes": (), "max_epochs": 1}

CALLS = {
    "fit": lambda: AECFClassifier(**SMALL).fit(X, Y),
    "fit_transform": lambda: AECFEmbedder(**SMALL).fit(X[1:]).fit_transform(X),
    "pipeline": lambda: make_pipeline(AECFClassifier(**SMALL)).fit(X, Y),
    "partial_fit": lambda: AECFClassifier(**SMALL).partial_fit(X, Y),
} | {
    name: lambda name=name: getattr(AECFClassifier(**SMALL).fit(X[1:], Y[1:]), name)(X)
    for name in ("predict", "predict_proba", "transform", "modality_weights")
}


@pytest.mark.parametrize("name", CALLS)
def test_missing_modality_warning_points_here(name):
    with pytest.warns(MissingModalityWarning) as record:
        CALLS[name]()
    assert {warning.filename for warning in record} == {__file__}


@pytest.mark.parametrize("weight", [-np.ones(39), np.full(39, np.nan), np.ones(5)])
def test_calibrate_checks_the_sample_weight(weight):
    clf = AECFClassifier(**SMALL).fit(X[1:], Y[1:])
    with pytest.raises(ValueError, match=r"sample_weight|Negative"):
        clf.calibrate(X[1:], Y[1:], sample_weight=weight)
