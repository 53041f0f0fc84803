"""Own solvers against those of scikit-learn, scipy and POT, on the sizes that a fit uses.

python -m tests.benchmarks.bench_own_code --data sentences.npz

Every line is the median of several runs on one thread, both codes in turns in one process. Ratio is
the time of the library over that of this package, memory ratio the same of the peak of allocated
memory, failed the number of runs in which the library raised an error.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ot
from scipy.optimize import quadratic_assignment
from sklearn.decomposition import FastICA
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from sklearn_align._linalg import principal_axes, unit_rows
from sklearn_align._similarity import top_k
from sklearn_align.alignment.solvers._fastica import Whitening, fast_ica
from sklearn_align.alignment.solvers._sinkhorn import transport_cross_covariance
from sklearn_align.alignment.solvers._two_opt import two_opt
from tests.benchmarks.alignment_data import load_spaces
from tests.benchmarks.tables import add_output_option, write_table

Call = Callable[[], Any]
HEADER = ["Solver", "Size", "Library", "Own, s", "Library, s", "Ratio", "Memory ratio", "Failed"]


def skewness(x: Any) -> tuple[Any, Any]:
    """Contrast function of FastICA that `contrast="skew"` stands for."""
    return x**2, 2 * x.mean(axis=-1)


def peak(call: Call) -> float:
    """Peak of the memory that a call allocates, in bytes."""
    tracemalloc.start()
    call()
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(memory)


def compare(
    solver: str, size: str, library: str, own: Call, other: Call, repeats: int
) -> list[str]:
    """Time both codes in turns."""
    own_times, other_times, n_failed = [], [], 0
    for _ in range(repeats):
        start = time.perf_counter()
        own()
        own_times.append(time.perf_counter() - start)
        start = time.perf_counter()
        try:
            other()
        except ValueError:
            n_failed += 1
        else:
            other_times.append(time.perf_counter() - start)
    ours, theirs = statistics.median(own_times), statistics.median(other_times)
    memory = peak(other) / peak(own)
    row = [
        solver,
        size,
        library,
        f"{ours:.3f}",
        f"{theirs:.3f}",
        f"{theirs / ours:.1f}",
        f"{memory:.1f}",
        f"{n_failed} of {repeats}",
    ]
    print(*row, sep=", ", flush=True)
    return row


def component_analysis(X: Any, repeats: int) -> Iterator[list[str]]:
    """Independent components of 8,000 samples in 128 principal directions."""
    A = unit_rows(X[:8000], X.mean(axis=0))
    coordinates = A @ principal_axes(A, 128)
    for contrast, fun in (("logcosh", "logcosh"), ("skew", skewness)):
        for dtype in (np.float32, np.float64):
            seeds = iter(range(10_000))

            def own(contrast: Any = contrast, seeds: Any = seeds) -> None:
                stream = np.random.RandomState(next(seeds))
                fast_ica(Whitening.fit(coordinates), 96, contrast=contrast, random_state=stream)

            def library(fun: Any = fun, dtype: Any = dtype, seeds: Any = seeds) -> None:
                model = FastICA(
                    96,
                    fun=fun,
                    whiten="unit-variance",
                    whiten_solver="eigh",
                    max_iter=60,
                    tol=1e-3,
                    random_state=next(seeds),
                )
                model.fit_transform(coordinates.astype(dtype))

            name = f"sklearn FastICA, {np.dtype(dtype).name}"
            yield compare(f"FastICA, {contrast}", "8000 x 96", name, own, library, repeats)


def transport(X: Any, Y: Any, repeats: int) -> Iterator[list[str]]:
    """Cross-covariance under a transport plan."""
    for n_samples, epsilon in ((1500, 0.055), (3500, 0.03), (7000, 0.03)):
        A, B = (unit_rows(Z[:n_samples], Z.mean(axis=0)) for Z in (X, Y))
        W = np.eye(A.shape[1], B.shape[1], dtype=np.float32)
        mass = np.full(n_samples, 1 / n_samples, dtype=np.float32)

        def own(A: Any = A, B: Any = B, W: Any = W, epsilon: float = epsilon) -> Any:
            return transport_cross_covariance(A, B, W, epsilon=epsilon, n_rounds=6)

        def library(
            A: Any = A, B: Any = B, W: Any = W, mass: Any = mass, epsilon: float = epsilon
        ) -> Any:
            plan = ot.bregman.sinkhorn_knopp(
                mass, mass, -((A @ W) @ B.T), epsilon, numItermax=6, stopThr=0, warn=False
            )
            return A.T @ (plan @ B)

        size = f"{n_samples} x {n_samples}"
        yield compare("Sinkhorn", size, "POT sinkhorn_knopp", own, library, repeats)


def assignment(repeats: int) -> Iterator[list[str]]:
    """Quadratic assignment of 30 problems of 20 nodes, three restarts each."""
    rng = np.random.default_rng(0)
    grams = []
    for _ in range(2):
        centers = rng.standard_normal((30, 20, 64))
        centers -= centers.mean(axis=1, keepdims=True)
        grams.append(centers @ centers.swapaxes(1, 2))

    def own() -> None:
        two_opt(*grams, n_restarts=3, random_state=np.random.RandomState(0))

    def library() -> None:
        for K_A, K_B in zip(*grams, strict=True):
            for _ in range(3):
                options = {"maximize": True, "rng": rng}
                quadratic_assignment(K_A, K_B, method="2opt", options=options)

    name = "scipy quadratic_assignment"
    yield compare("2-opt", "30 x 3 of 20 nodes", name, own, library, repeats)


def neighbors(X: Any, Y: Any, repeats: int) -> Iterator[list[str]]:
    """Fifty nearest of 7,000 target samples."""
    A, B = (unit_rows(Z[:7000], Z.mean(axis=0)) for Z in (X, Y))

    def chunked() -> None:
        def nearest(distances: Any, start: int) -> Any:
            return np.argpartition(distances, 49, axis=1)[:, :50]

        list(
            pairwise_distances_chunked(
                A, B, reduce_func=nearest, metric="cosine", working_memory=32
            )
        )

    def brute() -> None:
        NearestNeighbors(n_neighbors=50, metric="cosine", algorithm="brute").fit(B).kneighbors(A)

    for name, library in (
        ("sklearn pairwise_distances_chunked", chunked),
        ("sklearn NearestNeighbors", brute),
    ):
        yield compare("top 50", "7000 x 7000", name, lambda: top_k(A, B, 50), library, repeats)


def main(args: argparse.Namespace) -> None:
    """Write the table."""
    spaces = load_spaces(args.data, args.pair)
    X, Y = spaces.XA, spaces.XB
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [
            *component_analysis(np.concatenate([X, spaces.XA_test]), args.repeats),
            *transport(X, Y, args.repeats),
            *assignment(args.repeats),
            *neighbors(X, Y, args.repeats),
        ]
    write_table(args.out / "own_code.csv", HEADER, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="archive of encoders; else the shipped pair")
    parser.add_argument("--pair", default="word2vec_a:word2vec_b")
    parser.add_argument("--repeats", type=int, default=7)
    add_output_option(parser)
    main(parser.parse_args())
