"""Samples mapped block by block, into an array of the caller where one is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklearn_align._samples import OUTPUT_TYPES, computing_dtype, sample_blocks
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._normalizer import CentredNormalizer, centre_samples, scale_mapped
from sklearn_align.alignment._threads import blas_threads, shared_work

# A block is large next to what starting the threads of a product costs.
_BLOCK_BYTES = 4 * 2**20
# The parts of a block that threads share stay in the cache of a core from step to step.
_PART_BYTES = 2**19
# Steps between products are bound by memory and by the interpreter with more threads.
_MAX_THREADS = 8


def map_samples(
    X: FloatArray,
    W: FloatArray,
    source: CentredNormalizer,
    target: CentredNormalizer | None = None,
    *,
    out: FloatArray | None = None,
    dtype: DTypeLike | None = None,
    check: Callable[[FloatArray], object] | None = None,
) -> FloatArray:
    """Map samples (n_samples, n_features) by `W`, to raw coordinates of `target` if given.

    The result (n_samples, W.shape[1]) is `out` if given, else a new array of `dtype`, by default of
    the computing type of X. Nothing larger than a block is held besides. `check` is called with
    samples that may not be finite, possibly on another thread.

    Products run on the threads of BLAS, all other steps on as many threads of Python. No result
    depends on their number.
    """
    computing = computing_dtype(X)
    result = _result((len(X), W.shape[1]), X, computing, out, dtype)
    with np.errstate(over="ignore"):
        matrix = W.astype(computing, copy=False)
    keeps_lengths = target is not None and target.keeps_lengths_of(source)
    widest = max(X.shape[1], W.shape[1])
    blocks = list(sample_blocks((len(X), widest), computing.itemsize, _BLOCK_BYTES))
    largest = blocks[0].stop if blocks else 0
    centred = np.empty((largest, X.shape[1]), computing)
    mapped = None if result.dtype == computing else np.empty((largest, W.shape[1]), computing)
    lengths = np.empty(largest) if keeps_lengths or source.directions else None

    def map_block(samples: FloatArray, block_result: FloatArray) -> None:
        Z = block_result if mapped is None else mapped[: len(samples)]

        def centre(part: slice) -> None:
            centre_samples(
                samples[part],
                source.mean,
                directions=source.directions,
                lengths=None if lengths is None else lengths[part],
                out=centred[part],
            )

        def finish(part: slice) -> None:
            own_lengths = None if lengths is None else lengths[part]
            scale_mapped(
                Z[part],
                samples[part],
                source.mean,
                W,
                directions=source.directions,
                lengths=own_lengths,
                check=check,
            )
            if target is not None:
                target_lengths = None
                if keeps_lengths and own_lengths is not None:
                    target_lengths = target.lengths_from(source, own_lengths)
                target.inverse_transform(Z[part], target_lengths, out=Z[part])
            if mapped is not None:
                _convert(Z[part], block_result[part])

        parts = list(sample_blocks((len(samples), widest), computing.itemsize, _PART_BYTES))
        share(centre, parts)
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(centred[: len(samples)], matrix, out=Z)
        share(finish, parts)

    # Few samples are mapped before threads have started.
    with shared_work(min(blas_threads(), _MAX_THREADS) if len(blocks) > 1 else 1) as share:
        for block in blocks:
            map_block(X[block], result[block])
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
    largest = max(float(Z.max(initial=0.0)), -float(Z.min(initial=0.0)))
    if largest > float(np.finfo(out.dtype).max):
        raise ValueError(
            f"A coordinate of {largest:.3g} is out of the range of {out.dtype.name}. Ask for "
            "another dtype."
        )
    out[:] = Z
