"""Pairs of embedding spaces for the alignment benchmarks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align.datasets import load_mfeat, load_sentence_embeddings
from sklearn_align.metrics import mean_cosine_similarity, retrieval_accuracy

FloatArray = NDArray[np.floating[Any]]
SHIPPED_PAIR = "word2vec_a:word2vec_b"


@dataclass(frozen=True)
class Spaces:
    """Unpaired samples to fit on and paired samples to evaluate on."""

    name: str
    XA: FloatArray
    XB: FloatArray
    XA_test: FloatArray
    XB_test: FloatArray
    # Counterparts of XA, for supervised maps and known pairs; None where there are none.
    XA_counterparts: FloatArray | None = None

    def draw(self, n_samples: int | None, seed: int) -> Spaces:
        """Draw samples of both sides."""
        rng = np.random.default_rng(seed)
        index_A, index_B = (rng.permutation(len(X))[:n_samples] for X in (self.XA, self.XB))
        counterparts = self.XA_counterparts
        return Spaces(
            self.name,
            self.XA[index_A],
            self.XB[index_B],
            self.XA_test,
            self.XB_test,
            None if counterparts is None else counterparts[index_A],
        )

    def draw_pairs(
        self, n_pairs: int, wrong: float, seed: int
    ) -> tuple[FloatArray, FloatArray] | None:
        """Draw known pairs, a share of them wrong; None if no pair is asked for."""
        if not n_pairs:
            return None
        if self.XA_counterparts is None:
            raise SystemExit("--n-pairs needs --data")
        index = np.random.default_rng(seed).choice(len(self.XA), n_pairs, replace=False)
        counterparts = self.XA_counterparts[index]
        n_wrong = round(wrong * n_pairs)
        counterparts[:n_wrong] = np.roll(counterparts[:n_wrong], 1, axis=0)
        return self.XA[index], counterparts

    def supervised(self) -> tuple[float, float]:
        """Top-1 and cosine of Procrustes on the counterparts of the source samples."""
        if self.XA_counterparts is None:
            return float("nan"), float("nan")
        mean_A, mean_B = self.XA.mean(axis=0), self.XB.mean(axis=0)
        A, B = unit(self.XA - mean_A), unit(self.XA_counterparts - mean_B)
        U, _, Vt = np.linalg.svd(A.T @ B, full_matrices=False)
        return top1_and_cosine(unit(self.XA_test - mean_A) @ (U @ Vt), self.XB_test - mean_B)


def top1_and_cosine(Z: FloatArray, T: FloatArray) -> tuple[float, float]:
    """Retrieval accuracy and mean cosine of paired samples."""
    return retrieval_accuracy(Z, T), mean_cosine_similarity(Z, T)


def unit(X: FloatArray) -> FloatArray:
    """Scale vectors to unit length."""
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)


def unrelated_spaces(spaces: Spaces, kind: str, seed: int) -> Spaces:
    """Replace the target samples by samples that are unrelated to the source.

    The kinds are "normal" (normal samples with the covariance of the target), "shuffled" (every
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


def load_spaces(path: Path | Sequence[Path] | None, pair: str) -> Spaces:
    """Load two encoders ("source:target") of archives, or the pair of the package."""
    if path is None:
        data = load_sentence_embeddings()
        return Spaces("word2vec", data.XA, data.XB, data.XA_test, data.XB_test)
    return load_archives([path] if isinstance(path, Path) else path, pair)


def load_archives(paths: Sequence[Path], pair: str) -> Spaces:
    """Load two encoders ("source:target") of archives over the same texts.

    An archive holds one array per encoder, row i being the same text in all of them, and `split`: 0
    for samples of the source side, 1 for samples of the target side, 2 for held-out samples.
    """
    source, target = pair.split(":")
    encoders = {}
    for path in paths:
        with np.load(path) as archive:
            split = archive["split"]
            for name in {source, target} & set(archive.files):
                encoders[name] = archive[name].astype(np.float32)
    A, B = encoders[source], encoders[target]
    return Spaces(
        f"{source} -> {target}",
        A[split == 0],
        B[split == 1],
        A[split == 2],
        B[split == 2],
        B[split == 0],
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the archive and one pair of encoders."""
    parser.add_argument("--data", type=Path, help="archive of encoders; else the shipped pair")
    parser.add_argument("--pair", default=SHIPPED_PAIR, help="source:target")
