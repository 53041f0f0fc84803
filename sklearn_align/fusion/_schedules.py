"""Weights of loss terms over the epochs. The first epoch is epoch 0."""

from __future__ import annotations

import math

from torch import Tensor, nn


def linear_ramp(epoch: int, length: int) -> float:
    """Factor that rises linearly from ``1 / length`` in epoch 0 to 1 in epoch ``length - 1``.

    With ``length=0`` it is 1 from the first epoch on.
    """
    if epoch < 0:
        return 0.0
    return 1.0 if length <= 0 else min(1.0, (epoch + 1) / length)


def entropy_schedule(
    epoch: int, *, weight: float, free_epochs: int, warmup_epochs: int, max_epochs: int
) -> float:
    """Weight of the entropy term in an epoch.

    0 in the first `free_epochs`, then `weight` times a linear ramp of `warmup_epochs`, then
    ``weight * (1 + cos(pi * t)) / 2``, where t rises from 0 to 1 at `max_epochs`.
    """
    if epoch < free_epochs or epoch >= max_epochs:
        return 0.0
    peak = free_epochs + max(warmup_epochs, 1) - 1
    if epoch <= peak:
        return weight * linear_ramp(epoch - free_epochs, warmup_epochs)
    progress = (epoch - peak) / (max_epochs - peak)
    return weight * 0.5 * (1.0 + math.cos(math.pi * progress))


class ScheduledLoss(nn.Module):
    """Loss whose entropy and consistency terms have weights that depend on the epoch."""

    def __init__(
        self,
        *,
        max_epochs: int,
        entropy_weight: float,
        entropy_free_epochs: int,
        entropy_warmup_epochs: int,
        consistency_weight: float,
        consistency_ramp_epochs: int,
    ) -> None:
        super().__init__()
        self.max_epochs = max_epochs
        self.entropy_weight = entropy_weight
        self.entropy_free_epochs = entropy_free_epochs
        self.entropy_warmup_epochs = entropy_warmup_epochs
        self.consistency_weight = consistency_weight
        self.consistency_ramp_epochs = consistency_ramp_epochs
        self.components: dict[str, Tensor] = {}
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the weights that depend on the epoch.

        Parameters
        ----------
        epoch : int
            Epoch, counted from 0.
        """
        self.entropy_lambda = entropy_schedule(
            epoch,
            weight=self.entropy_weight,
            free_epochs=self.entropy_free_epochs,
            warmup_epochs=self.entropy_warmup_epochs,
            max_epochs=self.max_epochs,
        )
        self.consistency_ramp = linear_ramp(epoch, self.consistency_ramp_epochs)
