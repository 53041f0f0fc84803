"""Centres of a space (mean, spatial median, mean of unit samples) on real and long-tailed data.

python -m tests.benchmarks.bench_alignment_centres --data sentences.npz encoders.npz --seeds 2

Encoders whose samples all have one length give the same result with a mean of unit samples as with
a mean of raw samples, and are left out. The synthetic spaces are two views of one sample of 1,500
points in 48 dimensions, of which one sample is 1,000 times as long, or all lengths are drawn from a
lognormal distribution, or all points lie around an offset.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import _mini_vec2vec
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning
from sklearn_align.metrics import retrieval_accuracy
from tests.benchmarks.alignment_data import FloatArray, Spaces, load_archives, unit
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

PAIRS = (
    "word2vec_a:word2vec_b",
    "minilm_layer5:minilm",
    "minilm_layer4:minilm",
    "static:minilm",
    "minilm:wordllama",
    "wordllama:minilm",
    "wordllama:mpnet",
    "wordllama:e5",
    "use:wordllama",
)
SYNTHETIC = ("as drawn", "one sample x 1000", "lognormal 0.5", "lognormal 1.5", "offset")
CENTRES = ("mean", "spatial median", "mean of unit samples")
KEYS = ("spaces", "centre", "seed")


class RawMean(CentredNormalizer):
    """Subtracts the mean of raw samples before it scales to unit length."""

    @staticmethod
    def centre(X: FloatArray) -> FloatArray:
        """Return the centre of raw samples (n_features,)."""
        return np.asarray(X.mean(axis=0, dtype=np.float64))

    @classmethod
    def fit(cls, X: FloatArray) -> RawMean:
        """Measure the centre."""
        return cls(cls.centre(X), 1.0, True)

    def transform(
        self, X: FloatArray, W: FloatArray | None = None, lengths: Any = None
    ) -> FloatArray:
        """Centre raw samples, apply `W`, and scale to unit length."""
        Z = unit(X - self.mean)
        return np.asarray((Z if W is None else unit(Z @ W)).astype(X.dtype))


class SpatialMedian(RawMean):
    """Subtracts the point with the least sum of distances (Weiszfeld's iteration)."""

    @staticmethod
    def centre(X: FloatArray) -> FloatArray:
        """Return the centre of raw samples (n_features,)."""
        centre = np.median(X, axis=0)
        for _ in range(50):
            weights = 1 / np.maximum(np.linalg.norm(X - centre, axis=1), 1e-12)
            centre = weights @ X / weights.sum()
        return np.asarray(centre)


class UnitMean(RawMean):
    """Scales to unit length, subtracts the mean, and scales again."""

    @staticmethod
    def centre(X: FloatArray) -> FloatArray:
        """Return the centre of raw samples (n_features,)."""
        return np.asarray(unit(X).mean(axis=0, dtype=np.float64))

    def transform(
        self, X: FloatArray, W: FloatArray | None = None, lengths: Any = None
    ) -> FloatArray:
        """Centre unit samples, apply `W`, and scale to unit length."""
        return super().transform(unit(X).astype(X.dtype), W)


NORMALIZERS = {
    "mean": RawMean,
    "spatial median": SpatialMedian,
    "mean of unit samples": UnitMean,
}


def synthetic_spaces(kind: str, seed: int) -> Spaces:
    """Two views of one distribution, with lengths or an offset that the kind says."""
    data = make_rotated_embeddings(1500, 48, n_test=500, noise=0.1, random_state=seed)
    rng = np.random.default_rng(seed)
    sides = [data.XA, data.XB, data.XA_test, data.XB_test]
    if kind == "one sample x 1000":
        sides[0] = sides[0].copy()
        sides[0][rng.integers(len(sides[0]))] *= 1000
    elif kind.startswith("lognormal"):
        sigma = float(kind.split()[1])
        sides = [X * rng.lognormal(0, sigma, (len(X), 1)) for X in sides]
    elif kind == "offset":
        offsets = rng.standard_normal((2, 48))
        sides = [X + 2 * offsets[i % 2] for i, X in enumerate(sides)]
    A, B, A_test, B_test = (X.astype(np.float32) for X in sides)
    return Spaces(kind, A, B, A_test, B_test)


def draw(data: list[Path], spaces: str, seed: int) -> Spaces:
    """Draw 7,000 samples of each side of two encoders, or make synthetic spaces."""
    if ":" in spaces:
        return load_archives(data, spaces).draw(7000, seed)
    return synthetic_spaces(spaces, seed)


def centre_of_library(X: FloatArray) -> str:
    """Name the centre that the library takes."""
    return CENTRES[2] if CentredNormalizer.fit(X).directions else CENTRES[0]


def fit(data: list[Path], n_jobs: int, spaces: str, centre: str, seed: int) -> Figures:
    """Fit with one centre and measure the top-1 accuracy on held-out samples."""
    drawn = draw(data, spaces, seed)
    original = _mini_vec2vec.CentredNormalizer
    _mini_vec2vec.CentredNormalizer = NORMALIZERS[centre]  # type: ignore[misc]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AlignmentWarning)
            aligner = MiniVec2Vec(random_state=seed, n_jobs=n_jobs).fit(drawn.XA, drawn.XB)
        Z = aligner.transform(drawn.XA_test)
        T = aligner.transform_target(drawn.XB_test)
    finally:
        _mini_vec2vec.CentredNormalizer = original  # type: ignore[misc]
    return {"top1": float(retrieval_accuracy(Z, T)), "converged": bool(aligner.converged_)}


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    runs = Runs(args.out, "alignment_centres", KEYS)
    names = [*SYNTHETIC, *(args.pairs if args.data else ())]
    runs.fill(
        partial(fit, args.data, args.n_jobs),
        [
            {"spaces": name, "centre": centre, "seed": seed}
            for seed in range(args.seeds)
            for name in names
            for centre in CENTRES
        ],
    )

    def lines() -> Iterator[list[Any]]:
        for name, group in runs.frame().groupby("spaces", sort=False):
            medians = group.groupby("centre")["top1"].median()
            drawn = draw(args.data, name, 0)
            yield [name.replace(":", " to "), *(float(medians[centre]) for centre in CENTRES),
                   centre_of_library(drawn.XA), centre_of_library(drawn.XB),
                   group["seed"].nunique()]  # fmt: skip

    header = ["spaces", *(f"top-1, {centre}" for centre in CENTRES), "source of the library",
              "target of the library", "seeds"]  # fmt: skip
    write_table(args.out / "alignment_centres.csv", header, lines())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="archives of encoders")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, help="source:target")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--n-jobs", type=int, default=1)
    add_output_option(parser)
    main(parser.parse_args())
