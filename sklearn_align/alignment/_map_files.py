"""Exported maps as npz and safetensors files, formats that hold nothing but numbers and text."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from sklearn_align.alignment._map_state import MapState

_METADATA = "metadata"


def encode_npz(state: MapState) -> bytes:
    """Return the bytes of an npz file; the array "metadata" has those of a JSON object in UTF-8."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(state.metadata).encode(), np.uint8)
    arrays: dict[str, Any] = {**state.arrays, _METADATA: text}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def decode_npz(path: Path) -> MapState:
    """Read an npz file; ValueError unless it holds what :func:`encode_npz` writes."""
    arrays = {
        name.removesuffix(".npy"): _decode_array(name, data)
        for name, data in _read_members(path).items()
    }
    if _METADATA not in arrays:
        raise ValueError("the array 'metadata' is missing")
    text = arrays.pop(_METADATA)
    try:
        metadata = json.loads(text.tobytes().decode("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("the array 'metadata' is not JSON") from None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("the array 'metadata' is not a JSON object of strings")
    return MapState(arrays, metadata)


def _read_members(path: Path) -> dict[str, bytes]:
    """Read the members of a zip archive, none of which is larger than the file."""
    try:
        # From memory, where no offset that the file states is an error of the file system.
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"its member {info.filename!r} is compressed")
            return {info.filename: archive.read(info) for info in archive.infolist()}
    # Encrypted members raise RuntimeError, unknown versions of zip its subclass.
    except (
        zipfile.BadZipFile,
        struct.error,
        EOFError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"it is not a readable npz file ({reason})") from None


def _decode_array(name: str, data: bytes) -> np.ndarray[Any, Any]:
    """Return the numbers of a member, whose header cannot make it larger than it is."""
    member = io.BytesIO(data)
    try:
        if npy.read_magic(member) != (1, 0):
            raise ValueError("another version of the format")
        shape, _, dtype = npy.read_array_header_1_0(member)
    except Exception as error:  # of the parsers of Python, which NumPy calls
        raise ValueError(f"its member {name!r} is not an array ({error})") from None
    if dtype.kind not in "fiub":
        raise ValueError(f"its member {name!r} has the type {dtype}, which is not a number")
    n_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or n_bytes != len(data) - member.tell():
        raise ValueError(f"its member {name!r} does not have the size in its header")
    member.seek(0)
    return np.asarray(npy.read_array(member, allow_pickle=False))


def encode_safetensors(state: MapState) -> bytes:
    """Return the bytes of a safetensors file."""
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise ImportError(_missing("Writing")) from error
    return bytes(save(state.arrays, metadata=state.metadata))


def decode_safetensors(path: Path) -> MapState:
    """Read a safetensors file; ValueError unless it is one, with tensors of float32 or float64."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ImportError(_missing("Reading")) from error
    try:
        with safe_open(path, framework="np") as file:
            arrays = {}
            for name in file.keys():  # noqa: SIM118 - the object is no mapping
                dtype = file.get_slice(name).get_dtype()
                if dtype not in ("F32", "F64"):
                    raise ValueError(f"the array {name!r} has the type {dtype}, not F32 or F64")
                arrays[name] = file.get_tensor(name)
            return MapState(arrays, dict(file.metadata() or {}))
    except SafetensorError as error:
        raise ValueError(f"it is not a readable safetensors file ({error})") from None


def _missing(action: str) -> str:
    return f"{action} safetensors files needs safetensors: pip install 'sklearn-align[export]'."
