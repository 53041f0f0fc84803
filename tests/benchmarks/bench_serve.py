"""Time of one sample: a vector through a map, a row through a fusion network, in float32.

OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_serve

Each call gets another sample, as in a server, and for comparison 256 samples at once. "Median" and
"95%" are quantiles of the computing times of calls, after some calls that are not counted.
Computing time depends less on what else the machine does than wall-clock time; on a machine that
does nothing else, both are the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_align import AECFClassifier, MiniVec2Vec
from sklearn_align.datasets import load_avmnist, load_mfeat, load_sentence_embeddings
from tests.benchmarks.tables import add_output_option, write_table

SIZES = (1, 256)
Call = Callable[[Any], Any]


def quantiles(function: Call, X: np.ndarray, size: int, repeats: int) -> tuple[float, float]:
    """Return median and 95% quantile of the times of `function`, in milliseconds."""
    times = []
    for index in range(repeats + repeats // 10):
        first = index * size % (len(X) - size + 1)
        samples = X[first : first + size]
        start = time.process_time()
        function(samples)
        times.append(time.process_time() - start)
    median, high = np.quantile(times[-repeats:], [0.5, 0.95])
    return 1e3 * float(median), 1e3 * float(high)


def maps() -> Iterator[tuple[str, Call, np.ndarray]]:
    """Yield calls of a map from all-MiniLM-L6-v2 to all-mpnet-base-v2 and of its bare product."""
    data = load_sentence_embeddings(pair="minilm_mpnet")
    # The time does not depend on how the map was found: Procrustes on pairs takes a second.
    mean_A, mean_B = data.XA_test.mean(axis=0), data.XB_test.mean(axis=0)
    A, B = data.XA_test - mean_A, data.XB_test - mean_B
    padded = np.pad(A, ((0, 0), (0, B.shape[1] - A.shape[1])))
    map_ = orthogonal_procrustes(padded, B)[0][: A.shape[1]].astype(np.float32)
    aligner = MiniVec2Vec.from_map(map_, mean_A, mean_B, source_length=1, target_length=1)
    shape = f"{map_.shape[0]} to {map_.shape[1]} features"
    yield f"to_target, {shape}", aligner.to_target, data.XA_test
    yield f"transform, {shape}", aligner.transform, data.XA_test
    yield f"matrix product alone, {shape}", lambda X: X @ map_, data.XA_test


def networks(epochs: int) -> Iterator[tuple[str, Call, np.ndarray]]:
    """Yield calls of networks on two and six modalities, and of a logistic regression."""
    for load in (load_avmnist, load_mfeat):
        train, test = load(subset="train"), load(subset="test")
        X = test.data.astype(np.float32)
        clf = AECFClassifier(train.modalities, max_epochs=epochs, random_state=0)
        clf.fit(train.data, train.target)
        of = f"{len(train.modalities)} modalities, {X.shape[1]} columns"
        yield f"predict_proba, {of}", clf.predict_proba, X
        absent = X.copy()
        absent[:, clf.layout_.columns[0]] = np.nan
        yield f"predict_proba, {of}, one absent", clf.predict_proba, absent
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        linear.fit(train.data, train.target)
        yield f"scaler and logistic regression, {of}", linear.predict_proba, X


def main(args: argparse.Namespace) -> None:
    """Write the table."""
    torch.set_num_threads(1)
    lines = []
    with threadpool_limits(1):
        for calls in (maps(), networks(args.epochs)):
            for name, function, X in calls:
                for size in SIZES:
                    median, high = quantiles(function, X, size, args.repeats)
                    lines.append([name, size, median, high])
                    print(f"{name}, {size} samples: {median:.3f} ms", flush=True)
    header = ["call, float32", "samples", "median, milliseconds", "95%, milliseconds"]
    write_table(args.out / "serve.csv", header, lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the fits")
    parser.add_argument("--repeats", type=int, default=2000, help="timed calls of each function")
    add_output_option(parser)
    main(parser.parse_args())
