"""Data sets, missing blocks and figures of the fusion benchmarks."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss

from sklearn_align.datasets import drop_modalities, load_avmnist, load_mfeat
from sklearn_align.metrics import expected_calibration_error
from tests.benchmarks.tables import Figures, add_output_option

Array = NDArray[Any]
Predict = Callable[[Array], Array]
RATES = (0.0, 0.25, 0.5, 0.75)
DRAWS = 3
METRICS = ("mAP", "NLL", "ECE")


def load(name: str, seed: int) -> Any:
    """Load a data set; mfeat has another split for each of five seeds."""
    return load_avmnist() if name == "avmnist" else load_mfeat(split=seed % 5)


def at_rate(metric: str, rate: float) -> str:
    """Name of the column of a metric at a share of missing blocks."""
    return f"{metric} {rate:.0%}"


def alone(X: Array, modalities: dict[str, int]) -> list[Array]:
    """Copies of X in which one modality is left."""
    edges = np.cumsum([0, *modalities.values()])
    copies = []
    for first, last in itertools.pairwise(edges):
        copy = np.full_like(X, np.nan)
        copy[:, first:last] = X[:, first:last]
        copies.append(copy)
    return copies


def figures_at_rates(
    predict: Predict, X: Array, y: Array, modalities: dict[str, int], seed: int
) -> Figures:
    """Score mAP, NLL and ECE at every rate, means over draws of the missing blocks."""
    one_hot = np.eye(int(y.max()) + 1)[y]
    figures = {}
    for rate in RATES:
        draws = []
        for draw in range(DRAWS if rate > 0 else 1):
            hidden = drop_modalities(X, modalities, rate, random_state=1000 + seed + 100 * draw)
            proba = predict(hidden)
            draws.append(
                [
                    average_precision_score(one_hot, proba, average="macro"),
                    log_loss(y, proba),
                    expected_calibration_error(y, proba),
                ]
            )
        for metric, value in zip(METRICS, np.mean(draws, axis=0), strict=True):
            figures[at_rate(metric, rate)] = float(value)
    return figures


def accuracies_alone(
    predict: Predict, X: Array, y: Array, modalities: dict[str, int]
) -> dict[str, float]:
    """Accuracy of each modality alone."""
    copies = zip(modalities, alone(X, modalities), strict=True)
    return {name: float((predict(copy).argmax(axis=1) == y).mean()) for name, copy in copies}


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options that the fusion benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", choices=["avmnist", "mfeat"], default="avmnist")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--n-jobs", type=int, default=1, help="fits at the same time")
    add_output_option(parser)
    return parser
