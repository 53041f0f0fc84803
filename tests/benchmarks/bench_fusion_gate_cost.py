"""What gate supervision costs: scores and calibration with and without it, for several targets.

python -m tests.benchmarks.bench_fusion_gate_cost --seeds 3

The tasks are classes, several labels that follow from the digit, and a measurement of the digit,
which is also predicted with one head for all modalities. A second fit, with one more modality of
nothing but noise, gives the mean weight of this modality. All weights are scored on the validation
samples with one seed, and on the test samples with others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score, log_loss, r2_score

from sklearn_align import AECFClassifier, AECFRegressor
from sklearn_align.datasets import drop_modalities, load_mfeat
from sklearn_align.metrics import expected_calibration_error
from tests.benchmarks.bench_fusion_gate import CHOICE, N_NOISE, with_noise
from tests.benchmarks.fusion_data import DRAWS, RATES, Array, at_rate, load, make_parser
from tests.benchmarks.tables import Figures, Runs, formatted, write_table

KEYS = ("task", "weight", "scored", "seed")
WEIGHTS = (0.0, 0.3, 1.0)
SAMPLES = 3000
# Labels of a digit: odd, at least five, prime, square.
LABELS = np.array(
    [[digit % 2, digit >= 5, digit in (2, 3, 5, 7), digit in (0, 1, 4, 9)] for digit in range(10)]
).astype(np.int64)
# The measurement is a column of the description "mor", the blocks are four other descriptions.
VIEWS = {"fou": 76, "kar": 64, "pix": 240, "zer": 47}
MEASUREMENT = 3
MEAN_FUSION = "fusion='mean'"


def classes(y: Array, proba: Array) -> list[float]:
    """Score mAP, NLL and ECE of classes."""
    one_hot = np.eye(10)[y]
    return [
        float(average_precision_score(one_hot, proba, average="macro")),
        float(log_loss(y, proba)),
        expected_calibration_error(y, proba),
    ]


def labels(y: Array, proba: Array) -> list[float]:
    """Score mAP, mean NLL and ECE of several labels."""
    columns = range(y.shape[1])
    return [
        float(average_precision_score(y, proba, average="macro")),
        float(np.mean([log_loss(y[:, k], proba[:, k], labels=[0, 1]) for k in columns])),
        expected_calibration_error(y, proba),
    ]


def numbers(y: Array, predicted: Array) -> list[float]:
    """Score R2 of numbers, which have neither a likelihood nor a calibration error here."""
    return [float(r2_score(y, predicted)), np.nan, np.nan]


def load_task(task: str, seed: int) -> tuple[Array, Array, dict[str, int], Array]:
    """Load X, targets, modalities, and the split: 0 training, 1 validation, 2 test."""
    name, kind, *_ = task.split(", ")
    if kind == "number":
        bunch = load_mfeat(split=seed % 5, as_frame=True)
        blocks = [bunch.data.filter(regex=f"^{view}").to_numpy(np.float32) for view in VIEWS]
        y = bunch.data.filter(regex="^mor").to_numpy()[:, MEASUREMENT]
        return np.hstack(blocks), y, VIEWS, np.asarray(bunch.split)
    bunch = load(name, seed)
    y = bunch.target.astype(np.int64)
    return bunch.data, LABELS[y] if kind == "labels" else y, bunch.modalities, bunch.split


SCORES: dict[str, Callable[[Array, Array], list[float]]] = {
    "avmnist, classes": classes,
    "mfeat, classes": classes,
    "avmnist, labels": labels,
    "mfeat, labels": labels,
    "mfeat, number": numbers,
    f"mfeat, number, {MEAN_FUSION}": numbers,
}


def score(task: str, weight: float, scored: str, seed: int) -> Figures:
    """Fit with a weight of the term, on complete samples, and score at every rate."""
    torch.set_num_threads(1)
    X, y, modalities, split = load_task(task, seed)
    rows = split == ("validation", "test").index(scored) + 1
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(split == 0))[:SAMPLES]
    estimator = AECFRegressor if "number" in task else AECFClassifier
    options: dict[str, Any] = {
        "gate_supervision_weight": weight,
        "fusion": "mean" if task.endswith(MEAN_FUSION) else "expert",
        "random_state": seed,
    }
    model = estimator(modalities, **options).fit(X[drawn], y[drawn])
    predict = model.predict if estimator is AECFRegressor else model.predict_proba
    figures: Figures = {}
    for rate in RATES:
        draws = []
        for draw in range(DRAWS if rate > 0 else 1):
            hidden = drop_modalities(
                X[rows], modalities, rate, random_state=1000 + seed + 100 * draw
            )
            draws.append(SCORES[task](y[rows], predict(hidden)))
        for metric, value in zip(("score", "NLL", "ECE"), np.mean(draws, axis=0), strict=True):
            figures[at_rate(metric, rate)] = float(value)
    noisy = estimator({**modalities, "noise": N_NOISE}, **options)
    noisy.fit(with_noise(X[drawn], seed), y[drawn])
    weights = noisy.modality_weights(with_noise(X[rows], 10_000 + seed))
    return {**figures, "weight of noise": float(weights[:, -1].mean())}


def write_means(runs: Runs, path: Path) -> None:
    """Write means over seeds, and the difference of the mean score from that without the term."""
    frame = runs.frame()
    metrics = [at_rate("score", rate) for rate in RATES]
    columns = [
        *metrics,
        at_rate("NLL", 0.0),
        at_rate("NLL", 0.5),
        *[at_rate("ECE", rate) for rate in RATES],
        "weight of noise",
    ]
    lines = []
    for task in SCORES:
        for scored in ("validation", "test"):
            group = frame[(frame["task"] == task) & (frame["scored"] == scored)].set_index("seed")
            without = group[group["weight"] == 0.0][metrics].mean(axis=1)
            for weight in WEIGHTS:
                mine = group[group["weight"] == weight]
                if not len(mine):
                    continue
                change = mine[metrics].mean(axis=1) - without
                shown = f"{change.mean():+.4f}"
                if len(change) > 1:
                    shown += f" ± {change.std():.4f}"
                means = [float(mine[column].mean()) for column in columns]
                cells = ["-" if np.isnan(value) else formatted(value) for value in means]
                lines.append(
                    [task, scored, f"{weight:g}", *cells, shown if weight else "-", len(mine)]
                )
    header = ["task", "samples", "gate_supervision_weight", *columns, "change of score", "seeds"]
    write_table(path, header, lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    runs = Runs(args.out, "fusion_gate_cost", KEYS)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    wanted = [
        {"task": task, "weight": weight, "scored": scored, "seed": seed}
        for scored, some in (("validation", [CHOICE]), ("test", seeds))
        for task in args.tasks
        for seed in some
        for weight in WEIGHTS
    ]
    runs.fill(score, wanted, args.n_jobs)
    write_means(runs, args.out / "fusion_gate_cost.csv")


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=list(SCORES), default=list(SCORES))
    main(parser.parse_args())
