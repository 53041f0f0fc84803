"""Calibration on speakers that the training samples do not have, with and without `groups`.

python -m tests.benchmarks.bench_fusion_groups --data ARCHIVE --seeds 3

ARCHIVE is an ``npz`` file with ``X_image``, ``X_audio``, ``y`` and ``rec``, the names of the
recordings of the Free Spoken Digit Dataset, ``DIGIT_SPEAKER_NUMBER.wav``. Every seed tests on two
other speakers and trains on the other four.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from sklearn_align import AECFClassifier
from tests.benchmarks.fusion_baselines import fit_boosting_augmented
from tests.benchmarks.fusion_data import RATES, Array, Predict, at_rate, figures_at_rates
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

KEYS = ("method", "seed")
BOOSTING = "gradient boosting, masked copies"
# Parameters of AECF, or None for gradient boosting; whether the groups are used.
METHODS: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "AECF": ({}, False),
    "AECF, groups": ({}, True),
    "AECF, cross_fit": ({"calibration": "cross_fit"}, False),
    "AECF, cross_fit, groups": ({"calibration": "cross_fit"}, True),
    BOOSTING: (None, False),
    f"{BOOSTING}, groups": (None, True),
}
COLUMNS = [at_rate(metric, rate) for metric in ("mAP", "ECE") for rate in RATES]
COLUMNS += [at_rate("NLL", 0.0), at_rate("NLL", 0.5)]
TESTED = ("new", "same")
MODALITIES = {"image": 50, "audio": 50}


def read(path: Path) -> tuple[Array, Array, Array]:
    """Read samples, digits and speakers."""
    archive = np.load(path)
    X = np.hstack([archive["X_image"], archive["X_audio"]]).astype(np.float32)
    return X, archive["y"].astype(np.int64), np.array([n.split("_")[1] for n in archive["rec"]])


def split(speaker: Array, tested: str, seed: int) -> tuple[Array, Array]:
    """Positions of training and test samples.

    The training samples are four fifths of those of four speakers; the test samples are the other
    fifth, or the samples of the other two speakers.
    """
    names = np.unique(speaker)
    new = np.isin(speaker, np.roll(names, -2 * seed)[:2])
    of_four = np.random.default_rng(seed).permutation(np.flatnonzero(~new))
    n_train = 4 * len(of_four) // 5
    return of_four[:n_train], np.flatnonzero(new) if tested == "new" else of_four[n_train:]


def fit_method(method: str, X: Array, y: Array, groups: Array, seed: int) -> Predict:
    """Fit and calibrate on training samples."""
    params, uses_groups = METHODS[method]
    if params is not None:
        clf = AECFClassifier(modalities=MODALITIES, random_state=seed, **params)
        clf.fit(X, y, groups=groups if uses_groups else None)
        predict: Predict = clf.predict_proba
        return predict
    kind = GroupShuffleSplit if uses_groups else StratifiedShuffleSplit
    splitter = kind(n_splits=1, test_size=0.1, random_state=seed)
    fitted, held = next(splitter.split(X, y, groups if uses_groups else None))
    return fit_boosting_augmented((X[fitted], y[fitted]), (X[held], y[held]), MODALITIES, seed)


def score(path: Path, method: str, seed: int) -> Figures:
    """Fit on the training speakers; score on other samples of them, and on new speakers."""
    torch.set_num_threads(1)
    X, y, speaker = read(path)
    train = split(speaker, "new", seed)[0]
    predict = fit_method(method, X[train], y[train], speaker[train], seed)
    figures = {}
    for tested in TESTED:
        test = split(speaker, tested, seed)[1]
        scores = figures_at_rates(predict, X[test], y[test], MODALITIES, seed)
        figures.update({f"{tested} {column}": value for column, value in scores.items()})
    return figures


def write_means(runs: Runs, path: Path, tested: str) -> None:
    """Write means over seeds, one line for each method."""
    frame = runs.frame()
    lines = []
    for method in METHODS:
        group = frame[frame["method"] == method]
        if len(group):
            means = [float(group[f"{tested} {column}"].mean()) for column in COLUMNS]
            lines.append([method, *means, len(group)])
    write_table(path, ["method", *COLUMNS, "seeds"], lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the tables."""
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = Runs(args.out, "fusion_groups", KEYS)
    wanted = [{"method": method, "seed": seed} for seed in seeds for method in METHODS]
    runs.fill(partial(score, args.data), wanted, args.n_jobs)
    for tested in TESTED:
        write_means(runs, args.out / f"fusion_groups_{tested}.csv", tested)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz file with recordings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--n-jobs", type=int, default=1, help="fits at the same time")
    add_output_option(parser)
    main(parser.parse_args())
