"""Fit time against the number of samples, and mapping against the bare matrix product.

python -m tests.benchmarks.bench_alignment_scaling --data sentences.npz
python -m tests.benchmarks.bench_alignment_scaling --n-samples   (the mapping alone)

Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from sklearn_align import MiniVec2Vec
from sklearn_align.exceptions import SampleLengthWarning
from tests.benchmarks.alignment_data import (
    FloatArray,
    Spaces,
    add_data_options,
    load_spaces,
    top1_and_cosine,
)
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


class GivenMap:
    """An initialization that takes no time."""

    def initial_map(self, problem: object, random_state: object) -> FloatArray:
        """Return an orthogonal matrix."""
        return np.eye(WIDTH, dtype=np.float32)[::-1].copy()


def mapping_calls(n_samples: int) -> dict[str, tuple[str, Callable[[], object]]]:
    """Return bare products, and calls of aligners with the product each is compared with."""
    rng = np.random.default_rng(0)
    unequal = [rng.laplace(size=(500, WIDTH)).astype(np.float32) for _ in range(2)]
    equal = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in unequal]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"init": [GivenMap()], "n_init": 1, "refinements": [], "selection": None}
        aligner = MiniVec2Vec(**options, random_state=0).fit(*equal)
        keeping = MiniVec2Vec(**options, random_state=0).fit(*unequal)
    X = np.empty((n_samples, WIDTH), np.float32)
    whole = np.empty(X.shape, np.int8)
    for start in range(0, n_samples, 10_000):
        part = slice(start, start + 10_000)
        X[part] = rng.laplace(size=X[part].shape)
        whole[part] = np.round(10 * X[part]).clip(-127, 127)
    half, out, W = X.astype(np.float16), np.zeros_like(X), aligner.linear_map_
    return {
        "X @ W": ("", lambda: X @ W),
        "np.matmul(X, W, out=out)": ("", lambda: np.matmul(X, W, out=out)),
        "transform(X)": ("X @ W", lambda: keeping.transform(X)),
        "to_target(X), equal lengths": ("X @ W", lambda: aligner.to_target(X)),
        "to_target(X), lengths kept": ("X @ W", lambda: keeping.to_target(X)),
        **{
            case: ("np.matmul(X, W, out=out)", call)
            for case, call in {
                "transform(X, out=out)": lambda: keeping.transform(X, out=out),
                "to_target(X, out=out), equal lengths": lambda: aligner.to_target(X, out=out),
                "to_target(X, out=out), lengths kept": lambda: keeping.to_target(X, out=out),
                "transform(X, out=out), X float16": lambda: keeping.transform(half, out=out),
                "transform(X, out=out), X int8": lambda: keeping.transform(whole, out=out),
            }.items()
        },
    }


def time_mapping(path: Path, n_samples: int, repeats: int) -> None:
    """Compare mapping with the product alone, in alternating runs."""
    calls = mapping_calls(n_samples)
    times: dict[str, list[float]] = {case: [] for case in calls}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SampleLengthWarning)
        for _ in range(repeats):
            for case, (_, call) in calls.items():
                times[case].append(median_seconds(call, 1))
    lines = []
    for case, (product, _) in calls.items():
        ratio, least = "", ""
        if product:
            ours, bare = times[case], times[product]
            ratio = f"{statistics.median(a / b for a, b in zip(ours, bare, strict=True)):.2f}"
            least = f"{min(ours) / min(bare):.2f}"
        seconds = f"{statistics.median(times[case]):.2f}"
        lines.append([case, n_samples, WIDTH, seconds, product, ratio, least])
    header = ["call", "samples", "width", "seconds", "compared with", "ratio", "ratio of least"]
    write_table(path, header, lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write both tables."""
    path = args.out / "alignment_transform.csv"
    if not args.n_samples:
        time_mapping(path, args.transform_samples, args.repeats)
        return
    spaces = load_spaces(args.data, args.pair)
    keys = {"pair": args.pair if args.data else "shipped", "n_jobs": args.n_jobs}
    runs = Runs(args.out, "alignment_scaling", KEYS)
    runs.fill(partial(fit_size, spaces), [keys | {"n_samples": n} for n in args.n_samples])
    write_sizes(runs, args.out / "alignment_scaling.csv")
    time_mapping(path, args.transform_samples, args.repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_options(parser)
    parser.add_argument("--n-samples", type=int, nargs="*", default=[26_000, 82_000, 260_000])
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--transform-samples", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=9)
    add_output_option(parser)
    main(parser.parse_args())
