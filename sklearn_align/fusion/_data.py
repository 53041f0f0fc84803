"""Prepared samples as whole tensors: the dataset and its batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from sklearn_align.fusion._skorch import Dataset

if TYPE_CHECKING:
    from sklearn_align.fusion._targets import Targets


class ModalityDataset(Dataset):
    """Prepared samples: X (n_samples, n_features) without NaN, presence (n_samples, n_modalities).

    Weights (n_samples,), a subset of the modalities (n_samples, n_modalities) and encoded targets
    before they are scaled (n_samples, ...) may be among them. Batches have the targets `encoded`
    that the loss takes; `y` is what scoring callbacks read, the targets as they were given.
    """

    encoded: Tensor

    def __init__(
        self, X: Mapping[str, Tensor], encoded: Tensor | None = None, y: Any = None
    ) -> None:
        super().__init__(dict(X), encoded if y is None else y, length=len(X["X"]))
        # skorch callbacks expect a y in every batch.
        self.encoded = torch.zeros(len(self), dtype=torch.int64) if encoded is None else encoded

    def __getitem__(self, index: Any) -> tuple[dict[str, Tensor], Tensor]:
        return {name: values[index] for name, values in self.X.items()}, self.encoded[index]

    def take(self, index: Tensor) -> ModalityDataset:
        """Copy the samples at the given positions, in their order."""
        X = {name: values[index] for name, values in self.X.items()}
        y = self.y if self.y is None or isinstance(self.y, Tensor) else np.asarray(self.y)
        return ModalityDataset(X, self.encoded[index], None if y is None else y[index.numpy()])


def is_prepared(X: Any) -> bool:
    """Tell whether X holds samples that have been validated and scaled already."""
    if isinstance(X, Mapping):
        return isinstance(X.get("X"), Tensor) and isinstance(X.get("presence"), Tensor)
    return isinstance(X, torch.utils.data.Dataset)


def given_targets(targets: Targets, encoded: NDArray[Any]) -> Any:
    """Targets as they were given, as a tensor where torch has the type, else as an array."""
    y = targets.restore(encoded)
    if y.dtype.kind == "u" and y.dtype != np.uint8:  # torch cannot index them in all releases.
        return y
    try:
        return torch.from_numpy(y)
    except (TypeError, ValueError):
        return y


def with_given_targets(targets: Targets, batch: Any) -> Any:
    """Return a batch whose targets are those that were given, if it has them."""
    samples = batch[0]
    if isinstance(samples, Mapping) and "target" in samples:
        return samples, given_targets(targets, samples["target"].cpu().numpy())
    return batch


class TensorBatches:
    """Iterate over batches that are slices of whole tensors.

    It replaces ``torch.utils.data.DataLoader``, which stacks single samples.

    Parameters
    ----------
    dataset : ModalityDataset, or Subset of one
        The samples.

    batch_size : int, default=128
        Number of samples of a batch.

    shuffle : bool, default=False
        Whether to draw a new order for every pass, from torch's global generator.

    drop_last : bool, default=False
        Whether to leave out a last batch that is smaller than the others.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import TensorBatches
    >>> from sklearn_align.fusion._data import ModalityDataset
    >>> presence = torch.ones(5, 1, dtype=torch.bool)
    >>> samples = ModalityDataset({"X": torch.zeros(5, 2), "presence": presence})
    >>> [len(y) for X, y in TensorBatches(samples, batch_size=2)]
    [2, 2, 1]
    """

    def __init__(
        self, dataset: Any, batch_size: int = 128, shuffle: bool = False, drop_last: bool = False
    ) -> None:
        self.dataset = _materialize(dataset)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last

    def __len__(self) -> int:
        if self.drop_last:
            return len(self.dataset) // self.batch_size
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self.dataset, ModalityDataset):
            yield from DataLoader(
                self.dataset, self.batch_size, shuffle=self.shuffle, drop_last=self.drop_last
            )
            return
        order = torch.randperm(len(self.dataset)) if self.shuffle else None
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            batch = slice(start, start + self.batch_size)
            yield self.dataset[batch if order is None else order[batch]]


def _materialize(dataset: Any) -> Any:
    """Replace a subset of a ModalityDataset by a copy of its samples."""
    if isinstance(dataset, Subset):
        parent = _materialize(dataset.dataset)
        if isinstance(parent, ModalityDataset):
            return parent.take(torch.as_tensor(np.asarray(dataset.indices), dtype=torch.int64))
    return dataset
