from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sklearn_align.fusion import AECFClassifier, AECFConfig, AECFRegressor

LEGACY = {
    "lr": 2e-4,
    "gate_lr": 3e-3,
    "wd": 0.02,
    "gate_hidden": 32,
    "entropy_free": 1,
    "entropy_warmup": 2,
    "entropy_max": 0.3,
    "masking_mode": "entropy_max",
    "p_missing": 0.4,
    "tau": 0.7,
    "cec_coef": 0.2,
    "cec_ramp_epochs": 3,
    "feature_norm": False,
}


def test_legacy_keys_round_trip():
    config = AECFConfig.from_dict(LEGACY)
    assert config.to_legacy_dict() == LEGACY
    assert AECFConfig.from_dict(config.to_legacy_dict()) == config
    assert config.weight_decay == 0.02
    assert config.consistency_weight == 0.2
    assert config.standardize is False


def test_full_round_trip_of_any_setting():
    config = AECFConfig(n_units=7, focal_alpha=None, label_smoothing=0.0)
    assert AECFConfig.from_dict(config.to_params()) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"masking_rate": 0.3},
            r"'masking_rate' = 0.3 \(did you mean 'masking_\w+'\?\); known keys",
        ),
        ({"LR": 1e-3}, r"'LR' = 0.001 \(did you mean 'lr'\?\)"),
        ({"learningrate": 1}, r"did you mean 'learning_rate'\?"),
        ({"lr": 1e-3, "num_clases": 3}, r"unknown keys 'num_clases' = 3 .* 'num_classes'\?"),
        ({"dropout": 0.1}, r"'dropout' = 0.1 \(a parameter of the estimators: pass it to build"),
        ({"gate_supervision_weight": 1.0}, r"\(a parameter of the estimators: pass it to build"),
        ({"gate_use_softmax": False}, r"gate_activation='softmax' or 'sigmoid' to build"),
        ({3: 4, "zzz": "z" * 99}, r"unknown keys 3 = 4, 'zzz' = 'z{56}\.\.\.; known keys"),
    ],
)
def test_unknown_keys_are_named_and_not_dropped(settings, message):
    with pytest.raises(ValueError, match=message):
        AECFConfig.from_dict(settings)


def test_unknown_names_in_the_constructor():
    with pytest.raises(TypeError, match=r"'learning_rate' = 1 \('lr' here; AECFConfig.from_dict"):
        AECFConfig(learning_rate=1)
    with pytest.raises(TypeError, match=r"'patiense' = 3 .*'patience'"):
        AECFConfig(patiense=3)
    with pytest.raises(TypeError, match="positional"):
        AECFConfig(3)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"wd": 0.1}, {"weight_decay": 0.2}),
        ({"lr": 1e-3}, {"learning_rate": 1e-4}),
        ({"gate_hidden": [64, 32]}, {"gate_hidden_dims": [32, 64]}),
        ({"p_missing": 0.1}, {"prob_missing": 0.0}),
        ({"feature_norm": True}, {"feature_normalization": ["image"]}),
    ],
)
def test_a_setting_under_two_names_has_one_value(first, second):
    message = r"both set .* to different values: give one"
    for settings in ({**first, **second}, {**second, **first}):
        with pytest.raises(ValueError, match=message) as caught:
            AECFConfig.from_dict(settings)
        assert all(repr(key) in str(caught.value) for key in settings)
        assert all(repr(value) in str(caught.value) for value in settings.values())
    same = dict(zip(second, first.values(), strict=True))
    assert AECFConfig.from_dict({**first, **same}) == AECFConfig.from_dict(first)


def test_an_integer_and_a_list_of_it_are_the_same_width():
    config = AECFConfig.from_dict({"gate_hidden": 64, "gate_hidden_dims": [64]})
    assert config == AECFConfig(gate_hidden=(64,))
    assert hash(config) == hash(AECFConfig(gate_hidden=(64,)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p_missing": 1.5}, r"'p_missing' .* in the range \[0.0, 1.0\]. Got 1.5 instead"),
        ({"lr": 0}, r"'lr' .* a float in the range \(0.0, inf\). Got 0 instead"),
        ({"lr": "fast"}, r"'lr' .* in the range \(0.0, inf\). Got 'fast' instead"),
        ({"lr": True}, r"'lr' .* a float in the range \(0.0, inf\). Got True instead"),
        ({"gate_lr": False}, r"'gate_lr' .* in the range \(0.0, inf\) or None. Got False instead"),
        ({"masking_mode": True}, "'masking_mode' .* must be a str among .* Got True instead"),
        ({"lr": float("nan")}, "'lr' .* Got nan instead"),
        ({"lr": float("inf")}, "'lr' .* Got inf instead"),
        ({"wd": -1.0}, r"'wd' .* in the range \[0.0, inf\). Got -1.0 instead"),
        ({"max_epochs": 2.5}, "'max_epochs' .* must be an int in the range"),
        ({"masking_mode": "sometimes"}, "'masking_mode' .* must be a str among .*'entropy_min'"),
        ({"tau": 0.0}, r"'tau' .* in the range \(0.0, inf\)"),
        ({"label_smoothing": 1.0}, r"'label_smoothing' .* in the range \[0.0, 1.0\)"),
        ({"feature_norm": 1}, "'feature_norm' .* must be an instance of 'bool'"),
        ({"min_gate_temperature": 2.5}, "min_gate_temperature must lie in"),
        ({"focal_alpha": 2.0}, "'focal_alpha' .* Got 2.0 instead"),
    ],
)
def test_values_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        AECFConfig.from_dict(settings)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        AECFConfig().lr = 1.0


def test_estimators_from_a_config():
    config = AECFConfig.from_dict(LEGACY)
    clf = AECFClassifier.from_config(config, modalities={"a": 2, "b": 1}, max_epochs=2)
    params = clf.get_params()
    for name, value in config.to_params().items():
        assert params[name] == (2 if name == "max_epochs" else value)
    X = np.random.default_rng(0).normal(size=(30, 3))
    assert clf.fit(X, X[:, 0] > 0).n_iter_ == 2
    reg = AECFRegressor.from_config(config)
    assert reg.masking == "entropy_max"
    assert "focal_gamma" not in reg.get_params()


def test_every_setting_is_a_parameter_of_the_classifier():
    config = AECFConfig(modalities=["a"], num_classes=3)
    assert set(config.to_params()) <= set(AECFClassifier().get_params())


def test_from_config_takes_a_config_only():
    with pytest.raises(TypeError, match="AECFConfig"):
        AECFClassifier.from_config({"lr": 1e-3})
    with pytest.raises(TypeError, match="settings must be a dict; got list"):
        AECFConfig.from_dict(["lr"])
