"""Groups of samples that are drawn separately, and the order in which they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from sklearn_align._modalities import Columns, read_blocks
from sklearn_align._typing import BoolArray


@dataclass(frozen=True)
class Groups:
    """Group of each sample, `labels` (n_samples,), and the distinct groups in drawing order."""

    labels: NDArray[Any]
    names: list[Any]

    def members(self) -> Iterator[tuple[Any, BoolArray]]:
        """Yield each group with the mask of its samples, (n_samples,)."""
        for name in self.names:
            yield name, self.labels == name


def label_groups(labels: ArrayLike) -> Groups:
    """Group samples by labels (n_samples,); the groups are sorted by value."""
    values = column_or_1d(labels)
    return Groups(values, np.unique(values).tolist())


def presence_groups(X: Any, modalities: Mapping[str, Columns]) -> Groups:
    """Group samples by the modalities that they have, largest number of modalities first."""
    _, layout, presence = read_blocks(X, modalities)
    patterns, index = np.unique(presence, axis=0, return_inverse=True)
    # Among patterns of one size, that with the earlier modalities comes first.
    order = sorted(
        range(len(patterns)), key=lambda i: (-patterns[i].sum(), (~patterns[i]).tolist())
    )
    labels = _pattern_labels(patterns, layout.names)
    return Groups(np.array(labels)[index.reshape(-1)], [labels[i] for i in order])


def _pattern_labels(patterns: BoolArray, names: tuple[str, ...]) -> list[str]:
    """Label each presence pattern (n_patterns, n_modalities), such as "image + audio" or "none"."""

    def label(pattern: BoolArray, shown: tuple[str, ...]) -> str:
        return " + ".join(np.array(shown)[pattern].tolist()) or "none"

    labels = [label(pattern, names) for pattern in patterns]
    if len(set(labels)) < len(labels):
        # A name that contains " + " or is "none" can look like another pattern: quotes tell them
        # apart.
        labels = [label(pattern, tuple(map(repr, names))) for pattern in patterns]
    return labels
