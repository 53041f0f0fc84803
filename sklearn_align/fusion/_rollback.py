"""Putting back what further training changes in place."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet


def remember_in_place(net: AECFNet) -> Callable[[], None]:
    """Return a function that puts back weights, optimizers, history and callbacks of a net.

    The objects stay the same ones, so that what users hold of them (hooks, wrappers, compiled
    networks) stays valid. The callbacks of users are left to them.
    """
    if not net.__sklearn_is_fitted__() or is_trimmed(net):
        return lambda: None
    parts = [getattr(net, f"{name}_") for name in (*net._modules, *net._criteria)]
    modules = [module for part in parts if isinstance(part, nn.Module) for module in part.modules()]
    restorers = [
        *(_module_restorer(module) for module in modules),
        *(_optimizer_restorer(getattr(net, f"{name}_")) for name in net._optimizers),
        _history_restorer(net.history_),
        *(_attribute_restorer(item) for _, item in net.callbacks_ if _is_of_skorch(item)),
    ]

    def restore() -> None:
        while True:
            try:
                for restorer in restorers:
                    restorer()
            except KeyboardInterrupt:
                # A second Ctrl-C: the exception that made us restore is raised anyway.
                continue
            return

    return restore


def is_trimmed(net: AECFNet) -> bool:
    """Tell whether skorch's `trim_for_prediction` has removed what training needs."""
    return bool(getattr(net, "_trimmed_for_prediction", False))


def _is_of_skorch(callback: Any) -> bool:
    return type(callback).__module__.partition(".")[0] == "skorch"


def _attribute_restorer(thing: Any) -> Callable[[], None]:
    # Containers of a module, such as its dict of buffers, are changed in place.
    saved = {
        name: copy(value) if isinstance(value, dict | list | set) else value
        for name, value in vars(thing).items()
    }
    return lambda: object.__setattr__(thing, "__dict__", saved)


def _module_restorer(module: nn.Module) -> Callable[[], None]:
    restore_attributes = _attribute_restorer(module)
    tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    with torch.inference_mode(False):
        saved = [(tensor, tensor.detach().clone(), tensor.requires_grad) for tensor in tensors]

    def restore() -> None:
        restore_attributes()
        with torch.inference_mode(False), torch.no_grad():
            for tensor, values, requires_grad in saved:
                tensor.copy_(values)
                if tensor.is_leaf:
                    tensor.requires_grad_(requires_grad)

    return restore


def _optimizer_restorer(optimizer: Any) -> Callable[[], None]:
    saved = deepcopy(optimizer.state_dict())
    return lambda: optimizer.load_state_dict(saved)


def _history_restorer(history: Any) -> Callable[[], None]:
    epochs = list(history)
    last = dict(epochs[-1], batches=list(epochs[-1]["batches"])) if epochs else {}

    def restore() -> None:
        history[:] = epochs
        if epochs:
            epochs[-1].clear()
            epochs[-1].update(last)

    return restore
