"""The masker: which present modalities are dropped in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklearn_align.fusion._schedules import linear_ramp
from sklearn_align.fusion.nn._gate import normalized_gate_entropy

MASKING_STRATEGIES = (
    "none",
    "random",
    "weighted_random",
    "entropy_min",
    "entropy_max",
    "entropy",
)

# Lower bound of the normalized entropy in the "entropy" strategy. Without it, a gate that puts all
# weight on one modality would no longer be trained on the others.
_ENTROPY_FLOOR = 0.5


class ModalityMasker(nn.Module):
    """Draw which present modalities of every sample are kept.

    Parameters
    ----------
    strategy : {"none", "random", "weighted_random", "entropy_min", "entropy_max", "entropy"}, \
            default="entropy"
        How the probability q of being dropped depends on the gate's weights w:

        * ``none``: 0.
        * ``random``: `probability`.
        * ``weighted_random``: proportional to ``1 - w``.
        * ``entropy_min`` and ``entropy_max``: proportional to ``softmax(-w / tau)`` and
          ``softmax(w / tau)`` over the present modalities.
        * ``entropy``: ``probability * max(h, 1 / 2)``, where h is the entropy of w divided by the
          logarithm of the number of present modalities.

        The proportional strategies are scaled so that the mean of q over the present modalities is
        `probability`, unless some q would exceed 1.

    probability : float in [0, 1], default=0.9
        Mean probability of being dropped.

    tau : float, default=0.4
        Temperature of ``entropy_min`` and ``entropy_max``.

    min_active : int, default=1
        Number of modalities that are kept in every sample. If fewer are present, all are kept.

    warmup : int, default=0
        Number of epochs in which the probability increases linearly, see :meth:`set_epoch`.

    Attributes
    ----------
    ramp : float
        Factor of `probability` in the current epoch; 1 until :meth:`set_epoch` is called.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import ModalityMasker
    >>> presence = torch.tensor([[True, True, False]])
    >>> weights = torch.tensor([[0.5, 0.5, 0.0]])
    >>> kept = ModalityMasker("random", probability=1.0)(weights, presence)
    >>> int(kept.sum()), bool(kept[0, 2])
    (1, False)
    """

    # Maskers that an earlier version has stored do not have it.
    warmup: int = 0

    def __init__(
        self,
        strategy: str = "entropy",
        *,
        probability: float = 0.9,
        tau: float = 0.4,
        min_active: int = 1,
        warmup: int = 0,
    ) -> None:
        super().__init__()
        if strategy not in MASKING_STRATEGIES:
            raise ValueError(f"strategy must be one of {MASKING_STRATEGIES}; got {strategy!r}.")
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must lie in [0, 1]; got {probability}.")
        if tau <= 0:
            raise ValueError(f"tau must be positive; got {tau}.")
        if min_active < 1:
            raise ValueError(f"min_active must be at least 1; got {min_active}.")
        if warmup < 0:
            raise ValueError(f"warmup must be at least 0; got {warmup}.")
        self.strategy = strategy
        self.probability = probability
        self.tau = tau
        self.min_active = min_active
        self.warmup = warmup
        self.ramp = 1.0

    def set_epoch(self, epoch: int) -> None:
        """Set the factor of the probability, ``min(1, (epoch + 1) / warmup)``.

        Parameters
        ----------
        epoch : int
            Epoch, counted from 0.
        """
        self.ramp = linear_ramp(epoch, self.warmup)

    def drop_probability(self, weights: Tensor, presence: Tensor) -> Tensor:
        """Probability of being dropped, before `min_active` modalities are kept.

        Parameters
        ----------
        weights : Tensor of shape (n_samples, n_modalities)
            Gate weights.

        presence : Tensor of bool of shape (n_samples, n_modalities)
            True where the modality is present.

        Returns
        -------
        probability : Tensor of shape (n_samples, n_modalities)
            0 where absent.
        """
        rate = self.probability * self.ramp
        flags = presence.to(weights.dtype)
        if self.strategy == "none":
            return torch.zeros_like(weights)
        if self.strategy == "random":
            return rate * flags
        if self.strategy == "entropy":
            share = normalized_gate_entropy(weights, presence).clamp(min=_ENTROPY_FLOOR)
            return rate * share.unsqueeze(-1) * flags
        n_present = flags.sum(dim=-1, keepdim=True)
        if self.strategy == "weighted_random":
            relative = (1 - weights) * n_present / (n_present - 1).clamp(min=1)
        else:
            sign = -1.0 if self.strategy == "entropy_min" else 1.0
            scores = (sign / self.tau * weights).masked_fill(
                ~presence, torch.finfo(weights.dtype).min
            )
            relative = torch.softmax(scores, dim=-1) * n_present
        return (rate * relative).clamp(max=1.0) * flags

    @torch.no_grad()
    def forward(self, weights: Tensor, presence: Tensor) -> Tensor:
        """Draw the modalities that are kept.

        Parameters
        ----------
        weights : Tensor of shape (n_samples, n_modalities)
            Gate weights.

        presence : Tensor of bool of shape (n_samples, n_modalities)
            True where the modality is present.

        Returns
        -------
        kept : Tensor of bool of shape (n_samples, n_modalities)
            A subset of `presence`.
        """
        if self.strategy == "none":
            return presence
        margin = torch.rand_like(weights) - self.drop_probability(weights, presence)
        kept = (margin >= 0) & presence
        # The modalities nearest to their threshold are kept, at random among equal probabilities.
        n_kept = min(self.min_active, weights.shape[-1])
        margin = margin.masked_fill(~presence, -torch.inf)
        if n_kept == 1:
            closest = margin.argmax(dim=-1, keepdim=True)
        else:
            closest = margin.topk(n_kept, dim=-1).indices
        return kept.scatter(-1, closest, True) & presence
