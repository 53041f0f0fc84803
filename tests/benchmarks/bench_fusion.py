"""Figures of the AECF estimators on the data sets of the package.

``python tests/benchmarks/bench_fusion.py robustness --data avmnist --seeds 5``
    mAP, NLL and ECE on test rows at drop rates 0 to 75%, and accuracy of each modality alone;
    with ``--train-rate 0.5``, half of the training blocks are missing.
``python tests/benchmarks/bench_fusion.py collapse --encoders linear --seeds 20``
    in how many seeds every modality alone has an accuracy above one half.
``python tests/benchmarks/bench_fusion.py speed``
    a batch of 256 against mean fusion, and fit time against a plain skorch MLP of equal size.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score, log_loss
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_align.datasets import drop_modalities, load_avmnist, load_mfeat
from sklearn_align.fusion import AECFClassifier, AECFModule
from sklearn_align.metrics import expected_calibration_error

RATES = (0.0, 0.25, 0.5, 0.75)
HEAD = nn.Linear(128, 10)


def load(name: str, seed: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """Data, and which rows are for training (validation rows included) and for testing."""
    data = load_avmnist() if name == "avmnist" else load_mfeat(split=seed % 5)
    return data, np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)


def alone(X: np.ndarray, modalities: dict[str, int]) -> list[np.ndarray]:
    """Copies of X in which one modality is left."""
    edges = np.cumsum([0, *modalities.values()])
    copies = []
    for first, last in itertools.pairwise(edges):
        copy = np.full_like(X, np.nan)
        copy[:, first:last] = X[:, first:last]
        copies.append(copy)
    return copies


def robustness(args: argparse.Namespace) -> None:
    """Print the figures at every drop rate, seed by seed and their mean."""
    results, singles = [], []
    for seed in range(args.seeds):
        data, train, test = load(args.data, seed)
        X = drop_modalities(data.data, data.modalities, args.train_rate, random_state=seed)
        clf = AECFClassifier(modalities=data.modalities, random_state=seed)
        clf.fit(X[train], data.target[train])
        X_test, y_test = data.data[test], data.target[test]
        rows = []
        for rate in RATES:
            proba = clf.predict_proba(
                drop_modalities(X_test, data.modalities, rate, random_state=1000 + seed)
            )
            rows.append(
                [
                    average_precision_score(np.eye(10)[y_test], proba, average="macro"),
                    log_loss(y_test, proba),
                    expected_calibration_error(y_test, proba),
                ]
            )
        results.append(rows)
        singles.append([clf.score(one, y_test) for one in alone(X_test, data.modalities)])
        print(f"seed {seed}: mAP {np.round([row[0] for row in rows], 4)}", flush=True)
    mean = np.mean(results, axis=0)
    print(f"{args.data}, mean of {args.seeds} seeds, training rate {args.train_rate:.0%}")
    for column, figure in enumerate(("mAP", "NLL", "ECE")):
        print(f"{figure:5}" + "".join(f"{value:9.4f}" for value in mean[:, column]))
    print(f"accuracy of each modality alone: {np.mean(singles, axis=0).round(3)}")


def collapse(args: argparse.Namespace) -> None:
    """Count the seeds in which every modality works alone."""
    good = 0
    for seed in range(args.seeds):
        data, train, test = load(args.data, seed)
        clf = AECFClassifier(modalities=data.modalities, encoders=args.encoders, random_state=seed)
        clf.fit(data.data[train], data.target[train])
        scores = [
            clf.score(one, data.target[test]) for one in alone(data.data[test], data.modalities)
        ]
        good += min(scores) > 0.5
        print(f"seed {seed}: {np.round(scores, 3)}", flush=True)
    print(f"{good} of {args.seeds} seeds above 0.5 with every modality alone")


def best_time(function: Callable[[], Any], repeats: int = 300) -> float:
    """Shortest of several runs, in microseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e6 * min(times)


def speed(args: argparse.Namespace) -> None:
    """Print the cost of the gate, and of a fit."""
    torch.set_num_threads(1)
    for widths in ((50, 50), (216, 76, 64, 240, 47, 6)):
        presence = torch.rand(256, len(widths)) < 0.7
        presence[:, 0] = True
        X = torch.randn(256, sum(widths))
        for fusion in ("mean", "expert"):
            module = AECFModule(widths, 10, fusion=fusion).eval()

            def mean_fusion(module: Any = module, X: Any = X, presence: Any = presence) -> Any:
                flags = presence.float()
                fused = (module.encode(X) * flags.unsqueeze(-1)).sum(1)
                return HEAD(fused / flags.sum(1, keepdim=True))

            with torch.no_grad():
                ours = best_time(lambda m=module, X=X, p=presence: m(X, p))
                theirs = best_time(mean_fusion)
            print(
                f"{len(widths)} modalities, {fusion}: {ours:.0f} us, mean fusion {theirs:.0f} us, "
                f"ratio {ours / theirs:.2f}"
            )
    data, train, _ = load("avmnist", 0)
    X, y = data.data[train], data.target[train]
    start = time.perf_counter()
    clf = AECFClassifier(
        modalities=data.modalities, max_epochs=args.epochs, train_split=None, random_state=0
    ).fit(X, y)
    ours = time.perf_counter() - start
    size = sum(p.numel() for p in clf.module_.parameters())
    width = int((-110 + (110**2 + 4 * size) ** 0.5) / 2)
    layers = [nn.Linear(100, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, width)]
    net = NeuralNetClassifier(
        nn.Sequential(*layers, nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 10)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        max_epochs=args.epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    start = time.perf_counter()
    net.fit(X, y)
    theirs = time.perf_counter() - start
    print(
        f"fit of {size} parameters, {args.epochs} epochs: {ours:.2f} s, plain skorch MLP "
        f"{theirs:.2f} s, ratio {ours / theirs:.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["robustness", "collapse", "speed"])
    parser.add_argument("--data", choices=["avmnist", "mfeat"], default="avmnist")
    parser.add_argument("--encoders", default="mlp")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-rate", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    {"robustness": robustness, "collapse": collapse, "speed": speed}[options.what](options)
