"""Computing time on one thread: gate and fusion, fit and predict, calibration.

python -m tests.benchmarks.bench_fusion_speed

A batch of 256 samples through encoders, gate and head is compared with the same encoders, a mean
and a head; fit and ``predict_proba`` with a plain skorch network of equal size. Run it on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_align import AECFClassifier
from sklearn_align.fusion import AECFModule
from tests.benchmarks.fusion_baselines import mlp, width_of_equal_size
from tests.benchmarks.fusion_data import load
from tests.benchmarks.tables import add_output_option, write_table

N_CLASSES = 10
BATCH_SIZE = 256
WIDTHS = ((50, 50), (216, 76, 64, 240, 47, 6))


def best_times(functions: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Shortest of several runs of each function, taken in turns, in seconds of computing time."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, own in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            own.append(time.process_time() - start)
    return [min(own) for own in times]


def time_batches(path: Path, repeats: int) -> None:
    """Compare a batch through the module with a mean of the encoded blocks."""
    head = nn.Linear(128, N_CLASSES)
    lines = []
    for widths in WIDTHS:
        presence = torch.rand(BATCH_SIZE, len(widths)) < 0.7
        presence[:, 0] = True
        X = torch.randn(BATCH_SIZE, sum(widths))
        for fusion in ("mean", "expert"):
            module = AECFModule(widths, N_CLASSES, fusion=fusion).eval()

            def mean_fusion(module: Any = module, X: Any = X, presence: Any = presence) -> Any:
                flags = presence.float()
                fused = (module.encode(X) * flags.unsqueeze(-1)).sum(1)
                return head(fused / flags.sum(1, keepdim=True))

            with torch.no_grad():
                ours, theirs = best_times(
                    [lambda m=module, X=X, p=presence: m(X, p), mean_fusion], repeats
                )
            lines.append([len(widths), fusion, f"{1e6 * ours:.0f}", f"{1e6 * theirs:.0f}",
                          f"{ours / theirs:.2f}"])  # fmt: skip
            print(*lines[-1], flush=True)
    header = ["modalities", "fusion", "AECFModule, microseconds", "mean, microseconds", "ratio"]
    write_table(path, header, lines)


def time_fits(path: Path, epochs: int) -> None:
    """Compare fit and predict_proba with a plain network, and ways to calibrate with none."""
    data = load("avmnist", 0)
    train = data.split < 2
    X, y = data.data[train], data.target[train]

    def classifier(**parameters: Any) -> AECFClassifier:
        return AECFClassifier(
            modalities=data.modalities, max_epochs=epochs, random_state=0, **parameters
        )

    clf = classifier(train_split=None)
    size = sum(p.numel() for p in clf.partial_fit(X, y, epochs=0).module_.parameters())
    net = NeuralNetClassifier(
        mlp(100, width_of_equal_size(100, N_CLASSES, size), N_CLASSES),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        max_epochs=epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    fit = best_times([lambda: clf.fit(X, y), lambda: net.fit(X, y)], 3)
    predict = best_times([lambda: clf.predict_proba(X), lambda: net.predict_proba(X)], 10)
    held_out, cross_fit = classifier(), classifier(calibration="cross_fit")
    calibrated = best_times([lambda: held_out.fit(X, y), lambda: cross_fit.fit(X, y)], 1)
    plain, samples = "a plain skorch network of equal size", f"{len(X)} samples"
    lines = [
        [f"fit, {size} parameters, {epochs} epochs, {samples}", plain, *fit],
        [f"predict_proba, {samples}", plain, *predict],
        [f"fit, calibration=True, {epochs} epochs", "fit without calibration",
         calibrated[0], fit[0]],
        [f"fit, calibration='cross_fit', {epochs} epochs", "fit without calibration",
         calibrated[1], fit[0]],
    ]  # fmt: skip
    header = ["AECFClassifier", "compared with", "seconds", "seconds of the other", "ratio"]
    write_table(path, header, [[*line, f"{line[2] / line[3]:.2f}"] for line in lines])


def main(args: argparse.Namespace) -> None:
    """Write both tables."""
    torch.set_num_threads(1)
    time_batches(args.out / "fusion_speed_batch.csv", args.repeats)
    time_fits(args.out / "fusion_speed_fit.csv", args.epochs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10, help="epochs of the timed fits")
    parser.add_argument("--repeats", type=int, default=1000, help="repetitions of the batches")
    add_output_option(parser)
    main(parser.parse_args())
