"""Names of parameters that go to a part of the net, such as ``optimizer__betas``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import torch
from skorch.callbacks import (
    EarlyStopping,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)

from sklearn_align.fusion._parameters import ROUTED_PREFIXES, declared_parameters

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

# Callbacks that a net may have because of its other parameters.
_OWN_CALLBACKS: Mapping[str, type] = {
    "epoch_timer": EpochTimer,
    "train_loss": PassthroughScoring,
    "valid_loss": PassthroughScoring,
    "early_stopping": EarlyStopping,
    "gradient_clipping": GradientNormClipping,
    "lr_schedule": LRScheduler,
    "print_log": PrintLog,
}
# Parameters of a part that the net itself passes.
_PASSED_BY_NET = frozenset({"params", "dataset", "model"})


def check_routed_names(net: AECFNet, params: Mapping[str, Any]) -> None:
    """Raise if a name in `params` belongs to no part; `params` count as set already."""
    for name in params:
        prefix, is_routed, rest = name.partition("__")
        if not is_routed or prefix not in ROUTED_PREFIXES:
            continue
        if prefix == "callbacks":
            _check_callback(net, params, name, *rest.partition("__")[::2])
        else:
            part = torch.compile if prefix == "compile" else _value(net, params, prefix)
            group = re.fullmatch(r"param_groups__\d+__(.+)", rest)
            rest = group[1] if group and prefix == "optimizer" else rest
            extra = ("param_groups",) if prefix == "optimizer" else ()
            _check_name(name, rest, _parameter_names(part, extra), prefix)


def given_arguments(net: AECFNet) -> dict[str, Any]:
    """Values of the parameters that were given beyond the declared ones."""
    names = sorted(net._params_to_validate)
    return {name: vars(net)[name] for name in names if name in vars(net)}


def set_routed(net: AECFNet, params: Mapping[str, Any]) -> dict[str, Any]:
    """Set the parameters of parts and return all others."""
    own = {}
    for name, value in params.items():
        prefix, is_routed, _ = name.partition("__")
        if is_routed and prefix in ROUTED_PREFIXES:
            setattr(net, name, value)
            net._params_to_validate.add(name)
        else:
            own[name] = value
    return own


def check_arguments(net: AECFNet) -> None:
    """Raise if ``__init__`` was given a name that it does not know."""
    given = given_arguments(net)
    check_routed_names(net, given)
    for name in given:
        prefix, is_routed, rest = name.partition("__")
        known = ROUTED_PREFIXES if is_routed else declared_parameters(type(net))
        nearest = get_close_matches(prefix, known, n=1, cutoff=0.7)
        # skorch raises for all other names, once it knows the parts of a subclass.
        if prefix not in known and nearest and not name.startswith(ROUTED_PREFIXES):
            meant = f"{nearest[0]}__{rest}" if is_routed else nearest[0]
            raise ValueError(
                f"{type(net).__name__}.__init__() got an unexpected argument {name!r}: did you "
                f"mean {meant!r}?"
            )


def _check_callback(
    net: AECFNet, params: Mapping[str, Any], name: str, callback: str, parameter: str
) -> None:
    """Check a name of the form ``callbacks__callback`` or ``callbacks__callback__parameter``."""
    own = _value(net, params, "callbacks")
    if own is not None and not isinstance(own, list):
        return
    known: dict[str, Any] = {**_OWN_CALLBACKS, **dict(net._default_callbacks), **_named(own or [])}
    _check_name(name, callback, known, "callbacks")
    part = _value(net, params, f"callbacks__{callback}", known[callback])
    if parameter and part is not None:
        _check_name(name, parameter, _parameter_names(part), f"callbacks__{callback}")


def _named(callbacks: Iterable[Any]) -> dict[str, Any]:
    """Name callbacks as skorch does: those without a name by their class, numbered if several."""
    pairs = [
        item
        if isinstance(item, tuple | list)
        else ((item if isinstance(item, type) else type(item)).__name__, item)
        for item in callbacks
    ]
    names = [name for name, _ in pairs]
    return {
        f"{name}_{names[: i + 1].count(name)}" if names.count(name) > 1 else name: callback
        for i, (name, callback) in enumerate(pairs)
    }


def _value(net: AECFNet, params: Mapping[str, Any], name: str, default: Any = None) -> Any:
    return params[name] if name in params else getattr(net, name, default)


def _parameter_names(part: Any, extra: Iterable[str] = ()) -> list[str] | None:
    """Names that a class, a function or an object takes; None if it may take any."""
    if not callable(part) and hasattr(part, "get_params"):
        return [*part.get_params(deep=False), *extra]
    names = list(extra)
    for base in part.__mro__ if isinstance(part, type) else (part,):
        try:
            parameters = signature(base).parameters.values()
        except (TypeError, ValueError):
            return None
        names += [p.name for p in parameters if p.name not in _PASSED_BY_NET]
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
            return names
        # Classes of this package hand all other names to their base.
        if not base.__module__.startswith("sklearn_align."):
            return None
    return None


def _check_name(name: str, rest: str, known: Iterable[str] | None, prefix: str) -> None:
    """Raise if the part of `name` after `prefix` is not known; name those that are nearest."""
    if known is None:
        return
    names = list(known)
    if rest in names:
        return
    nearest = get_close_matches(rest, names, n=1, cutoff=0.5)
    hint = f"did you mean '{prefix}__{nearest[0]}'? " if nearest else ""
    raise ValueError(
        f"Invalid parameter {name!r}: {hint}The names that {prefix} takes are {sorted(names)}."
    )
