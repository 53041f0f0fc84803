"""Draw agreement and relative score of the fits that bench_alignment_success recorded.

python -m tests.benchmarks.plot_convergence --out docs/images/convergence.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_align.alignment._recipes import CONVERGENCE
from tests.benchmarks.bench_alignment_success import KEYS, KEYS_UNRELATED
from tests.benchmarks.tables import TABLES, Runs

LARGEST_SHOWN = 2.0


def populations(tables: Path) -> dict[str, pd.DataFrame]:
    """Fits without known pairs, grouped by what is known about their map."""
    related = Runs(tables, "alignment_success", KEYS).frame()
    related = related[(related["n_pairs"] == 0) & related["supervised_top1"].notna()]
    is_right = related["top1"] > related["supervised_top1"] / 2
    return {
        "correct maps": related[is_right],
        "wrong maps between related spaces": related[~is_right],
        "unrelated spaces": Runs(tables, "alignment_success_unrelated", KEYS_UNRELATED).frame(),
    }


def main(args: argparse.Namespace) -> None:
    """Write the picture."""
    fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
    ax.fill_between([CONVERGENCE.min_agreement, 1.05], CONVERGENCE.min_relative_score_wide, 3,
               color="tab:green", alpha=0.1, label="converged_")  # fmt: skip
    for (label, fits), marker in zip(populations(args.tables).items(), "osx", strict=True):
        if len(fits):
            relative = np.clip(fits["relative_score"], 0.0, LARGEST_SHOWN)
            ax.scatter(fits["agreement"], relative, marker=marker, alpha=0.7,
                       label=f"{label} ({len(fits)})")  # fmt: skip
    ax.axvline(CONVERGENCE.min_agreement, color="grey", linestyle=":")
    ax.axhline(CONVERGENCE.min_relative_score_wide, color="grey", linestyle=":")
    ax.set(
        xlabel="agreement_",
        ylabel=f"relative_score_ (cut at {LARGEST_SHOWN:g})",
        xlim=(-0.05, 1.05),
        ylim=(-0.08, LARGEST_SHOWN + 0.08),
    )
    ax.legend(loc="upper center", fontsize="small")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(args.out, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder of the tables")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
