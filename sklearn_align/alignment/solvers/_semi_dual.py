"""Entropic optimal transport from batches of one side to all samples of the other."""

from __future__ import annotations

import numpy as np

from sklearn_align._linalg import scale_to_unit_length, unit_rows
from sklearn_align._similarity import row_blocks
from sklearn_align._typing import FloatArray, IntArray
from sklearn_align.alignment._recipes import STOCHASTIC_TRANSPORT
from sklearn_align.alignment.solvers._sinkhorn import partial_whitening


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
            D = partial_whitening(mapped, Y, self._whitening)
            mapped, compared = mapped @ D, unit_rows(Y @ D)
        scale_to_unit_length(mapped)
        mapped /= X.dtype.type(self._epsilon)
        unseen = ~self._is_seen[chosen]
        if unseen.any():
            for _ in range(STOCHASTIC_TRANSPORT.n_first_updates):
                masses = self._masses(mapped, compared, weights)
                weights = np.where(unseen, _balanced(weights, masses, 1.0), weights)
            self._is_seen[chosen] = True
        images = np.empty((len(X), Y.shape[1]), dtype=X.dtype)
        masses = self._masses(mapped, compared, weights, (weights[:, None] * Y, images))
        self.weights[chosen] = _balanced(weights, masses, STOCHASTIC_TRANSPORT.update_power)
        return np.asarray(X.T @ images) / len(X)

    def _masses(
        self,
        mapped: FloatArray,
        Y: FloatArray,
        weights: FloatArray,
        averages: tuple[FloatArray, FloatArray] | None = None,
    ) -> FloatArray:
        """Mass (n_Y,) that target samples receive, 1 on average.

        `averages` are the weighted target samples and an array (n_mapped, n_features) for their
        averages under the plan.
        """
        masses = np.zeros(len(Y), dtype=Y.dtype)
        for block in row_blocks(len(mapped), len(Y), Y.dtype):
            plan = mapped[block] @ Y.T
            # Keeps the exponential in range; the scaling of each row absorbs it.
            plan -= plan.max(axis=1, keepdims=True)
            np.exp(plan, out=plan)
            row = 1 / np.maximum(plan @ weights, np.finfo(Y.dtype).tiny)
            masses += row @ plan
            if averages is not None:
                weighted, images = averages
                images[block] = row[:, None] * (plan @ weighted)
        return np.asarray(masses * weights * (len(Y) / len(mapped)))


def _balanced(weights: FloatArray, masses: FloatArray, power: float) -> FloatArray:
    """Return weights that bring the masses nearer to 1, with mean 1."""
    new = weights / np.maximum(masses, STOCHASTIC_TRANSPORT.min_mass) ** power
    return np.asarray((new / new.mean()).astype(weights.dtype))
