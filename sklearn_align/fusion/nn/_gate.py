"""The gate: weights of the present modalities of every sample, and their entropy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_align._columns import is_integer

# Softplus is positive, so the initial temperature exceeds the minimum by at least this much.
_SMALLEST_MARGIN = 1e-4


def gate_entropy(weights: Tensor) -> Tensor:
    """``-sum_m w_im log w_im`` of weights (n_samples, n_modalities), in nats: (n_samples,)."""
    # The gradient of w log w is infinite at 0, so zeros are replaced before the logarithm.
    safe = torch.where(weights > 0, weights, torch.ones_like(weights))
    return -(safe * safe.log()).sum(dim=-1) + 0.0


def normalized_gate_entropy(weights: Tensor, presence: Tensor) -> Tensor:
    """Gate entropy divided by the log of the number present, in [0, 1]: (n_samples,).

    0 where fewer than two modalities are present.
    """
    n_present = presence.to(weights.dtype).sum(dim=-1)
    largest = n_present.clamp(min=2).log()
    share = gate_entropy(weights) / largest
    return torch.where(n_present > 1, share.clamp(0, 1), torch.zeros_like(share))


def hidden_widths(value: Any, name: str) -> tuple[int, ...]:
    """Return the widths of the hidden layers of a gate; raise if they are not positive integers."""
    widths = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not widths or not all(is_integer(width) and width >= 1 for width in widths):
        raise ValueError(
            f"{name} must be an integer of at least 1, or a list or tuple of such integers, one "
            f"for each hidden layer of the gate, such as (64, 32); got {value!r}."
        )
    return tuple(int(width) for width in widths)


class ModalityGate(nn.Module):
    """Weights of the present modalities of every sample.

    A network with hidden layers computes scores ``s`` from all encoded blocks (zeros for absent
    ones) and the presence flags. With a learnable temperature ``T = T_min + softplus(theta)``, the
    weights are ``softmax(s / T)`` or ``sigmoid(s / T) / sum(sigmoid(s / T))`` over the present
    modalities. They are exactly 0 for absent modalities.

    Parameters
    ----------
    n_modalities : int
        Number of modalities.

    n_units : int
        Width of every encoded block.

    hidden : int or sequence of int, default=64
        Width of the hidden layer, or widths of several layers, beginning with the first layer after
        the input.

    temperature : float, default=2.0
        Initial temperature.

    min_temperature : float, default=1.5
        Lower bound ``T_min`` of the temperature.

    activation : {"softmax", "sigmoid"}, default="softmax"
        Function of the scores, see above.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import ModalityGate
    >>> gate = ModalityGate(n_modalities=2, n_units=4)
    >>> presence = torch.tensor([[True, False]])
    >>> gate(torch.randn(1, 2, 4), presence)
    tensor([[1., 0.]], grad_fn=...)
    """

    def __init__(
        self,
        n_modalities: int,
        n_units: int,
        *,
        hidden: int | Sequence[int] = 64,
        temperature: float = 2.0,
        min_temperature: float = 1.5,
        activation: str = "softmax",
    ) -> None:
        super().__init__()
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(f"activation must be 'softmax' or 'sigmoid'; got {activation!r}.")
        if not 0 < min_temperature <= temperature:
            raise ValueError(
                f"min_temperature must lie in (0, temperature={temperature}]; got "
                f"{min_temperature}."
            )
        self.activation = activation
        self.min_temperature = min_temperature
        first, *others = hidden_widths(hidden, "hidden")
        self.hidden = nn.Linear(n_modalities * (n_units + 1), first)
        # Stored networks know the first and the last layer by these names.
        self.deeper = nn.ModuleList(nn.Linear(*widths) for widths in pairwise((first, *others)))
        self.scores = nn.Linear((first, *others)[-1], n_modalities)
        margin = max(temperature - min_temperature, _SMALLEST_MARGIN)
        self.theta = nn.Parameter(torch.tensor(math.log(math.expm1(margin))))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # Gates that an earlier version has stored have one hidden layer.
        if "deeper" not in self._modules:
            self.deeper = nn.ModuleList()

    @property
    def temperature(self) -> Tensor:
        """Current temperature, a scalar."""
        return self.min_temperature + nn.functional.softplus(self.theta)

    def forward(self, encoded: Tensor, presence: Tensor) -> Tensor:
        """Compute the weights.

        Parameters
        ----------
        encoded : Tensor of shape (n_samples, n_modalities, n_units)
            Encoded blocks, which must be finite. Blocks of absent modalities have no influence.

        presence : Tensor of bool of shape (n_samples, n_modalities)
            True where the modality is present.

        Returns
        -------
        weights : Tensor of shape (n_samples, n_modalities)
            Weights; absent modalities have weight 0. The weights of a sample sum to 1, or to 0 if
            no modality is present.
        """
        flags = presence.to(encoded.dtype)
        # Several times faster than masked_fill.
        present = encoded * flags.unsqueeze(-1)
        hidden = torch.relu(self.hidden(torch.cat([present.flatten(1), flags], dim=1)))
        for layer in self.deeper:
            hidden = torch.relu(layer(hidden))
        scores = self.scores(hidden) / self.temperature
        # The smallest finite number acts as -inf, without NaN where no modality is present.
        lowest = torch.finfo(scores.dtype).min
        if self.activation == "softmax":
            return torch.softmax(scores.masked_fill(~presence, lowest), dim=-1) * flags
        logs = nn.functional.logsigmoid(scores).masked_fill(~presence, lowest)
        return torch.softmax(logs, dim=-1) * flags
