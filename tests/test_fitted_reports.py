"""Parameters that are set after ``fit`` do not change what a fitted estimator reports."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor

SMALL = {
    "modalities": {"image": 3, "sound": 2},
    "n_units": 6,
    "hidden_sizes": (5,),
    "gate_hidden": 4,
    "max_epochs": 2,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
X[:9, :3] = np.nan
Y = RNG.integers(0, 3, 60)
OTHER = {
    "modalities": {"a": 4, "b": 1},
    "encoders": "linear",
    "n_units": 9,
    "n_components": 7,
    "contrast": "modalities",
    "fusion": "mean",
    "head": "mlp",
    "masking": "none",
    "calibration": False,
    "partial_missing": "raise",
    "remainder": "drop",
    "standardize": ["a"],
    "class_weight": {0: 3.0},
    "pos_weight": [1.0, 2.0],
    "batch_size": 7,
    "optimizer": torch.optim.SGD,
    "iterator_valid": torch.utils.data.DataLoader,
    "train_split": None,
    "callbacks": "disable",
    "warm_start": True,
    "device": "meta",
    "compile": True,
    "early_stopping": True,
    "random_state": 1,
    "module__n_units": 11,
    "criterion__max_epochs": 11,
}


def report(estimator, X, y):
    # The score of skorch, which an embedder inherits, needs predictions.
    scores = not isinstance(estimator, AECFEmbedder)
    seen = {"score": estimator.score(X, y)} if scores else {}
    names = ("predict", "predict_proba", "predict_log_proba", "transform", "modality_weights")
    names += ("gate_entropy", "transform_target", "to_target")
    for name in names:
        if hasattr(estimator, name):
            seen[name] = getattr(estimator, name)(X).tobytes()
    for name in ("classes_", "modality_names_", "n_iter_", "n_features_in_", "task_", "converged_"):
        if hasattr(estimator, name):
            seen[name] = np.asarray(getattr(estimator, name)).tolist()
    seen["names"] = estimator.get_feature_names_out().tolist()
    return seen


FITTED = [
    AECFClassifier(**SMALL, partial_missing="impute"),
    AECFRegressor(**SMALL, partial_missing="impute"),
    AECFEmbedder(**SMALL, partial_missing="impute", n_components=4),
]


@pytest.mark.parametrize("estimator", FITTED, ids=lambda estimator: type(estimator).__name__)
def test_fusion(estimator):
    samples = X.copy()
    samples[20, 4] = np.nan  # Allowed by partial_missing="impute" only.
    estimator = clone(estimator).fit(samples, Y)
    before = report(estimator, samples, Y)
    known = estimator.get_params(deep=False)
    for name, value in OTHER.items():
        if name in known or "__" in name:
            estimator.set_params(**{name: value})
            assert report(estimator, samples, Y) == before, name


def test_names_follow_the_network():
    embedder = AECFClassifier(**SMALL, module__n_units=8).fit(X, Y)
    assert len(embedder.get_feature_names_out()) == embedder.transform(X).shape[1] == 8


def test_alignment():
    data = make_rotated_embeddings(800, 16, random_state=0)
    aligner = MiniVec2Vec(n_init=1, random_state=0).fit(data.XA, data.XB)
    before = report(aligner, data.XA_test, data.XB_test)
    aligner.set_params(
        init="anchors",
        n_init=3,
        selection=None,
        refinements=[],
        max_samples=10,
        pair_weight=9.0,
        score_sample_size=5,
        n_jobs=2,
        random_state=4,
    )
    assert report(aligner, data.XA_test, data.XB_test) == before
