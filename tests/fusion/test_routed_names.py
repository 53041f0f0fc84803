"""Misspelt parameters of parts are refused, and the nearest name is given."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Checkpoint, EarlyStopping, EpochScoring, GradientNormClipping

from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFModule, AECFRegressor
from sklearn_align.fusion._routed import _OWN_CALLBACKS

NETS = [AECFClassifier, AECFRegressor, AECFEmbedder]
MISSPELT = {
    "callbacks__early_stoping": "callbacks__early_stopping",
    "callbacks__early_stoping__patience": "callbacks__early_stopping",
    "callbacks__early_stopping__patiense": "callbacks__early_stopping__patience",
    "callbacks__lr_schedule__T_mx": "callbacks__lr_schedule__T_max",
    "callbacks__scor": "callbacks__score",
    "callbacks__score__on_trian": "callbacks__score__on_train",
    "callbacks__EarlyStoping__patience": "callbacks__EarlyStopping",
    "callbacks__EarlyStopping__patince": "callbacks__EarlyStopping__patience",
    "callbacks__GradientNormClipping_3": "callbacks__GradientNormClipping_2",
    "module__gate_hiden": "module__gate_hidden",
    "criterion__entropy_wait": "criterion__entropy_weight",
    "optimizer__beta": "optimizer__betas",
    "optimizer__param_groups__0__leer": "optimizer__lr",
    "iterator_train__shufle": "iterator_train__shuffle",
    "iterator_valid__batchsize": "iterator_valid__batch_size",
    "compile__dinamic": "compile__dynamic",
}
FINE = {
    "callbacks__print_log": None,
    "callbacks__early_stopping__monitor": "train_task",
    "callbacks__lr_schedule__T_max": 7,
    "callbacks__score__on_train": True,
    "callbacks__EarlyStopping__patience": 3,
    "callbacks__GradientNormClipping_2__gradient_clip_value": 0.5,
    "module__gate_hidden": 5,
    "optimizer__betas": (0.5, 0.9),
    "optimizer__param_groups": [("gate*", {"lr": 0.1})],
    "iterator_train__shuffle": False,
    "iterator_train__drop_last": True,
    "compile__dynamic": True,
}


def make(kind=AECFClassifier, **options):
    callbacks = [
        ("score", EpochScoring(lambda net, X, y: 0.0, name="s")),
        EarlyStopping,
        GradientNormClipping(gradient_clip_value=2.0),
        GradientNormClipping(gradient_clip_value=1.0),
    ]
    return kind(**{"max_epochs": 1, "callbacks": callbacks, "random_state": 0, **options})


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 3)), np.arange(40) % 2


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", MISSPELT)
def test_misspelt_names_are_refused(kind, name):
    meant = f"did you mean '{MISSPELT[name]}'"
    net = make(kind)
    before = net.get_params(deep=False)
    with pytest.raises(ValueError, match=f"Invalid parameter '{name}': {meant}"):
        net.set_params(**{"max_epochs": 2, name: None})
    assert net.get_params(deep=False) == before
    X, y = data()
    clone(make(kind, **{name: None}))
    with pytest.raises(ValueError, match=f"'{name}': {meant}"):
        make(kind, **{name: None}).fit(X, y)
    with pytest.raises(ValueError, match=f"'{name}': {meant}"):
        make(kind, **{name: None}).partial_fit(X, y)


@pytest.mark.parametrize("kind", NETS)
def test_right_names_are_accepted(kind):
    net = make(kind)
    for name, value in FINE.items():
        assert clone(net).set_params(**{name: value}).get_params()[name] == value
    everything = clone(make(kind, **FINE)).set_params(**FINE)
    X, y = data()
    everything.set_params(optimizer__param_groups=[("gate*", {"lr": 0.1})], callbacks__score=None)
    everything.get_params()
    fitted = make(kind, module__gate_hidden=5, callbacks__EarlyStopping__patience=3).fit(X, y)
    assert dict(fitted.callbacks_)["EarlyStopping"].patience == 3
    assert fitted.module_.gate.hidden.out_features == 5


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("early_stopping", [True, False])
def test_all_listed_parameters_can_be_set(kind, early_stopping):
    X, y = data()
    net = make(kind, early_stopping=early_stopping, verbose=0)
    net.set_params(**net.get_params())
    net.fit(X, y).set_params(**net.get_params())


def test_names_are_those_of_values_set_in_the_same_call(tmp_path):
    net = AECFClassifier()
    net.set_params(callbacks__save__monitor=None, callbacks=[("save", Checkpoint(dirname="x"))])
    with pytest.raises(ValueError, match="Invalid parameter 'callbacks__save__monitr'"):
        net.set_params(callbacks__save__monitr=None)
    net.set_params(optimizer=torch.optim.SGD, optimizer__momentum=0.9)
    with pytest.raises(ValueError, match="optimizer__betas"):
        net.set_params(optimizer__betas=(0.5, 0.9))
    stop = EarlyStopping("train_loss")
    net.set_params(callbacks__save=stop, callbacks__save__patience=3)


def test_parts_that_take_any_name_are_not_checked():
    def module(**options):
        assert options.pop("colour") == "red"
        return AECFModule(**options)

    X, y = data()
    AECFClassifier(module=module, module__colour="red", max_epochs=1).fit(X, y)
    scheduled = AECFClassifier(optimizer=partial(torch.optim.AdamW, eps=1e-6), max_epochs=1)
    scheduled.set_params(optimizer__amsgrad=True).fit(X, y)
    with pytest.raises(ValueError, match="optimizer__amsgrad"):
        scheduled.set_params(optimizer__amsgrab=True)


def test_unknown_arguments_name_the_nearest():
    X, y = data()
    for name, meant in {
        "max_epoch": "max_epochs",
        "modul__gate_hidden": "module__gate_hidden",
        "optimiser__betas": "optimizer__betas",
        "callback__score": "callbacks__score",
    }.items():
        with pytest.raises(ValueError, match=f"unexpected argument '{name}'.*'{meant}'"):
            AECFClassifier(**{name: 1}).fit(X, y)
    for name in ("colour", "colour__red", "iterator_train_shuffle"):
        with pytest.raises(ValueError, match=name):
            AECFClassifier(max_epochs=1, **{name: 1}).fit(X, y)


def test_search_over_routed_parameters():
    X, y = data()
    grid = {"callbacks__score__on_train": [True, False], "optimizer__betas": [(0.5, 0.9)]}
    search = GridSearchCV(make(), grid, cv=2, error_score="raise").fit(X, y)
    assert set(search.best_params_) == set(grid)
    with pytest.raises(ValueError, match="did you mean 'optimizer__betas'"):
        GridSearchCV(make(), {"optimizer__beta": [1]}, cv=2).fit(X, y)


def test_every_callback_of_the_nets_is_known():
    names = dict(make(early_stopping=True, verbose=1)._default_callbacks)
    assert set(names) == set(_OWN_CALLBACKS)
    assert all(type(callback) is _OWN_CALLBACKS[name] for name, callback in names.items())
