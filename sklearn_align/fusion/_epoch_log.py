"""Loss components of an epoch, over all of its samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class EpochLog:
    """Collect the loss components of the batches and write their means over all samples.

    `n_finished` counts the epochs that are over. `calibration_error` takes the outputs, targets and
    sample weights of all samples, because the calibration error of an epoch is not the mean of
    those of its batches.
    """

    def __init__(self, calibration_error: Callable[..., Tensor] | None) -> None:
        self.calibration_error = calibration_error
        self.n_finished = 0
        self._names: dict[str, list[str]] = {}
        self._sums: dict[str, Tensor] = {}
        self._n_samples: dict[str, int] = {}
        self._outputs: dict[str, list[tuple[Tensor, Tensor, Tensor | None]]] = {}

    def add(
        self,
        prefix: str,
        components: dict[str, Tensor],
        outputs: Tensor,
        y: Tensor,
        sample_weight: Tensor | None,
    ) -> None:
        """Add the components and the outputs (n_samples, n_outputs) of a batch."""
        if not components:  # A loss of the user has none.
            return
        n_samples = len(outputs)
        values = torch.stack(list(components.values())) * n_samples
        self._names[prefix] = list(components)
        self._n_samples[prefix] = self._n_samples.get(prefix, 0) + n_samples
        self._sums[prefix] = self._sums[prefix] + values if prefix in self._sums else values
        if self.calibration_error is not None:
            self._outputs.setdefault(prefix, []).append((outputs.detach(), y, sample_weight))

    def write(self, history: Any) -> None:
        """Record ``train_task``, ``valid_task`` and so on, and start over."""
        for prefix, sums in self._sums.items():
            means = (sums / self._n_samples[prefix]).tolist()
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
        self._sums, self._n_samples, self._outputs = {}, {}, {}
