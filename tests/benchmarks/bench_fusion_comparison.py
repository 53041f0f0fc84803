"""AECF and other methods on test samples: mAP, NLL and ECE at drop rates 0 to 75 %.

python -m tests.benchmarks.bench_fusion_comparison --data avmnist --seeds 5
python -m tests.benchmarks.bench_fusion_comparison --data mfeat --train-rates 0.25 0.5 rare

With ``--train-rates``, a share of the blocks is missing from the training samples, too; "rare"
leaves the last modality in 5 % of them. Every method holds out the same tenth of the training
samples, to fit a temperature. Every method is scored on the same test samples with the same blocks
missing, in three draws for each seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities
from tests.benchmarks.fusion_baselines import BASELINES
from tests.benchmarks.fusion_data import (
    RATES,
    Predict,
    accuracies_alone,
    at_rate,
    figures_at_rates,
    load,
    make_parser,
)
from tests.benchmarks.tables import Figures, Runs, write_table

KEYS = ("train_rate", "method", "seed")
METHODS = ("AECF", *BASELINES)
MAP_COLUMNS = [at_rate("mAP", rate) for rate in RATES]
ECE_COLUMNS = [at_rate("ECE", rate) for rate in RATES]
RARE_RATE = 0.95


def fit_method(name: str, train_rate: str, method: str, seed: int) -> Figures:
    """Fit one method and score it."""
    torch.set_num_threads(1)
    data = load(name, seed)
    rate = {list(data.modalities)[-1]: RARE_RATE} if train_rate == "rare" else float(train_rate)
    X = drop_modalities(data.data, data.modalities, rate, random_state=seed)
    y = data.target.astype(np.int64)
    train, test = np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)
    train, held_out = train_test_split(train, test_size=0.1, random_state=seed, stratify=y[train])
    fitted_on, calibrated_on = (X[train], y[train]), (X[held_out], y[held_out])
    if method == "AECF":
        clf = AECFClassifier(modalities=data.modalities, random_state=seed, train_split=None)
        clf.fit(*fitted_on).calibrate(*calibrated_on)
        predict: Predict = clf.predict_proba
    else:
        predict = BASELINES[method](fitted_on, calibrated_on, data.modalities, seed)
    X_test, y_test = data.data[test], y[test]
    accuracies = accuracies_alone(predict, X_test, y_test, data.modalities)
    return {
        **figures_at_rates(predict, X_test, y_test, data.modalities, seed),
        **{f"{modality} alone": value for modality, value in accuracies.items()},
    }


def write_tables(runs: Runs, folder: Path, name: str) -> None:
    """Write means over seeds: the comparison, each modality alone, incomplete training samples."""
    frame = runs.frame()
    order = {method: number for number, method in enumerate(METHODS)}
    names = {"0": "none", "0.25": "25%", "0.5": "50%", "rare": "one modality rare"}

    def lines(train_rates: list[str], columns: list[str]) -> Iterator[list[Any]]:
        for rate in train_rates:
            groups = dict(list(frame[frame["train_rate"].astype(str) == rate].groupby("method")))
            for method in sorted(groups, key=lambda method: order[method]):
                group = groups[method]
                means = [float(group[column].mean()) for column in columns]
                yield [names.get(rate, rate), method, *means, len(group)]

    def complete(columns: list[str]) -> list[list[Any]]:
        return [line[1:] for line in lines(["0"], columns)]

    columns = [*MAP_COLUMNS, at_rate("NLL", 0.5), *ECE_COLUMNS]
    if comparison := complete(columns):
        path = folder / f"fusion_comparison_{name}.csv"
        write_table(path, ["method", *columns, "seeds"], comparison)
        modalities = list(load(name, 0).modalities)
        path = folder / f"fusion_alone_{name}.csv"
        own_columns = [f"{modality} alone" for modality in modalities]
        write_table(path, ["method", *modalities, "seeds"], complete(own_columns))
    rare = f"{list(load(name, 0).modalities)[-1]} alone"
    columns = [*MAP_COLUMNS, *ECE_COLUMNS, rare]
    if incomplete := list(lines(["0.25", "0.5", "rare"], columns)):
        path = folder / f"fusion_missing_{name}.csv"
        write_table(path, ["missing in training", "method", *columns, "seeds"], incomplete)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the tables."""
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = Runs(args.out, f"fusion_comparison_{args.data}", KEYS)
    for rate in args.train_rates:
        wanted = [
            {"train_rate": rate, "method": method, "seed": seed}
            for seed in seeds
            for method in args.methods
        ]
        runs.fill(partial(fit_method, args.data), wanted, args.n_jobs)
    write_tables(runs, args.out, args.data)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument(
        "--train-rates",
        nargs="+",
        choices=["0", "0.25", "0.5", "rare"],
        default=["0"],
        help="share of blocks missing from the training samples",
    )
    main(parser.parse_args())
