"""Weights of loss terms over the epochs. The first epoch is epoch 0."""

from __future__ import annotations

import math

__all__ = ["entropy_schedule", "linear_ramp"]


def linear_ramp(epoch: int, length: int) -> float:
    """Rise linearly to 1 within `length` epochs, and stay there.

    Parameters
    ----------
    epoch : int
        Epoch, counted from 0.
    length : int
        Number of epochs of the rise; 0 means 1 from the start.

    Returns
    -------
    factor : float
        In [0, 1]; ``1 / length`` in epoch 0 and 1 in epoch ``length - 1``.

    Examples
    --------
    >>> from sklearn_align.fusion import linear_ramp
    >>> [linear_ramp(epoch, 4) for epoch in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    if epoch < 0:
        return 0.0
    return 1.0 if length <= 0 else min(1.0, (epoch + 1) / length)


def entropy_schedule(
    epoch: int, *, weight: float, free_epochs: int, warmup_epochs: int, max_epochs: int
) -> float:
    """Weight of the entropy term: none, then rising, then a cosine to 0.

    Parameters
    ----------
    epoch : int
        Epoch, counted from 0.
    weight : float
        Largest weight.
    free_epochs : int
        Number of epochs without the term.
    warmup_epochs : int
        Number of epochs of the linear rise that follows.
    max_epochs : int
        Epoch from which on the weight is 0.

    Returns
    -------
    weight : float
        Weight of this epoch, between 0 and `weight`.

    Examples
    --------
    >>> from sklearn_align.fusion import entropy_schedule
    >>> setting = dict(weight=0.1, free_epochs=1, warmup_epochs=2, max_epochs=10)
    >>> [round(entropy_schedule(epoch, **setting), 3) for epoch in (0, 1, 2, 6, 10, 11)]
    [0.0, 0.05, 0.1, 0.05, 0.0, 0.0]
    """
    if epoch < free_epochs or epoch >= max_epochs:
        return 0.0
    peak = free_epochs + max(warmup_epochs, 1) - 1
    if epoch <= peak:
        return weight * linear_ramp(epoch - free_epochs, warmup_epochs)
    progress = (epoch - peak) / (max_epochs - peak)
    return weight * 0.5 * (1.0 + math.cos(math.pi * progress))
