"""Loss terms as pure functions of tensors, one value for each sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Confidences of equal subsets differ by up to this much, from rounding.
_ROUNDING = 1e-6


def cross_entropy_per_sample(logits: Tensor, y: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats of logits (n_samples, n_classes), y (n_samples,): (n_samples,)."""
    return nn.functional.cross_entropy(logits, y, reduction="none", label_smoothing=label_smoothing)


def focal_loss_per_sample(
    logits: Tensor,
    y: Tensor,
    *,
    gamma: float = 0.0,
    alpha: float | None = None,
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Focal binary cross-entropy of logits and y (n_samples, n_labels), mean over labels.

    ``(1 - q)**gamma * -log(q)`` with the probability q of the true value. Ones are weighted with
    `alpha` and `pos_weight` (n_labels,), zeros with ``1 - alpha``.

    References
    ----------
    .. [1] T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal Loss for Dense Object
       Detection", ICCV 2017.
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


def squared_error_per_sample(outputs: Tensor, y: Tensor) -> Tensor:
    """Squared error of outputs and y (n_samples, n_targets), mean over targets: (n_samples,)."""
    # Broadcasting would compare every sample with every other.
    if outputs.shape != y.shape:
        raise ValueError(
            f"outputs have shape {tuple(outputs.shape)} and y {tuple(y.shape)}; they must agree."
        )
    return ((outputs - y) ** 2).mean(dim=1)


def kl_consistency_per_sample(full: Tensor, subset: Tensor, *, multilabel: bool = False) -> Tensor:
    """``KL(p_full || p_subset)`` of logits (n_samples, n_outputs), without gradient in `full`."""
    full = full.detach()
    if multilabel:
        p = torch.sigmoid(full)
        cross = nn.functional.binary_cross_entropy_with_logits(subset, p, reduction="none")
        own = nn.functional.binary_cross_entropy_with_logits(full, p, reduction="none")
        return (cross - own).mean(dim=1)
    log_p = torch.log_softmax(full, dim=1)
    log_q = torch.log_softmax(subset, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def monotone_consistency_per_sample(
    full: Tensor, subset: Tensor, *, multilabel: bool = False
) -> Tensor:
    """``relu(confidence(subset) - confidence(full))`` of logits (n_samples, n_outputs)."""
    if multilabel:
        return torch.relu(torch.sigmoid(subset.abs()) - torch.sigmoid(full.abs())).mean(dim=1)
    return torch.relu(
        torch.softmax(subset, dim=1).amax(dim=1) - torch.softmax(full, dim=1).amax(dim=1)
    )


def gate_supervision_per_sample(weights: Tensor, losses: Tensor, presence: Tensor) -> Tensor:
    """``KL(q || w)`` of gate weights w and ``q = softmax(-losses)``, without gradient in `losses`.

    All have shape (n_samples, n_modalities); the softmax is over the present modalities. The result
    has shape (n_samples,), and is 0 where one modality is present or none.
    """
    # The smallest finite number acts as -inf, without NaN where no modality is present.
    lowest = torch.finfo(losses.dtype).min
    log_q = torch.log_softmax((-losses.detach()).masked_fill(~presence, lowest), dim=1)
    log_q = torch.where(presence, log_q, torch.zeros_like(log_q))
    # Logarithms of 0 would be infinite, also where the factor is 0.
    safe = torch.where(presence, weights, torch.ones_like(weights))
    log_w = safe.clamp(min=torch.finfo(weights.dtype).tiny).log()
    return (log_q.exp() * (log_q - log_w)).sum(dim=1)


@torch.no_grad()
def violations_per_sample(full: Tensor, subset: Tensor, *, multilabel: bool = False) -> Tensor:
    """Whether ``confidence(subset) > confidence(full)``, for logits (n_samples, n_outputs).

    0 or 1, or the mean over labels. Differences within rounding do not count.
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
    """Return the calibration error of logits (n_samples, n_outputs) with soft bins, a scalar.

    ``sum_b abs(sum_i m_ib (c_i - a_i)) / n``, where the confidence ``c_i`` belongs to the bin with
    center b in the proportion ``m_ib = softmax_b(-sharpness * n_bins * (c_i - b)**2)`` and ``a_i``
    is 1 for a correct prediction. Soft bins have a gradient; large `sharpness` gives hard bins. The
    probabilities of several labels are pooled. 0 without samples.
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
    centers = (torch.arange(n_bins, device=logits.device, dtype=logits.dtype) + 0.5) / n_bins
    distance = (confidence.unsqueeze(1) - centers) ** 2
    membership = torch.softmax(-sharpness * n_bins * distance, dim=1) * weight.unsqueeze(1)
    gaps = (membership * (confidence - correct).unsqueeze(1)).sum(dim=0)
    return gaps.abs().sum() / weight.sum().clamp(min=torch.finfo(logits.dtype).tiny)


def info_nce(first: Tensor, second: Tensor, *, temperature: float = 0.2) -> Tensor:
    """InfoNCE of unit vectors (n_samples, n_components), both ways: (n_samples,), in nats.

    The mean of ``-log softmax_j(<f_i, s_j> / temperature)[i]`` and of the same with `first` and
    `second` exchanged.

    References
    ----------
    .. [1] A. van den Oord, Y. Li, O. Vinyals, "Representation Learning with Contrastive Predictive
       Coding", arXiv:1807.03748.
    """
    similarity = first @ second.T / temperature
    partner = torch.arange(len(first), device=first.device)
    forward = nn.functional.cross_entropy(similarity, partner, reduction="none")
    backward = nn.functional.cross_entropy(similarity.T, partner, reduction="none")
    return (forward + backward) / 2
