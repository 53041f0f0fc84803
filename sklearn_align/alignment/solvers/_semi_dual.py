"""Entropic optimal transport from batches of one side to all samples of the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from sklearn_align._linalg import scale_to_unit_length, unit_rows
from sklearn_align._similarity import row_blocks
from sklearn_align._typing import Float64Array, FloatArray, IntArray
from sklearn_align.alignment._recipes import STOCHASTIC_TRANSPORT
from sklearn_align.alignment.solvers._sinkhorn import second_moment, whitening_by


class SemiDual:
    """Transport plans from batches to the samples of `Y` (n_Y, n_features), in blocks.

    The weights of the target samples are kept from one batch to the next. They are the exponentials
    of the semi-dual potentials, updated such that every target sample receives the same mass.

    A. Genevay, M. Cuturi, G. Peyré, F. Bach, "Stochastic optimization for large-scale optimal
    transport", NeurIPS 2016.
    """

    def __init__(self, Y: FloatArray, epsilon: float, whitening: float = 0.0) -> None:
        self._Y = Y
        self._whitening = whitening
        self._epsilon = epsilon
        self.weights = np.ones(len(Y), dtype=Y.dtype)
        self._is_seen = np.zeros(len(Y), dtype=bool)

    def cross_covariance(
        self,
        X: FloatArray,
        W: FloatArray,
        n_targets: int | None,
        random_state: np.random.RandomState,
    ) -> FloatArray:
        """``X.T @ P @ Y`` for a batch of unit samples, with `n_targets` samples of `Y` drawn.

        ``P`` has total mass 1 and exactly uniform marginals on the side of the batch. Shape
        (n_features_A, n_features_B).
        """
        n_all = len(self._Y)
        chosen: slice | IntArray = slice(None)
        if n_targets is not None and n_targets < n_all:
            chosen = random_state.choice(n_all, n_targets, replace=False).astype(np.intp)
        Y, weights = self._Y[chosen], self.weights[chosen]
        mapped, compared = X @ W, Y
        if self._whitening:
            drawn = not isinstance(chosen, slice)
            moment_Y = second_moment(Y) if drawn else self._moment_of_targets
            D = whitening_by(second_moment(mapped) + moment_Y, self._whitening).astype(Y.dtype)
            mapped, compared = mapped @ D, unit_rows(Y @ D)
        scale_to_unit_length(mapped)
        kernel = _Kernel(mapped, compared, self._epsilon)
        unseen = ~self._is_seen[chosen]
        if unseen.any():
            kernel.keep()
            for _ in range(STOCHASTIC_TRANSPORT.n_first_updates):
                masses = _masses(kernel, weights)
                weights = np.where(unseen, _balanced(weights, masses, 1.0), weights)
            self._is_seen[chosen] = True
        images = np.empty((len(X), Y.shape[1]), dtype=X.dtype)
        masses = _masses(kernel, weights, Y, images)
        self.weights[chosen] = _balanced(weights, masses, STOCHASTIC_TRANSPORT.update_power)
        return np.asarray(X.T @ images) / len(X)

    @cached_property
    def _moment_of_targets(self) -> Float64Array:
        return second_moment(self._Y)


class _Kernel:
    """Exponentials of the similarities of `mapped` (n_X, n_features) and `Y`, in blocks of rows.

    Both are unit samples. Blocks are computed again in every pass, unless they are kept; a block
    that is not kept is overwritten by the next one.
    """

    def __init__(self, mapped: FloatArray, Y: FloatArray, epsilon: float) -> None:
        self._mapped = mapped / mapped.dtype.type(epsilon)
        self._targets = Y.T
        # The exponential of the largest similarity, times the number of samples, stays in range.
        self._shifted = 1 / epsilon > STOCHASTIC_TRANSPORT.max_exponent
        self._blocks: Iterable[tuple[slice, FloatArray]] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._mapped), self._targets.shape[1]

    def keep(self) -> None:
        """Keep all blocks for further passes, if they need little memory."""
        n_bytes = self.shape[0] * self.shape[1] * self._mapped.dtype.itemsize
        if n_bytes <= STOCHASTIC_TRANSPORT.max_kept_bytes:
            values = np.empty(self.shape, dtype=self._mapped.dtype)
            self._blocks = [
                (block, self._compute(block, values[block])) for block in self._row_blocks()
            ]

    def __iter__(self) -> Iterator[tuple[slice, FloatArray]]:
        if self._blocks is not None:
            yield from self._blocks
            return
        buffer: FloatArray | None = None
        for block in self._row_blocks():
            if buffer is None:
                n_rows = block.stop - block.start
                buffer = np.empty((n_rows, self.shape[1]), dtype=self._mapped.dtype)
            yield block, self._compute(block, buffer[: block.stop - block.start])

    def _row_blocks(self) -> Iterator[slice]:
        return row_blocks(*self.shape, self._mapped.dtype)

    def _compute(self, block: slice, values: FloatArray) -> FloatArray:
        np.matmul(self._mapped[block], self._targets, out=values)
        if self._shifted:
            # The scaling of the rows absorbs it.
            values -= values.max(axis=1, keepdims=True)
        return np.exp(values, out=values)


def _masses(
    kernel: _Kernel,
    weights: FloatArray,
    Y: FloatArray | None = None,
    images: FloatArray | None = None,
) -> FloatArray:
    """Mass (n_Y,) that target samples receive, 1 on average.

    Averages of target samples `Y` under the plan are written into `images` (n_X, n_features).
    """
    n_samples, n_targets = kernel.shape
    masses = np.zeros(n_targets, dtype=weights.dtype)
    tiny = np.finfo(weights.dtype).tiny
    # The sums of rows come from the product of the averages: the block is read once less.
    columns = weights if Y is None else np.column_stack([weights, weights[:, None] * Y])
    for block, values in kernel:
        products = values @ columns
        row = 1 / np.maximum(products if Y is None else products[:, 0], tiny)
        masses += row @ values
        if images is not None:
            images[block] = row[:, None] * products[:, 1:]
    return np.asarray(masses * weights * (n_targets / n_samples))


def _balanced(weights: FloatArray, masses: FloatArray, power: float) -> FloatArray:
    """Return weights that bring the masses nearer to 1, with mean 1."""
    new = weights / np.maximum(masses, STOCHASTIC_TRANSPORT.min_mass) ** power
    return np.asarray((new / new.mean()).astype(weights.dtype))
