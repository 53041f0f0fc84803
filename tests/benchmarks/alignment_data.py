"""Pairs of embedding spaces for the alignment benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align.datasets import load_mfeat, load_sentence_embeddings
from sklearn_align.metrics import mean_cosine_similarity, retrieval_accuracy

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Spaces:
    """Unpaired rows to fit on and paired rows to evaluate on."""

    name: str
    XA: FloatArray
    XB: FloatArray
    XA_test: FloatArray
    XB_test: FloatArray
    # Counterparts of XA, for supervised maps and known pairs; None when there are none.
    XA_counterparts: FloatArray | None = None

    def sample(self, n_rows: int | None, seed: int) -> Spaces:
        """Draw rows of both sides."""
        rng = np.random.default_rng(seed)
        rows_A, rows_B = (rng.permutation(len(X))[:n_rows] for X in (self.XA, self.XB))
        counterparts = self.XA_counterparts
        return Spaces(
            self.name,
            self.XA[rows_A],
            self.XB[rows_B],
            self.XA_test,
            self.XB_test,
            None if counterparts is None else counterparts[rows_A],
        )

    def top1_and_cosine(self, Z: FloatArray, T: FloatArray) -> tuple[float, float]:
        """Retrieval accuracy and mean cosine of held-out rows."""
        return retrieval_accuracy(Z, T), mean_cosine_similarity(Z, T)

    def oracle(self) -> tuple[float, float]:
        """Figures of supervised Procrustes on the counterparts of the source rows."""
        if self.XA_counterparts is None:
            return float("nan"), float("nan")
        mean_A, mean_B = self.XA.mean(axis=0), self.XB.mean(axis=0)
        A, B = _unit(self.XA - mean_A), _unit(self.XA_counterparts - mean_B)
        U, _, Vt = np.linalg.svd(A.T @ B, full_matrices=False)
        return self.top1_and_cosine(_unit(self.XA_test - mean_A) @ (U @ Vt), self.XB_test - mean_B)


def unrelated_spaces(spaces: Spaces, kind: str, seed: int) -> Spaces:
    """Replace the target rows by rows that have nothing to do with the source.

    The kinds are "normal" (normal rows with the covariance of the target), "shuffled" (every
    column shuffled by itself) and "digits" (six views of handwritten digits).
    """
    rng = np.random.default_rng(seed)
    XB = spaces.XB
    if kind == "normal":
        L = np.linalg.cholesky(np.cov(XB.T) + 1e-9 * np.eye(XB.shape[1]))
        XB = (rng.standard_normal(XB.shape) @ L.T).astype(np.float32)
    elif kind == "shuffled":
        XB = rng.permuted(XB, axis=0)
    else:
        digits = load_mfeat().data
        XB = ((digits - digits.mean(axis=0)) / digits.std(axis=0)).astype(np.float32)
    return Spaces(f"{spaces.name.split(' -> ')[0]} -> {kind}", spaces.XA, XB,
                  spaces.XA_test, XB[: len(spaces.XA_test)])  # fmt: skip


def _unit(X: FloatArray) -> FloatArray:
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)


def load_spaces(path: Path | None, source: str, target: str) -> Spaces:
    """Load two encoders of an archive, or the pair that comes with the package.

    The archive holds one array per encoder, row i being the same text in all of them, and `split`:
    0 for rows of the source side, 1 for rows of the target side, 2 for held-out rows.
    """
    if path is None:
        data = load_sentence_embeddings()
        return Spaces("word2vec", data.XA, data.XB, data.XA_test, data.XB_test)
    with np.load(path) as archive:
        split = archive["split"]
        A, B = (archive[name].astype(np.float32) for name in (source, target))
    return Spaces(
        f"{source} -> {target}",
        A[split == 0],
        B[split == 1],
        A[split == 2],
        B[split == 2],
        B[split == 0],
    )
