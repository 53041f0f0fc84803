"""Fit time against the number of samples, and `transform` against the bare matrix product.

python -m tests.benchmarks.bench_alignment_scaling --data sentences.npz

Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from sklearn_align import MiniVec2Vec
from tests.benchmarks.alignment_data import Spaces, add_data_options, load_spaces, top1_and_cosine
from tests.benchmarks.bench_alignment_speed import enlarged
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

KEYS = ("pair", "n_samples", "n_jobs")
WIDTH = 384


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def fit_size(spaces: Spaces, pair: str, n_samples: int, n_jobs: int) -> Figures:
    """Fit on a number of samples of each side."""
    drawn = enlarged(spaces, n_samples, seed=0)
    aligner = MiniVec2Vec(random_state=0, n_jobs=n_jobs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = median_seconds(lambda: aligner.fit(drawn.XA, drawn.XB), 1)
    top1, _ = top1_and_cosine(
        aligner.transform(drawn.XA_test), aligner.transform_target(drawn.XB_test)
    )
    return {"seconds": seconds, "top1": float(top1)}


def write_sizes(runs: Runs, path: Path) -> None:
    """Write seconds, and the ratio to those of the fewest samples."""
    lines = []
    for _, group in runs.frame().groupby(["pair", "n_jobs"]):
        for line in group.itertuples():
            ratio = line.seconds / group["seconds"].iloc[0]
            lines.append(
                [line.n_samples, f"{line.seconds:.1f}", f"{ratio:.2f}", float(line.top1), 1]
            )
    header = ["samples of each side", "seconds", "times the first", "top-1", "seeds"]
    write_table(path, header, lines)


def time_transform(path: Path, n_samples: int, chunk: int, repeats: int) -> None:
    """Compare `transform` with the product alone, on chunks of a memory-mapped file."""
    rng = np.random.default_rng(0)
    XA, XB = (rng.laplace(size=(2000, WIDTH)).astype(np.float32) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(n_init=1, random_state=0).fit(XA, XB)
    with tempfile.TemporaryDirectory() as folder:
        X = np.lib.format.open_memmap(
            Path(folder) / "X.npy", "w+", dtype=np.float32, shape=(n_samples, WIDTH)
        )
        chunks = [slice(start, start + chunk) for start in range(0, n_samples, chunk)]
        for part in chunks:
            X[part] = rng.standard_normal(X[part].shape, dtype=np.float32)
        W = aligner.map_

        def product() -> None:
            for part in chunks:
                X[part] @ W

        def transform() -> None:
            for part in chunks:
                aligner.transform(X[part])

        product()
        bare, ours = median_seconds(product, repeats), median_seconds(transform, repeats)
    line = [n_samples, chunk, WIDTH, f"{ours:.2f}", f"{bare:.2f}", f"{ours / bare:.2f}"]
    header = ["samples", "samples per chunk", "width", "transform, seconds", "product, seconds",
              "ratio"]  # fmt: skip
    write_table(path, header, [line])


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write both tables."""
    spaces = load_spaces(args.data, args.pair)
    keys = {"pair": args.pair if args.data else "shipped", "n_jobs": args.n_jobs}
    runs = Runs(args.out, "alignment_scaling", KEYS)
    runs.fill(partial(fit_size, spaces), [keys | {"n_samples": n} for n in args.n_samples])
    write_sizes(runs, args.out / "alignment_scaling.csv")
    path = args.out / "alignment_transform.csv"
    time_transform(path, args.transform_samples, args.chunk, args.repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_options(parser)
    parser.add_argument("--n-samples", type=int, nargs="+", default=[26_000, 82_000, 260_000])
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--transform-samples", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    add_output_option(parser)
    main(parser.parse_args())
