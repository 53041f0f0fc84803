"""Where the temperature is fitted: nowhere, on a held-out tenth, by cross-fitting.

python -m tests.benchmarks.bench_fusion_calibration --data avmnist --seeds 3

Without a temperature and with cross-fitting, all training samples train the network.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sklearn_align import AECFClassifier
from tests.benchmarks.fusion_data import RATES, at_rate, figures_at_rates, load, make_parser
from tests.benchmarks.tables import Figures, Runs, write_table

KEYS = ("calibration", "seed")
SETTINGS: dict[str, dict[str, Any]] = {
    "False": {"calibration": False, "train_split": None},
    "True": {"calibration": True},
    "cross_fit": {"calibration": "cross_fit"},
}
COLUMNS = [
    at_rate("mAP", 0.5),
    at_rate("NLL", 0.5),
    *[at_rate("ECE", rate) for rate in RATES],
]


def fit_setting(name: str, calibration: str, seed: int) -> Figures:
    """Fit on training and validation samples and score on test samples."""
    torch.set_num_threads(1)
    data = load(name, seed)
    train, test = np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)
    clf = AECFClassifier(modalities=data.modalities, random_state=seed, **SETTINGS[calibration])
    clf.fit(data.data[train], data.target[train])
    y = data.target[test].astype(np.int64)
    return figures_at_rates(clf.predict_proba, data.data[test], y, data.modalities, seed)


def write_means(runs: Runs, path: Path) -> None:
    """Write means over seeds, one line for each setting."""
    frame = runs.frame()
    lines = []
    for setting in SETTINGS:
        group = frame[frame["calibration"].astype(str) == setting]
        if len(group):
            lines.append([setting, *[float(group[c].mean()) for c in COLUMNS], len(group)])
    write_table(path, ["calibration", *COLUMNS, "seeds"], lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = Runs(args.out, f"fusion_calibration_{args.data}", KEYS)
    wanted = [{"calibration": setting, "seed": s} for s in seeds for setting in SETTINGS]
    runs.fill(partial(fit_setting, args.data), wanted, args.n_jobs)
    write_means(runs, args.out / f"fusion_calibration_{args.data}.csv")


if __name__ == "__main__":
    main(make_parser(__doc__).parse_args())
