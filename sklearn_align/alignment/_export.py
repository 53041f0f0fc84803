"""Export of a fitted aligner to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn_align._atomic import write_atomically
from sklearn_align.alignment._map_files import encode_npz, encode_safetensors
from sklearn_align.alignment._map_state import MapState, fitted_attributes, state_of
from sklearn_align.alignment._onnx import encode_onnx

if TYPE_CHECKING:
    from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec

_ENCODERS: dict[str, Callable[[MapState], bytes]] = {
    "npz": encode_npz,
    "safetensors": encode_safetensors,
    "onnx": encode_onnx,
}


def export_map(
    aligner: MiniVec2Vec,
    path: str | os.PathLike[str],
    format: str | None,
    metadata: Mapping[str, str] | None,
) -> None:
    """Write a fitted aligner; see :meth:`MiniVec2Vec.export`."""
    file = Path(path)
    listed = ", ".join(map(repr, _ENCODERS))
    if format is None:
        format = file.suffix.lower().removeprefix(".")
        if format not in _ENCODERS:
            raise ValueError(
                f"The name {file.name!r} does not end in one of the formats {listed}: pass format."
            )
    elif format not in _ENCODERS:
        raise ValueError(f"format must be one of {listed} or None, got {format!r}.")
    state = state_of(aligner, metadata)
    try:
        fitted_attributes(state)
    except ValueError as error:
        raise ValueError(f"This {type(aligner).__name__} cannot be exported: {error}.") from None
    write_atomically(file, _ENCODERS[format](state))
