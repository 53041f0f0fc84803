"""Weights of loss terms over the epochs. The first epoch is epoch 0."""

from __future__ import annotations

import math


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
