"""Classify digits from image and sound, with an increasing share of missing images and sounds.

The script trains AECF, a network on the concatenated blocks with modality dropout, and gradient
boosting on samples with missing blocks. For several drop rates, it prints the scores of each
method on the same test samples with the same missing blocks. Every method is calibrated on
held-out samples. The importance of a modality is the improvement of AECF's log loss by this
modality.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score
from skorch import NeuralNetClassifier
from torch import Tensor, nn

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities, load_avmnist
from sklearn_align.metrics import expected_calibration_error, modality_importance

RATES = (0.0, 0.25, 0.5, 0.75)


class ConcatNet(nn.Module):
    """Zeros for missing blocks, presence flags, two hidden layers; drops blocks while training."""

    def __init__(self, widths: tuple[int, ...], n_classes: int, n_units: int = 288) -> None:
        super().__init__()
        self.widths = torch.tensor(widths)
        self.layers = nn.Sequential(
            nn.Linear(sum(widths) + len(widths), n_units),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(n_units, n_units),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(n_units, n_classes),
        )

    def forward(self, X: Tensor) -> Tensor:
        """Map samples with NaN blocks to logits."""
        first = self.widths.cumsum(0) - self.widths
        presence = ~X[:, first].isnan()
        if self.training:
            noise = torch.rand(presence.shape).masked_fill(~presence, -1.0)
            presence = presence & ((noise > 0.5) | (noise == noise.amax(dim=1, keepdim=True)))
        visible = presence.repeat_interleave(self.widths, dim=1)
        blocks = torch.where(visible, X.nan_to_num(), 0.0)
        return self.layers(torch.cat([blocks, presence.float()], dim=1))


def fit_all(train: Any, valid: Any, seed: int) -> dict[str, Any]:
    """Fit and calibrate the three methods; print how long each takes."""
    modalities = train.modalities
    mean, scale = train.data.mean(axis=0), train.data.std(axis=0)

    def with_gaps(X: np.ndarray) -> np.ndarray:
        return drop_modalities(X, modalities, 0.5, random_state=seed)

    def aecf() -> Any:
        # holds out a tenth of its samples for calibration by itself
        X, y = np.vstack([train.data, valid.data]), np.append(train.target, valid.target)
        clf = AECFClassifier(modalities=modalities, verbose=1, random_state=seed)
        return clf.fit(X, y)

    def concat() -> Any:
        torch.manual_seed(seed)
        net = NeuralNetClassifier(
            ConcatNet,
            module__widths=tuple(modalities.values()),
            module__n_classes=10,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=1e-3,
            max_epochs=60,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=1,
        )
        net.fit((train.data - mean) / scale, train.target)
        calibrated = CalibratedClassifierCV(FrozenEstimator(net), method="temperature")
        return calibrated.fit((with_gaps(valid.data) - mean) / scale, valid.target)

    def boosting() -> Any:
        trees = HistGradientBoostingClassifier(max_iter=40, random_state=seed)
        trees.fit(
            np.vstack([train.data, with_gaps(train.data)]), np.append(train.target, train.target)
        )
        calibrated = CalibratedClassifierCV(FrozenEstimator(trees), method="temperature")
        return calibrated.fit(with_gaps(valid.data), valid.target)

    fitted = {}
    for name, fit in (
        ("AECF", aecf),
        ("concat + modality dropout", concat),
        ("gradient boosting", boosting),
    ):
        print(f"seed {seed}: {name}", flush=True)
        start = time.perf_counter()
        model = fit()
        scaling = (mean, scale) if name.startswith("concat") else (0.0, 1.0)
        fitted[name] = (model, scaling)
        print(f"seed {seed}: {name} fitted in {time.perf_counter() - start:.1f} s", flush=True)
    return fitted


def score(fitted: dict[str, Any], test: Any, seed: int) -> dict[str, np.ndarray]:
    """Mean average precision, accuracy and calibration error of every method at every rate."""
    one_hot = np.eye(10)[test.target]
    scores: dict[str, list[list[float]]] = {name: [] for name in fitted}
    for rate in RATES:
        X = drop_modalities(test.data, test.modalities, rate, random_state=1000 + seed)
        for name, (model, (mean, scale)) in fitted.items():
            proba = model.predict_proba(((X - mean) / scale).astype(np.float32))
            scores[name].append(
                [
                    float(average_precision_score(one_hot, proba, average="macro")),
                    float((proba.argmax(axis=1) == test.target).mean()),
                    float(expected_calibration_error(test.target, proba)),
                ]
            )
    return {name: np.array(rows) for name, rows in scores.items()}


def print_table(scores: dict[str, np.ndarray], n_seeds: int) -> None:
    """Print the mean scores, one line per method and figure."""
    print(f"\nTest samples, mean of {n_seeds} seed(s). Share of blocks drawn to be missing:")
    print(f"{'':28}{'':6}" + "".join(f"{rate:>8.0%}" for rate in RATES))
    for column, figure in enumerate(("mAP", "acc.", "ECE")):
        for name, rows in scores.items():
            print(f"{name:28}{figure:6}" + "".join(f"{value:8.3f}" for value in rows[:, column]))
        print()


def print_importances(clf: AECFClassifier, test: Any) -> None:
    """Print how much the log loss depends on each modality, as the image gets noisier."""
    result = modality_importance(
        clf, test.data, test.target, method="shapley", scoring="neg_log_loss", per_sample=True
    )
    print(f"Shapley values of the modalities, log loss: {'':2}" + "  ".join(result.names))
    order = np.argsort(test.image_noise)
    for name, rows in (
        ("all test samples", order),
        ("clearest third of images", order[: len(order) // 3]),
        ("noisiest third of images", order[-len(order) // 3 :]),
    ):
        means = result.sample_importances[rows].mean(axis=0)
        print(f"  {name:40}" + "  ".join(f"{value:7.3f}" for value in means))


def main(n_seeds: int) -> None:
    """Run the example."""
    train, valid, test = (load_avmnist(subset=part) for part in ("train", "validation", "test"))
    print(f"{len(train.data)} training samples, modalities {train.modalities}")
    runs = []
    for seed in range(n_seeds):
        fitted = fit_all(train, valid, seed)
        runs.append(score(fitted, test, seed))
    means = {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}
    print_table(means, n_seeds)
    print_importances(fitted["AECF"][0], test)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="number of repetitions")
    main(parser.parse_args().seeds)
