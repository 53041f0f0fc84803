"""What a training loop of one's own needs besides the modules: epochs, optimizer, calibration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._schedules import ScheduledLoss
from sklearn_align.fusion._temperature import SubsetTemperature, masked_outputs
from sklearn_align.fusion.nn._masker import ModalityMasker
from sklearn_align.fusion.nn._module import AECFModule

_BATCH_SIZE = 1024


def set_epoch(epoch: int, *modules: nn.Module) -> None:
    """Set all values that depend on the epoch, in modules, losses and their submodules.

    These are the weight of the entropy term and the ramp of the consistency term of
    :class:`AECFLoss` and :class:`ContrastiveLoss`, and the rate of masking of
    :class:`ModalityMasker`. Call it at the start of every epoch, also of the first one after a
    checkpoint was loaded: the epoch is not part of a ``state_dict``.

    Parameters
    ----------
    epoch : int
        Epoch, counted from 0.

    *modules : torch.nn.Module
        Networks and losses, or modules that contain them.

    Raises
    ------
    ValueError
        If `epoch` is negative, or nothing in `modules` depends on the epoch.

    See Also
    --------
    AECFModule : The network.
    AECFLoss : The loss.

    Examples
    --------
    >>> from sklearn_align.fusion import AECFLoss, AECFModule, set_epoch
    >>> module = AECFModule([3, 2], n_outputs=4, masking_warmup=4)
    >>> loss = AECFLoss(entropy_weight=0.2, entropy_warmup_epochs=5)
    >>> set_epoch(0, module, loss)
    >>> module.masker.ramp, round(loss.entropy_lambda, 3), loss.consistency_ramp
    (0.25, 0.04, 0.2)
    """
    if epoch < 0:
        raise ValueError(f"epoch must be at least 0, the number of the first epoch; got {epoch}.")
    parts: list[Any] = [
        part
        for module in modules
        for part in module.modules()
        if isinstance(part, ScheduledLoss | ModalityMasker)
    ]
    if not parts:
        raise ValueError(
            "nothing in modules depends on the epoch: pass the AECFModule and the AECFLoss, or a "
            f"module that contains them; got {[type(module).__name__ for module in modules]}."
        )
    for part in parts:
        part.set_epoch(epoch)


def grouped(
    named: Iterable[tuple[str, Tensor]], *, gate_lr: float | None, weight_decay: float
) -> list[dict[str, Any]]:
    """Split named weights into those of the gate, which do not decay, and all others."""
    named = list(named)
    gate = [weight for name, weight in named if name.startswith("gate.")]
    others = [weight for name, weight in named if not name.startswith("gate.")]
    own_lr = {} if gate_lr is None else {"lr": gate_lr}
    return [
        {"params": others, "weight_decay": weight_decay},
        {"params": gate, **own_lr, "weight_decay": 0.0},
    ]


def parameter_groups(
    module: AECFModule, *, gate_lr: float | None = None, weight_decay: float = 0.01
) -> list[dict[str, Any]]:
    """Split the weights of a network into two groups for an optimizer, as in the estimators.

    Parameters
    ----------
    module : AECFModule
        The network.

    gate_lr : float, default=None
        Learning rate of the gate; None uses the learning rate of the optimizer.

    weight_decay : float, default=0.01
        Weight decay of all parts except the gate, which has no weight decay.

    Returns
    -------
    groups : list of dict
        Two groups: all other weights, and the weights of the gate.

    See Also
    --------
    AECFModule : The network.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import AECFModule, parameter_groups
    >>> module = AECFModule([3, 2], n_outputs=4)
    >>> optimizer = torch.optim.AdamW(parameter_groups(module, gate_lr=1e-2), lr=1e-3)
    >>> [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    [(0.001, 0.01), (0.01, 0.0)]
    """
    return grouped(module.named_parameters(), gate_lr=gate_lr, weight_decay=weight_decay)


def calibrate_module(
    module: AECFModule,
    X: Tensor,
    y: Tensor,
    presence: Tensor | None = None,
    *,
    sample_weight: Tensor | None = None,
    multilabel: bool = False,
) -> None:
    """Fit the temperature of a trained network, which divides its outputs in evaluation mode.

    ``log T = b0 + b . presence`` is fitted by maximum likelihood to the outputs for the samples,
    masked in up to eight ways, and stored in the buffer `log_temperature`, which is part of the
    ``state_dict``. The estimators do the same at the end of ``fit``. With more than three
    modalities, subsets of the modalities are drawn from torch's global generator.

    Parameters
    ----------
    module : AECFModule
        The trained network. Its mode (training or evaluation) does not change.

    X : Tensor of shape (n_samples, n_features)
        Samples on which the network was not trained, in the form of the network's input, on any
        device.

    y : Tensor of shape (n_samples,) or (n_samples, n_labels)
        Class positions, or 0 and 1 for multilabel.

    presence : Tensor of bool of shape (n_samples, n_modalities), default=None
        True where a modality is present; with None, blocks of NaN are absent.

    sample_weight : Tensor of shape (n_samples,), default=None
        Weights of the samples.

    multilabel : bool, default=False
        Whether the outputs are independent labels.

    Raises
    ------
    ValueError
        If there are no samples with a present modality, or their outputs are not finite. The
        temperature then does not change.

    See Also
    --------
    sklearn_align.AECFClassifier.calibrate : Calibration of an estimator.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import AECFModule, calibrate_module
    >>> module = AECFModule([3, 2], n_outputs=4)
    >>> X, y = torch.randn(50, 5), torch.randint(4, (50,))
    >>> calibrate_module(module, X, y)
    >>> module.log_temperature.shape
    torch.Size([3])
    """
    with torch.no_grad():
        X, presence = module._read(X, presence)
        if not presence.any():
            raise ValueError("X has no sample with a present modality to fit the temperature on.")
        inputs = {"X": X.cpu(), "presence": presence.cpu()}
        if sample_weight is not None:
            inputs["sample_weight"] = sample_weight.cpu()
        samples = ModalityDataset(inputs, y.cpu())
    before, was_training = module.log_temperature.clone(), module.training

    @torch.no_grad()
    def logits_of(masked: ModalityDataset) -> Tensor:
        device = module.log_temperature.device
        parts = zip(
            *(torch.split(masked.X[name], _BATCH_SIZE) for name in ("X", "presence")), strict=True
        )
        outputs = [module(block.to(device), flags.to(device))[0].cpu() for block, flags in parts]
        return torch.cat(outputs)

    module.eval()
    try:
        module.log_temperature.zero_()
        held_out = masked_outputs(samples, logits_of)
        fitted = SubsetTemperature(multilabel=multilabel).fit([held_out]).coefficients
        if not torch.isfinite(fitted).all():
            raise ValueError(
                "the temperature cannot be fitted: outputs for X are too large or not finite."
            )
    except BaseException:
        module.log_temperature.copy_(before)
        raise
    finally:
        module.train(was_training)
    module.log_temperature.copy_(fitted)
