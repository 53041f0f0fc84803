"""Figures of an epoch, over all of its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["EpochLog"]


class EpochLog:
    """Collect the loss components of the batches and write their means over all rows.

    Parameters
    ----------
    calibration_error : callable or None
        Takes (outputs, y, sample_weight) of all rows. Unlike the other components, the calibration
        error of an epoch is not the mean of those of its batches.
    """

    def __init__(self, calibration_error: Callable[..., Tensor] | None) -> None:
        self.calibration_error = calibration_error
        self._names: dict[str, list[str]] = {}
        self._sums: dict[str, Tensor] = {}
        self._rows: dict[str, int] = {}
        self._outputs: dict[str, list[tuple[Tensor, Tensor, Tensor | None]]] = {}

    def add(
        self,
        prefix: str,
        components: dict[str, Tensor],
        outputs: Tensor,
        y: Tensor,
        sample_weight: Tensor | None,
    ) -> None:
        """Add a batch.

        Parameters
        ----------
        prefix : {"train", "valid"}
            Which part of the data.
        components : dict of str to Tensor
            Means over the batch.
        outputs : Tensor of shape (n_samples, n_outputs)
            Outputs on all present modalities.
        y : Tensor
            Targets.
        sample_weight : Tensor of shape (n_samples,), optional
            Weights.
        """
        n_rows = len(outputs)
        values = torch.stack(list(components.values())) * n_rows
        self._names[prefix] = list(components)
        self._rows[prefix] = self._rows.get(prefix, 0) + n_rows
        self._sums[prefix] = self._sums[prefix] + values if prefix in self._sums else values
        if self.calibration_error is not None:
            self._outputs.setdefault(prefix, []).append((outputs.detach(), y, sample_weight))

    def write(self, history: Any) -> None:
        """Record the figures and forget the batches.

        Parameters
        ----------
        history : skorch.history.History
            Where ``train_task``, ``valid_task`` and so on go.
        """
        for prefix, sums in self._sums.items():
            means = (sums / self._rows[prefix]).tolist()
            record = dict(zip(self._names[prefix], means, strict=True))
            if self.calibration_error is not None:
                outputs, targets, weights = zip(*self._outputs[prefix], strict=True)
                weight = None if weights[0] is None else torch.cat(weights)
                with torch.no_grad():
                    error = self.calibration_error(
                        torch.cat(outputs), torch.cat(targets), sample_weight=weight
                    )
                record["ece"] = float(error)
            for name, value in record.items():
                history.record(f"{prefix}_{name}", value)
        self._sums, self._rows, self._outputs = {}, {}, {}
