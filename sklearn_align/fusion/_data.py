"""Prepared samples as whole tensors: the dataset and its batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from sklearn_align.fusion._skorch import Dataset


class ModalityDataset(Dataset):
    """Prepared samples: X (n_samples, n_features) without NaN, presence (n_samples, n_modalities).

    Weights (n_samples,) and a subset of the modalities (n_samples, n_modalities) may be among them.
    """

    def __init__(self, X: Mapping[str, Tensor], y: Tensor | None = None) -> None:
        super().__init__(dict(X), y, length=len(X["X"]))
        # skorch callbacks expect a y in every batch.
        self.placeholder = torch.zeros(len(X["X"]), dtype=torch.int64) if y is None else y

    def __getitem__(self, index: Any) -> tuple[dict[str, Tensor], Tensor]:
        return {name: values[index] for name, values in self.X.items()}, self.placeholder[index]

    def take(self, index: Tensor) -> ModalityDataset:
        """Copy the samples at the given positions, in their order."""
        X = {name: values[index] for name, values in self.X.items()}
        return ModalityDataset(X, None if self.y is None else self.y[index])


def is_prepared(X: Any) -> bool:
    """Tell whether X holds samples that have been validated and scaled already."""
    return isinstance(X, torch.utils.data.Dataset) or (isinstance(X, Mapping) and "presence" in X)


class TensorBatches:
    """Iterate over batches that are slices of whole tensors.

    It takes the place of ``torch.utils.data.DataLoader``, which stacks single samples.

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
