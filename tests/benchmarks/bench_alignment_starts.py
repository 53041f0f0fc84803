"""Cosine of the first maps of a hard pair, by contrast, number and share of matched components.

python -m tests.benchmarks.bench_alignment_starts --data sentences.npz --seeds 6

A component has a counterpart if the supervised map sends it to a component of the other space with
a cosine above one half. The area under the curve tells how well skewness separates components with
a counterpart from the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import AlignmentProblem, ComponentStart
from sklearn_align.alignment._selection import reduce_problem
from sklearn_align.alignment.solvers._component_statistics import Components, skewness
from sklearn_align.alignment.solvers._fastica import fast_ica
from sklearn_align.metrics import mean_cosine_similarity
from tests.benchmarks.alignment_data import Spaces, load_spaces
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

KEYS = ("pair", "contrast", "n_components", "seed")
CONTRASTS = ("logcosh", "skew")
FRACTIONS = (1.0, 0.8, 0.65)
# Transport refinement reaches the correct map from about this cosine on.
SUFFICIENT = 0.13
COUNTERPART = 0.5


class ReducedSpaces:
    """The spaces, their leading principal directions and the supervised map between them."""

    def __init__(self, spaces: Spaces, seed: int = 0) -> None:
        if spaces.XA_counterparts is None:
            raise SystemExit(f"{spaces.name}: the archive has no counterparts")
        mean_A, mean_B = spaces.XA.mean(axis=0), spaces.XB.mean(axis=0)
        A, B = unit_rows(spaces.XA, mean_A), unit_rows(spaces.XB, mean_B)
        self.random_state = np.random.RandomState(seed)
        self.full_problem = AlignmentProblem(A, B, random_state=self.random_state)
        self.problem = reduce_problem(self.full_problem, self.random_state)
        supervised = polar_factor(A.T @ unit_rows(spaces.XA_counterparts, mean_B))
        self.part_of_supervised = self.problem.reduce(supervised)
        self.supervised = polar_factor(self.part_of_supervised)
        self.A_test = unit_rows(spaces.XA_test, mean_A)
        self.B_test = unit_rows(spaces.XB_test, mean_B)

    def cosine_of_start(self, start: ComponentStart, seed: int) -> float:
        """Mean cosine of held-out samples after the first map."""
        W = start.initial_map(self.problem, np.random.RandomState(seed))
        mapped = unit_rows(self.A_test @ self.problem.lift(W))
        return float(mean_cosine_similarity(mapped, self.B_test))

    def counterparts(self, contrast: str, n_components: int, seed: int) -> tuple[int, float]:
        """Number of components with a counterpart, and area under the curve of skewness."""
        random_state = np.random.RandomState(seed)
        left, right = (
            Components.oriented(
                *fast_ica(
                    self.problem.whitening(side),
                    n_components,
                    contrast=contrast,
                    random_state=random_state,
                )
            )
            for side in ("A", "B")
        )
        mapped = unit_rows(left.directions.T) @ self.supervised
        cosine = mapped @ unit_rows(right.directions.T).T
        nodes = linear_sum_assignment(-cosine)
        corresponds = np.zeros(len(cosine), dtype=bool)
        corresponds[nodes[0]] = cosine[nodes] > COUNTERPART
        return int(corresponds.sum()), float(roc_auc_score(corresponds, skewness(left.sources)))


def column(fraction: float) -> str:
    """Name of the column of a matched fraction."""
    return f"cosine {fraction:.0%}"


def write_means(runs: Runs, path: Path) -> None:
    """Write means over seeds, and the share of first maps that suffice."""
    lines = []
    for keys, group in runs.frame().groupby(["contrast", "n_components"]):
        figures = [f"{group['with_counterpart'].mean():.0f}", float(group["auc"].mean())]
        for fraction in FRACTIONS:
            cosines = group[column(fraction)]
            figures += [float(cosines.mean()), f"{(cosines > SUFFICIENT).sum()} of {len(group)}"]
        lines.append([*keys, *figures, len(group)])
    header = ["contrast", "n_components", "with a counterpart", "area under the curve"]
    for fraction in FRACTIONS:
        header += [f"cosine, {fraction:.0%} matched", f"above {SUFFICIENT}"]
    write_table(path, [*header, "seeds"], lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    reduced = ReducedSpaces(load_spaces(args.data, args.pair))

    def fit_start(pair: str, contrast: str, n_components: int, seed: int) -> Figures:
        figures: Figures = {}
        for fraction in FRACTIONS:
            start = ComponentStart(n_components, contrast=contrast, matched_fraction=fraction)
            figures[column(fraction)] = reduced.cosine_of_start(start, seed)
        n_matched, area = reduced.counterparts(contrast, n_components, seed)
        return {**figures, "with_counterpart": n_matched, "auc": area}

    runs = Runs(args.out, "alignment_starts", KEYS)
    keys = {"pair": args.pair}
    wanted = [
        keys | {"contrast": contrast, "n_components": n_components, "seed": seed}
        for contrast in CONTRASTS
        for n_components in args.n_components
        for seed in range(args.seeds)
    ]
    runs.fill(fit_start, wanted)
    write_means(runs, args.out / "alignment_starts.csv")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="archive of encoders")
    parser.add_argument("--pair", default="minilm_layer4:minilm")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--n-components", type=int, nargs="+", default=[64, 80, 96, 128])
    add_output_option(parser)
    with threadpool_limits(1):
        main(parser.parse_args())
