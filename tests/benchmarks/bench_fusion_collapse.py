"""In how many seeds every modality alone has an accuracy above one half.

python -m tests.benchmarks.bench_fusion_collapse --encoders linear --seeds 20
python -m tests.benchmarks.bench_fusion_collapse --gate-supervision-weight 1 --seeds 3
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sklearn_align import AECFClassifier
from tests.benchmarks.fusion_data import accuracies_alone, load, make_parser
from tests.benchmarks.tables import Figures, Runs, write_table

KEYS = ("data", "encoders", "gate_supervision_weight", "seed")
LIMIT = 0.5


def fit_encoders(data: str, encoders: str, gate_supervision_weight: float, seed: int) -> Figures:
    """Fit, and score the modality that does worst alone."""
    torch.set_num_threads(1)
    bunch = load(data, seed)
    train, test = np.flatnonzero(bunch.split < 2), np.flatnonzero(bunch.split == 2)
    clf = AECFClassifier(
        modalities=bunch.modalities,
        encoders=encoders,
        gate_supervision_weight=gate_supervision_weight,
        random_state=seed,
    )
    clf.fit(bunch.data[train], bunch.target[train])
    X, y = bunch.data[test], bunch.target[test]
    accuracies = accuracies_alone(clf.predict_proba, X, y, bunch.modalities)
    worst = min(accuracies, key=lambda name: accuracies[name])
    return {"worst_modality": worst, "worst_accuracy": accuracies[worst]}


def write_counts(runs: Runs, path: Path) -> None:
    """Write one line for each data set, kind of encoder and weight of the gate supervision."""
    lines = []
    for (data, encoders, weight), group in runs.frame().groupby(list(KEYS[:-1])):
        worst = group["worst_accuracy"]
        good = f"{(worst > LIMIT).sum()} of {len(group)}"
        lines.append([data, encoders, f"{weight:g}", float(worst.min()), good, len(group)])
    header = ["data", "encoders", "gate_supervision_weight", "lowest accuracy of a modality alone",
              f"all modalities above {LIMIT}", "seeds"]  # fmt: skip
    write_table(path, header, lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = Runs(args.out, "fusion_collapse", KEYS)
    setting = {
        "data": args.data,
        "encoders": args.encoders,
        "gate_supervision_weight": args.gate_supervision_weight,
    }
    wanted = [{**setting, "seed": seed} for seed in seeds]
    runs.fill(fit_encoders, wanted, args.n_jobs)
    write_counts(runs, args.out / "fusion_collapse.csv")


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--encoders", choices=["mlp", "linear"], default="mlp")
    parser.add_argument("--gate-supervision-weight", type=float, default=0.0)
    main(parser.parse_args())
