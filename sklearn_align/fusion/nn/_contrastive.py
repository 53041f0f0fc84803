"""Network of the contrastive embedding: two views of every sample."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sklearn_align.fusion.nn._module import AECFModule


def draw_views(presence: Tensor, contrast: str = "views") -> tuple[Tensor, Tensor]:
    """Draw two disjoint sets of the present modalities, each (n_samples, n_modalities) of bool.

    They share out all present modalities ("views") or hold one each ("modalities"). Where a single
    modality is present, both hold it.
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
    """AECF network with two additional passes, each on one view of the sample.

    Parameters
    ----------
    *args, **kwargs : object
        Further parameters of :class:`AECFModule`.

    fusion : {"mean", "expert"}, default="mean"
        "mean": one head on the weighted sum, whose embeddings have unit length. "expert": the
        weighted sum of the embeddings of one head per modality, which is shorter.

    contrast : {"views", "modalities"}, default="views"
        "views": all present modalities are divided between the two views. "modalities": each view
        has one modality.

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

    def __init__(
        self, *args: Any, fusion: str = "mean", contrast: str = "views", **kwargs: Any
    ) -> None:
        super().__init__(*args, fusion=fusion, **kwargs)
        self.contrast = contrast

    def forward(
        self,
        X: Tensor,
        presence: Tensor | None = None,
        subset: Tensor | None = None,
        other: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Embed the samples, and two views of them.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features)
            Blocks one after the other, finite where absent if `presence` is given.

        presence : Tensor of bool of shape (n_samples, n_modalities), default=None
            True where a modality is present; with None, blocks of NaN are absent.

        subset, other : Tensor of bool of shape (n_samples, n_modalities), default=None
            The two views. In training mode, they are drawn at random if they are not given.

        Returns
        -------
        embedding, weights, fused : Tensors
            As for :class:`AECFModule`.

        first, second : Tensors of shape (n_samples, n_outputs)
            Embeddings of the views, if there are views.
        """
        X, presence = self._read(X, presence)
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
        # A second encoding has another dropout, so that equal views of one modality differ.
        again = self.encode(X)
        second, _ = self._read_out(again, self.gate(again, other), other)
        n_samples = len(X)
        return outputs[:n_samples], weights, fused[:n_samples], outputs[n_samples:], second
