"""Every parameter of the estimators does something: a setting in which changing it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_align.fusion import (
    AECFClassifier,
    AECFEmbedder,
    AECFLoss,
    AECFModule,
    AECFRegressor,
    ContrastiveLoss,
    ContrastiveModule,
    TensorBatches,
)

ESTIMATORS = [AECFClassifier, AECFRegressor, AECFEmbedder]
SMALL = {
    "modalities": {"image": 3, "sound": 2, "text": 2},
    "n_units": 6,
    "hidden_sizes": (8,),
    "gate_hidden": 4,
    "max_epochs": 3,
    "batch_size": 32,
    "lr": 0.01,
    "random_state": 0,
}
# Of 200 samples or more, "auto" holds out a tenth for validation.
N_SAMPLES, N_WITH_VALIDATION = 60, 220


@dataclass(frozen=True)
class Setting:
    """A parameter's changed value, and the parameters and the targets with which it matters."""

    changed: Any
    base: dict[str, Any] = field(default_factory=dict)
    targets: str = "classes"
    n_samples: int = N_SAMPLES


class DoubledOutputs(AECFModule):
    def forward(self, *args, **kwargs):
        outputs, *rest = super().forward(*args, **kwargs)
        return 2 * outputs, *rest


class NegatedEmbedding(ContrastiveModule):
    def forward(self, *args, **kwargs):
        embedding, *rest = super().forward(*args, **kwargs)
        return -embedding, *rest


class SquaredLoss(AECFLoss):
    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs) ** 2


class SquaredContrast(ContrastiveLoss):
    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs) ** 2


STOPPING = {"early_stopping": True, "max_epochs": 6}
SHARED = {
    "modalities": Setting({"image": 3, "other": 4}),
    "encoders": Setting("linear"),
    "n_units": Setting(5),
    "hidden_sizes": Setting((8, 8)),
    "activation": Setting("tanh"),
    "dropout": Setting(0.0),
    "gate_hidden": Setting(5),
    "gate_activation": Setting("sigmoid"),
    "gate_temperature": Setting(4.0),
    "min_gate_temperature": Setting(0.5),
    "entropy_weight": Setting(1.0),
    "entropy_free_epochs": Setting(2),
    "entropy_warmup_epochs": Setting(1),
    "consistency_weight": Setting(3.0),
    "standardize": Setting(False),
    "lr": Setting(0.05),
    "gate_lr": Setting(0.5),
    "weight_decay": Setting(1.0),
    "max_epochs": Setting(2),
    "batch_size": Setting(16),
    "gradient_clip": Setting(None, base={"optimizer": torch.optim.SGD, "gradient_clip": 1e-3}),
    "lr_schedule": Setting("constant"),
    "early_stopping": Setting(
        True,
        base={"max_epochs": 6, "patience": 1, "min_delta": 100.0},
        n_samples=N_WITH_VALIDATION,
    ),
    "patience": Setting(
        1, base={**STOPPING, "patience": 3, "min_delta": 100.0}, n_samples=N_WITH_VALIDATION
    ),
    "min_delta": Setting(100.0, base={**STOPPING, "patience": 1}, n_samples=N_WITH_VALIDATION),
    "optimizer": Setting(torch.optim.SGD),
    "train_split": Setting(None, n_samples=N_WITH_VALIDATION),
    "random_state": Setting(1),
}
SUPERVISED = {
    **SHARED,
    "fusion": Setting("mean"),
    "head": Setting("mlp"),
    "masking": Setting("none"),
    "masking_prob": Setting(0.3),
    "masking_warmup": Setting(3),
    "masking_tau": Setting(5.0, base={"masking": "entropy_max"}),
    "min_active": Setting(2),
    "l2_weight": Setting(1.0),
    "gate_supervision_weight": Setting(1.0),
    "consistency_ramp_epochs": Setting(1),
    "module": Setting(DoubledOutputs),
    "criterion": Setting(SquaredLoss),
}
SETTINGS: dict[type, dict[str, Setting]] = {
    AECFClassifier: {
        **SUPERVISED,
        "ece_weight": Setting(5.0),
        "consistency": Setting("monotone"),
        "label_smoothing": Setting(0.3),
        "focal_gamma": Setting(2.0, targets="labels"),
        "focal_alpha": Setting(0.25, targets="labels"),
        "pos_weight": Setting("balanced", targets="labels"),
        "class_weight": Setting({0: 5.0}),
        "calibration": Setting(False, n_samples=N_WITH_VALIDATION),
    },
    AECFRegressor: SUPERVISED,
    AECFEmbedder: {
        **SHARED,
        "n_components": Setting(5),
        "contrast": Setting("modalities"),
        "temperature": Setting(1.0),
        "module": Setting(NegatedEmbedding),
        "criterion": Setting(SquaredContrast),
    },
}


def data(targets="classes", n_samples=N_SAMPLES, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n_samples)
    X = rng.normal(size=(3, 7))[labels] + rng.normal(size=(n_samples, 7)) * np.arange(1, 8)
    X[rng.random(n_samples) < 0.2, :3] = np.nan
    if targets == "labels":
        return X, np.column_stack([labels == 0, labels < 2]).astype(int)
    if targets == "numbers":
        return X, labels + rng.normal(size=n_samples)
    return X, labels


def fit(cls, setting=None, **changes):
    setting = setting or Setting(None)
    targets = "numbers" if cls is AECFRegressor else setting.targets
    X, y = data(targets, setting.n_samples)
    estimator = cls(**{**SMALL, **setting.base, **changes})
    return estimator.fit(X, y)


def outcome(estimator):
    """Predictions or embedding, and the losses of the epochs."""
    X, _ = data(seed=1)
    names = ("predict_proba", "predict", "transform")
    method = next(name for name in names if hasattr(estimator, name))
    return getattr(estimator, method)(X), np.array(estimator.history[:, "train_loss"])


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@cache
def outcome_of_base(cls, base, targets, n_samples):
    """Return the outcome without the change, which many parameters share."""
    return outcome(fit(cls, Setting(None, dict(base), targets, n_samples)))


def walk():
    return [
        pytest.param(cls, name, id=f"{cls.__name__}-{name}")
        for cls, settings in SETTINGS.items()
        for name in settings
    ]


@pytest.mark.parametrize(("cls", "name"), walk())
def test_a_change_shows(cls, name):
    setting = SETTINGS[cls][name]
    base = tuple(setting.base.items())
    before = outcome_of_base(cls, base, setting.targets, setting.n_samples)
    assert not equal(before, outcome(fit(cls, setting, **{name: setting.changed})))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_without_a_change_nothing_shows(cls):
    assert equal(outcome(fit(cls)), outcome(fit(cls)))


@pytest.mark.parametrize("changed", ["cross_fit", True])
def test_calibration_changes_probabilities_alone(changed):
    # "cross_fit" holds out no validation samples; without them True does not calibrate.
    base = {"train_split": None} if changed == "cross_fit" else {}
    setting = Setting(changed, base=base, n_samples=N_WITH_VALIDATION)
    raw = fit(AECFClassifier, setting, calibration=False)
    calibrated = fit(AECFClassifier, setting, calibration=changed)
    X, _ = data(seed=1)
    assert not np.allclose(raw.predict_proba(X), calibrated.predict_proba(X))
    np.testing.assert_array_equal(raw.predict(X), calibrated.predict(X))


# ------------------------------------------------- Parameters that leave the result as it is.


def check_verbose(cls, capsys, monkeypatch):
    quiet = outcome(fit(cls, verbose=0))
    assert capsys.readouterr().out == ""
    assert equal(quiet, outcome(fit(cls, verbose=1)))
    assert "train_loss" in capsys.readouterr().out


def check_device(cls, capsys, monkeypatch):
    # PyTorch has the device "meta" on every machine; tensors on it have no values.
    estimator = fit(cls)
    for device in ("cpu", "meta"):
        estimator.set_params(device=device).initialize()
        assert {p.device.type for p in estimator.module_.parameters()} == {device}


def check_compile(cls, capsys, monkeypatch):
    compiled = []

    def record(module, **options):
        compiled.append(options)
        return module

    monkeypatch.setattr(torch, "compile", record)
    plain = outcome(fit(cls))
    assert compiled == []
    assert equal(plain, outcome(fit(cls, compile=True, compile__dynamic=True)))
    assert {"dynamic": True} in compiled


def check_callbacks(cls, capsys, monkeypatch):
    class Counts(Callback):
        def __init__(self):
            self.n_epochs = 0

        def on_epoch_end(self, net, **kwargs):
            self.n_epochs += 1

    counts = Counts()
    assert equal(outcome(fit(cls)), outcome(fit(cls, callbacks=[counts])))
    assert counts.n_epochs == SMALL["max_epochs"]


def check_iterator(cls, capsys, monkeypatch, *, name):
    made = []

    class Recorded(TensorBatches):
        def __init__(self, *args, **kwargs):
            made.append(self)
            super().__init__(*args, **kwargs)

    setting = Setting(None, n_samples=N_WITH_VALIDATION)
    plain = outcome(fit(cls, setting))
    assert equal(plain, outcome(fit(cls, setting, **{name: Recorded})))
    assert {batches.shuffle for batches in made} == {name == "iterator_train"}


def check_warm_start(cls, capsys, monkeypatch):
    X, y = data("numbers" if cls is AECFRegressor else "classes")
    for warm_start, n_epochs in ((False, 3), (True, 6)):
        estimator = fit(cls, warm_start=warm_start).fit(X, y)
        assert len(estimator.history_) == estimator.n_iter_ == n_epochs


def check_partial_missing(cls, capsys, monkeypatch):
    X, y = data("numbers" if cls is AECFRegressor else "classes")
    X[1, 3] = np.nan
    with pytest.raises(ValueError, match="sound"):
        cls(**SMALL, partial_missing="raise").fit(X, y)
    cls(**SMALL, partial_missing="impute").fit(X, y)


def check_remainder(cls, capsys, monkeypatch):
    X, y = data("numbers" if cls is AECFRegressor else "classes")
    some = {**SMALL, "modalities": {"image": 3, "sound": 2}}
    with pytest.raises(ValueError, match="X has 7 features"):
        cls(**some, remainder="raise").fit(X, y)
    left_out = cls(**some, remainder="drop").fit(X, y)
    X[:, 5:] = np.nan
    alone = cls(**some).fit(X[:, :5], y)
    np.testing.assert_array_equal(left_out.modality_weights(X), alone.modality_weights(X[:, :5]))


def check_task(cls, capsys, monkeypatch):
    for targets, task, other in (
        ("classes", "multiclass", "multilabel"),
        ("labels", "multilabel", "multiclass"),
    ):
        X, y = data(targets)
        plain = outcome(cls(**SMALL).fit(X, y))
        assert equal(plain, outcome(cls(**SMALL, task=task).fit(X, y)))
        with pytest.raises(ValueError, match=f"task='{other}'.*, but y "):
            cls(**SMALL, task=other).fit(X, y)


def check_num_classes(cls, capsys, monkeypatch):
    for targets, found in (("classes", 3), ("labels", 2)):
        X, y = data(targets)
        plain = outcome(cls(**SMALL).fit(X, y))
        assert equal(plain, outcome(cls(**SMALL, num_classes=found).fit(X, y)))
        with pytest.raises(ValueError, match=f"num_classes=4, but .* {found} .*{found} or None"):
            cls(**SMALL, num_classes=4).fit(X, y)


def check_num_targets(cls, capsys, monkeypatch):
    X, y = data("numbers")
    assert equal(outcome(cls(**SMALL).fit(X, y)), outcome(cls(**SMALL, num_targets=1).fit(X, y)))
    with pytest.raises(ValueError, match=r"num_targets=1 .* 2 targets: set num_targets=2 or None"):
        cls(**SMALL, num_targets=1).fit(X, np.column_stack([y, y]))


# Checks of parameters that one estimator has.
OWN_CHECKS = {
    AECFClassifier: {"num_classes": check_num_classes, "task": check_task},
    AECFRegressor: {"num_targets": check_num_targets},
    AECFEmbedder: {},
}
CHECKS = {
    "verbose": check_verbose,
    "device": check_device,
    "compile": check_compile,
    "callbacks": check_callbacks,
    "iterator_train": partial(check_iterator, name="iterator_train"),
    "iterator_valid": partial(check_iterator, name="iterator_valid"),
    "warm_start": check_warm_start,
    "partial_missing": check_partial_missing,
    "remainder": check_remainder,
}


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("name", CHECKS)
def test_the_parameter_does_what_it_is_for(cls, name, capsys, monkeypatch):
    CHECKS[name](cls, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls, checks in OWN_CHECKS.items() for name in checks]
)
def test_the_parameter_of_one_estimator_does_what_it_is_for(cls, name, capsys, monkeypatch):
    OWN_CHECKS[cls][name](cls, capsys, monkeypatch)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_has_an_entry(cls):
    parameters = {name for name in cls().get_params(deep=False) if "__" not in name}
    checked = {*CHECKS, *OWN_CHECKS[cls]}
    assert set(SETTINGS[cls]) | checked == parameters
    assert not set(SETTINGS[cls]) & checked
