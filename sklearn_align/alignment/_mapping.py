"""Samples mapped block by block, into an array of the caller where one is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklearn_align._samples import OUTPUT_TYPES, computing_dtype, sample_blocks
from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.alignment._normalizer import CentredNormalizer, centre_samples, mapped_lengths
from sklearn_align.alignment._threads import share_work

# The samples of a block and their results stay in the cache of a core from step to step.
_BLOCK_BYTES = 2**20


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
    the computing type of X. Nothing larger than a block for each thread is held besides.
    `check` is called with samples that may not be finite, possibly on another thread.

    Blocks are shared among as many threads as BLAS has, which keeps to one thread for each.
    """
    computing = computing_dtype(X)
    result = _result((len(X), W.shape[1]), X, computing, out, dtype)
    with np.errstate(over="ignore"):
        matrix = W.astype(computing, copy=False)
    keeps_lengths = target is not None and target.keeps_lengths_of(source)
    needs_lengths = keeps_lengths or source.directions
    converts = result.dtype != computing
    widest = max(X.shape[1], W.shape[1])
    blocks = list(sample_blocks((len(X), widest), computing.itemsize, _BLOCK_BYTES))
    largest = blocks[0].stop if blocks else 0

    def map_block(
        samples: FloatArray, centred: FloatArray, Z: FloatArray, lengths: Float64Array | None
    ) -> None:
        centre_samples(
            samples, source.mean, directions=source.directions, lengths=lengths, out=centred
        )
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(centred, matrix, out=Z)
        norms = mapped_lengths(
            Z, samples, source.mean, W, directions=source.directions, lengths=lengths, check=check
        )
        if target is None:
            Z /= norms[:, None]
        else:
            new_lengths = None
            if keeps_lengths and lengths is not None:
                new_lengths = target.lengths_from(source, lengths)
            target.inverse_transform(Z, new_lengths, norms=norms, out=Z)

    def map_blocks(blocks: Sequence[slice]) -> None:
        centred = np.empty((largest, X.shape[1]), computing)
        mapped = np.empty((largest, W.shape[1]), computing) if converts else None
        lengths = np.empty(largest) if needs_lengths else None
        for block in blocks:
            samples, block_result = X[block], result[block]
            n = len(samples)
            Z = block_result if mapped is None else mapped[:n]
            map_block(samples, centred[:n], Z, None if lengths is None else lengths[:n])
            if mapped is not None:
                _convert(Z, block_result)

    # Few samples are mapped before threads have started.
    if len(blocks) > 1:
        share_work(map_blocks, blocks)
    else:
        map_blocks(blocks)
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
            f"A coordinate of {largest:.3g} is out of the range of {out.dtype.name}. Pass "
            "another dtype."
        )
    out[:] = Z
