"""The parts of a net: network, loss, optimizer and callbacks, made from its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from skorch.callbacks import (
    EarlyStopping,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)

from sklearn_align.fusion._own_loop import grouped

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

# Without them, the table fits 100 columns.
_TERMS = ("consistency", "ece", "entropy", "gate_entropy", "gate_supervision", "l2", "violations")
_COLUMNS_OF_VERBOSE_2 = [f"{part}_{term}" for part in ("train", "valid") for term in _TERMS]
_COLUMNS_OF_VERBOSE_2 += ["consistency_ramp", "entropy_lambda", "gate_temperature", "masking_ramp"]


def default_callbacks(net: AECFNet) -> list[tuple[str, Any]]:
    """Make the callbacks that parameters ask for; skorch's own have fixed names.

    get_params lists them before ``fit`` has checked the parameters: values may have any type.
    """
    callbacks: list[tuple[str, Any]] = [
        ("epoch_timer", EpochTimer()),
        ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
        ("valid_loss", PassthroughScoring(name="valid_loss")),
    ]
    if isinstance(net.early_stopping, bool | np.bool_) and net.early_stopping:
        stopping = EarlyStopping(
            monitor="valid_task",
            patience=net.patience,
            threshold=net.min_delta,
            threshold_mode="abs",
            load_best=True,
        )
        callbacks.append(("early_stopping", stopping))
    if net.gradient_clip is not None:
        clipping = GradientNormClipping(gradient_clip_value=net.gradient_clip)
        callbacks.append(("gradient_clipping", clipping))
    if isinstance(net.lr_schedule, str) and net.lr_schedule == "cosine":
        schedule = LRScheduler(
            policy=torch.optim.lr_scheduler.CosineAnnealingLR, T_max=net.max_epochs
        )
        callbacks.append(("lr_schedule", schedule))
    if isinstance(net.verbose, int | np.integer) and net.verbose > 0:
        hidden = None if net.verbose > 1 else _COLUMNS_OF_VERBOSE_2
        callbacks.append(("print_log", PrintLog(keys_ignored=hidden)))
    return callbacks


def build_optimizer(net: AECFNet) -> Any:
    """Make the optimizer; the gate has a learning rate and no weight decay of its own."""
    named = list(net.get_all_learnable_params())
    args, options = net.get_params_for_optimizer("optimizer", named)
    if "optimizer__param_groups" not in vars(net):
        gate_lr = options["lr"] if net.gate_lr is None else net.gate_lr
        decay = options.pop("weight_decay", net.weight_decay)
        args = (grouped(named, gate_lr=gate_lr, weight_decay=decay),)
    adam = net.optimizer in (torch.optim.AdamW, torch.optim.Adam)
    if adam and not {"fused", "foreach"} & set(options):
        options["fused"] = True
    return net.optimizer(*args, **options)


def build_module(net: AECFNet) -> None:
    """Make the network from the parameters and the sizes of the data."""
    options = {name: getattr(net, name) for name in net._network_parameters}
    options.update(
        widths=net.layout_.widths, n_outputs=net._targets.n_outputs, names=net.layout_.names
    )
    options.update(net._network_options)
    loss_options = {"gate_supervision_weight": net.gate_supervision_weight}
    loss_options.update(net.get_params_for("criterion"))
    if loss_options["gate_supervision_weight"] > 0:
        options["modality_outputs"] = True
    options.update(net.get_params_for("module"))
    net._module_options = net._restored_options.get("_module_options", options)
    net.module_ = net.module(**net._module_options)
    net._targets.prepare(net.module_)


def build_criterion(net: AECFNet) -> None:
    """Make the loss from the parameters."""
    options = {name: getattr(net, name) for name in net._loss_parameters}
    options.update(net._targets.loss_options)
    options.update(net.get_params_for("criterion"))
    net._criterion_options = net._restored_options.get("_criterion_options", options)
    net.criterion_ = net.criterion(**net._criterion_options)
