"""The gate: how much every present modality counts in a row, and the entropy of that mix."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["ModalityGate", "gate_entropy", "normalized_gate_entropy"]

# softplus cannot return 0, so a gate that starts at its smallest temperature starts this far above
_SMALLEST_MARGIN = 1e-4


def gate_entropy(weights: Tensor) -> Tensor:
    """Entropy of gate weights, in nats.

    Parameters
    ----------
    weights : Tensor of shape (n_samples, n_modalities)
        Rows sum to 1; absent modalities have weight 0.

    Returns
    -------
    entropy : Tensor of shape (n_samples,)
        ``-sum(w log w)``, with 0 and a zero gradient where w is 0.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import gate_entropy
    >>> gate_entropy(torch.tensor([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]))
    tensor([0.6931, 0.0000])
    """
    # the gradient of w log w is infinite at 0: zeros are replaced before the logarithm sees them
    safe = torch.where(weights > 0, weights, torch.ones_like(weights))
    return -(safe * safe.log()).sum(dim=-1) + 0.0


def normalized_gate_entropy(weights: Tensor, presence: Tensor) -> Tensor:
    """Entropy of gate weights as a share of the largest possible one.

    Parameters
    ----------
    weights : Tensor of shape (n_samples, n_modalities)
        Gate weights.

    presence : Tensor of shape (n_samples, n_modalities)
        1 or True where the modality is present.

    Returns
    -------
    share : Tensor of shape (n_samples,)
        Entropy divided by the logarithm of the number of present modalities, in [0, 1]; 0 where
        fewer than two are present.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import normalized_gate_entropy
    >>> weights = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    >>> normalized_gate_entropy(weights, presence=weights > 0)
    tensor([1., 0.])
    """
    n_present = presence.to(weights.dtype).sum(dim=-1)
    largest = n_present.clamp(min=2).log()
    share = gate_entropy(weights) / largest
    return torch.where(n_present > 1, share.clamp(0, 1), torch.zeros_like(share))


class ModalityGate(nn.Module):
    """Weigh the present modalities of every row.

    A small network reads all encoded blocks (zeros for absent ones) and the presence flags. Its
    outputs are divided by a learnable temperature ``T = T_min + softplus(theta)`` and turned into
    weights that are exactly 0 for absent modalities and sum to 1.

    Parameters
    ----------
    n_modalities : int
        Number of modalities.

    n_units : int
        Width of every encoded block.

    hidden : int, default=64
        Width of the hidden layer.

    temperature : float, default=2.0
        Temperature at the start.

    min_temperature : float, default=1.5
        Temperature below which the gate cannot sharpen.

    activation : {"softmax", "sigmoid"}, default="softmax"
        How scores become weights; sigmoid weights are normalised to sum to 1.

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
            Encoded blocks, finite; values of absent blocks have no influence.

        presence : Tensor of bool of shape (n_samples, n_modalities)
            True where the modality is present.

        Returns
        -------
        weights : Tensor of shape (n_samples, n_modalities)
            0 where absent; rows with a present modality sum to 1, the others are 0.
        """
        flags = presence.to(encoded.dtype)
        visible = encoded * flags.unsqueeze(-1)  # several times faster than masked_fill
        hidden = torch.relu(self.hidden(torch.cat([visible.flatten(1), flags], dim=1)))
        scores = self.scores(hidden) / self.temperature
        # the smallest finite number acts as -inf, without NaN in rows where nothing is present
        lowest = torch.finfo(scores.dtype).min
        if self.activation == "softmax":
            return torch.softmax(scores.masked_fill(~presence, lowest), dim=-1) * flags
        logs = nn.functional.logsigmoid(scores).masked_fill(~presence, lowest)
        return torch.softmax(logs, dim=-1) * flags
