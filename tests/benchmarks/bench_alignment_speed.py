"""Time, peak memory and top-1 against mini-vec2vec as published, as ratios within one run.

python -m tests.benchmarks.bench_alignment_speed --data sentences.npz --rows 26000

Every fit runs in a process of its own, on the same rows and with the same threads. An archive with
fewer rows per side than asked for is enlarged by rows with small noise, which leaves the geometry
as it is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.alignment_data import Spaces, load_spaces


def enlarged(spaces: Spaces, n_rows: int, seed: int) -> Spaces:
    """Draw rows; when there are too few, repeat them with noise of a tenth of their spread."""
    rng = np.random.default_rng(seed)
    sides = []
    for X in (spaces.XA, spaces.XB):
        rows = X[rng.permutation(len(X))[:n_rows]]
        n_more = n_rows - len(rows)
        if n_more > 0:
            more = rows[rng.integers(len(rows), size=n_more)]
            noise = rng.standard_normal(more.shape, dtype=np.float32) * (0.1 * X.std(axis=0))
            rows = np.concatenate([rows, more + noise])
        sides.append(np.ascontiguousarray(rows))
    return Spaces(spaces.name, *sides, spaces.XA_test, spaces.XB_test)


def peak_memory() -> float:
    """Largest resident size of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(method: str, spaces: Spaces, seed: int, n_jobs: int, queue: Any) -> None:
    """Fit once and report seconds, memory above the inputs and top-1."""
    from sklearn_align import MiniVec2Vec
    from tests.benchmarks.published_recipe import published_recipe, unit

    before = peak_memory()
    start = time.perf_counter()
    profile: list[str] = []
    if method == "published":
        mean_A, mean_B, W = published_recipe(spaces.XA, spaces.XB, seed)
        seconds = time.perf_counter() - start
        Z, T = unit(spaces.XA_test - mean_A) @ W, unit(spaces.XB_test - mean_B)
    else:
        settings: dict[str, Any] = {
            "ours, robust": {},
            "ours, n_init=1": {"n_init": 1},
            "ours, paper": {"refinements": "paper"},
        }[method]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            aligner = MiniVec2Vec(random_state=seed, n_jobs=n_jobs, **settings)
            aligner.fit(spaces.XA, spaces.XB)
        seconds = time.perf_counter() - start
        Z, T = aligner.transform(spaces.XA_test), aligner.transform_target(spaces.XB_test)
        profile = [f"{r['stage']} {r['n_iter']}x {r['time']:.1f} s" for r in aligner.history_]
    memory = peak_memory() - before
    queue.put((seconds, memory, spaces.top1_and_cosine(Z, T)[0], profile))


def run(method: str, spaces: Spaces, seed: int, n_jobs: int) -> tuple[float, float, float]:
    """Measure in a fresh process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measure, args=(method, spaces, seed, n_jobs, queue))
    process.start()
    seconds, memory, top1, profile = queue.get()
    process.join()
    print(
        f"  {method:16} seed {seed}: {seconds:7.1f} s, {memory:5.2f} GB above the inputs, top-1 "
        f"{top1:.3f}  {'; '.join(profile)}",
        flush=True,
    )
    return seconds, memory, top1


def main(args: argparse.Namespace) -> None:
    """Print every run and the ratios of medians."""
    source, target = args.pair.split(":")
    spaces = enlarged(load_spaces(args.data, source, target), args.rows, seed=0)
    print(f"{spaces.name}, {len(spaces.XA)} x {len(spaces.XB)} rows, width {spaces.XA.shape[1]}")
    medians = {}
    for method in args.methods:
        runs = [run(method, spaces, seed, args.n_jobs) for seed in range(args.seeds)]
        medians[method] = [statistics.median(column) for column in zip(*runs, strict=True)]
    yardstick = medians.get("published")
    print(f"\n{'medians':18}{'seconds':>9}{'GB':>7}{'top-1':>8}{'times faster':>14}")
    for method, (seconds, memory, top1) in medians.items():
        ratio = f"{yardstick[0] / seconds:13.1f}x" if yardstick else ""
        print(f"{method:18}{seconds:9.1f}{memory:7.2f}{top1:8.3f}{ratio}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="archive of encoders; else the shipped pair")
    parser.add_argument("--pair", default="word2vec_a:word2vec_b")
    parser.add_argument("--rows", type=int, default=26_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument(
        "--methods", nargs="+", default=["published", "ours, robust", "ours, n_init=1"]
    )
    main(parser.parse_args())
