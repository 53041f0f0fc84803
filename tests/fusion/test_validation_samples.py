"""Early stopping and validation callbacks have validation samples, or it is said why not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
)

from sklearn_align.exceptions import ValidationSplitWarning
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor

MODALITIES = {"image": 3, "sound": 2}
NETS = [AECFClassifier, AECFRegressor, AECFEmbedder]


def data(n=60, seed=0, n_classes=3):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    return rng.normal(size=(n, 5)) + y[:, None], y


def make(kind=AECFClassifier, **options):
    return kind(**{"modalities": MODALITIES, "max_epochs": 3, "random_state": 0, **options})


def n_held_out(net):
    batches = net.history[-1, "batches"]
    return sum(batch.get("valid_batch_size", 0) for batch in batches)


def validation_callbacks(tmp_path):
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    return {
        "early stopping": EarlyStopping(monitor="valid_loss"),
        "class": EarlyStopping,
        "task": EarlyStopping(monitor="valid_task"),
        "component": EarlyStopping(monitor="valid_gate_entropy", lower_is_better=False),
        "epoch scoring": EpochScoring(lambda net, X, y: 0.5, name="score"),
        "batch scoring": BatchScoring(lambda net, X, y: 0.5, name="score"),
        "checkpoint": Checkpoint(monitor="valid_loss_best", dirname=str(tmp_path)),
        "plateau": LRScheduler(policy=plateau, monitor="valid_loss"),
    }


CALLBACKS = list(validation_callbacks("."))


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("n", [2, 5, 30, 199])
def test_early_stopping_has_validation_samples_whatever_the_number(kind, n):
    X, y = data(n, n_classes=2)
    net = make(kind, early_stopping=True, patience=1, min_delta=100.0, max_epochs=20).fit(X, y)
    assert n_held_out(net) >= n // 10
    assert net.n_iter_ == 2


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", CALLBACKS)
def test_validation_callbacks_work_in_small_folds(kind, name, tmp_path):
    X, y = data(60)
    net = make(kind, callbacks=[("own", validation_callbacks(tmp_path)[name])]).fit(X, y)
    assert n_held_out(net) == 6
    if "scoring" in name:
        assert net.history[:, "score"] == [0.5] * 3


@pytest.mark.parametrize("name", CALLBACKS)
def test_validation_callbacks_work_with_cross_fitting(name, tmp_path):
    X, y = data(60)
    callbacks = [validation_callbacks(tmp_path)[name]]
    clf = make(calibration="cross_fit", callbacks=callbacks, max_epochs=2).fit(X, y)
    assert n_held_out(clf) == 6


def test_validation_callbacks_in_a_search():
    X, y = data(90)
    callbacks = [
        ("f1", EpochScoring("f1_macro", name="f1", lower_is_better=False)),
        ("nll", EpochScoring("neg_log_loss", name="nll", lower_is_better=False)),
        ("stop", EarlyStopping(monitor="f1", lower_is_better=False)),
    ]
    search = GridSearchCV(make(callbacks=callbacks), {"lr": [1e-3, 1e-2]}, cv=3).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.best_estimator_.history[:, "nll"]) == 3


@pytest.mark.parametrize("n", [12, 25, 100])
def test_few_validation_samples_have_every_class(n):
    X, y = data(n, n_classes=5)
    seen = []
    score = EpochScoring(lambda net, X, y: seen.append(set(y)) or 0.0, name="score")
    make(callbacks=[score], max_epochs=1).fit(X, np.array(list("abcde"))[y])
    assert seen == [set("abcde")]


@pytest.mark.parametrize("kind", NETS)
def test_nothing_is_held_out_without_need(kind, tmp_path):
    X, y = data(199)
    callbacks = [
        EpochScoring(lambda net, X, y: 0.0, name="train", on_train=True),
        EarlyStopping(monitor="train_loss"),
        Checkpoint(monitor="train_loss_best", dirname=str(tmp_path)),
    ]
    with_callbacks, without = make(kind, callbacks=callbacks).fit(X, y), make(kind).fit(X, y)
    assert n_held_out(with_callbacks) == 0
    assert with_callbacks.history[:, "train_loss"] == without.history[:, "train_loss"]


def test_few_validation_samples_do_not_calibrate():
    X, y = data(150)
    assert not make(early_stopping=True).fit(X, y).module_.log_temperature.any()
    X, y = data(200)
    assert make(early_stopping=True).fit(X, y).module_.log_temperature.any()


@pytest.mark.parametrize("kind", NETS)
def test_early_stopping_without_validation_samples_warns(kind):
    X, y = data(60)
    with pytest.warns(ValidationSplitWarning, match="train_split is None.*set train_split") as got:
        net = make(kind, early_stopping=True, train_split=None).fit(X, y)
    assert [warning.filename for warning in got] == [__file__]
    assert net.n_iter_ == 3
    one = np.ones((4, 5))
    if kind is not AECFClassifier:
        with pytest.warns(ValidationSplitWarning, match="fewer than two different samples"):
            make(kind, early_stopping=True).fit(one, np.ones(4))


def test_scoring_without_validation_samples_warns():
    X, y = data(60)
    score = ("own", EpochScoring("accuracy", name="score"))
    with pytest.warns(ValidationSplitWarning, match=r"\['own'\].*ValidSplit"):
        make(callbacks=[score], train_split=None).fit(X, y)


def test_cross_fitting_without_validation_samples_warns_once():
    X, y = data(60)
    with pytest.warns(ValidationSplitWarning) as got:
        make(early_stopping=True, train_split=None, calibration="cross_fit").fit(X, y)
    assert len(got) == 1


class ReadsValidLoss(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history[-1, "valid_loss"]


@pytest.mark.parametrize("name", [*CALLBACKS, "callable", "own"])
def test_figures_that_cannot_be_name_the_remedy(name, tmp_path):
    X, y = data(60)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    if name == "callable":
        callback = LRScheduler(plateau, monitor=lambda net: net.history[-1, "valid_loss"])
    elif name == "own":
        callback = ReadsValidLoss()
    else:
        callback = validation_callbacks(tmp_path)[name]
    if "scoring" in name:
        return
    for split in (None, lambda dataset, y=None: (dataset, None)):
        with pytest.raises(ValueError, match=r"train_split.*ValidSplit\(5\)"):
            make(callbacks=[callback], train_split=split).fit(X, y)
    if name in ("callable", "own"):
        # Nothing shows that they read validation figures, but a split of one's own helps.
        with pytest.raises(ValueError, match="set train_split"):
            make(callbacks=[callback]).fit(X, y)


def test_other_errors_of_callbacks_are_passed_on():
    class Broken(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise ValueError("own message")

    X, y = data(60)
    with pytest.raises(ValueError, match=r"^own message$"):
        make(callbacks=[Broken()]).fit(X, y)
    with pytest.raises(KeyError, match="valid_los"):
        make(callbacks=[EarlyStopping(monitor="valid_los")]).fit(X, y)
