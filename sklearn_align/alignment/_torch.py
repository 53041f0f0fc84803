"""A fitted map as a torch module. Imported on demand, because torch is optional."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_align._atomic import write_atomically
from sklearn_align.alignment._load import load_map
from sklearn_align.alignment._map_files import encode_npz
from sklearn_align.alignment._map_state import state_of
from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec

_KEY = "sentence_embedding"
_FILE = "map.npz"


class AlignmentModule(nn.Module):
    """Map embeddings (..., n_features) in the same way as ``to_target`` of a fitted aligner.

    The module has no trainable parameters and is differentiable. Half precision is computed in
    float32. sentence-transformers calls the methods `get_embedding_dimension`, `save` and `load`,
    and stores the name of this class in its files.
    """

    linear_map: Tensor
    source_mean: Tensor
    target_mean: Tensor

    def __init__(self, aligner: MiniVec2Vec) -> None:
        super().__init__()
        self._state = state_of(aligner, None)
        for name in ("linear_map", "source_mean", "target_mean"):
            array = np.array(getattr(aligner, f"{name}_"))
            self.register_buffer(name, torch.from_numpy(array))
        self.source_normalized = aligner.source_normalized_
        self.target_normalized = aligner.target_normalized_
        self.target_length = aligner.target_length_
        self.target_radius = aligner.target_radius_
        kept = aligner._target_normalizer.keeps_lengths_of(aligner._source_normalizer)
        # The factor of lengths from one space to the other, None where they are not kept.
        self.length_ratio = aligner.target_radius_ / aligner.source_radius_ if kept else None

    @overload
    def forward(self, features: Tensor) -> Tensor: ...
    @overload
    def forward(self, features: Mapping[str, Any]) -> dict[str, Any]: ...
    def forward(self, features: Tensor | Mapping[str, Any]) -> Tensor | dict[str, Any]:
        """Map a tensor, or the entry "sentence_embedding" of a dict."""
        if isinstance(features, Mapping):
            return {**features, _KEY: self._map(features[_KEY])}
        return self._map(features)

    def get_embedding_dimension(self) -> int:
        """Return the width of the output."""
        return int(self.linear_map.shape[1])

    # The name that older releases of sentence-transformers ask for.
    get_sentence_embedding_dimension = get_embedding_dimension

    def save(self, output_path: str | os.PathLike[str], **options: Any) -> None:
        """Write the map to a folder, in the precision of the aligner."""
        write_atomically(Path(output_path, _FILE), encode_npz(self._state))

    @classmethod
    def load(cls, input_path: str | os.PathLike[str]) -> Self:
        """Read the map from a folder; no code from it is executed."""
        return cls(load_map(Path(input_path, _FILE)))

    def extra_repr(self) -> str:
        """Return both widths."""
        n_features, n_features_target = self.linear_map.shape
        return f"n_features={n_features}, n_features_target={n_features_target}"

    def _map(self, X: Tensor) -> Tensor:
        if not X.is_floating_point():
            raise TypeError(
                f"Embeddings must be a tensor of floating-point numbers, not {X.dtype}."
            )
        n_features = self.linear_map.shape[0]
        if X.shape[-1] != n_features:
            raise ValueError(
                f"Embeddings have {X.shape[-1]} features, but the map takes {n_features}."
            )
        result_dtype, dtype = X.dtype, torch.promote_types(X.dtype, torch.float32)
        X = X.to(dtype)
        lengths = _lengths(X)
        if self.source_normalized:
            X = _scaled(X, lengths)
        centred = X - self.source_mean.to(dtype)
        mapped = centred @ self.linear_map.to(dtype)
        Z = _scaled(mapped, _lengths(mapped))
        if self.source_normalized:
            Z = torch.where(lengths == 0, torch.zeros_like(Z), Z)
        else:
            lengths = _lengths(centred)
        return self._raw(Z, lengths).to(result_dtype)

    def _raw(self, Z: Tensor, lengths: Tensor) -> Tensor:
        """Raw coordinates of unit samples, whose `lengths` (..., 1) are of the source space."""
        mean = self.target_mean.to(Z.dtype)
        if self.target_length is not None:
            return Z * _reach(Z, mean, self.target_length) + mean
        if self.length_ratio is None:
            lengths = torch.full_like(lengths, self.target_radius)
        else:
            lengths = lengths * self.length_ratio
        if self.target_normalized:
            return (Z * _reach(Z, mean, 1.0) + mean) * lengths
        return Z * lengths + mean


def _lengths(X: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(X, dim=-1, keepdim=True)
    return lengths


def _scaled(X: Tensor, lengths: Tensor) -> Tensor:
    """Divide samples by their lengths; zeros stay zeros."""
    return X / torch.where(lengths == 0, torch.ones_like(lengths), lengths)


def _reach(Z: Tensor, mean: Tensor, length: float) -> Tensor:
    """Distance (..., 1) from `mean` along unit samples to the sphere of radius `length`."""
    along = (Z @ mean)[..., None]
    rest = length**2 - mean @ mean + along**2
    return torch.sqrt(rest.clamp(min=0)) - along
