"""The composite loss: task, gate entropy, calibration, logit size and consistency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_align.fusion._schedules import entropy_schedule, linear_ramp
from sklearn_align.fusion.nn._gate import gate_entropy

__all__ = [
    "AECFLoss",
    "cross_entropy_rows",
    "focal_rows",
    "info_nce",
    "kl_consistency_rows",
    "monotone_consistency_rows",
    "soft_calibration_error",
    "squared_error_rows",
    "violation_rows",
]

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


def info_nce(first: Tensor, second: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Contrast of every row with its partner against all other rows, both ways.

    Parameters
    ----------
    first, second : Tensors of shape (n_samples, n_dimensions)
        Unit rows; row i of one is the partner of row i of the other.
    temperature : float, default=0.1
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


class AECFLoss(nn.Module):
    """Weighted sum of task, entropy, calibration, size and consistency terms.

    ``loss = task + lambda * entropy + ece_weight * ece + l2_weight * l2 + consistency_weight *
    ramp * consistency``, where lambda and ramp follow the epochs and

    * task is the mean over rows, and over both passes where modalities were dropped, of the
      cross-entropy (multiclass), focal binary cross-entropy (multilabel) or squared error;
    * entropy is minus the mean entropy of the gate's weights on all present modalities;
    * ece is the soft-binned calibration error;
    * l2 is the mean squared output;
    * consistency compares the second pass with the first.

    Parameters
    ----------
    task : {"multiclass", "multilabel", "regression"}, default="multiclass"
        What y is.
    max_epochs : int, default=30
        Length of the training, for the schedules.
    entropy_weight : float, default=0.1
        Largest lambda.
    entropy_free_epochs : int, default=0
        Epochs without the entropy term.
    entropy_warmup_epochs : int, default=5
        Epochs in which lambda rises; afterwards a cosine takes it to 0 at `max_epochs`.
    ece_weight : float, default=0.0
        Weight of the calibration term.
    l2_weight : float, default=1e-4
        Weight of the size of the outputs.
    consistency : {"kl", "monotone"}, default="kl"
        ``KL(p_full || p_subset)`` (squared difference for regression), or the confidence by which
        the subset exceeds all modalities.
    consistency_weight : float, default=1.0
        Weight of the consistency term.
    consistency_ramp_epochs : int, default=5
        Epochs in which the consistency term rises.
    label_smoothing : float in [0, 1), default=0.0
        Share of a multiclass target that is spread over all classes.
    focal_gamma : float, default=0.0
        Focusing power of the multilabel task.
    focal_alpha : float in [0, 1], optional
        Weight of ones in the multilabel task.
    pos_weight : sequence of float, optional
        Weight of the ones of each label in the multilabel task.

    Attributes
    ----------
    components : dict of str to Tensor
        Unweighted terms of the last call, detached: task, entropy, ece, l2, consistency; next to
        them gate_entropy and, for classes and labels, violations: the share of rows of which the
        second pass is surer than the first.
    entropy_lambda : float
        lambda of the current epoch.
    consistency_ramp : float
        ramp of the current epoch.

    References
    ----------
    "Adaptive Entropy-gated Contrastive Fusion", arXiv:2505.15417.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import AECFLoss
    >>> loss = AECFLoss(entropy_weight=0.0, l2_weight=0.0)
    >>> weights = torch.tensor([[0.5, 0.5]])
    >>> total = loss((torch.zeros(1, 2), weights, None), torch.tensor([0]))
    >>> round(float(total), 4), sorted(loss.components)
    (0.6931, ['consistency', 'ece', 'entropy', 'gate_entropy', 'l2', 'task', 'violations'])
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        task: str = "multiclass",
        *,
        max_epochs: int = 30,
        entropy_weight: float = 0.1,
        entropy_free_epochs: int = 0,
        entropy_warmup_epochs: int = 5,
        ece_weight: float = 0.0,
        l2_weight: float = 1e-4,
        consistency: str = "kl",
        consistency_weight: float = 1.0,
        consistency_ramp_epochs: int = 5,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        focal_alpha: float | None = None,
        pos_weight: Sequence[float] | Tensor | None = None,
    ) -> None:
        super().__init__()
        if task not in ("multiclass", "multilabel", "regression"):
            raise ValueError(
                f"task must be 'multiclass', 'multilabel' or 'regression'; got {task!r}."
            )
        if consistency not in ("kl", "monotone"):
            raise ValueError(f"consistency must be 'kl' or 'monotone'; got {consistency!r}.")
        if consistency == "monotone" and task == "regression":
            raise ValueError("consistency='monotone' compares confidences: regression has none.")
        self.task = task
        self.max_epochs = max_epochs
        self.entropy_weight = entropy_weight
        self.entropy_free_epochs = entropy_free_epochs
        self.entropy_warmup_epochs = entropy_warmup_epochs
        self.ece_weight = ece_weight
        self.l2_weight = l2_weight
        self.consistency = consistency
        self.consistency_weight = consistency_weight
        self.consistency_ramp_epochs = consistency_ramp_epochs
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        weight = None if pos_weight is None else torch.as_tensor(pos_weight, dtype=torch.float32)
        self.register_buffer("pos_weight", weight)
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
        y: Tensor,
        presence: Tensor | None = None,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        outputs : tuple of Tensor
            What :class:`AECFModule` returns: outputs, weights, fused, and in a second pass the
            subset's outputs, weights and presence.
        y : Tensor
            Class positions (n_samples,), labels (n_samples, n_labels) or targets
            (n_samples, n_targets).
        presence : Tensor of bool of shape (n_samples, n_modalities), optional
            Rows without a present modality have no weight in the ece term.
        sample_weight : Tensor of shape (n_samples,), optional
            Weights of the rows, with mean 1 over the training rows.

        Returns
        -------
        loss : Tensor, scalar
            The weighted sum.
        """
        full, weights = outputs[0], outputs[1]
        has_subset = len(outputs) > 3
        mean = _mean_over_rows(sample_weight)
        task = mean(self._task_rows(full, y))
        size = (full**2).mean(dim=1)
        consistency = full.new_zeros(())
        violations = full.new_zeros(())
        if has_subset:
            subset = outputs[3]
            if self.task != "regression":
                multilabel = self.task == "multilabel"
                violations = mean(violation_rows(full, subset, multilabel=multilabel))
            task = 0.5 * (task + mean(self._task_rows(subset, y)))
            size = 0.5 * (size + (subset**2).mean(dim=1))
            if self.consistency_weight > 0:
                consistency = mean(self._consistency_rows(full, subset))
        entropy = mean(gate_entropy(weights))
        ece = self._ece(full, y, presence, sample_weight)
        l2 = mean(size)
        total: Tensor = task + self.l2_weight * l2
        if self.entropy_lambda > 0:
            total = total - self.entropy_lambda * entropy
        if self.ece_weight > 0:
            total = total + self.ece_weight * ece
        if has_subset and self.consistency_weight > 0:
            total = total + self.consistency_weight * self.consistency_ramp * consistency
        self.components = {
            "task": task.detach(),
            "entropy": -entropy.detach(),
            "ece": ece.detach(),
            "l2": l2.detach(),
            "consistency": consistency.detach(),
            "gate_entropy": entropy.detach(),
        }
        if self.task != "regression":
            self.components["violations"] = violations
        return total

    def _task_rows(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.task == "multiclass":
            return cross_entropy_rows(outputs, y, label_smoothing=self.label_smoothing)
        if self.task == "multilabel":
            return focal_rows(
                outputs,
                y,
                gamma=self.focal_gamma,
                alpha=self.focal_alpha,
                pos_weight=self.pos_weight,
            )
        return squared_error_rows(outputs, y)

    def _consistency_rows(self, full: Tensor, subset: Tensor) -> Tensor:
        if self.task == "regression":
            return squared_error_rows(subset, full.detach())
        multilabel = self.task == "multilabel"
        if self.consistency == "kl":
            return kl_consistency_rows(full, subset, multilabel=multilabel)
        return monotone_consistency_rows(full, subset, multilabel=multilabel)

    def _ece(
        self, outputs: Tensor, y: Tensor, presence: Tensor | None, sample_weight: Tensor | None
    ) -> Tensor:
        if self.ece_weight <= 0 or self.task == "regression":
            return outputs.new_zeros(())
        weight = torch.ones(len(outputs), device=outputs.device, dtype=outputs.dtype)
        if sample_weight is not None:
            weight = sample_weight.to(outputs.dtype)
        if presence is not None:
            weight = weight * presence.any(dim=1)
        return soft_calibration_error(
            outputs, y, sample_weight=weight, multilabel=self.task == "multilabel"
        )


def _mean_over_rows(sample_weight: Tensor | None) -> Callable[[Tensor], Tensor]:
    if sample_weight is None:
        return torch.mean
    # divided by the number of rows, not by the batch's weight: batches then add up to the epoch
    return lambda rows: (rows * sample_weight).mean()
