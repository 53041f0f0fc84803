"""Time, peak memory and top-1 against mini-vec2vec as published, as ratios within one run.

python -m tests.benchmarks.bench_alignment_speed --data sentences.npz --n-samples 26000

Every fit runs in a process of its own, on the same samples and with the same threads. An archive
with fewer samples per side than asked for is enlarged by samples with small noise, which leaves the
geometry as it is. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.alignment_data import Spaces, add_data_options, load_spaces, top1_and_cosine
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

KEYS = ("pair", "n_samples", "n_jobs", "method", "seed")
PUBLISHED = "published recipe, written plainly"
SETTINGS: dict[str, dict[str, Any]] = {
    "MiniVec2Vec()": {},
    "MiniVec2Vec(n_init=1)": {"n_init": 1},
}


def enlarged(spaces: Spaces, n_samples: int, seed: int) -> Spaces:
    """Draw samples; too few are repeated with noise of a tenth of their standard deviation."""
    rng = np.random.default_rng(seed)
    sides = []
    for X in (spaces.XA, spaces.XB):
        drawn = X[rng.permutation(len(X))[:n_samples]]
        n_more = n_samples - len(drawn)
        if n_more > 0:
            more = drawn[rng.integers(len(drawn), size=n_more)]
            noise = rng.standard_normal(more.shape, dtype=np.float32) * (0.1 * X.std(axis=0))
            drawn = np.concatenate([drawn, more + noise])
        sides.append(np.ascontiguousarray(drawn))
    return Spaces(spaces.name, *sides, spaces.XA_test, spaces.XB_test)


def peak_memory() -> float:
    """Largest resident size of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(method: str, spaces: Spaces, seed: int, n_jobs: int, queue: Any) -> None:
    """Fit once and report seconds, memory above the inputs and top-1."""
    from sklearn_align import MiniVec2Vec
    from tests.benchmarks.alignment_data import unit
    from tests.benchmarks.published_recipe import published_recipe

    before = peak_memory()
    start = time.perf_counter()
    if method == PUBLISHED:
        mean_A, mean_B, W = published_recipe(spaces.XA, spaces.XB, seed)
        seconds = time.perf_counter() - start
        Z, T = unit(spaces.XA_test - mean_A) @ W, unit(spaces.XB_test - mean_B)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if method == "MiniVec2Vec.from_paper()":
                aligner = MiniVec2Vec.from_paper(random_state=seed, n_jobs=n_jobs)
            else:
                aligner = MiniVec2Vec(random_state=seed, n_jobs=n_jobs, **SETTINGS[method])
            aligner.fit(spaces.XA, spaces.XB)
        seconds = time.perf_counter() - start
        Z, T = aligner.transform(spaces.XA_test), aligner.transform_target(spaces.XB_test)
    queue.put((seconds, peak_memory() - before, top1_and_cosine(Z, T)[0]))


def measure_apart(
    spaces: Spaces, method: str, seed: int, n_jobs: int, pair: str, n_samples: int
) -> Figures:
    """Measure in a fresh process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measure, args=(method, spaces, seed, n_jobs, queue))
    process.start()
    seconds, memory, top1 = queue.get()
    process.join()
    return {"seconds": seconds, "memory": memory, "top1": float(top1)}


def write_medians(runs: Runs, path: Path) -> None:
    """Write medians over seeds and the ratio of the times."""
    frame = runs.frame()
    lines = []
    for (_, n_samples, n_jobs), group in frame.groupby(["pair", "n_samples", "n_jobs"]):
        medians = group.groupby("method")[["seconds", "memory", "top1"]].median()
        medians = medians.sort_values("seconds", ascending=False)
        for method, line in medians.iterrows():
            has_published = PUBLISHED in medians.index
            ratio = medians.loc[PUBLISHED, "seconds"] / line["seconds"] if has_published else 0
            lines.append([
                method, n_samples, n_jobs, f"{line['seconds']:.1f}", f"{line['memory']:.2f}",
                float(line["top1"]), f"{ratio:.1f}" if has_published else "",
                (group["method"] == method).sum(),
            ])  # fmt: skip
    header = ["method", "samples of each side", "n_jobs", "seconds", "GB above the inputs",
              "top-1", "times faster", "seeds"]  # fmt: skip
    write_table(path, header, lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    spaces = enlarged(load_spaces(args.data, args.pair), args.n_samples, seed=0)
    pair = args.pair if args.data else "shipped"
    keys = {"pair": pair, "n_samples": args.n_samples, "n_jobs": args.n_jobs}
    wanted = [keys | {"method": m, "seed": s} for m in args.methods for s in range(args.seeds)]
    runs = Runs(args.out, "alignment_speed", KEYS)
    runs.fill(partial(measure_apart, spaces), wanted)
    write_medians(runs, args.out / "alignment_speed.csv")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_options(parser)
    parser.add_argument("--n-samples", type=int, default=26_000, help="samples of each side")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=[PUBLISHED, *SETTINGS],
                        choices=[PUBLISHED, *SETTINGS, "MiniVec2Vec.from_paper()"])  # fmt: skip
    add_output_option(parser)
    main(parser.parse_args())
