"""Loss terms as pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# confidences of equal subsets may differ by this much
_ROUNDING = 1e-6


def cross_entropy_rows(logits: Tensor, y: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of every row.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Scores.
    y : Tensor of int of shape (n_samples,)
        Class positions.
    label_smoothing : float in [0, 1), default=0.0
        Share of the target that is spread evenly over all classes.

    Returns
    -------
    loss : Tensor of shape (n_samples,)
        In nats.
    """
    return nn.functional.cross_entropy(logits, y, reduction="none", label_smoothing=label_smoothing)


def focal_rows(
    logits: Tensor,
    y: Tensor,
    *,
    gamma: float = 0.0,
    alpha: float | None = None,
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Focal binary cross-entropy of every row, averaged over labels.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_labels)
        Scores.
    y : Tensor of shape (n_samples, n_labels)
        0 or 1.
    gamma : float, default=0.0
        Power of ``1 - p_t``, where p_t is the probability of the true value; 0 gives the plain
        binary cross-entropy.
    alpha : float in [0, 1], optional
        Weight of ones; zeros weigh ``1 - alpha``. None weighs both 1.
    pos_weight : Tensor of shape (n_labels,), optional
        Weight of the ones of each label.

    Returns
    -------
    loss : Tensor of shape (n_samples,)
        In nats.

    References
    ----------
    "Focal Loss for Dense Object Detection", arXiv:1708.02002.
    """
    y = y.to(logits.dtype)
    plain = nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    loss = plain
    if gamma > 0:
        loss = loss * (1 - torch.exp(-plain)) ** gamma
    if alpha is not None:
        loss = loss * (alpha * y + (1 - alpha) * (1 - y))
    if pos_weight is not None:
        loss = loss * (1 + (pos_weight - 1) * y)
    return loss.mean(dim=1)


def squared_error_rows(outputs: Tensor, y: Tensor) -> Tensor:
    """Squared error of every row, averaged over targets.

    Parameters
    ----------
    outputs, y : Tensors of shape (n_samples, n_targets)
        Predictions and targets.

    Returns
    -------
    loss : Tensor of shape (n_samples,)
        In squared units of y.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would compare every row with every other.
    """
    if outputs.shape != y.shape:
        raise ValueError(
            f"outputs have shape {tuple(outputs.shape)} and y {tuple(y.shape)}; they must agree."
        )
    return ((outputs - y) ** 2).mean(dim=1)


def kl_consistency_rows(full: Tensor, subset: Tensor, *, multilabel: bool = False) -> Tensor:
    """Divergence of the prediction on a subset from the one on all modalities.

    Parameters
    ----------
    full, subset : Tensors of shape (n_samples, n_classes)
        Logits. No gradient flows into `full`.
    multilabel : bool, default=False
        Whether the columns are independent labels.

    Returns
    -------
    divergence : Tensor of shape (n_samples,)
        ``KL(p_full || p_subset)`` in nats, averaged over labels for multilabel.
    """
    full = full.detach()
    if multilabel:
        p = torch.sigmoid(full)
        cross = nn.functional.binary_cross_entropy_with_logits(subset, p, reduction="none")
        own = nn.functional.binary_cross_entropy_with_logits(full, p, reduction="none")
        return (cross - own).mean(dim=1)
    log_p = torch.log_softmax(full, dim=1)
    log_q = torch.log_softmax(subset, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def monotone_consistency_rows(full: Tensor, subset: Tensor, *, multilabel: bool = False) -> Tensor:
    """By how much a subset of the modalities is more confident than all of them.

    Parameters
    ----------
    full, subset : Tensors of shape (n_samples, n_classes)
        Logits.
    multilabel : bool, default=False
        Whether the columns are independent labels.

    Returns
    -------
    excess : Tensor of shape (n_samples,)
        ``relu(confidence(subset) - confidence(full))``, averaged over labels for multilabel.
    """
    if multilabel:
        return torch.relu(torch.sigmoid(subset.abs()) - torch.sigmoid(full.abs())).mean(dim=1)
    return torch.relu(
        torch.softmax(subset, dim=1).amax(dim=1) - torch.softmax(full, dim=1).amax(dim=1)
    )


@torch.no_grad()
def violation_rows(full: Tensor, subset: Tensor, *, multilabel: bool = False) -> Tensor:
    """Whether a subset of the modalities is more confident than all of them.

    Parameters
    ----------
    full, subset : Tensors of shape (n_samples, n_classes)
        Logits.
    multilabel : bool, default=False
        Whether the columns are independent labels.

    Returns
    -------
    violations : Tensor of shape (n_samples,)
        0 or 1, averaged over labels for multilabel. Differences within rounding do not count.
    """
    if multilabel:
        excess = torch.sigmoid(subset.abs()) - torch.sigmoid(full.abs())
        return (excess > _ROUNDING).to(full.dtype).mean(dim=1)
    excess = torch.softmax(subset, dim=1).amax(dim=1) - torch.softmax(full, dim=1).amax(dim=1)
    return (excess > _ROUNDING).to(full.dtype)


def soft_calibration_error(
    logits: Tensor,
    y: Tensor,
    *,
    n_bins: int = 15,
    sharpness: float = 100.0,
    sample_weight: Tensor | None = None,
    multilabel: bool = False,
) -> Tensor:
    """Compute the expected calibration error with soft bins, so that it has a gradient.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Scores.
    y : Tensor of shape (n_samples,) or (n_samples, n_labels)
        Class positions, or 0 and 1 for multilabel.
    n_bins : int, default=15
        Number of bins of equal width.
    sharpness : float, default=100.0
        A confidence c belongs to the bin with centre b in proportion to
        ``exp(-sharpness * n_bins * (c - b)**2)``; large values give hard bins.
    sample_weight : Tensor of shape (n_samples,), optional
        Weights of the rows.
    multilabel : bool, default=False
        Whether the columns are independent labels; their probabilities are pooled.

    Returns
    -------
    error : Tensor, scalar
        Mean over rows of the gap between confidence and accuracy of their bin; 0 without rows.
    """
    if multilabel:
        confidence = torch.sigmoid(logits).flatten()
        correct = y.to(logits.dtype).flatten()
        repeats = logits.shape[1]
    else:
        confidence, predicted = torch.softmax(logits, dim=1).max(dim=1)
        correct = (predicted == y).to(logits.dtype)
        repeats = 1
    weight = torch.ones_like(confidence)
    if sample_weight is not None:
        weight = sample_weight.to(confidence.dtype).repeat_interleave(repeats)
    centres = (torch.arange(n_bins, device=logits.device, dtype=logits.dtype) + 0.5) / n_bins
    distance = (confidence.unsqueeze(1) - centres) ** 2
    membership = torch.softmax(-sharpness * n_bins * distance, dim=1) * weight.unsqueeze(1)
    gaps = (membership * (confidence - correct).unsqueeze(1)).sum(dim=0)
    return gaps.abs().sum() / weight.sum().clamp(min=torch.finfo(logits.dtype).tiny)


def info_nce(first: Tensor, second: Tensor, *, temperature: float = 0.2) -> Tensor:
    """Contrast of every row with its partner against all other rows, both ways.

    Parameters
    ----------
    first, second : Tensors of shape (n_samples, n_dimensions)
        Unit rows; row i of one is the partner of row i of the other.
    temperature : float, default=0.2
        Divides the cosine similarities.

    Returns
    -------
    loss : Tensor of shape (n_samples,)
        Mean of the two cross-entropies of picking the partner, in nats.

    References
    ----------
    "Representation Learning with Contrastive Predictive Coding", arXiv:1807.03748.
    """
    similarity = first @ second.T / temperature
    partner = torch.arange(len(first), device=first.device)
    forth = nn.functional.cross_entropy(similarity, partner, reduction="none")
    back = nn.functional.cross_entropy(similarity.T, partner, reduction="none")
    return (forth + back) / 2
