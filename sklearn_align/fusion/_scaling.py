"""Scaling of columns by what is present, kept in the network's state."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class ColumnScaler(nn.Module):
    """Centre and scale columns; values that are missing do not count.

    The figures are buffers, so that they travel with the parameters of a network. Each is held as
    the sum of two float32 numbers: columns far from zero need more digits than one has, and not
    every device knows float64.
    """

    mean: Tensor
    center: Tensor
    scale: Tensor

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2, n_columns))
        self.register_buffer("center", torch.zeros(2, n_columns))
        self.register_buffer("scale", _two_floats(np.ones(n_columns)))

    def fit(
        self, X: NDArray[Any], sample_weight: NDArray[np.float64], *, standardize: bool
    ) -> ColumnScaler:
        """Fit to X (n_samples, n_columns), NaN where missing; always store the means.

        Without `standardize`, the columns are neither centred nor scaled.
        """
        present = ~np.isnan(X)
        values = np.where(present, X, 0.0).astype(np.float64, copy=False)
        total = np.maximum(sample_weight @ present, np.finfo(np.float64).tiny)
        mean = (sample_weight @ values) / total
        # A second pass about the first mean keeps the digits of columns that are far from zero.
        deviation = np.where(present, values - mean, 0.0)
        mean = mean + (sample_weight @ deviation) / total
        variance = (sample_weight @ np.where(present, values - mean, 0.0) ** 2) / total
        rounding = len(X) * np.finfo(np.float64).eps * np.abs(mean)
        constant = variance <= rounding**2 + np.finfo(np.float64).tiny
        scale = np.sqrt(np.where(constant, 1.0, variance))
        self._store("mean", mean)
        self._store("center", mean if standardize else np.zeros_like(mean))
        self._store("scale", scale if standardize else np.ones_like(scale))
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Scale X (n_samples, n_columns) and replace missing values by the mean of the column."""
        filled = np.where(np.isnan(X), _one_float(self.mean), X)
        scaled = (filled - _one_float(self.center)) / _one_float(self.scale)
        return scaled.astype(np.float32)

    def inverse_transform(self, scaled: NDArray[Any]) -> NDArray[np.float64]:
        """Return values (n_samples, n_columns) in the units of the data."""
        values: NDArray[np.float64] = scaled * _one_float(self.scale) + _one_float(self.center)
        return values

    def _store(self, name: str, values: NDArray[np.float64]) -> None:
        buffer: Tensor = getattr(self, name)
        buffer.copy_(_two_floats(values))


def _two_floats(values: NDArray[np.float64]) -> Tensor:
    coarse = values.astype(np.float32)
    fine = (values - coarse).astype(np.float32)
    return torch.from_numpy(np.stack([coarse, fine]))


def _one_float(parts: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = parts.detach().cpu().numpy().astype(np.float64).sum(axis=0)
    return array
