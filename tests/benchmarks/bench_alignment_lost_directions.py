"""Leading directions that a selected map loses, and its accuracy when it is learned again.

python -m tests.benchmarks.bench_alignment_lost_directions --data docstrings.npz

A direction is lost if a map sends it elsewhere than the supervised map does: these are the singular
values below one half of the leading 32 x 32 block of the map relative to the supervised map. The
refinements of the default recipe start from the map before and after it is learned again, and from
the supervised map. For each of these, the table has the lost directions, the top-1 in the leading
128 directions of both spaces, and the top-1 after the refinements.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._selection import SuccessiveHalving
from sklearn_align.alignment._steps import list_refinements, list_starts
from sklearn_align.metrics import retrieval_accuracy
from tests.benchmarks.bench_alignment_rows import load_sides
from tests.benchmarks.bench_alignment_starts import ReducedSpaces
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

KEYS = ("pair", "n_samples", "seed")
PAIRS = ("wordllama:minilm", "minilm:wordllama", "e5:minilm", "e5:wordllama")
MAPS = ("selected", "learned again", "supervised")
FIGURES = ("lost directions", "top-1, 128 directions", "top-1, refined")
N_LEADING = 32
LOST = 0.5


def selected_maps(spaces: ReducedSpaces) -> tuple[FloatArray, FloatArray]:
    """Return the best map at the end of the selection, before and after it is learned again."""
    halving = SuccessiveHalving(
        spaces.problem,
        list_starts("components", "auto", "halving"),
        random_state=spaces.random_state,
        n_jobs=1,
        learn_again=True,
    )
    best = (state.candidates[0].map for state in halving.rounds())
    *_, maps = pairwise(best)
    return maps


def figures_of(spaces: ReducedSpaces, W: FloatArray) -> tuple[int, float, float]:
    """Return number of lost directions, top-1 as it is and after the refinements."""
    relative = spaces.part_of_supervised.T @ W
    values = np.linalg.svd(relative[:N_LEADING, :N_LEADING], compute_uv=False)
    lifted = spaces.problem.lift(W)
    refined = lifted
    stream = np.random.RandomState(0)
    for refinement in list_refinements("robust"):
        *_, refined = refinement.iterate(spaces.full_problem, refined.copy(), stream)
    accuracies = (float(retrieval_accuracy(spaces.A_test @ V, spaces.B_test))
                  for V in (lifted, refined))  # fmt: skip
    return int((values < LOST).sum()), *accuracies


def fit(path: Path, pair: str, n_samples: int, seed: int) -> Figures:
    """Select a map and compare it with what it becomes and with the supervised map."""
    spaces = ReducedSpaces(load_sides(path, pair, n_samples), seed)
    maps = (*selected_maps(spaces), spaces.supervised)
    return {
        f"{figure}, {name}": value
        for name, W in zip(MAPS, maps, strict=True)
        for figure, value in zip(FIGURES, figures_of(spaces, W), strict=True)
    }


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    runs = Runs(args.out, "alignment_lost_directions", KEYS)
    wanted = [
        {"pair": pair, "n_samples": n_samples, "seed": seed}
        for n_samples in args.n_samples
        for pair in args.pairs
        for seed in range(args.seeds)
    ]
    runs.fill(partial(fit, args.data), wanted)
    columns = [f"{figure}, {name}" for figure in FIGURES for name in MAPS]
    medians = runs.frame().groupby(["pair", "n_samples"], sort=False)[columns].median()
    lines = (
        [pair.replace(":", " to "), f"{n_samples:,}"]
        + [f"{v:.0f}" if name.startswith(FIGURES[0]) else v for name, v in row.items()]
        for (pair, n_samples), row in medians.iterrows()
    )
    write_table(
        args.out / "alignment_lost_directions.csv", ["encoders", "samples", *columns], lines
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="archive of encode_docstrings")
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), help="source:target")
    parser.add_argument("--n-samples", type=int, nargs="+", default=[7000])
    parser.add_argument("--seeds", type=int, default=1)
    add_output_option(parser)
    with threadpool_limits(1):
        main(parser.parse_args())
