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


def test_unknown_keys_are_named_and_not_dropped():
    with pytest.raises(ValueError, match=r"unknown keys \['masking_rate'\]; known keys are"):
        AECFConfig.from_dict({"masking_rate": 0.3})


def test_a_setting_under_both_names_is_ambiguous():
    with pytest.raises(ValueError, match="both set 'weight_decay'"):
        AECFConfig.from_dict({"wd": 0.1, "weight_decay": 0.1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p_missing": 1.5}, r"'p_missing' .* in the range \[0.0, 1.0\]. Got 1.5 instead"),
        ({"lr": 0}, r"'lr' .* a float in the range \(0.0, inf\). Got 0 instead"),
        ({"lr": "fast"}, r"'lr' .* in the range \(0.0, inf\). Got 'fast' instead"),
        ({"lr": True}, "'lr' .* Got True instead"),
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
    assert set(AECFConfig().to_params()) <= set(AECFClassifier().get_params())


def test_from_config_takes_a_config_only():
    with pytest.raises(TypeError, match="AECFConfig"):
        AECFClassifier.from_config({"lr": 1e-3})
