"""Align two sentence encoders that were trained independently, without paired samples.

The aligner is fitted on different sentences of the two encoders. For held-out sentences, the
script tests whether the nearest neighbour of a mapped sentence is the same sentence. It prints the
results before and after the alignment, and the results of maps that were fitted on known pairs. It
saves the aligner, loads it again, and draws how often the same sentence is among the nearest
neighbours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import joblib
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.metrics import (
    csls_score,
    mean_cosine_similarity,
    mean_rank,
    retrieval_accuracy,
)
from sklearn_align.plotting import RetrievalDisplay


def procrustes(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Orthogonal map from samples to their counterparts; the widths may differ."""
    U, _, Vt = np.linalg.svd(A.T @ B, full_matrices=False)
    return U @ Vt


def main(output: Path) -> None:
    """Run the example and write its results to a folder."""
    output.mkdir(parents=True, exist_ok=True)
    data = load_sentence_embeddings(pair="minilm_mpnet")
    print(
        f"{len(data.XA)} sentences by encoder A, {len(data.XB)} other sentences by encoder B, "
        f"{len(data.XA_test)} held-out sentences by both"
    )

    aligner = MiniVec2Vec(random_state=0, n_jobs=2).set_callbacks(ProgressBar())
    aligner.fit(data.XA, data.XB)
    aligner.set_callbacks()

    targets = aligner.transform_target(data.XB_test)
    centred = normalize(data.XA_test - aligner.source_mean_)
    # Maps from known pairs: each third of the held-out sentences is mapped by a map that was
    # fitted on the other two thirds, 1,000 pairs.
    orthogonal, ridge = np.empty_like(targets), np.empty_like(targets)
    for known, asked in KFold(3).split(centred):
        orthogonal[asked] = centred[asked] @ procrustes(centred[known], targets[known])
        regression = RidgeCV(np.logspace(-2, 2, 9)).fit(centred[known], targets[known])
        ridge[asked] = regression.predict(centred[asked])
    # Only vectors of the same width can be compared before the alignment: zeros fill A's.
    filled = np.pad(centred, ((0, 0), (0, targets.shape[1] - centred.shape[1])))
    maps = {
        "before alignment": filled,
        "aligned, no pairs": aligner.transform(data.XA_test),
        "Procrustes, 1,000 pairs": orthogonal,
        "ridge, 1,000 pairs": ridge,
        "supervised oracle": centred @ procrustes(centred, targets),
    }
    print(f"\n{'':24}{'top-1':>8}{'mean rank':>12}{'cosine':>9}{'label-free score':>19}")
    for name, mapped in maps.items():
        print(
            f"{name:24}{retrieval_accuracy(mapped, targets):8.3f}"
            f"{mean_rank(mapped, targets):12.1f}{mean_cosine_similarity(mapped, targets):9.3f}"
            f"{csls_score(mapped, targets):19.3f}"
        )
    print(f"\nconverged_: {aligner.converged_}, agreement_: {aligner.agreement_:.3f}")
    for record in aligner.history_:
        print(f"  {record['stage']}: {record['n_iter']} iterations, {record['time']:.1f} s")

    path = output / "aligner.joblib"
    joblib.dump(aligner, path)
    same = np.array_equal(joblib.load(path).transform(data.XA_test), maps["aligned, no pairs"])
    print(f"saved to {path}, loaded again: {'same' if same else 'different'} result")

    display = RetrievalDisplay.from_estimator(aligner, data.XA_test, data.XB_test)
    display.ax_.set_title("Held-out sentences, no pairs used")
    plt.savefig(output / "retrieval.png", dpi=120, bbox_inches="tight")
    print(f"picture: {output / 'retrieval.png'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("output"))
    main(parser.parse_args().output)
