"""Samples mapped block by block, into an array of the caller where one is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklearn_align._samples import OUTPUT_TYPES, computing_dtype, sample_blocks
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._normalizer import CentredNormalizer

# A block, its centred copy and its result fit in the cache.
_BLOCK_BYTES = 2 * 2**20


def map_samples(
    X: FloatArray,
    W: FloatArray,
    source: CentredNormalizer,
    target: CentredNormalizer | None = None,
    *,
    out: FloatArray | None = None,
    dtype: DTypeLike | None = None,
) -> FloatArray:
    """Map samples (n_samples, n_features) by `W`, to raw coordinates of `target` if given.

    The result (n_samples, W.shape[1]) is `out` if given, else a new array of `dtype`, by default of
    the computing type of X. Nothing larger than a block is held besides.
    """
    computing = computing_dtype(X)
    result = _result((len(X), W.shape[1]), X, computing, out, dtype)
    widest = (len(X), max(X.shape[1], W.shape[1]))
    for block in sample_blocks(widest, computing.itemsize, _BLOCK_BYTES):
        samples, block_result = X[block], result[block]
        direct = block_result if result.dtype == computing else None
        if target is None:
            Z = source.transform(samples, W, out=direct)
        else:
            lengths = np.empty(len(samples)) if target.keeps_lengths_of(source) else None
            Z = source.transform(samples, W, lengths=lengths, out=direct)
            if lengths is not None:
                lengths = target.lengths_from(source, lengths)
            Z = target.inverse_transform(Z, lengths, out=Z)
        if direct is None:
            _convert(Z, block_result)
    return result


def _result(
    shape: tuple[int, int],
    X: FloatArray,
    computing: np.dtype[Any],
    out: FloatArray | None,
    dtype: DTypeLike | None,
) -> FloatArray:
    """Return `out`, if it can hold the result, or a new array."""
    if dtype is not None and np.dtype(dtype).name not in OUTPUT_TYPES:
        raise ValueError(f"dtype must be one of {list(OUTPUT_TYPES)} or None, got {dtype!r}.")
    if out is None:
        return np.empty(shape, dtype=computing if dtype is None else dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array or None, got {type(out).__name__}.")
    if out.shape != shape or out.dtype.name not in OUTPUT_TYPES or not out.dtype.isnative:
        raise ValueError(
            f"out must have the shape {shape} and one of the types {list(OUTPUT_TYPES)}, got "
            f"{out.dtype} of shape {out.shape}. Pass numpy.empty({shape}, dtype)."
        )
    if dtype is not None and np.dtype(dtype) != out.dtype:
        raise ValueError(f"out has the type {out.dtype}, but dtype={dtype!r}. Leave out dtype.")
    if not out.flags.writeable:
        raise ValueError("out is read-only. Pass an array, or a memmap of mode 'r+', to write to.")
    if np.may_share_memory(out, X):
        raise ValueError("out overlaps the samples that are mapped. Pass another array.")
    return out


def _convert(Z: FloatArray, out: FloatArray) -> None:
    """Write `Z` to `out`, of a type that may not hold its values."""
    largest = float(np.abs(Z).max(initial=0.0))
    if largest > float(np.finfo(out.dtype).max):
        raise ValueError(
            f"A coordinate of {largest:.3g} is out of the range of {out.dtype.name}. Ask for "
            "another dtype."
        )
    out[:] = Z
