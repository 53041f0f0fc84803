"""State that is stored: its version, and formats that do not run code when they are loaded."""

from __future__ import annotations

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import EpochScoring

import sklearn_align
from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning, StateVersionWarning
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor

SMALL = {
    "modalities": {"image": 3, "sound": 2},
    "n_units": 4,
    "hidden_sizes": (5,),
    "gate_hidden": 3,
    "max_epochs": 2,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 5))
X[:9, :3] = np.nan
Y = RNG.integers(0, 3, 240)
SPACES = make_rotated_embeddings(300, 8, random_state=0)


def fit_fusion():
    names = np.array(list("abc"))[Y]
    return {
        "classes": AECFClassifier(**SMALL, class_weight="balanced").fit(X, names),
        "labels": AECFClassifier(**SMALL, pos_weight="balanced").fit(X, np.eye(3, dtype=int)[Y]),
        "numbers": AECFRegressor(**SMALL, early_stopping=True).fit(X, Y * 1e39),
        "views": AECFEmbedder(**SMALL, n_components=3, optimizer__betas=(0.8, 0.9)).fit(X),
    }


NAMES = ["classes", "labels", "numbers", "views", "spaces"]


@pytest.fixture(scope="module")
def fitted():
    with warnings.catch_warnings(action="ignore", category=AlignmentWarning):
        aligner = MiniVec2Vec(n_init=1, random_state=0).fit(SPACES.XA, SPACES.XB)
    return {**fit_fusion(), "spaces": aligner}


def outputs(estimator):
    samples = SPACES.XA_test if isinstance(estimator, MiniVec2Vec) else X
    names = ("predict", "predict_proba", "transform", "modality_weights", "to_target")
    found = [getattr(estimator, name)(samples) for name in names if hasattr(estimator, name)]
    return [values.tolist() for values in found]


def restored(estimator):
    """Return what is loaded when the stored version is another one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn_align, "__version__", "0.0.7")
        stored = pickle.dumps(estimator)
    return pickle.loads(stored)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unfitted", [False, True])
def test_state_of_another_version_warns_with_both_versions(fitted, name, unfitted):
    estimator = clone(fitted[name]) if unfitted else fitted[name]
    here = sklearn_align.__version__
    with pytest.warns(StateVersionWarning, match=rf"0\.0\.7 .*{here}.*Fit it again") as caught:
        loaded = restored(estimator)
    assert type(estimator).__name__ in str(caught[0].message)
    assert caught[0].filename == __file__
    if not unfitted:
        assert outputs(loaded) == outputs(estimator)


def test_joblib_warns_at_the_line_that_loads(fitted, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn_align, "__version__", "0.0.7")
        joblib.dump(fitted, tmp_path / "stored.joblib")
    with pytest.warns(StateVersionWarning) as caught:
        joblib.load(tmp_path / "stored.joblib")
    assert {warning.filename for warning in caught} == {__file__}
    assert len(caught) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_state_without_a_version_warns(fitted, name):
    state = dict(fitted[name].__reduce_ex__(4)[2])
    del state["_sklearn_align_version"]
    new = type(fitted[name]).__new__(type(fitted[name]))
    with pytest.warns(StateVersionWarning, match="stored by an unknown version"):
        new.__setstate__(state)
    assert outputs(new) == outputs(fitted[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_state_of_this_version_does_not_warn(fitted, name, protocol):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for loaded in (
            pickle.loads(pickle.dumps(fitted[name], protocol)),
            copy.deepcopy(fitted[name]),
        ):
            assert outputs(loaded) == outputs(fitted[name])


TRUSTED = {
    "classes": ["sklearn_align.fusion._classifier.AECFClassifier"],
    "labels": ["sklearn_align.fusion._classifier.AECFClassifier"],
    "numbers": ["sklearn_align.fusion._regressor.AECFRegressor"],
    "views": ["sklearn_align.fusion._embedder.AECFEmbedder"],
    "spaces": [
        "sklearn_align.alignment._mini_vec2vec.MiniVec2Vec",
        "sklearn_align.alignment._normalizer.CentredNormalizer",
    ],
}


def through_skops(estimator):
    io = pytest.importorskip("skops.io")
    stored = io.dumps(estimator)
    return io.loads(stored, trusted=io.get_untrusted_types(data=stored))


@pytest.mark.parametrize("name", NAMES)
def test_skops_needs_trust_in_the_estimator_only(fitted, name):
    io = pytest.importorskip("skops.io")
    stored = io.dumps(fitted[name])
    assert io.get_untrusted_types(data=stored) == TRUSTED[name]
    generator = torch.get_rng_state()
    loaded = io.loads(stored, trusted=TRUSTED[name])
    assert torch.equal(torch.get_rng_state(), generator)
    assert outputs(loaded) == outputs(fitted[name])
    assert repr(loaded) == repr(fitted[name])
    assert getattr(loaded, "n_features_in_", None) == fitted[name].n_features_in_


@pytest.mark.parametrize("name", ["classes", "labels", "numbers", "views"])
def test_what_skops_has_loaded_is_trained_further_to_the_same_bits(name):
    estimator = fit_fusion()[name]
    loaded = through_skops(estimator)
    assert loaded.history == estimator.history
    y = estimator.predict(X) if hasattr(estimator, "predict") else None
    for each in (estimator, loaded):
        each.partial_fit(X, y)
    assert outputs(loaded) == outputs(estimator)


def test_skops_keeps_the_network_when_parameters_were_set_after_fit(fitted):
    estimator = copy.deepcopy(fitted["classes"]).set_params(n_units=9, lr=0.5, masking="none")
    loaded = through_skops(estimator)
    assert outputs(loaded) == outputs(fitted["classes"])
    assert loaded.n_units == 9
    assert loaded.optimizer_.param_groups[0]["lr"] == estimator.optimizer_.param_groups[0]["lr"]


def test_skops_with_frames_and_callbacks():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("vwxyz"))
    clf = AECFClassifier(**SMALL, callbacks=[("f1", EpochScoring("f1_macro", name="f1"))])
    clf.fit(frame, Y)
    loaded = through_skops(clf)
    np.testing.assert_array_equal(loaded.predict_proba(frame), clf.predict_proba(frame))
    assert loaded.feature_names_in_.tolist() == list("vwxyz")
    assert loaded.history[:, "f1"] == clf.history[:, "f1"]


def test_estimators_that_are_trimmed_for_prediction(fitted):
    estimator = copy.deepcopy(fitted["classes"])
    estimator.trim_for_prediction()
    loaded = through_skops(estimator)
    assert outputs(loaded) == outputs(fitted["classes"])
    for each in (estimator, loaded):
        with pytest.raises(ValueError, match="Got None"):
            each.fit(X, Y)
        assert outputs(each) == outputs(fitted["classes"])


def test_skops_does_not_run_pickled_data(fitted):
    io = pytest.importorskip("skops.io")

    class Forged(AECFClassifier):
        def __getstate__(self):
            return self.__reduce__()[2]

    Forged.__name__ = Forged.__qualname__ = "AECFClassifier"
    Forged.__module__ = AECFClassifier.__module__
    forged = Forged(**SMALL).fit(X, Y)
    for part in ("callbacks_", "history_", "_targets", "layout_", "optimizer", "module"):
        vars(forged).pop(part, None)
    stored = io.dumps(forged)
    with pytest.raises(ValueError, match="pickled data"):
        io.loads(stored, trusted=io.get_untrusted_types(data=stored))
