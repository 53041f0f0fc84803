"""AECF with one setting changed at a time, on validation samples.

python -m tests.benchmarks.bench_fusion_ablation --data mfeat --seeds 3
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities
from sklearn_align.metrics import confidence_violation_rate
from tests.benchmarks.fusion_data import (
    RATES,
    accuracies_alone,
    at_rate,
    figures_at_rates,
    load,
    make_parser,
)
from tests.benchmarks.tables import Figures, Runs, write_table

KEYS = ("setting", "seed")
# A confidence that grows by no more than this with fewer modalities is not counted.
TOLERANCE = 0.01
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "masking='none'": {"masking": "none"},
    "masking='random', 0.5": {"masking": "random", "masking_prob": 0.5},
    "masking='random', 0.9": {"masking": "random"},
    "masking='weighted_random', 0.5": {"masking": "weighted_random", "masking_prob": 0.5},
    "masking='entropy_min', 0.5": {"masking": "entropy_min", "masking_prob": 0.5},
    "masking='entropy_max', 0.5": {"masking": "entropy_max", "masking_prob": 0.5},
    "masking_prob=0.3": {"masking_prob": 0.3},
    "entropy_weight=0": {"entropy_weight": 0.0},
    "gate_supervision_weight=1": {"gate_supervision_weight": 1.0},
    "consistency='monotone'": {"consistency": "monotone"},
    "consistency_weight=0": {"consistency_weight": 0.0},
    "ece_weight=0.5": {"ece_weight": 0.5},
    "label_smoothing=0.05": {"label_smoothing": 0.05},
    "fusion='mean'": {"fusion": "mean"},
    "encoders='linear'": {"encoders": "linear"},
    "gate_hidden=32": {"gate_hidden": 32},
    "gate_activation='sigmoid'": {"gate_activation": "sigmoid"},
    "calibration=False": {"calibration": False},
}
COLUMNS = {
    **{at_rate("mAP", rate): at_rate("mAP", rate) for rate in RATES},
    at_rate("NLL", 0.5): at_rate("NLL", 0.5),
    at_rate("ECE", 0.0): at_rate("ECE", 0.0),
    at_rate("ECE", 0.5): at_rate("ECE", 0.5),
    "violations": "confidence violations",
    "worst_alone": "worst alone",
    "gate_entropy": "gate entropy",
}


def fit_setting(name: str, setting: str, seed: int) -> Figures:
    """Fit on training samples and score on validation samples."""
    torch.set_num_threads(1)
    data = load(name, seed)
    train, valid = np.flatnonzero(data.split == 0), np.flatnonzero(data.split == 1)
    clf = AECFClassifier(modalities=data.modalities, random_state=seed, **SETTINGS[setting])
    clf.fit(data.data[train], data.target[train])
    X, y = data.data[valid], data.target[valid].astype(np.int64)
    hidden = drop_modalities(X, data.modalities, 0.5, random_state=seed)
    has_lost = np.isnan(hidden).any(axis=1)
    violations = confidence_violation_rate(
        clf.predict_proba(hidden[has_lost]), clf.predict_proba(X[has_lost]), tolerance=TOLERANCE
    )
    return {
        **figures_at_rates(clf.predict_proba, X, y, data.modalities, seed),
        "violations": float(violations),
        "worst_alone": min(accuracies_alone(clf.predict_proba, X, y, data.modalities).values()),
        "gate_entropy": float(clf.gate_entropy(X).mean()),
    }


def write_means(runs: Runs, path: Path) -> None:
    """Write means over seeds, one line for each setting."""
    groups = dict(list(runs.frame().groupby("setting")))
    lines = [
        [setting, *[float(groups[setting][column].mean()) for column in COLUMNS],
         len(groups[setting])]
        for setting in SETTINGS
        if setting in groups
    ]  # fmt: skip
    write_table(path, ["setting", *COLUMNS.values(), "seeds"], lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = Runs(args.out, f"fusion_ablation_{args.data}", KEYS)
    wanted = [{"setting": setting, "seed": s} for setting in args.settings for s in seeds]
    runs.fill(partial(fit_setting, args.data), wanted, args.n_jobs)
    write_means(runs, args.out / f"fusion_ablation_{args.data}.csv")


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    main(parser.parse_args())
