"""Checks of probabilities, of classes as of modality weights, with one tolerance."""

from __future__ import annotations

import numpy as np

from sklearn_align._typing import Float64Array

# Rounding changes a float16 probability by at most a factor 2**-11 = 4.9e-4, and so the sum of a
# sample. Sums of float32 probabilities are off by far less, and both pass; what is farther from 1
# than this tolerance was not normalized.
TOLERANCE = 1e-3


def check_range(proba: Float64Array, name: str, remedy: str) -> None:
    """Raise unless all values of `proba`, an array of any shape, lie in [0, 1]."""
    if proba.min() < 0 or proba.max() > 1 + TOLERANCE:
        raise ValueError(
            f"{name} must hold probabilities in [0, 1], got values from {proba.min():.4g} to "
            f"{proba.max():.4g}. {remedy}"
        )


def check_sums(proba: Float64Array, name: str, remedy: str, *, allow_zeros: bool = False) -> None:
    """Raise unless each sample of `proba` (n_samples, n_columns) sums to 1, or to 0 if allowed."""
    sums = proba.sum(axis=1)
    wrong = np.abs(sums - 1) > TOLERANCE
    if allow_zeros:
        wrong &= sums != 0
    if wrong.any():
        sample = int(wrong.argmax())
        raise ValueError(
            f"{name} must sum to 1 for each sample{' (or be all 0)' if allow_zeros else ''}, but "
            f"those of sample {sample} sum to {sums[sample]:.4g}. {remedy}"
        )
