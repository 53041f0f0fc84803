"""Gates with several hidden layers in the estimators, in searches and in stored state."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_align.fusion import AECFClassifier, AECFConfig, AECFEmbedder, AECFRegressor

ESTIMATORS = [AECFClassifier, AECFRegressor, AECFEmbedder]
SMALL = {
    "modalities": {"image": 3, "sound": 2},
    "n_units": 4,
    "hidden_sizes": (5,),
    "max_epochs": 2,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
X[:9, :3] = np.nan
Y = RNG.integers(0, 3, 60)
BAD = [[], (), 0, -2, [8, 0], [8, -1], True, [True, 8], 8.0, [8, 4.0], "8", None, [[8]]]


def widths(estimator):
    gate = estimator.module_.gate
    return [layer.out_features for layer in (gate.hidden, *gate.deeper)]


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("hidden", [(8, 4), [8, 4], (np.int64(8), 4)])
def test_layers_of_the_gate(cls, hidden):
    estimator = cls(**SMALL, gate_hidden=hidden)
    assert estimator.get_params()["gate_hidden"] is hidden
    assert clone(estimator).get_params()["gate_hidden"] == hidden
    assert widths(estimator.fit(X, Y)) == [8, 4]
    weights = estimator.modality_weights(X)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(weights[:9, 0], 0)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_one_layer_as_int_and_as_sequence(cls):
    first, second = (cls(**SMALL, gate_hidden=hidden).fit(X, Y) for hidden in (8, [8]))
    np.testing.assert_array_equal(first.modality_weights(X), second.modality_weights(X))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))


def test_layers_are_set_and_searched():
    clf = AECFClassifier(**SMALL).fit(X, Y).set_params(gate_hidden=(6, 3))
    assert widths(clf) == [64]
    assert widths(clf.fit(X, Y)) == [6, 3]
    candidates = [4, [4, 4], (4, 4), [8, 4, 2]]
    search = GridSearchCV(AECFClassifier(**SMALL), {"gate_hidden": candidates}, cv=2).fit(X, Y)
    assert [params["gate_hidden"] for params in search.cv_results_["params"]] == candidates
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[1] == scores[2]
    assert np.array(search.best_params_["gate_hidden"]).reshape(-1).tolist() == widths(
        search.best_estimator_
    )


def test_layers_by_the_name_of_the_network():
    clf = AECFClassifier(**SMALL, module__gate_hidden=[6, 3]).fit(X, Y)
    assert widths(clf) == [6, 3]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_stored_layers(cls, tmp_path):
    estimator = cls(**SMALL, gate_hidden=[6, 3]).fit(X, Y)
    skops.io.dump(estimator, tmp_path / "stored.skops")
    trusted = skops.io.get_untrusted_types(file=tmp_path / "stored.skops")
    for loaded in (
        pickle.loads(pickle.dumps(estimator)),
        skops.io.load(tmp_path / "stored.skops", trusted=trusted),
    ):
        assert loaded.gate_hidden == [6, 3]
        np.testing.assert_array_equal(loaded.transform(X), estimator.transform(X))


@pytest.mark.parametrize("hidden", BAD)
def test_bad_widths_are_named(hidden):
    for cls in ESTIMATORS:
        with pytest.raises(ValueError, match=r"gate_hidden.*int.*(got|Got) "):
            cls(**SMALL, gate_hidden=hidden).fit(X, Y)
    with pytest.raises(ValueError, match=r"gate_hidden.*(got|Got) "):
        AECFConfig(gate_hidden=hidden)
