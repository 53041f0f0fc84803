"""State of an estimator without torch's objects, for formats that do not pickle."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from skorch.history import History
from torch import Tensor

from sklearn_align._modalities import ModalityLayout
from sklearn_align.fusion._ambient import plain_torch, seeded
from sklearn_align.fusion._numeric_targets import NoTargets, NumericTargets
from sklearn_align.fusion._parameters import declared_parameters
from sklearn_align.fusion._rollback import is_trimmed
from sklearn_align.fusion._targets import ClassTargets, LabelTargets

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

_TARGETS = {cls.__name__: cls for cls in (ClassTargets, LabelTargets, NumericTargets, NoTargets)}
_FITTED = ("n_features_in_", "feature_names_in_", "_partial_missing")
_OPTIONS = ("_module_options", "_criterion_options")


def plain_state(net: AECFNet) -> dict[str, Any]:
    """Describe an estimator by numbers, strings, arrays and containers of them."""
    state: dict[str, Any] = {"params": _plain_params(net)}
    if not net.__sklearn_is_fitted__():
        return state
    targets = {field.name: getattr(net._targets, field.name) for field in fields(net._targets)}  # type: ignore[arg-type]
    if "dtype" in targets:
        targets["dtype"] = targets["dtype"].str
    trimmed = is_trimmed(net)
    optimizer = {"param_groups": [], "state": {}} if trimmed else net.optimizer_.state_dict()
    state["fitted"] = {
        "attributes": {name: getattr(net, name) for name in _FITTED if hasattr(net, name)},
        "options": {name: getattr(net, name) for name in _OPTIONS},
        "layout": {
            "names": list(net.layout_.names),
            "columns": list(net.layout_.columns),
            "n_features": int(net.layout_.n_features),
        },
        "targets": {"kind": type(net._targets).__name__, "fields": targets},
        "module": _arrays(net.module_.state_dict()),
        "criterion": {} if trimmed else _arrays(net.criterion_.state_dict()),
        "trimmed": trimmed,
        "optimizer_groups": optimizer["param_groups"],
        "optimizer_state": [[key, _arrays(value)] for key, value in optimizer["state"].items()],
        "history": json.dumps(list(net.history), default=_plain_number),
    }
    return state


def restore_plain(net: AECFNet, state: dict[str, Any]) -> None:
    """Make a new object the estimator that `plain_state` has described."""
    defaults = _defaults(type(net))
    given = state["params"].items()
    # skorch sets parts to None when it trims an estimator; they must be there to build it.
    given = {name: value for name, value in given if value is not None or _may_be_none(name)}
    params = {**defaults, **given}
    net._set_init_parameters(
        {
            **{name: value for name, value in params.items() if "__" not in name},
            "kwargs": {name: value for name, value in params.items() if "__" in name},
        }
    )
    if "fitted" not in state:
        return
    fitted = state["fitted"]
    vars(net).update(fitted["attributes"])
    layout = fitted["layout"]
    net.layout_ = ModalityLayout(
        tuple(layout["names"]), tuple(layout["columns"]), layout["n_features"]
    )
    values = dict(fitted["targets"]["fields"])
    if "dtype" in values:
        values["dtype"] = np.dtype(values["dtype"])
    net._targets = _TARGETS[fitted["targets"]["kind"]](**values)
    net._restored_options = dict(fitted["options"])
    with plain_torch(), seeded(0, net.device):
        net.initialize()
        net.module_.load_state_dict(_tensors(fitted["module"]))
        if not fitted["trimmed"]:
            net.criterion_.load_state_dict(_tensors(fitted["criterion"]))
            net.optimizer_.load_state_dict(
                {
                    "param_groups": fitted["optimizer_groups"],
                    "state": {key: _tensors(value) for key, value in fitted["optimizer_state"]},
                }
            )
    del net._restored_options
    net.history_ = History(json.loads(fitted["history"]))
    if fitted["trimmed"]:
        net.trim_for_prediction()


def refuse_pickled(state: dict[str, Any]) -> None:
    """Raise if a format that runs no code hands over state that does, such as a forged file."""
    if sys._getframe(2).f_globals.get("__name__", "").partition(".")[0] == "skops":
        raise ValueError(
            f"the file holds pickled data under {sorted(state)[:3]}, which skops must not run: it "
            "was not written by this package."
        )


def _plain_params(net: AECFNet) -> dict[str, Any]:
    """Parameters, without classes and functions that are the default ones."""
    defaults = _defaults(type(net))
    params = {
        name: value
        for name, value in net.get_params(deep=False).items()
        if not (callable(value) and value is defaults.get(name)) and _is_own(net, name)
    }
    if isinstance(params.get("device"), torch.device):
        params["device"] = str(params["device"])
    return params


def _may_be_none(name: str) -> bool:
    return name not in ("module", "criterion", "optimizer", "iterator_train", "iterator_valid")


def _is_own(net: AECFNet, name: str) -> bool:
    # skorch lists the parameters of the callbacks that it makes, too.
    return "__" not in name or name in net._params_to_validate


def _defaults(cls: type) -> dict[str, Any]:
    declared = set(declared_parameters(cls))
    return {
        name: parameter.default
        for base in reversed(cls.__mro__)
        if "__init__" in vars(base)
        for name, parameter in signature(vars(base)["__init__"]).parameters.items()
        if name in declared
    }


def _arrays(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        for name, value in state.items()
    }


def _tensors(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value
        for name, value in state.items()
    }


def _plain_number(value: Any) -> Any:
    """Convert what callbacks have recorded into what json knows."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
