"""Accuracy, time and memory of a fit against the number of samples of each side.

python -m tests.benchmarks.bench_alignment_rows --data docstrings.npz

The archive is that of ``encode_docstrings``: one array for each encoder and side, such as
``minilm_B``. Every fit runs in a process of its own. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.alignment_data import FloatArray, Spaces, top1_and_cosine
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

KEYS = ("pair", "n_samples", "n_jobs", "seed")
PAIRS = ("wordllama:minilm", "e5:minilm", "e5:wordllama")
SIZES = (1_000, 3_500, 7_000, 14_000, 30_000, 100_000)


def load_sides(path: Path, pair: str, n_samples: int) -> Spaces:
    """Load the first samples of both sides, with counterparts of those that the target embedded."""
    source, target = pair.split(":")
    with np.load(path) as archive:

        def side(name: str) -> FloatArray:
            return np.asarray(archive[name][:n_samples], dtype=np.float32)

        names = (f"{source}_A", f"{target}_B", f"{source}_held_out", f"{target}_held_out")
        counterparts = f"{target}_A"
        return Spaces(
            pair,
            *map(side, names),
            XA_counterparts=side(counterparts) if counterparts in archive.files else None,
        )


def largest_size(path: Path, pair: str) -> int:
    """Return the number of samples that both sides have."""
    source, target = pair.split(":")
    with np.load(path) as archive:
        return min(len(archive[f"{source}_A"]), len(archive[f"{target}_B"]))


def memory(name: str) -> float:
    """Return a figure of this process in GB, such as its resident memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{name}:")[1].split()[0]) / 2**20


def supervised_top1(spaces: Spaces) -> float:
    """Top-1 of Procrustes on the source samples whose counterparts are known."""
    if spaces.XA_counterparts is None:
        return float("nan")
    paired = replace(spaces, XA=spaces.XA[: len(spaces.XA_counterparts)])
    return float(paired.supervised()[0])


def measure(spaces: Spaces, n_jobs: int, seed: int, queue: Any) -> None:
    """Fit once and report figures."""
    from sklearn_align import MiniVec2Vec

    # Resident memory at its largest, from here on (Linux).
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, start = memory("VmRSS"), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(random_state=seed, n_jobs=n_jobs).fit(spaces.XA, spaces.XB)
    seconds, added = time.perf_counter() - start, memory("VmHWM") - before
    Z, T = aligner.transform(spaces.XA_test), aligner.transform_target(spaces.XB_test)
    queue.put(
        {
            "top1": float(top1_and_cosine(Z, T)[0]),
            "supervised_top1": supervised_top1(spaces),
            "relative_score": float(aligner.relative_score_),
            "expected_accuracy": float(aligner.expected_accuracy_),
            "converged": bool(aligner.converged_),
            "seconds": seconds,
            "memory": added,
        }
    )


def measure_apart(path: Path, pair: str, n_samples: int, n_jobs: int, seed: int) -> Figures:
    """Measure in a fresh process, whose memory does not hold more than the samples."""
    spaces = load_sides(path, pair, n_samples)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measure, args=(spaces, n_jobs, seed, queue))
    process.start()
    figures: Figures = queue.get()
    process.join()
    return figures


def write_medians(runs: Runs, path: Path) -> None:
    """Write one line for each pair and number of samples."""
    lines = []
    for (pair, n_samples), group in runs.frame().groupby(["pair", "n_samples"], sort=False):
        median = group.median(numeric_only=True)
        supervised = median["supervised_top1"]
        lines.append(
            [
                pair.replace(":", " -> "),
                n_samples,
                float(median["top1"]),
                float(median["expected_accuracy"]),
                "" if np.isnan(supervised) else float(supervised),
                f"{group['converged'].sum()} of {len(group)}",
                f"{median['seconds']:.0f}",
                f"{median['memory']:.2f}",
                len(group),
            ]
        )
    header = ["encoders", "samples of each side", "top-1", "expected accuracy", "supervised map",
              "converged", "seconds", "GB above the inputs", "seeds"]  # fmt: skip
    write_table(path, header, lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    runs = Runs(args.out, "alignment_rows", KEYS)
    wanted = [
        {"pair": pair, "n_samples": n_samples, "n_jobs": args.n_jobs, "seed": seed}
        for seed in range(args.seeds)
        for pair in args.pairs
        for n_samples in args.n_samples
        if n_samples <= largest_size(args.data, pair)
    ]
    runs.fill(partial(measure_apart, args.data), wanted)
    write_medians(runs, args.out / "alignment_rows.csv")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="archive of encode_docstrings")
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), help="source:target")
    parser.add_argument("--n-samples", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--n-jobs", type=int, default=2)
    add_output_option(parser)
    main(parser.parse_args())
