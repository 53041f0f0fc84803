"""Configurations of whole models: modalities, tasks, numbers of classes, estimators from them."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.model_selection import GridSearchCV

from sklearn_align.fusion import AECFClassifier, AECFConfig, AECFEmbedder, AECFRegressor
from tests.fusion.test_config import LEGACY

SHORT = {**LEGACY, "gate_hidden": [32, 16], "modalities": ["image", "text"]}
LONG = {
    "modalities": ["image", "text", "audio"],
    "task_type": "regression",
    "num_classes": 1,
    "feat_dim": 768,
    "gate_hidden_dims": [1024, 512],
    "gate_init_temp": 3.0,
    "gate_min_temp": 1.0,
    "learning_rate": 5e-4,
    "gate_learning_rate": 1e-2,
    "weight_decay": 0.1,
    "epochs": 50,
    "gradient_clip_val": 2.0,
    "early_stopping_patience": 4,
    "early_stopping_min_delta": 1e-3,
    "entropy_free_epochs": 2,
    "entropy_warmup_epochs": 3,
    "entropy_max_coeff": 0.2,
    "ece_penalty_coeff": 0.1,
    "l2_logits_coeff": 1e-3,
    "masking_strategy": "random",
    "prob_missing": 0.6,
    "masking_tau": 0.9,
    "consistency_loss_coeff": 0.3,
    "consistency_ramp_epochs": 7,
    "feature_normalization": False,
    "focal_alpha": 0.5,
    "focal_gamma": 1.0,
    "label_smoothing": 0.1,
}
SMALL = {"max_epochs": 1, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
CLASSES = np.arange(60) % 3


def small(**settings):
    names = {"modalities": ["image", "text"], "feat_dim": 3, "n_units": 4, "gate_hidden": 4}
    return AECFConfig(**{**names, **settings})


# --------------------------------------------------------------------------------- vocabularies


@pytest.mark.parametrize(("vocabulary", "settings"), [("short", SHORT), ("long", LONG)])
def test_both_vocabularies_round_trip(vocabulary, settings):
    config = AECFConfig.from_dict(settings)
    assert config.to_legacy_dict(vocabulary) == settings
    assert AECFConfig.from_dict(config.to_legacy_dict(vocabulary)) == config
    assert json.loads(json.dumps(config.to_legacy_dict(vocabulary))) == settings


@pytest.mark.parametrize(
    ("vocabulary", "key", "value"),
    [("short", *item) for item in SHORT.items()] + [("long", *item) for item in LONG.items()],
)
def test_every_key_alone_makes_its_way_and_back(vocabulary, key, value):
    config = AECFConfig.from_dict({key: value})
    assert config != AECFConfig()
    written = config.to_legacy_dict(vocabulary)
    assert written[key] == value
    again = AECFConfig.from_dict(written)
    assert again == config
    assert again.feat_dim == config.feat_dim
    changed = {k for k, v in written.items() if v != AECFConfig().to_legacy_dict(vocabulary).get(k)}
    assert changed == {key}


def test_the_vocabularies_agree():
    long = AECFConfig.from_dict(LONG)
    assert AECFConfig.from_dict({**SHORT, **AECFConfig.from_dict(SHORT).to_params()}) == (
        AECFConfig.from_dict(AECFConfig.from_dict(SHORT).to_legacy_dict("long"))
    )
    assert long.to_params() == {
        "modalities": {"image": 768, "text": 768, "audio": 768},
        "num_classes": 1,
        "n_units": 768,
        "gate_hidden": (1024, 512),
        "gate_temperature": 3.0,
        "min_gate_temperature": 1.0,
        "lr": 5e-4,
        "gate_lr": 1e-2,
        "weight_decay": 0.1,
        "max_epochs": 50,
        "gradient_clip": 2.0,
        "patience": 4,
        "min_delta": 1e-3,
        "entropy_free_epochs": 2,
        "entropy_warmup_epochs": 3,
        "entropy_weight": 0.2,
        "ece_weight": 0.1,
        "l2_weight": 1e-3,
        "masking": "random",
        "masking_prob": 0.6,
        "masking_tau": 0.9,
        "consistency_weight": 0.3,
        "consistency_ramp_epochs": 7,
        "standardize": False,
        "focal_alpha": 0.5,
        "focal_gamma": 1.0,
        "label_smoothing": 0.1,
    }


def test_any_configuration_survives_the_long_vocabulary():
    for config in (
        AECFConfig(),
        AECFConfig(n_units=7),
        AECFConfig(feat_dim=7, n_units=512),
        AECFConfig(modalities={"a": 3, "b": 4}, gate_hidden=(3, 2), focal_alpha=None, gate_lr=None),
        AECFConfig(modalities={"b": 4, "a": 3}, standardize=["a"], num_classes=2),
    ):
        again = AECFConfig.from_dict(config.to_legacy_dict("long"))
        assert again == config
        assert again.feat_dim == config.feat_dim
    with pytest.raises(ValueError, match="vocabulary must be 'short' or 'long'; got 'old'"):
        AECFConfig().to_legacy_dict("old")


def test_further_names():
    settings = {"gate_hidden_dim": 8, "entropy_max_lambda": 0.5, "consistency_coeff": 0.6}
    expected = AECFConfig(gate_hidden=8, entropy_weight=0.5, consistency_weight=0.6)
    assert AECFConfig.from_dict(settings) == expected


# ----------------------------------------------------------------------- modalities and feat_dim


def test_names_of_modalities_have_the_width_feat_dim():
    config = AECFConfig.from_dict({"lr": 1e-4, "gate_lr": 1e-3, "modalities": ["image", "text"]})
    assert config.to_params()["modalities"] == {"image": 512, "text": 512}
    assert config.to_params()["n_units"] == 512
    config = AECFConfig.from_dict({"modalities": ("image", "text"), "feat_dim": 30})
    assert config.to_params()["modalities"] == {"image": 30, "text": 30}
    assert config.to_params()["n_units"] == 30
    assert config == AECFConfig(modalities={"image": 30, "text": 30}, n_units=30)
    other = dataclasses.replace(config, feat_dim=20)
    assert other.to_params()["modalities"] == {"image": 20, "text": 20}
    assert other.to_params()["n_units"] == 20


def test_feat_dim_without_names_is_the_common_width():
    assert AECFConfig.from_dict({"feat_dim": 256}).to_params()["n_units"] == 256
    assert "modalities" not in AECFConfig(feat_dim=256).to_params()
    widths = {"image": 20, "text": 10}
    params = AECFConfig(feat_dim=256, modalities=widths).to_params()
    assert (params["n_units"], params["modalities"]) == (256, widths)
    params = AECFConfig(feat_dim=256, modalities=["image"], n_units=64).to_params()
    assert (params["n_units"], params["modalities"]) == (64, {"image": 256})


@pytest.mark.parametrize(
    "modalities",
    [
        {"image": slice(0, 3), "text": [3, 4, 5]},
        {"image": np.arange(3), "text": np.arange(3, 6)},
        {"image": "img_*", "text": ["a", "b"]},
        {"image": make_column_selector("img"), "text": make_column_selector("txt")},
    ],
)
def test_all_that_the_estimators_take(modalities):
    config = AECFConfig(modalities=modalities)
    assert config == AECFConfig(modalities=dict(modalities))
    assert hash(config) == hash(AECFConfig(modalities=dict(modalities)))
    params = config.build().modalities
    assert list(params) == ["image", "text"]
    for name, columns in modalities.items():
        np.testing.assert_array_equal(params[name], columns)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modalities": "image"}, "'modalities' must be a list of names.*got 'image'"),
        ({"modalities": 3}, "'modalities' must be a list of names.*got 3"),
        ({"modalities": []}, r"'modalities' is empty, \[\]: it must be a list of names"),
        ({"modalities": {}}, r"'modalities' is empty, {}"),
        ({"modalities": ["image", 3]}, r"non-empty strings; got \[3\]"),
        ({"modalities": ["image", ""]}, r"non-empty strings; got \[''\]"),
        ({"modalities": {None: 3}}, r"non-empty strings; got \[None\]"),
        ({"modalities": ["a", "b", "a"]}, r"names \['a'\] more than once"),
        ({"modalities": {"a": 0}}, "'a' = 0: it must be a width of at least 1"),
        ({"modalities": {"a": True}}, "'a' = True: it must be a width"),
        ({"modalities": {"a": 2.5}}, "'a' = 2.5: it must be a width"),
        ({"modalities": {"a": None}}, "'a' = None: it must be a width"),
        ({"feat_dim": 0}, r"'feat_dim' .* in the range \[1, inf\). Got 0 instead"),
        ({"feat_dim": None}, "'feat_dim' .* Got None instead"),
        ({"feat_dim": 2.5}, "'feat_dim' .* Got 2.5 instead"),
        ({"n_units": 0}, r"'n_units' .* in the range \[1, inf\) or None. Got 0 instead"),
        ({"num_classes": -1}, r"'num_classes' .* in the range \[1, inf\) or None. Got -1 instead"),
        ({"num_classes": True}, "'num_classes' .* Got True instead"),
        ({"num_classes": "ten"}, "'num_classes' .* Got 'ten' instead"),
        ({"task_type": "ranking"}, "'task_type' .* among .*'regression'.* Got 'ranking' instead"),
        ({"task_type": "embedding", "num_classes": 3}, "num_classes=3, but task_type='embedding'"),
        ({"gate_hidden_dims": []}, r"gate_hidden_dims must be an integer.*got \[\]"),
        ({"gate_hidden_dims": [64, 0]}, r"gate_hidden_dims must be .* at least 1.*got \[64, 0\]"),
    ],
)
def test_values_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        AECFConfig.from_dict(settings)


# ------------------------------------------------------------------------------------ the object


def test_later_changes_of_what_was_given_have_no_influence():
    names, widths, layers = ["image", "text"], {"image": 3}, [4, 2]
    listed, mapped = AECFConfig(modalities=names, gate_hidden=layers), AECFConfig(modalities=widths)
    names.append("sound")
    widths["sound"] = 2
    layers.append(1)
    mapped.to_params()["modalities"]["more"] = 1
    mapped.to_legacy_dict()["modalities"]["more"] = 1
    assert listed == AECFConfig(modalities=["image", "text"], gate_hidden=(4, 2))
    assert mapped == AECFConfig(modalities={"image": 3})


def test_equality_and_hash():
    first = AECFConfig(modalities=["a", "b"], feat_dim=3, standardize={"a": True, "b": False})
    second = AECFConfig(
        modalities={"a": 3, "b": 3},
        n_units=3,
        standardize={"b": False, "a": True},
        num_classes=None,
    )
    assert first == second
    assert len({first, second}) == 1
    # The blocks lie in X in the order of the names.
    assert AECFConfig(modalities={"a": 3, "b": 4}) != AECFConfig(modalities={"b": 4, "a": 3})
    assert first != AECFConfig(modalities=["b", "a"], feat_dim=3)
    assert AECFConfig(task_type="multilabel") != AECFConfig(task_type="classification")
    assert AECFConfig() != AECFConfig(num_classes=3)
    assert AECFConfig() != AECFConfig().to_params()


@pytest.mark.parametrize(
    "config", [AECFConfig(), AECFConfig.from_dict(LONG), AECFConfig(modalities={"a": slice(3)})]
)
def test_copies(config):
    for other in (
        pickle.loads(pickle.dumps(config)),
        copy.deepcopy(config),
        dataclasses.replace(config),
    ):
        assert other == config
        assert hash(other) == hash(config)
        assert other.to_legacy_dict("long") == config.to_legacy_dict("long")


# ------------------------------------------------------------------------------------ estimators


@pytest.mark.parametrize(
    ("task_type", "cls", "y"),
    [
        (None, AECFClassifier, CLASSES),
        ("classification", AECFClassifier, CLASSES),
        ("multilabel", AECFClassifier, np.eye(3, dtype=int)[CLASSES]),
        ("regression", AECFRegressor, RNG.normal(size=(60, 3))),
        ("embedding", AECFEmbedder, None),
    ],
)
def test_build_makes_the_estimator_of_the_task(task_type, cls, y):
    number = None if task_type == "embedding" else 3
    config = small(task_type=task_type, num_classes=number, lr=1e-2)
    estimator = config.build(**SMALL)
    assert type(estimator) is cls
    params = estimator.get_params(deep=False)
    for name, value in {**config.to_params(), **SMALL}.items():
        if name in params:
            assert params[name] == value
    assert params["modalities"] == {"image": 3, "text": 3}
    assert params.get("num_classes", params.get("num_targets")) == number
    assert estimator.fit(X, y).modality_names_ == ["image", "text"]
    assert cls.from_config(config, **SMALL).get_params(deep=False) == params
    assert config.build(n_units=5).n_units == 5


def test_a_configuration_for_several_labels_refuses_a_vector():
    clf = small(task_type="multilabel").build(**SMALL)
    assert clf.task == "multilabel"
    with pytest.raises(ValueError, match=r"task_type of an AECFConfig.*MultiLabelBinarizer"):
        clf.fit(X, CLASSES)
    assert small(task_type="multilabel").build(task="auto", **SMALL).fit(X, CLASSES).n_iter_ == 1
    # Classes and indicators are both classification.
    for y in (CLASSES, np.eye(3, dtype=int)[CLASSES]):
        assert small(task_type="classification").build(**SMALL).fit(X, y).n_iter_ == 1


@pytest.mark.parametrize(
    ("cls", "task_type", "suitable"),
    [
        (AECFClassifier, "regression", "'classification' or 'multilabel' or None"),
        (AECFClassifier, "embedding", "'classification' or 'multilabel' or None"),
        (AECFRegressor, "classification", "'regression' or None"),
        (AECFEmbedder, "multilabel", "'embedding' or None"),
    ],
)
def test_a_configuration_for_another_task(cls, task_type, suitable):
    class Derived(cls):
        pass

    config = AECFConfig(task_type=task_type)
    for estimator in (cls, Derived):
        with pytest.raises(ValueError, match=rf"task_type='{task_type}'.*not for .*{suitable}"):
            estimator.from_config(config)
    assert type(Derived.from_config(AECFConfig())) is Derived


def test_an_embedder_has_no_classes():
    with pytest.raises(
        ValueError, match="num_classes=3 of config, but AECFEmbedder has no classes"
    ):
        AECFEmbedder.from_config(AECFConfig(num_classes=3))


def test_parameters_win_over_the_configuration():
    config = small(num_classes=3)
    clf = AECFClassifier.from_config(config, num_classes=None, modalities={"a": 2, "b": 4}, **SMALL)
    assert clf.num_classes is None
    assert clf.fit(X, CLASSES).modality_names_ == ["a", "b"]


# --------------------------------------------------------------------------- numbers of classes


@pytest.mark.parametrize(
    ("number", "y", "message"),
    [
        (5, CLASSES, r"num_classes=5, but there are 3 classes, \[0, 1, 2\]: set num_classes=3 or"),
        (2, CLASSES, r"num_classes=2, but there are 3 classes.*partial_fit"),
        (80, np.array(list("abc"))[CLASSES], r"num_classes=80, .* \['a', 'b', 'c'\]"),
        (4, np.eye(3, dtype=int)[CLASSES], "num_classes=4, but y has 3 labels.*num_classes=3 or"),
    ],
)
def test_a_number_of_classes_that_the_data_contradict(number, y, message):
    clf = small(num_classes=number).build(**SMALL)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)
    assert not hasattr(clf, "classes_")
    clf.set_params(num_classes=3).fit(X, y)
    assert len(clf.classes_) == 3


def test_a_number_of_targets_that_the_data_contradict():
    config = small(task_type="regression", num_classes=1)
    assert config.build(**SMALL).fit(X, X[:, 0]).predict(X).shape == (60,)
    assert config.build(**SMALL).fit(X, X[:, :1]).predict(X).shape == (60, 1)
    with pytest.raises(ValueError, match=r"num_targets=1 \(num_classes of .* but y has 2 targets"):
        config.build(**SMALL).fit(X, X[:, :2])


def test_classes_of_later_samples_are_named_in_the_first_call():
    clf = small(num_classes=4).build(**SMALL)
    with pytest.raises(ValueError, match=r"classes=\[\.\.\.\] of length 4"):
        clf.partial_fit(X, CLASSES)
    clf.partial_fit(X, CLASSES, classes=range(4))
    assert clf.partial_fit(X[:6], np.repeat([3, 0], 3)).predict_proba(X).shape == (60, 4)


@pytest.mark.parametrize("value", [0, -1, 2.5, "three"])
def test_no_number_of_classes(value):
    with pytest.raises(ValueError, match="'num_classes' parameter of AECFClassifier"):
        AECFClassifier(num_classes=value).fit(X, CLASSES)
    with pytest.raises(ValueError, match="'num_targets' parameter of AECFRegressor"):
        AECFRegressor(num_targets=value).fit(X, CLASSES)


def test_the_number_of_classes_is_kept(tmp_path):
    clf = small(num_classes=3).build(**SMALL)
    joblib.dump(clf, tmp_path / "stored.joblib")
    for other in (clone(clf), joblib.load(tmp_path / "stored.joblib")):
        assert other.get_params()["num_classes"] == 3
    search = GridSearchCV(clf, {"gate_hidden": [4, (4, 2)]}, cv=2).fit(X, CLASSES)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.num_classes == 3
    # Folds do not count classes.
    crossed = clone(clf).set_params(calibration="cross_fit").fit(X, CLASSES)
    assert crossed.num_classes == 3
