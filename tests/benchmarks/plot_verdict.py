"""Draw expected and true accuracy of the fits that bench_alignment_verdict recorded.

python -m tests.benchmarks.plot_verdict --out docs/images

Writes two pictures: expected against true accuracy of all fits, and both against the number of
samples for some pairs of independent encoders.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from sklearn_align.alignment._recipes import CONVERGENCE
from tests.benchmarks.bench_alignment_verdict import KEYS, TOLERANCE
from tests.benchmarks.tables import TABLES, Runs

GROUPS = {
    "independent encoders": ("independent encoders",),
    "the same, 100 known pairs": ("100 known pairs",),
    "one encoder": ("one encoder", "rotated, noise", "permuted features"),
    "digits": ("views of digits",),
    "few samples": ("few samples",),
    "symmetric or equal features": ("symmetric", "equal features", "low rank"),
    "unrelated": ("unrelated", "narrow mixtures"),
}
NAMES = {"minilm": "MiniLM", "mpnet": "MPNet", "use": "USE", "e5": "E5", "wordllama": "WordLlama"}
SHOWN_PAIRS = (
    "minilm:mpnet",
    "use:e5",
    "minilm:use",
    "e5:mpnet",
    "wordllama:minilm",
    "wordllama:mpnet",
)
ACCURACY = "top-1 among 1,000 samples"


def draw_scatter(frame: pd.DataFrame, ax: Axes) -> None:
    """Draw expected against true accuracy, one colour for each group of families."""
    ax.fill_between([0, 1], [-TOLERANCE, 1 - TOLERANCE], [TOLERANCE, 1 + TOLERANCE],
                    color="0.9", label=f"within {TOLERANCE:g}")  # fmt: skip
    ax.axhline(CONVERGENCE.min_expected_accuracy, color="0.5", linestyle=":")
    for number, (label, families) in enumerate(GROUPS.items()):
        fits = frame[frame["family"].isin(families)]
        ax.scatter(fits["top1"], fits["expected_accuracy"], color=f"C{number}", s=20, alpha=0.7,
                   label=f"{label} ({len(fits)})")  # fmt: skip
    ax.set(xlabel=ACCURACY, ylabel="expected_accuracy_", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def draw_pair(frame: pd.DataFrame, pair: str, ax: Axes) -> None:
    """Draw accuracies of one pair of encoders against the number of samples."""
    fits = frame[(frame["family"] == "independent encoders") & (frame["data"] == pair)]
    fits = fits.groupby("n_samples", as_index=False).median(numeric_only=True)
    for column, style, label in (
        ("top1", "C0-o", "true"),
        ("expected_accuracy", "C1--s", "expected, without labels"),
        ("supervised_top1", "k:", "supervised map"),
    ):
        ax.plot(fits["n_samples"], fits[column], style, label=label)
    source, target = (NAMES[name] for name in pair.split(":"))
    ax.set(title=f"{source} to {target}", xscale="log", ylim=(-0.03, 1.03))
    ax.set_xticks(fits["n_samples"], [f"{size:,.0f}" for size in fits["n_samples"]])
    ax.minorticks_off()


def main(args: argparse.Namespace) -> None:
    """Write the pictures."""
    frame = Runs(args.tables, "alignment_verdict", KEYS).frame()
    args.out.mkdir(parents=True, exist_ok=True)
    fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    draw_scatter(frame, ax)
    fig.legend(loc="outside right upper", fontsize="small")
    fig.savefig(args.out / "expected_accuracy.png", dpi=110)
    fig, axes = plt.subplots(2, 3, figsize=(8, 5), sharey=True, layout="constrained")
    for pair, ax in zip(SHOWN_PAIRS, axes.flat, strict=True):
        draw_pair(frame, pair, ax)
    axes[1, 1].set_xlabel("unpaired samples of each side")
    fig.supylabel(ACCURACY, fontsize="medium")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    fig.savefig(args.out / "encoders_and_samples.png", dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder of the tables")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    main(parser.parse_args())
