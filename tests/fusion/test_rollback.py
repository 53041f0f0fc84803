"""Fits that fail or are interrupted leave the estimator as it was."""

from __future__ import annotations

import pickle
import signal
import sys
import threading
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skorch
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

import sklearn_align
from sklearn_align.exceptions import TrainingInterruptedWarning
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor
from tests.repetitions import repetitions

TINY = {
    "modalities": {"image": 3, "sound": 2},
    "n_units": 4,
    "hidden_sizes": (5,),
    "gate_hidden": 3,
    "max_epochs": 2,
    "batch_size": 20,
    "random_state": 0,
    "train_split": skorch.dataset.ValidSplit(4),
}
TRACED = tuple(str(Path(package.__file__).parent) for package in (sklearn_align, skorch))
ESTIMATORS = {
    "classifier": AECFClassifier(**TINY),
    "regressor": AECFRegressor(**TINY),
    "embedder": AECFEmbedder(**TINY, n_components=3),
}


def make_data(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 5))
    X[:9, :3] = np.nan
    return X, rng.integers(0, 3, 60)


X, Y = make_data(0)
OTHER_X = np.nan_to_num(make_data(1)[0]) * 3 + 5
OTHER_Y = np.array([5, 6, 7])[make_data(1)[1]]


def targets(estimator, y):
    return {"classifier": y, "regressor": y * 1.5, "embedder": None}[kind_of(estimator)]


def kind_of(estimator):
    return next(name for name, other in ESTIMATORS.items() if type(other) is type(estimator))


def fingerprint(estimator):
    """Everything that can be told about an estimator, in bytes."""
    if not estimator.__sklearn_is_fitted__():
        names = sorted(set(vars(estimator)) - set(estimator.get_params()))
        return {"names": names, "params": repr(estimator.get_params(deep=False))}
    names = ("predict", "predict_proba", "transform", "modality_weights", "gate_entropy")
    seen = {name: getattr(estimator, name)(X) for name in names if hasattr(estimator, name)}
    return {
        **{name: values.tobytes() for name, values in seen.items()},
        "names": sorted(vars(estimator)),
        "history": repr(list(estimator.history)),
        "classes": getattr(estimator, "classes_", np.empty(0)).tobytes(),
        "layout": repr(estimator.layout_),
        "n_features": estimator.n_features_in_,
        "feature_names": getattr(estimator, "feature_names_in_", np.empty(0)).tolist(),
        "optimizer": pickle.dumps(
            [
                {name: np.asarray(value).tobytes() for name, value in state.items()}
                for state in estimator.optimizer_.state_dict()["state"].values()
            ]
        ),
        "groups": repr(
            [
                {name: value for name, value in group.items() if name != "params"}
                for group in estimator.optimizer_.param_groups
            ]
        ),
        "weights": b"".join(
            tensor.detach().numpy().tobytes() for tensor in estimator.module_.state_dict().values()
        ),
        "frozen": [parameter.requires_grad for parameter in estimator.module_.parameters()],
    }


class Interrupt:
    """Raise at one of the lines of this package and skorch that a call runs through."""

    def __init__(self, at=None, error=KeyboardInterrupt):
        self.at = at
        self.error = error
        self.n_lines = 0

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, *exception):
        sys.settrace(self.before)

    def trace(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line":
            self.n_lines += 1
            if self.n_lines == self.at:
                raise self.error
        return self.trace


ACTIONS = {
    "first_fit": (False, {}, lambda est: est.fit(X, targets(est, Y))),
    "refit": (True, {}, lambda est: est.fit(OTHER_X[:, :4], targets(est, OTHER_Y))),
    "warm_start": (True, {"warm_start": True}, lambda est: est.fit(X + 1, targets(est, Y))),
    "partial_fit": (True, {}, lambda est: est.partial_fit(X + 1, targets(est, Y), epochs=2)),
}


def prepared(kind, action):
    fitted, params, call = ACTIONS[action]
    estimator = clone(ESTIMATORS[kind]).set_params(**params)
    if fitted:
        estimator.fit(X, targets(estimator, Y))
    if action == "refit":
        estimator.set_params(modalities={"image": 2, "sound": 2})
    return estimator, call


def check_interrupts(kind, action, error, n_interrupts, seed):
    """Interrupt a call at random lines; count how often it raised."""
    estimator, call = prepared(kind, action)
    with Interrupt() as counted:
        call(estimator)
    rng = np.random.default_rng(seed)
    n_raised = 0
    for at in rng.integers(1, counted.n_lines + 1, n_interrupts):
        estimator, call = prepared(kind, action)
        before = fingerprint(estimator)
        generator = torch.get_rng_state()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with Interrupt(int(at), error):
                    call(estimator)
            except error:
                n_raised += 1
                assert fingerprint(estimator) == before
            else:
                assert error is KeyboardInterrupt
                assert TrainingInterruptedWarning in {warning.category for warning in caught}
                check_is_fitted(estimator)
                values = estimator.transform(np.nan_to_num(X)[:, : estimator.n_features_in_])
                assert np.isfinite(values).all()
        assert torch.equal(torch.get_rng_state(), generator)
        # Whatever was interrupted, the next fit is as good as any.
        assert_trains_as_ever(estimator, kind)
    return n_raised


@cache
def undisturbed_refit(kind):
    estimator, call = prepared(kind, "refit")
    return call(estimator)


def assert_trains_as_ever(estimator, kind):
    reference, (_, _, call) = undisturbed_refit(kind), ACTIONS["refit"]
    estimator.set_params(**reference.get_params(deep=False))
    done = []
    thread = threading.Thread(target=lambda: done.append(call(estimator)), daemon=True)
    thread.start()
    thread.join(60)
    assert done, "a lock is held for good"
    assert done[0].module_.scaler.mean.tolist() == reference.module_.scaler.mean.tolist()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("action", ACTIONS)
def test_interrupted_at_random_lines(action, error):
    kind = {"first_fit": "embedder", "refit": "classifier", "warm_start": "regressor"}
    check_interrupts(kind.get(action, "classifier"), action, error, 2, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("action", ACTIONS)
def test_interrupted_at_many_random_lines(kind, action):
    n_raised = check_interrupts(kind, action, KeyboardInterrupt, repetitions(4, 50), seed=1)
    assert n_raised >= 1


class RaiseAt(Callback):
    def __init__(self, method, epoch, error):
        self.method = method
        self.epoch = epoch
        self.error = error

    def _raise(self, net):
        if len(net.history) == self.epoch:
            if self.error is signal.SIGINT:
                signal.raise_signal(signal.SIGINT)
            else:
                raise self.error

    def on_batch_end(self, net, **kwargs):
        if self.method == "on_batch_end":
            self._raise(net)

    def on_epoch_end(self, net, **kwargs):
        if self.method == "on_epoch_end":
            self._raise(net)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_error_in_the_first_training_leaves_an_unfitted_estimator(kind):
    estimator = clone(ESTIMATORS[kind])
    estimator.set_params(callbacks=[RaiseAt("on_epoch_end", 1, ValueError("broken"))])
    before = fingerprint(estimator)
    with pytest.raises(ValueError, match="broken"):
        estimator.fit(X, targets(estimator, Y))
    assert fingerprint(estimator) == before
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("where", ["on_batch_end", "on_epoch_end"])
def test_ctrl_c_ends_the_training_with_a_warning(kind, where):
    estimator = clone(ESTIMATORS[kind])
    estimator.set_params(max_epochs=5, callbacks=[RaiseAt(where, 3, signal.SIGINT)])
    with pytest.warns(TrainingInterruptedWarning, match="2 of 5 epochs") as caught:
        estimator.fit(X, targets(estimator, Y))
    assert caught[0].filename == __file__
    assert estimator.n_iter_ == len(estimator.history) == 2
    assert len(estimator.history[:, "train_loss"]) == 2
    assert np.isfinite(estimator.transform(X)).all()
    if kind == "classifier":
        assert (estimator.module_.log_temperature != 0).any()
    estimator.callbacks_ = [item for item in estimator.callbacks_ if item[0] != "RaiseAt"]
    assert estimator.partial_fit(X, targets(estimator, Y)).n_iter_ == 3


def test_callbacks_that_end_the_training_on_purpose_do_not_warn():
    clf = clone(ESTIMATORS["classifier"])
    clf.set_params(callbacks=[RaiseAt("on_epoch_end", 1, KeyboardInterrupt())])
    assert clf.fit(X, Y).n_iter_ == 1


def test_callbacks_may_leave_the_decision_to_others():
    class Patience(Callback):
        def on_epoch_end(self, net, **kwargs):
            self.check(net)

        def check(self, net):
            if len(net.history) == 1:
                raise KeyboardInterrupt

    class Several(Callback):
        def on_epoch_end(self, net, **kwargs):
            Patience().on_epoch_end(net, **kwargs)

    clf = clone(ESTIMATORS["classifier"]).set_params(callbacks=[Several()])
    assert clf.fit(X, Y).n_iter_ == 1


def test_ctrl_c_with_a_handler_of_the_user():
    def handler(number, frame):
        raise KeyboardInterrupt("stopped")

    clf = clone(ESTIMATORS["classifier"])
    clf.set_params(callbacks=[RaiseAt("on_epoch_end", 1, signal.SIGINT)])
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.warns(TrainingInterruptedWarning, match="0 of 2 epochs"):
            clf.fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_before_a_batch_is_finished_propagates():
    clf = clone(ESTIMATORS["classifier"]).fit(X, Y)
    before = fingerprint(clf)

    class Dead(torch.optim.SGD):
        def step(self, closure=None):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        clf.set_params(optimizer=Dead).fit(X, Y)
    assert fingerprint(clf.set_params(optimizer=torch.optim.AdamW)) == before


@pytest.mark.parametrize("where", ["fit_temperature", "cross_fit_temperature"])
def test_ctrl_c_outside_the_training_propagates(where, monkeypatch):
    clf = clone(ESTIMATORS["classifier"]).fit(X, Y)
    before = fingerprint(clf)

    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(f"sklearn_align.fusion._calibration.{where}", interrupted)
    clf.set_params(calibration="cross_fit" if where.startswith("cross") else True)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    assert fingerprint(clf) == before


def test_ctrl_c_in_a_fold_of_cross_fitting_propagates():
    clf = clone(ESTIMATORS["classifier"]).set_params(calibration="cross_fit", train_split=None)
    n_trained = []

    def module(**options):
        n_trained.append(1)
        net = sklearn_align.fusion.AECFModule(**options)
        if len(n_trained) == 3:
            net.register_forward_hook(lambda *args: signal.raise_signal(signal.SIGINT))
        return net

    with pytest.raises(KeyboardInterrupt):
        clf.set_params(module=module).fit(X, Y)
    assert not clf.__sklearn_is_fitted__()
    assert len(n_trained) == 3


def test_interrupted_training_is_not_followed_by_cross_fitting():
    clf = clone(ESTIMATORS["classifier"]).set_params(
        calibration="cross_fit", callbacks=[RaiseAt("on_batch_end", 2, signal.SIGINT)]
    )
    with pytest.warns(TrainingInterruptedWarning, match="call calibrate"):
        clf.fit(X, Y)
    assert (clf.module_.log_temperature == 0).all()


def test_calibration_that_fails_keeps_the_temperature(monkeypatch):
    clf = clone(ESTIMATORS["classifier"]).fit(X, Y)
    before = fingerprint(clf)

    def broken(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("sklearn_align.fusion._calibration.masked_outputs", broken)
    with pytest.raises(MemoryError):
        clf.calibrate(X, Y)
    assert fingerprint(clf) == before


def test_training_after_a_failure_is_as_if_there_had_been_none():
    clf = clone(ESTIMATORS["classifier"]).fit(X, Y)
    reference = pickle.loads(pickle.dumps(clf))
    module = clf.module_
    clf.callbacks_.append(("broken", RaiseAt("on_epoch_end", 4, ValueError("broken"))))
    with pytest.raises(ValueError, match="broken"):
        clf.partial_fit(X, Y, epochs=3)
    del clf.callbacks_[-1]
    assert clf.module_ is module
    assert clf.n_iter_ == 2
    assert (
        fingerprint(clf.partial_fit(X, Y))["weights"]
        == (fingerprint(reference.partial_fit(X, Y))["weights"])
    )
