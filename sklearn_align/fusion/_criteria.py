"""Criteria: weighted sums of the loss terms, with weights that follow the epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sklearn_align.fusion._losses import (
    cross_entropy_per_sample,
    focal_loss_per_sample,
    gate_supervision_per_sample,
    info_nce,
    kl_consistency_per_sample,
    monotone_consistency_per_sample,
    soft_calibration_error,
    squared_error_per_sample,
    violations_per_sample,
)
from sklearn_align.fusion._schedules import ScheduledLoss
from sklearn_align.fusion.nn._gate import gate_entropy


class AECFLoss(ScheduledLoss):
    """Weighted sum of task, entropy, calibration, size, consistency and gate supervision terms.

    ``task + lambda * entropy + ece_weight * ece + l2_weight * l2 + consistency_weight * ramp *
    consistency + gate_supervision_weight * gate_supervision``, where lambda and ramp depend on the
    epoch. Each term is a mean over the samples i of the batch, weighted with `sample_weight`. Let
    ``z_i`` be the outputs and ``w_i`` the gate's weights on all present modalities. Let ``z'_i`` be
    the outputs of the second pass, on the subset that remains after masking. ``p_i`` and ``p'_i``
    are the probabilities: ``softmax(z)`` for classes, ``sigmoid(z)`` for labels.

    * task: ``-sum_k t_ik log p_ik`` with ``t_i = (1 - s) * onehot(y_i) + s / n_classes`` and
      ``s = label_smoothing`` (multiclass); ``mean_k a_k (1 - q_ik)**focal_gamma * -log q_ik`` with
      the probability ``q_ik`` of the true value of label k, ``a_k = focal_alpha * pos_weight_k``
      for ones and ``1 - focal_alpha`` for zeros, without `focal_alpha` ``pos_weight_k`` and 1
      (multilabel) [2]_; ``mean_k (z_ik - y_ik)**2`` (regression). With a second pass, the mean of
      the terms of both.
    * entropy: ``sum_m w_im log w_im``, which is minus the entropy of the gate's weights.
    * ece: ``sum_b abs(sum_i m_ib (c_i - a_i)) / n``, where ``c_i = max_k p_ik``, ``a_i`` is 1 for a
      correct prediction and 0 for a wrong prediction, and ``m_ib = softmax_b(-1500 * (c_i -
      b)**2)`` assigns sample i softly to 15 bins with centers b. For several labels, ``c_i`` and
      ``a_i`` are the probabilities and the values of all labels. 0 for regression.
    * l2: ``mean_k z_ik**2``; with a second pass, the mean of both.
    * consistency: ``KL(p_i || p'_i)`` without a gradient in ``p_i`` ("kl"), or ``relu(c'_i - c_i)``
      with the confidences of both passes ("monotone"). For several labels, the mean of the terms
      of all labels, with the confidence ``max(p_ik, 1 - p_ik)``. ``mean_k (z'_ik - z_ik)**2``
      without a gradient in ``z_i`` for regression.
    * gate_supervision: ``sum_m q_im log(q_im / w_im)``, which is ``KL(q_i || w_i)``, with ``q_im =
      softmax_m(-L_im)`` over the present modalities m. ``L_im`` is the task term of the output from
      modality m alone. There is no gradient in ``q_im``. 0 where one modality is present or none.

    Parameters by topic:

    - Data: `task`
    - Loss: `pos_weight`, `label_smoothing`, `focal_gamma`, `focal_alpha`, `consistency`,
      `consistency_weight`, `consistency_ramp_epochs`, `entropy_weight`, `entropy_free_epochs`,
      `entropy_warmup_epochs`, `gate_supervision_weight`, `ece_weight`, `l2_weight`
    - Training: `max_epochs`

    Parameters
    ----------
    task : {"multiclass", "multilabel", "regression"}, default="multiclass"
        Kind of target.

    max_epochs : int, default=60
        Number of epochs of the training, for the schedules.

    entropy_weight : float, default=0.2
        Largest lambda.

    entropy_free_epochs : int, default=0
        Number of epochs without the entropy term.

    entropy_warmup_epochs : int, default=5
        Number of epochs in which lambda increases. After that, it decreases to 0 at `max_epochs`
        with a cosine schedule.

    ece_weight : float, default=0.0
        Weight of the calibration term.

    l2_weight : float, default=1e-4
        Weight of the size of the outputs.

    consistency : {"kl", "monotone"}, default="kl"
        Form of the consistency term for classes and labels.

    consistency_weight : float, default=1.0
        Weight of the consistency term.

    consistency_ramp_epochs : int, default=5
        Epochs in which the consistency term rises.

    gate_supervision_weight : float, default=0.0
        Weight of the gate supervision term. If it is positive, the network needs
        ``modality_outputs=True``.

    label_smoothing : float in [0, 1), default=0.0
        Share of a multiclass target that is distributed over all classes.

    focal_gamma : float, default=0.0
        Focusing power of the multilabel task.

    focal_alpha : float in [0, 1], default=None
        Weight of ones in the multilabel task.

    pos_weight : sequence of float, default=None
        Weight of the ones of each label in the multilabel task.

    Attributes
    ----------
    components : dict of str to Tensor
        Unweighted terms of the last call, detached: task, entropy, ece, l2, consistency,
        gate_supervision; also gate_entropy and, for classes and labels, violations: the share of
        samples for which the second pass is more confident than the first. Terms whose weight is 0
        are not computed; ece, consistency and gate_supervision are then 0. The call returns the
        weighted sum.

    entropy_lambda : float
        Lambda of the current epoch.

    consistency_ramp : float
        Ramp of the current epoch.

    References
    ----------
    .. [1] L. Chlon, M. Chlon, M. A. Awada, "Robust Multimodal Learning via Entropy-Gated
       Contrastive Fusion", arXiv:2505.15417.
    .. [2] T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal Loss for Dense Object
       Detection", ICCV 2017.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import AECFLoss
    >>> loss = AECFLoss(entropy_weight=0.0, l2_weight=0.0)
    >>> weights = torch.tensor([[0.5, 0.5]])
    >>> total = loss((torch.zeros(1, 2), weights, None), torch.tensor([0]))
    >>> round(float(total), 4), round(float(loss.components["entropy"]), 4)
    (0.6931, -0.6931)
    """

    pos_weight: Tensor | None
    # Losses that an earlier version has stored do not have it.
    gate_supervision_weight: float = 0.0

    def __init__(
        self,
        task: str = "multiclass",
        *,
        max_epochs: int = 60,
        entropy_weight: float = 0.2,
        entropy_free_epochs: int = 0,
        entropy_warmup_epochs: int = 5,
        ece_weight: float = 0.0,
        l2_weight: float = 1e-4,
        consistency: str = "kl",
        consistency_weight: float = 1.0,
        consistency_ramp_epochs: int = 5,
        gate_supervision_weight: float = 0.0,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        focal_alpha: float | None = None,
        pos_weight: Sequence[float] | Tensor | None = None,
    ) -> None:
        super().__init__(
            max_epochs=max_epochs,
            entropy_weight=entropy_weight,
            entropy_free_epochs=entropy_free_epochs,
            entropy_warmup_epochs=entropy_warmup_epochs,
            consistency_weight=consistency_weight,
            consistency_ramp_epochs=consistency_ramp_epochs,
        )
        if task not in ("multiclass", "multilabel", "regression"):
            raise ValueError(
                f"task must be 'multiclass', 'multilabel' or 'regression'; got {task!r}."
            )
        if consistency not in ("kl", "monotone"):
            raise ValueError(f"consistency must be 'kl' or 'monotone'; got {consistency!r}.")
        if consistency == "monotone" and task == "regression":
            raise ValueError("consistency='monotone' compares confidences: regression has none.")
        self.task = task
        self.ece_weight = ece_weight
        self.l2_weight = l2_weight
        self.consistency = consistency
        self.gate_supervision_weight = gate_supervision_weight
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        weight = None if pos_weight is None else torch.as_tensor(pos_weight, dtype=torch.float32)
        self.register_buffer("pos_weight", weight)

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
            Result of :class:`AECFModule`: outputs, weights and fused representations; with a second
            pass, also the outputs, weights and presence of this pass; for gate supervision, also
            the outputs from each modality alone.

        y : Tensor
            Class positions (n_samples,), labels (n_samples, n_labels) or targets
            (n_samples, n_targets).

        presence : Tensor of bool of shape (n_samples, n_modalities), default=None
            True where a modality is present. Samples without a present modality have no weight in
            the ece term. With None, modalities of weight 0 are absent from the gate supervision
            term.

        sample_weight : Tensor of shape (n_samples,), default=None
            Weights of the samples, with mean 1 over the training samples.

        Returns
        -------
        loss : Tensor, scalar
            The weighted sum.
        """
        full, weights = outputs[0], outputs[1]
        has_subset = len(outputs) > 4
        mean = _mean_over_samples(sample_weight)
        task = mean(self._task_per_sample(full, y))
        size = (full**2).mean(dim=1)
        consistency = full.new_zeros(())
        violations = full.new_zeros(())
        if has_subset:
            subset = outputs[3]
            if self.task != "regression":
                multilabel = self.task == "multilabel"
                violations = mean(violations_per_sample(full, subset, multilabel=multilabel))
            task = 0.5 * (task + mean(self._task_per_sample(subset, y)))
            size = 0.5 * (size + (subset**2).mean(dim=1))
            if self.consistency_weight > 0:
                consistency = mean(self._consistency_per_sample(full, subset))
        entropy = mean(gate_entropy(weights))
        ece = self._ece(full, y, presence, sample_weight)
        l2 = mean(size)
        supervision = self._gate_supervision(outputs, y, presence, mean)
        total: Tensor = task + self.l2_weight * l2
        if self.entropy_lambda > 0:
            total = total - self.entropy_lambda * entropy
        if self.ece_weight > 0:
            total = total + self.ece_weight * ece
        if has_subset and self.consistency_weight > 0:
            total = total + self.consistency_weight * self.consistency_ramp * consistency
        if self.gate_supervision_weight > 0:
            total = total + self.gate_supervision_weight * supervision
        self.components = {
            "task": task.detach(),
            "entropy": -entropy.detach(),
            "ece": ece.detach(),
            "l2": l2.detach(),
            "consistency": consistency.detach(),
            "gate_supervision": supervision.detach(),
            "gate_entropy": entropy.detach(),
        }
        if self.task != "regression":
            self.components["violations"] = violations
        return total

    def _task_per_sample(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.task == "multiclass":
            return cross_entropy_per_sample(outputs, y, label_smoothing=self.label_smoothing)
        if self.task == "multilabel":
            return focal_loss_per_sample(
                outputs,
                y,
                gamma=self.focal_gamma,
                alpha=self.focal_alpha,
                pos_weight=self.pos_weight,
            )
        return squared_error_per_sample(outputs, y)

    def _consistency_per_sample(self, full: Tensor, subset: Tensor) -> Tensor:
        if self.task == "regression":
            return squared_error_per_sample(subset, full.detach())
        multilabel = self.task == "multilabel"
        if self.consistency == "kl":
            return kl_consistency_per_sample(full, subset, multilabel=multilabel)
        return monotone_consistency_per_sample(full, subset, multilabel=multilabel)

    def _gate_supervision(
        self,
        outputs: tuple[Any, ...],
        y: Tensor,
        presence: Tensor | None,
        mean: Callable[[Tensor], Tensor],
    ) -> Tensor:
        weights: Tensor = outputs[1]
        if self.gate_supervision_weight <= 0:
            return weights.new_zeros(())
        if len(outputs) not in (4, 7):
            raise ValueError(
                f"gate_supervision_weight={self.gate_supervision_weight!r} needs the outputs from "
                "each modality alone, which the network did not return: make it with "
                "modality_outputs=True, as in AECFModule(widths, n_outputs, modality_outputs=True)."
            )
        alone: Tensor = outputs[-1].detach()
        n_modalities = alone.shape[1]
        losses = self._task_per_sample(alone.flatten(0, 1), y.repeat_interleave(n_modalities, 0))
        presence = weights > 0 if presence is None else presence
        losses = losses.reshape(alone.shape[:2])
        return mean(gate_supervision_per_sample(weights, losses, presence))

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


def _mean_over_samples(sample_weight: Tensor | None) -> Callable[[Tensor], Tensor]:
    if sample_weight is None:
        return torch.mean
    # Division by the number of samples, not by the weight of the batch, makes batches add up.
    return lambda values: (values * sample_weight).mean()


class ContrastiveLoss(ScheduledLoss):
    """InfoNCE between the two views of a sample, and between the whole sample and each view.

    ``task + lambda * entropy + consistency_weight * ramp * consistency``, where lambda and ramp
    depend on the epoch. Let ``u_i``, ``v_i`` and ``v'_i`` be the unit embeddings of sample i and of
    its two views, and

    ``nce(a, b)_i = -(log softmax_j(<a_i, b_j> / T)[i] + log softmax_j(<b_i, a_j> / T)[i]) / 2``

    with ``T = temperature`` and j over the samples of the batch [1]_. Each term is a mean over the
    samples, weighted with `sample_weight`:

    * task: ``nce(v, v')_i``;
    * consistency: ``(nce(u, v)_i + nce(u, v')_i) / 2``;
    * entropy: ``sum_m w_im log w_im``, which is minus the entropy of the gate's weights ``w_i`` on
      all present modalities.

    Parameters
    ----------
    temperature : float, default=0.2
        Temperature by which the cosine similarities are divided.

    max_epochs : int, default=60
        Number of epochs of the training, for the schedule of lambda.

    entropy_weight : float, default=0.2
        Largest lambda.

    entropy_free_epochs : int, default=0
        Number of epochs without the entropy term.

    entropy_warmup_epochs : int, default=5
        Number of epochs in which lambda increases. After that, it decreases to 0 at `max_epochs`
        with a cosine schedule.

    consistency_weight : float, default=1.0
        Weight of the consistency term.

    consistency_ramp_epochs : int, default=0
        Epochs in which the consistency term rises.

    Attributes
    ----------
    components : dict of str to Tensor
        Unweighted terms of the last call, detached.

    entropy_lambda, consistency_ramp : float
        Weights of the current epoch.

    References
    ----------
    .. [1] A. van den Oord, Y. Li, O. Vinyals, "Representation Learning with Contrastive Predictive
       Coding", arXiv:1807.03748.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import ContrastiveLoss
    >>> embedding = torch.eye(4)
    >>> weights = torch.ones(4, 1)
    >>> loss = ContrastiveLoss()
    >>> float(loss((embedding, weights, None, embedding, embedding), None)) < 0.1
    True
    """

    def __init__(
        self,
        temperature: float = 0.2,
        *,
        max_epochs: int = 60,
        entropy_weight: float = 0.2,
        entropy_free_epochs: int = 0,
        entropy_warmup_epochs: int = 5,
        consistency_weight: float = 1.0,
        consistency_ramp_epochs: int = 0,
    ) -> None:
        super().__init__(
            max_epochs=max_epochs,
            entropy_weight=entropy_weight,
            entropy_free_epochs=entropy_free_epochs,
            entropy_warmup_epochs=entropy_warmup_epochs,
            consistency_weight=consistency_weight,
            consistency_ramp_epochs=consistency_ramp_epochs,
        )
        self.temperature = temperature

    def forward(
        self,
        outputs: tuple[Any, ...],
        y: Tensor | None,
        presence: Tensor | None = None,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss of a batch, as for :class:`AECFLoss`.

        `outputs` is the result of :class:`ContrastiveModule`; `y` and `presence` are ignored.
        """
        whole, weights, _, first, second = outputs
        mean = _mean_over_samples(sample_weight)
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
