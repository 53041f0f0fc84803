"""Whether `converged_` and `expected_accuracy_` are right, on some 300 pairs of spaces.

python -m tests.benchmarks.bench_alignment_verdict --data sentences.npz encoders.npz

A map is right if it retrieves at least half as many held-out samples as Procrustes on all
counterparts does, wrong if it retrieves less than a tenth of them, else partly right. Where no map
can be right, every one is wrong.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_align import MiniVec2Vec
from sklearn_align.exceptions import AlignmentWarning, SmallSampleWarning
from sklearn_align.metrics import csls_score, retrieval_accuracy
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table
from tests.benchmarks.verdict_cases import build, cases

if TYPE_CHECKING:
    import pandas as pd

# Shares of the accuracy of the supervised map.
RIGHT, WRONG = 0.5, 0.1
# Of the expected accuracy.
TOLERANCE = 0.1
KEYS = ("family", "data", "n_samples", "n_pairs", "seed")
MAPS = ("wrong", "partly right", "right")
# Families whose figures depend most on the number of samples.
BY_SAMPLES = ("independent encoders", "one encoder")


def fit_case(
    paths: tuple[Path, ...], family: str, data: str, n_samples: int, n_pairs: int, seed: int
) -> Figures:
    """Fit the spaces of one case with the defaults."""
    spaces = build(paths, family, data, n_samples, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        warnings.simplefilter("ignore", SmallSampleWarning)
        aligner = MiniVec2Vec(random_state=seed).fit(
            spaces.XA, XB=spaces.XB, pairs=spaces.draw_pairs(n_pairs, 0.0, seed)
        )
        Z, T = aligner.transform(spaces.XA_test), aligner.transform_target(spaces.XB_test)
    half = len(Z) // 2
    related = spaces.XA_counterparts is not None
    return {
        "width": min(spaces.XA.shape[1], spaces.XB.shape[1]),
        "top1": retrieval_accuracy(Z, T) if related else 0.0,
        "supervised_top1": spaces.supervised()[0] if related else 0.0,
        "agreement": float(aligner.agreement_),
        "relative_score": float(aligner.relative_score_),
        "min_relative_score": float(aligner.min_relative_score_),
        "relearned_agreement": float(aligner.relearned_agreement_),
        "relearned_score": float(aligner.relearned_score_),
        "expected_accuracy": float(aligner.expected_accuracy_),
        "unseen_score": csls_score(Z[:half], T[half:]),
        "unseen_target_score": csls_score(T[:half], T[half:]),
        "converged": bool(aligner.converged_),
    }


def write_cases(runs: Runs, path: Path) -> None:
    """Write one line for each family, of encoders for each number of samples, and one for all."""
    frame = runs.frame()
    share = frame["top1"] / frame["supervised_top1"].where(frame["supervised_top1"] > 0, np.inf)
    frame["map"] = np.select([share >= RIGHT, share < WRONG], ["right", "wrong"], "partly right")
    frame["error"] = (frame["expected_accuracy"] - frame["top1"]).abs()
    by_samples = frame["family"].isin(BY_SAMPLES)
    frame["n_samples"] = frame["n_samples"].where(by_samples, 0)

    def line(label: str, group: pd.DataFrame) -> list[Any]:
        converged = (group[group["map"] == kind]["converged"] for kind in MAPS)
        n_near = int((group["error"] <= TOLERANCE).sum())
        return [
            label,
            *(f"{int(some.sum())} of {len(some)}" for some in converged),
            f"{n_near} of {len(group)}",
            float(group["error"].mean()),
        ]

    def lines() -> Iterator[list[Any]]:
        for family in dict.fromkeys(case["family"] for case in cases()):
            for n_samples, group in frame[frame["family"] == family].groupby("n_samples"):
                yield line(f"{family}, {n_samples:,} samples" if n_samples else family, group)
        yield line("all", frame)

    header = ["spaces", *(f"{kind} maps that converged" for kind in MAPS),
              "expected accuracy within .1", "mean error"]  # fmt: skip
    write_table(path, header, lines())


def main(args: argparse.Namespace) -> None:
    """Fit the cases that are missing and write the table."""
    paths = tuple(args.data)
    runs = Runs(args.out, "alignment_verdict", KEYS)
    wanted = [case for case in cases() if case["n_samples"] <= args.max_samples]
    runs.fill(partial(fit_case, paths), wanted, args.n_jobs)
    write_cases(runs, args.out / "alignment_verdict.csv")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="archives of encoders")
    parser.add_argument(
        "--max-samples", type=int, default=7000, help="samples of each side: 1000, 3500 or 7000"
    )
    parser.add_argument("--n-jobs", type=int, default=1, help="cases side by side")
    add_output_option(parser)
    main(parser.parse_args())
