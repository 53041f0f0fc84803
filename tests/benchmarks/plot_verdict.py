"""Draw the verdicts that bench_alignment_success printed.

python -m tests.benchmarks.bench_alignment_success --data sentences.npz > related.log
python -m tests.benchmarks.bench_alignment_success --data sentences.npz --unrelated > unrelated.log
python -m tests.benchmarks.plot_verdict related.log unrelated.log --out docs/images/verdict.png
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt

from sklearn_align.alignment._diagnostics import AGREEMENT_THRESHOLD, RELATIVE_SCORE_THRESHOLD

LINE = re.compile(
    r"seed \d+: (?:top-1 (?P<top1>[\d.]+) \(oracle (?P<oracle>[\d.]+)\))?.*agreement "
    r"(?P<agreement>[\d.]+), relative score (?P<relative>-?[\d.]+)"
)
LARGEST_SHOWN = 2.0


def main(args: argparse.Namespace) -> None:
    """Write the picture."""
    points = defaultdict(list)
    for path in args.logs:
        for match in LINE.finditer(path.read_text(encoding="utf-8")):
            if match["top1"] is None:
                population = "unrelated spaces"
            elif float(match["top1"]) > float(match["oracle"]) / 2:
                population = "right maps"
            else:
                population = "wrong maps between related spaces"
            relative = min(max(float(match["relative"]), 0.0), LARGEST_SHOWN)
            points[population].append((float(match["agreement"]), relative))
    fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
    ax.fill_between([AGREEMENT_THRESHOLD, 1.05], RELATIVE_SCORE_THRESHOLD, 3,
               color="tab:green", alpha=0.1, label="trusted")  # fmt: skip
    for (population, found), marker in zip(sorted(points.items()), "osx", strict=False):
        ax.scatter(*zip(*found, strict=True), marker=marker, alpha=0.7,
                   label=f"{population} ({len(found)})")  # fmt: skip
    ax.axvline(AGREEMENT_THRESHOLD, color="grey", linestyle=":")
    ax.axhline(RELATIVE_SCORE_THRESHOLD, color="grey", linestyle=":")
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
    parser.add_argument("logs", nargs="+", type=Path, help="what the benchmark printed")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
