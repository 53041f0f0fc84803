"""Known pairs: the corrected map against the orthogonal one, Procrustes and ridge regression.

python -m tests.benchmarks.bench_alignment_pairs --data sentences.npz encoders.npz --seeds 1

All methods see the same pairs; the aligner also sees 7,000 unpaired samples of each side. Accuracy
is measured on held-out pairs, recall against an index of the target encoder.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from sklearn_align import MiniVec2Vec
from sklearn_align.exceptions import AlignmentWarning
from sklearn_align.metrics import neighbor_recall, retrieval_accuracy
from tests.benchmarks.alignment_data import FloatArray, load_archives, unit
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

PAIRS = ("word2vec_a:word2vec_b", "minilm_layer4:minilm", "minilm:use", "wordllama:e5", "e5:mpnet")
METHODS = ("corrected", "orthogonal", "Procrustes", "ridge")
KEYS = ("pair", "n_pairs", "seed")


def fit(data: list[Path], pair: str, n_pairs: int, seed: int) -> Figures:
    """Fit all methods to the same pairs and measure them on held-out ones."""
    spaces = load_archives(data, pair).draw(7000, seed)
    known = spaces.draw_pairs(n_pairs, 0.0, seed)
    assert known is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner = MiniVec2Vec(random_state=seed).fit(spaces.XA, XB=spaces.XB, pairs=known)
    target = aligner.transform_target(spaces.XB_test)

    def centred(X: FloatArray) -> FloatArray:
        X = unit(X) if aligner.source_normalized_ else X
        return unit(X - aligner.source_mean_)

    A, B = centred(known[0]), aligner.transform_target(known[1])
    U, _, Vt = np.linalg.svd(A.T @ B, full_matrices=False)
    ridge = RidgeCV(np.logspace(-3, 3, 25)).fit(A, B)
    test = centred(spaces.XA_test)
    mapped = {
        "corrected": aligner.transform(spaces.XA_test),
        "orthogonal": test @ aligner.map_,
        "Procrustes": test @ (U @ Vt),
        "ridge": ridge.predict(test),
    }
    figures: Figures = {"strength": float(aligner.correction_strength_)}
    for name, Z in mapped.items():
        figures[f"top1, {name}"] = float(retrieval_accuracy(Z, target))
        figures[f"recall, {name}"] = float(neighbor_recall(Z, target, target[:500]))
    return figures


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    runs = Runs(args.out, "alignment_pairs", KEYS)
    runs.fill(
        partial(fit, args.data),
        [
            {"pair": pair, "n_pairs": n_pairs, "seed": seed}
            for seed in range(args.seeds)
            for n_pairs in args.n_pairs
            for pair in args.pairs
        ],
    )

    def lines() -> Iterator[list[Any]]:
        for (pair, n_pairs), group in runs.frame().groupby(["pair", "n_pairs"], sort=False):
            medians = group.drop(columns="pair").median()
            cells = [
                f"{medians[f'top1, {name}']:.3f} / {medians[f'recall, {name}']:.3f}"
                for name in METHODS
            ]
            yield [pair.replace(":", " to "), n_pairs, *cells, len(group)]

    write_table(
        args.out / "alignment_pairs.csv", ["encoders", "known pairs", *METHODS, "seeds"], lines()
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="archives of encoders")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, help="source:target")
    parser.add_argument("--n-pairs", nargs="+", type=int, default=[100, 300, 1000])
    parser.add_argument("--seeds", type=int, default=1)
    add_output_option(parser)
    main(parser.parse_args())
