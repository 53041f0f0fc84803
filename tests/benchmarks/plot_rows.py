"""Draw accuracy against the number of samples, from the fits that bench_alignment_rows recorded.

python -m tests.benchmarks.plot_rows --out docs/images/accuracy_and_samples.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

from tests.benchmarks.bench_alignment_rows import KEYS, PAIRS
from tests.benchmarks.tables import TABLES, Runs

NAMES = {
    "minilm": "all-MiniLM-L6-v2",
    "e5": "multilingual-e5-small",
    "wordllama": "WordLlama",
}


def main(args: argparse.Namespace) -> None:
    """Write the picture."""
    frame = Runs(args.tables, "alignment_rows", KEYS).frame()
    fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    for number, pair in enumerate(PAIRS):
        fits = frame[frame["pair"] == pair]
        if fits.empty:
            continue
        median = fits.groupby("n_samples")[["top1", "supervised_top1"]].median()
        source, target = (NAMES[name] for name in pair.split(":"))
        (line,) = ax.plot(
            median.index, median["top1"], color=f"C{number}", label=f"{source} to {target}"
        )
        for converged, marker in ((True, "o"), (False, "x")):
            some = fits[fits["converged"] == converged]
            ax.scatter(some["n_samples"], some["top1"], marker=marker, color=line.get_color())
        ax.axhline(median["supervised_top1"].iloc[-1], color=line.get_color(), linestyle=":")
    ax.set(
        xscale="log",
        xlabel="unpaired samples of each side",
        ylabel="top-1 among 2,000 held-out samples",
        ylim=(-0.02, 1.02),
    )
    sizes = sorted(set(frame["n_samples"]))
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize="small")
    ax.minorticks_off()
    fig.legend(loc="outside lower center", ncols=2, fontsize="small")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(args.out, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder of the tables")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
