"""Targets that are numbers, and no targets: encoding, weights, prior, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from torch import Tensor

from sklearn_align._typing import Float64Array
from sklearn_align.fusion._ranges import check_scaled, check_training_targets
from sklearn_align.fusion._scaling import ColumnScaler
from sklearn_align.fusion.nn._module import AECFModule

# Initial probability of a label's value that no sample has.
_UNSEEN_SHARE = 0.25


@dataclass(frozen=True)
class NumericTargets:
    """Numbers, scaled to mean 0 and variance 1 for training.

    The scaling is a buffer of the network, so that it is stored with the weights.
    """

    n_targets: int
    ndim: int
    task: ClassVar[str] = "regression"
    stratify: ClassVar[bool] = False
    calibration_error: ClassVar[None] = None

    @classmethod
    def from_samples(cls, y: NDArray[Any]) -> NumericTargets:
        """Take the shape of y (n_samples,) or (n_samples, n_targets)."""
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        return cls(1 if values.ndim == 1 else values.shape[1], values.ndim)

    @property
    def n_outputs(self) -> int:
        return self.n_targets

    @property
    def loss_options(self) -> dict[str, Any]:
        return {"task": self.task}

    def encode(self, y: NDArray[Any]) -> NDArray[Any]:
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        matrix: NDArray[Any] = values.reshape(len(values), -1)
        if matrix.shape[1] != self.n_targets:
            raise ValueError(
                f"y has {matrix.shape[1]} targets; the estimator was fitted with {self.n_targets}."
            )
        return matrix

    def restore(self, encoded: NDArray[Any]) -> NDArray[Any]:
        return encoded.ravel() if self.ndim == 1 else encoded

    def weights(
        self, encoded: NDArray[Any], sample_weight: Float64Array, class_weight: Any
    ) -> Float64Array:
        return np.ones(len(encoded))

    def resolve(
        self, encoded: NDArray[Any], sample_weight: Float64Array, pos_weight: Any
    ) -> NumericTargets:
        return self

    def prepare(self, module: AECFModule) -> None:
        module.target_scaler = ColumnScaler(self.n_targets)

    def fit(self, module: AECFModule, encoded: NDArray[Any], sample_weight: Float64Array) -> None:
        check_training_targets(encoded, self._name_of)
        self._scaler(module).fit(encoded, sample_weight, standardize=True)

    def tensor(self, module: AECFModule, encoded: NDArray[Any]) -> Tensor:
        scaled = self._scaler(module).transform(encoded)
        check_scaled(scaled, encoded, self._name_of)
        return torch.from_numpy(scaled.astype(np.float32))

    def prior_output(self, encoded: NDArray[Any], sample_weight: Float64Array) -> Tensor:
        return torch.zeros(self.n_targets)

    def decode(self, module: AECFModule, outputs: Float64Array) -> Float64Array:
        """Return outputs (n_samples, n_targets) in the units and with the dimensions of y."""
        values = self._scaler(module).inverse_transform(outputs)
        largest = np.finfo(np.float64).max
        return self.restore(np.clip(values, -largest, largest))

    def comparable(self, module: AECFModule, y: ArrayLike) -> Float64Array:
        """Divide y (n_samples,) or (n_samples, n_targets) so that its squares are in range."""
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        exponent = self._scaler(module).exponent.cpu().numpy()
        divided: Float64Array = np.ldexp(values, -exponent[0] if values.ndim == 1 else -exponent)
        return divided

    def _name_of(self, column: int) -> str:
        return "y" if self.n_targets == 1 else f"column {column} of y"

    @staticmethod
    def _scaler(module: AECFModule) -> ColumnScaler:
        return cast(ColumnScaler, module.target_scaler)


@dataclass(frozen=True)
class NoTargets:
    """No targets; outputs are embeddings (n_samples, n_components)."""

    n_components: int
    stratify: ClassVar[bool] = False
    calibration_error: ClassVar[None] = None

    @property
    def n_outputs(self) -> int:
        return self.n_components

    @property
    def loss_options(self) -> dict[str, Any]:
        return {}

    def encode(self, y: NDArray[Any]) -> NDArray[Any]:
        return y

    def restore(self, encoded: NDArray[Any]) -> NDArray[Any]:
        return encoded

    def weights(
        self, encoded: NDArray[Any], sample_weight: Float64Array, class_weight: Any
    ) -> Float64Array:
        return np.ones(len(encoded))

    def resolve(
        self, encoded: NDArray[Any], sample_weight: Float64Array, pos_weight: Any
    ) -> NoTargets:
        return self

    def prepare(self, module: AECFModule) -> None:
        pass

    def fit(self, module: AECFModule, encoded: NDArray[Any], sample_weight: Float64Array) -> None:
        pass

    def tensor(self, module: AECFModule, encoded: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(encoded))

    def prior_output(self, encoded: NDArray[Any], sample_weight: Float64Array) -> Tensor:
        return torch.zeros(self.n_components)
