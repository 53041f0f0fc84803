"""Temperature as a function of presence, fitted on held-out samples with modalities masked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold
from torch import Tensor, nn

from sklearn_align._typing import IntArray
from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._groups import group_folds

# Held-out samples are masked at most this many times to fit the temperature.
_MOST_COPIES = 8
# How much more strongly the coefficients are shrunk towards each other than towards 0.
_PULL_TOGETHER = 9.0
MAX_FOLDS = 5


def draw_subsets(presence: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw a non-empty subset of the present modalities for every sample.

    The size of the subset is uniform between one and the number present, and so is the subset
    among those of its size.

    Parameters
    ----------
    presence : Tensor of bool of shape (n_samples, n_modalities)
        True where present.

    generator : torch.Generator, default=None
        Source of randomness.

    Returns
    -------
    subset : Tensor of bool of shape (n_samples, n_modalities)
        The modalities that stay.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion._temperature import draw_subsets
    >>> presence = torch.tensor([[True, True, True], [True, False, True]])
    >>> subset = draw_subsets(presence, torch.Generator().manual_seed(0))
    >>> bool(subset.any(dim=1).all()), bool((subset & ~presence).any())
    (True, False)
    """
    noise = torch.rand(presence.shape, generator=generator).masked_fill(~presence, 2.0)
    rank = noise.argsort(dim=1).argsort(dim=1)
    n_present = presence.sum(dim=1)
    size = 1 + torch.floor(torch.rand(len(presence), generator=generator) * n_present)
    return (rank < size.unsqueeze(1)) & presence


def masked_copies(presence: Tensor) -> list[Tensor]:
    """Presence (n_samples, n_modalities) of held-out samples, masked in up to eight ways.

    With up to three modalities, these are all non-empty subsets of them; with more, the presence
    as it is and seven times a random subset.
    """
    n_modalities = presence.shape[1]
    if 2**n_modalities <= _MOST_COPIES:
        subsets = [subset for subset in product([True, False], repeat=n_modalities) if any(subset)]
        return [presence & torch.tensor(subset) for subset in subsets]
    return [presence, *(draw_subsets(presence) for _ in range(_MOST_COPIES - 1))]


def fit_log_temperature(
    logits: Tensor,
    y: Tensor,
    presence: Tensor,
    *,
    sample_weight: Tensor | None = None,
    multilabel: bool = False,
    ridge: float = 1e-3,
    shrinkage: float = 10.0,
) -> Tensor:
    """Fit ``log T = b0 + b . presence`` by maximum likelihood, with b shrunk to its mean and 0.

    With few samples, the temperatures of all subsets cannot be estimated one by one. To the mean
    loss of a sample is added
    ``ridge * |b0', b|^2 + shrinkage / n_samples * (|b|^2 + 9 |b - mean(b)|^2)``, where b0' is the
    mean of log T over the samples.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Outputs of held-out samples.

    y : Tensor of shape (n_samples,) or (n_samples, n_labels)
        Class positions, or 0 and 1 for multilabel.

    presence : Tensor of bool of shape (n_samples, n_modalities)
        Modalities that the outputs come from.

    sample_weight : Tensor of shape (n_samples,), default=None
        Weights of the samples.

    multilabel : bool, default=False
        Whether the columns are independent labels.

    ridge : float, default=1e-3
        Keeps the coefficients finite when held-out samples are all correct or a modality is always
        present.

    shrinkage : float, default=10.0
        Shrinkage of the temperatures of different subsets towards each other when there are few
        samples: nine tenths of it act on differences between modalities with equal numbers present.

    Returns
    -------
    coefficients : Tensor of shape (1 + n_modalities,)
        b0 and b.

    References
    ----------
    .. [1] "On Calibration of Modern Neural Networks", arXiv:1706.04599.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion._temperature import fit_log_temperature
    >>> y = torch.tensor([0, 0, 0, 1])
    >>> logits = torch.tensor([[4.0, 0.0]]).repeat(4, 1)  # Right in three of four samples.
    >>> presence = torch.ones(4, 1, dtype=torch.bool)
    >>> b = fit_log_temperature(logits, y, presence, ridge=0.0)
    >>> torch.softmax(logits[0] / torch.exp(b.sum()), dim=0).round(decimals=3)
    tensor([0.7500, 0.2500])
    """
    scores = logits.detach().double()
    flags = presence.to(scores.device).double()
    weight = torch.ones(len(scores), dtype=torch.float64, device=scores.device)
    if sample_weight is not None:
        weight = sample_weight.to(scores.device).double()
    weight = weight / weight.sum()
    # Around its mean, so that the shrinkage of b does not change the mean of log T.
    centre = weight @ flags
    design = torch.cat([torch.ones_like(flags[:, :1]), flags - centre], dim=1)
    coefficients = torch.zeros(
        design.shape[1], dtype=torch.float64, device=scores.device, requires_grad=True
    )
    optimizer = torch.optim.LBFGS(
        [coefficients], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        scaled = scores * torch.exp(-(design @ coefficients)).unsqueeze(1)
        if multilabel:
            losses = nn.functional.binary_cross_entropy_with_logits(
                scaled, y.double(), reduction="none"
            ).mean(dim=1)
        else:
            losses = nn.functional.cross_entropy(scaled, y, reduction="none")
        slopes = coefficients[1:]
        uneven = (slopes**2).sum() + _PULL_TOGETHER * ((slopes - slopes.mean()) ** 2).sum()
        penalty = ridge * (coefficients**2).sum() + shrinkage / len(scores) * uneven
        loss = (losses * weight).sum() + penalty
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]
    found = coefficients.detach()
    found[0] -= centre @ found[1:]
    return found.to(logits.dtype)


class HeldOut(NamedTuple):
    """Outputs of samples that the network has not seen in training."""

    logits: Tensor
    y: Tensor
    presence: Tensor
    weight: Tensor


def masked_outputs(
    samples: ModalityDataset, logits_of: Callable[[ModalityDataset], Tensor]
) -> HeldOut:
    """Compute the outputs of samples with modalities masked, without those that lose all."""
    weight = samples.X.get("sample_weight")
    weight = torch.ones(len(samples)) if weight is None else weight
    copies = []
    for presence in masked_copies(samples.X["presence"]):
        kept = presence.any(dim=1)
        if kept.any():
            masked = ModalityDataset({"X": samples.X["X"][kept], "presence": presence[kept]})
            copies.append((logits_of(masked), samples.encoded[kept], presence[kept], weight[kept]))
    return HeldOut(*(torch.cat(parts) for parts in zip(*copies, strict=True)))


class SubsetTemperature:
    """Temperature ``T = exp(b0 + b . presence)``, which divides the logits."""

    def __init__(self, *, multilabel: bool = False) -> None:
        self.multilabel = multilabel

    def fit(self, parts: Sequence[HeldOut]) -> SubsetTemperature:
        """Fit the coefficients (b0, b) on outputs of held-out samples."""
        logits, y, presence, weight = (torch.cat(part) for part in zip(*parts, strict=True))
        self.coefficients = fit_log_temperature(
            logits, y, presence, sample_weight=weight, multilabel=self.multilabel
        )
        return self

    def predict(self, presence: Tensor) -> Tensor:
        """Temperatures (n_samples,) of samples with presence (n_samples, n_modalities)."""
        slopes = presence.to(self.coefficients.dtype) @ self.coefficients[1:]
        return torch.exp(self.coefficients[0] + slopes)


def calibration_folds(
    encoded: NDArray[Any],
    *,
    stratify: bool,
    rng: np.random.RandomState,
    groups: IntArray | None = None,
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield positions of training and held-out samples; nothing for fewer than two samples."""
    if groups is not None:
        yield from group_folds(encoded, groups, MAX_FOLDS, stratify=stratify, rng=rng)
        return
    n_folds = min(MAX_FOLDS, len(encoded))
    if n_folds < 2:
        return
    enough = stratify and np.unique(encoded, return_counts=True)[1].min() >= n_folds
    kind = StratifiedKFold if enough else KFold
    yield from kind(n_folds, shuffle=True, random_state=rng).split(encoded, encoded)
