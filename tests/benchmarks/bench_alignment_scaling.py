"""Fit time against rows, and the throughput of `transform` against the bare matrix product.

python -m tests.benchmarks.bench_alignment_scaling
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
from tests.benchmarks.alignment_data import load_spaces
from tests.benchmarks.bench_alignment_speed import enlarged


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(args: argparse.Namespace) -> None:
    """Print the scaling curve and the throughput."""
    source, target = args.pair.split(":")
    spaces = load_spaces(args.data, source, target)
    first = None
    for n_rows in args.rows:
        drawn = enlarged(spaces, n_rows, seed=0)
        aligner = MiniVec2Vec(random_state=0, n_jobs=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = median_seconds(partial(aligner.fit, drawn.XA, drawn.XB), 1)
        top1, _ = drawn.top1_and_cosine(
            aligner.transform(drawn.XA_test), aligner.transform_target(drawn.XB_test)
        )
        first = first or seconds
        print(
            f"fit on {n_rows:7d} rows per side: {seconds:6.1f} s ({seconds / first:.2f} times the "
            f"first), top-1 {top1:.3f}",
            flush=True,
        )

    width = 384
    rng = np.random.default_rng(0)
    XA, XB = (rng.laplace(size=(2000, width)).astype(np.float32) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner = MiniVec2Vec(n_init=1, random_state=0).fit(XA, XB)
    with tempfile.TemporaryDirectory() as folder:
        rows = np.lib.format.open_memmap(
            Path(folder) / "rows.npy", "w+", dtype=np.float32, shape=(args.transform_rows, width)
        )
        chunks = [
            slice(start, start + args.chunk) for start in range(0, args.transform_rows, args.chunk)
        ]
        for chunk in chunks:
            rows[chunk] = rng.standard_normal(rows[chunk].shape, dtype=np.float32)
        W = aligner.map_

        def product() -> None:
            for chunk in chunks:
                rows[chunk] @ W

        def transform() -> None:
            for chunk in chunks:
                aligner.transform(rows[chunk])

        product()
        bare, ours = median_seconds(product, args.repeats), median_seconds(transform, args.repeats)
    print(
        f"transform of {args.transform_rows} rows, {width} -> {width}, float32, memmap, chunks of "
        f"{args.chunk}: {ours:.2f} s, bare product {bare:.2f} s, ratio {ours / bare:.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="archive of encoders; else the shipped pair")
    parser.add_argument("--pair", default="word2vec_a:word2vec_b")
    parser.add_argument("--rows", type=int, nargs="+", default=[26_000, 82_000, 260_000])
    parser.add_argument("--transform-rows", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    main(parser.parse_args())
