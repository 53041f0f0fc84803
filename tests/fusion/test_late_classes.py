"""Classes and labels that the first samples lack are learned from the next ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.fusion import AECFClassifier
from sklearn_align.fusion._targets import ClassTargets, LabelTargets

SMALL = {
    "modalities": {"image": 3, "sound": 3},
    "n_units": 16,
    "hidden_sizes": (32,),
    "lr": 1e-2,
    "lr_schedule": "constant",
    "random_state": 0,
}


def draw(n_samples, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n_samples)
    return 3 * np.eye(3, 6)[y] + rng.normal(size=(n_samples, 6)), y


def test_late_class_is_learned_in_two_passes():
    X, y = draw(300, 0)
    clf = AECFClassifier(**SMALL)
    clf.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    X, y = draw(300, 1)
    clf.partial_fit(X, y, epochs=2)
    X, y = draw(300, 2)
    assert (clf.predict(X)[y == 2] == 2).mean() > 0.8


def test_late_label_is_learned_in_three_passes():
    X, y = draw(300, 0)
    labels = np.eye(3, dtype=int)[y]
    clf = AECFClassifier(**SMALL).partial_fit(X[y < 2], labels[y < 2])
    clf.partial_fit(X, labels, epochs=3)
    assert clf.predict(X)[y == 2, 2].mean() > 0.5


@pytest.mark.parametrize("value", [0, 1])
def test_labels_that_are_constant_at_first_start_undecided(value):
    X, y = draw(300, 0)
    labels = np.c_[y == 0, np.full(300, value)].astype(int)
    clf = AECFClassifier(**SMALL).partial_fit(X, labels, epochs=0)
    with pytest.warns(MissingModalityWarning):
        probabilities = clf.predict_proba(np.full((1, 6), np.nan))[0]
    np.testing.assert_allclose(probabilities[1], 0.75 if value else 0.25, rtol=1e-5)


def test_probabilities_before_any_training():
    X, y = draw(300, 0)
    clf = AECFClassifier(**SMALL)
    clf.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2, 3], epochs=0)
    with pytest.warns(MissingModalityWarning):
        probabilities = clf.predict_proba(np.full((1, 6), np.nan))[0]
    share = (y[y < 2] == 0).mean()
    np.testing.assert_allclose(probabilities, [share / 2, (1 - share) / 2, 0.25, 0.25], rtol=1e-5)


def test_where_everything_is_seen_the_frequencies_are_those_of_the_samples():
    encoded = np.array([0, 1, 1, 2, 2, 2])
    weight = np.array([1.0, 2.0, 0.5, 1.0, 1.0, 0.5])
    mass = np.array([1.0, 2.5, 2.5]) / 6.0
    prior = ClassTargets(np.arange(3)).prior_output(encoded, weight)
    assert torch.equal(prior, torch.from_numpy(np.log(mass)).float())
    ones = (weight @ (encoded == 1) + 0.5) / 7.0
    prior = LabelTargets(1, np.dtype(int)).prior_output((encoded == 1)[:, None].astype(int), weight)
    assert torch.equal(prior, torch.from_numpy(np.log([ones]) - np.log1p([-ones])).float())
