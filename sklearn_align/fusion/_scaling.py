"""Scaling of columns by what is present, kept in the network's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_align._modalities import ModalityLayout
from sklearn_align._typing import BoolArray
from sklearn_align.fusion._ranges import scaling_exponents

# A column that varies less does so only in samples that have almost no weight.
_LEAST_SCALE = 1e-30
_BOOLS = (bool, np.bool_)


def columns_to_scale(
    standardize: bool | Mapping[str, bool] | Sequence[str], layout: ModalityLayout
) -> BoolArray:
    """Which columns are to be scaled, in the order of the modalities (n_columns,)."""
    if isinstance(standardize, _BOOLS):
        return np.full(sum(layout.widths), bool(standardize))
    unknown = [name for name in standardize if name not in layout.names]
    if unknown:
        raise ValueError(
            f"standardize names {unknown}, which are not modalities; modalities has "
            f"{list(layout.names)}."
        )
    if isinstance(standardize, Mapping):
        wrong = {n: value for n, value in standardize.items() if not isinstance(value, _BOOLS)}
        if wrong:
            raise ValueError(f"standardize must be True or False for every modality; got {wrong}.")
        scaled = [bool(standardize.get(name, True)) for name in layout.names]
    else:
        scaled = [name in standardize for name in layout.names]
    return np.repeat(scaled, layout.widths)


class ColumnScaler(nn.Module):
    """Centre and scale columns; values that are missing do not count.

    The figures are buffers, so that they travel with the parameters of a network. Each is held as
    the sum of two float32 numbers: columns far from zero need more digits than one has, and not
    every device knows float64. They are those of the columns divided by ``2**exponent``, which is
    1 unless the values are out of the range of float32.
    """

    mean: Tensor
    center: Tensor
    scale: Tensor
    exponent: Tensor

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2, n_columns))
        self.register_buffer("center", torch.zeros(2, n_columns))
        self.register_buffer("scale", _two_floats(np.ones(n_columns)))
        self.register_buffer("exponent", torch.zeros(n_columns, dtype=torch.int32))

    def fit(
        self, X: NDArray[Any], sample_weight: NDArray[np.float64], *, standardize: bool | BoolArray
    ) -> ColumnScaler:
        """Fit to X (n_samples, n_columns), NaN where missing; always store the means.

        Columns without `standardize`, of all or (n_columns,), are neither centred nor scaled.
        """
        exponents = np.where(standardize, scaling_exponents(X), 0)
        self.exponent.copy_(torch.from_numpy(exponents))
        X = self._in_range(X)
        present = ~np.isnan(X)
        values = np.where(present, X, 0.0).astype(np.float64, copy=False)
        total = np.maximum(sample_weight @ present, np.finfo(np.float64).tiny)
        mean = (sample_weight @ values) / total
        # A second pass about the first mean keeps the digits of columns that are far from zero.
        deviation = np.where(present, values - mean, 0.0)
        mean = mean + (sample_weight @ deviation) / total
        variance = (sample_weight @ np.where(present, values - mean, 0.0) ** 2) / total
        rounding = len(X) * np.finfo(np.float64).eps * np.abs(mean)
        constant = variance <= rounding**2 + _LEAST_SCALE**2
        # Predictions of a constant beyond the usual range must not differ from it in units of it.
        of_constant = np.where(exponents == 0, 1.0, 2.0**-20)
        scale = np.sqrt(np.where(constant, of_constant**2, variance))
        self._store("mean", mean)
        self._store("center", np.where(standardize, mean, 0.0))
        self._store("scale", np.where(standardize, scale, 1.0))
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Scale X (n_samples, n_columns) and replace missing values by the mean of the column."""
        # What overflows is refused afterwards.
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._in_range(X)
            filled = np.where(np.isnan(X), _one_float(self.mean), values)
            scaled: NDArray[np.float64] = filled - _one_float(self.center)
            scaled /= _one_float(self.scale)
        return scaled

    def inverse_transform(self, scaled: NDArray[Any]) -> NDArray[np.float64]:
        """Return values (n_samples, n_columns) in the units of the data."""
        values: NDArray[np.float64] = scaled * _one_float(self.scale) + _one_float(self.center)
        exponent = self.exponent.cpu().numpy()
        return np.ldexp(values, exponent) if exponent.any() else values

    def _in_range(self, X: NDArray[Any]) -> NDArray[Any]:
        """Divide X (n_samples, n_columns) by the powers of two."""
        exponent = self.exponent.cpu().numpy()
        return np.ldexp(X.astype(np.float64), -exponent) if exponent.any() else X

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Without exponents, state was stored when there were none.
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if "exponent" not in self._buffers:
            zeros = torch.zeros(self.mean.shape[1], dtype=torch.int32)
            self.register_buffer("exponent", zeros)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        zeros = torch.zeros(self.mean.shape[1], dtype=torch.int32)
        state_dict.setdefault(f"{prefix}exponent", zeros)
        super()._load_from_state_dict(state_dict, prefix, *args)

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
