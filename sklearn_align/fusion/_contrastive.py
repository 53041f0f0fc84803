"""Network and loss of the contrastive embedding: two views of every row are partners."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sklearn_align.fusion._losses import info_nce
from sklearn_align.fusion._schedules import entropy_schedule, linear_ramp
from sklearn_align.fusion.nn._gate import gate_entropy
from sklearn_align.fusion.nn._module import AECFModule

__all__ = ["ContrastiveLoss", "ContrastiveModule", "draw_views"]


def draw_views(presence: Tensor, contrast: str = "views") -> tuple[Tensor, Tensor]:
    """Draw two disjoint, non-empty sets of the present modalities for every row.

    Parameters
    ----------
    presence : Tensor of bool of shape (n_samples, n_modalities)
        True where present.
    contrast : {"views", "modalities"}, default="views"
        Whether the two sets share out all present modalities, or hold one modality each.

    Returns
    -------
    first, second : Tensors of bool of shape (n_samples, n_modalities)
        Disjoint; where only one modality is present, both hold it.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import draw_views
    >>> first, second = draw_views(torch.ones(100, 3, dtype=torch.bool))
    >>> bool((first ^ second).all())
    True
    """
    noise = torch.rand(presence.shape, device=presence.device).masked_fill(~presence, 2.0)
    rank = noise.argsort(dim=1).argsort(dim=1)
    n_present = presence.sum(dim=1, keepdim=True)
    if contrast == "modalities":
        first, second = rank == 0, rank == 1
    else:
        draw = torch.rand(len(presence), 1, device=presence.device)
        size = 1 + torch.floor(draw * (n_present - 1))
        first, second = rank < size, rank >= size
    alone = n_present < 2
    return (first & presence) | (presence & alone), (second & presence) | (presence & alone)


class ContrastiveModule(AECFModule):
    """AECF network whose second and third pass see one view each.

    Parameters
    ----------
    *args, **kwargs : object
        See :class:`AECFModule`.
    contrast : {"views", "modalities"}, default="views"
        See :func:`draw_views`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import ContrastiveModule
    >>> module = ContrastiveModule([3, 2], 4, head="embedding", masking="none")
    >>> presence = torch.ones(6, 2, dtype=torch.bool)
    >>> len(module.train()(torch.zeros(6, 5), presence))
    5
    >>> len(module.eval()(torch.zeros(6, 5), presence))
    3
    """

    def __init__(self, *args: Any, contrast: str = "views", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contrast = contrast

    def forward(
        self,
        X: Tensor,
        presence: Tensor,
        subset: Tensor | None = None,
        other: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Embed the rows, and two views of them.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features)
            Blocks one after the other, finite where absent.
        presence : Tensor of bool of shape (n_samples, n_modalities)
            True where a modality is present.
        subset, other : Tensor of bool of shape (n_samples, n_modalities), optional
            The two views. In training mode they are drawn when not given.

        Returns
        -------
        embedding, weights, fused : Tensors
            As for :class:`AECFModule`.
        first, second : Tensors of shape (n_samples, n_outputs)
            Embeddings of the views; only if there are any.
        """
        if subset is None and self.training:
            subset, other = draw_views(presence, self.contrast)
        if subset is None or other is None:
            return super().forward(X, presence)
        encoded = self.encode(X)
        weights = self.gate(encoded, presence)
        first_weights = self.gate(encoded, subset)
        outputs, fused = self._read_out(
            encoded, torch.cat([weights, first_weights]), torch.cat([presence, subset])
        )
        # encoded anew: where one modality is the only one in both views, dropout tells them apart
        again = self.encode(X)
        second, _ = self._read_out(again, self.gate(again, other), other)
        n_samples = len(X)
        return outputs[:n_samples], weights, fused[:n_samples], outputs[n_samples:], second


class ContrastiveLoss(nn.Module):
    """InfoNCE between the two views of a row, and between the whole row and each view.

    ``loss = task + lambda * entropy + consistency_weight * consistency``, where task contrasts the
    views with each other, consistency each of them with the whole row, and entropy is minus the
    mean entropy of the gate's weights.

    Parameters
    ----------
    temperature : float, default=0.2
        Divides the cosine similarities.
    max_epochs : int, default=30
        Length of the training, for the schedule of lambda.
    entropy_weight : float, default=0.1
        Largest lambda.
    entropy_free_epochs, entropy_warmup_epochs : int, default=0 and 5
        Epochs without entropy term, and epochs of its rise.
    consistency_weight : float, default=1.0
        Weight of the contrast between the whole row and its views.
    consistency_ramp_epochs : int, default=0
        Epochs in which that weight rises.

    Attributes
    ----------
    components : dict of str to Tensor
        Unweighted terms of the last call, detached.
    entropy_lambda, consistency_ramp : float
        Weights of the current epoch.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import ContrastiveLoss
    >>> rows = torch.eye(4)
    >>> weights = torch.ones(4, 1)
    >>> loss = ContrastiveLoss()
    >>> float(loss((rows, weights, None, rows, rows), None)) < 0.1
    True
    """

    def __init__(
        self,
        temperature: float = 0.2,
        *,
        max_epochs: int = 30,
        entropy_weight: float = 0.1,
        entropy_free_epochs: int = 0,
        entropy_warmup_epochs: int = 5,
        consistency_weight: float = 1.0,
        consistency_ramp_epochs: int = 0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.max_epochs = max_epochs
        self.entropy_weight = entropy_weight
        self.entropy_free_epochs = entropy_free_epochs
        self.entropy_warmup_epochs = entropy_warmup_epochs
        self.consistency_weight = consistency_weight
        self.consistency_ramp_epochs = consistency_ramp_epochs
        self.components: dict[str, Tensor] = {}
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the weights that follow the epochs.

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

    def forward(
        self,
        outputs: tuple[Any, ...],
        y: Tensor | None,
        presence: Tensor | None = None,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        outputs : tuple of Tensor
            What :class:`ContrastiveModule` returns.
        y, presence : object
            Ignored.
        sample_weight : Tensor of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        loss : Tensor, scalar
            The weighted sum.
        """
        whole, weights, _, first, second = outputs

        def mean(rows: Tensor) -> Tensor:
            return rows.mean() if sample_weight is None else (rows * sample_weight).mean()

        task = mean(info_nce(first, second, temperature=self.temperature))
        consistency = 0.5 * mean(
            info_nce(whole, first, temperature=self.temperature)
            + info_nce(whole, second, temperature=self.temperature)
        )
        entropy = mean(gate_entropy(weights))
        weight = self.consistency_weight * self.consistency_ramp
        total: Tensor = task + weight * consistency - self.entropy_lambda * entropy
        self.components = {
            "task": task.detach(),
            "entropy": -entropy.detach(),
            "consistency": consistency.detach(),
            "gate_entropy": entropy.detach(),
        }
        return total
