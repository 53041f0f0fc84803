"""The gate: weights of the present modalities of every sample, and their entropy."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

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


class ModalityGate(nn.Module):
    """Weights of the present modalities of every sample.

    A network with one hidden layer computes scores ``s`` from all encoded blocks (zeros for absent
    ones) and the presence flags. With a learnable temperature ``T = T_min + softplus(theta)``, the
    weights are ``softmax(s / T)`` or ``sigmoid(s / T) / sum(sigmoid(s / T))`` over the present
    modalities. They are exactly 0 for absent modalities.

    Parameters
    ----------
    n_modalities : int
        Number of modalities.

    n_units : int
        Width of every encoded block.

    hidden : int, default=64
        Width of the hidden layer.

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
        hidden: int = 64,
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
        self.hidden = nn.Linear(n_modalities * (n_units + 1), hidden)
        self.scores = nn.Linear(hidden, n_modalities)
        margin = max(temperature - min_temperature, _SMALLEST_MARGIN)
        self.theta = nn.Parameter(torch.tensor(math.log(math.expm1(margin))))

    @property
    def temperature(self) -> Tensor:
        """Current temperature, a scalar."""
        return self.min_temperature + nn.functional.softplus(self.theta)

    def forward(self, encoded: Tensor, presence: Tensor) -> Tensor:
        """Compute the weights.

        Parameters
        ----------
        encoded : Tensor of shape (n_samples, n_modalities, n_units)
            Encoded blocks, finite; those of absent modalities have no influence.

        presence : Tensor of bool of shape (n_samples, n_modalities)
            True where the modality is present.

        Returns
        -------
        weights : Tensor of shape (n_samples, n_modalities)
            0 where absent. The weights of a sample sum to 1, or to 0 if no modality is present.
        """
        flags = presence.to(encoded.dtype)
        # Several times faster than masked_fill.
        present = encoded * flags.unsqueeze(-1)
        hidden = torch.relu(self.hidden(torch.cat([present.flatten(1), flags], dim=1)))
        scores = self.scores(hidden) / self.temperature
        # The smallest finite number acts as -inf, without NaN where no modality is present.
        lowest = torch.finfo(scores.dtype).min
        if self.activation == "softmax":
            return torch.softmax(scores.masked_fill(~presence, lowest), dim=-1) * flags
        logs = nn.functional.logsigmoid(scores).masked_fill(~presence, lowest)
        return torch.softmax(logs, dim=-1) * flags
