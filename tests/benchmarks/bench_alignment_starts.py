"""How good the starts of a hard pair are, by kind and by share of the components matched.

python -m tests.benchmarks.bench_alignment_starts --data sentences.npz --seeds 6
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from sklearn_align._linalg import polar_factor
from sklearn_align.alignment._components import independent_components, skewness
from sklearn_align.alignment._problem import AlignmentProblem, unit_rows
from sklearn_align.alignment._starts import ComponentStart, reduce_problem
from sklearn_align.metrics import mean_cosine_similarity
from tests.benchmarks.alignment_data import load_spaces

SHARES = (1.0, 0.8, 0.65)
# From about here a start climbs to the right map.
GOOD = 0.13
COUNTERPART = 0.5


def main(args: argparse.Namespace) -> None:
    """Print the cosine of starts with held-out rows, and how many components correspond."""
    spaces = load_spaces(args.data, *args.pair.split(":"))
    if spaces.XA_counterparts is None:
        raise SystemExit("--data is needed")
    mean_A, mean_B = spaces.XA.mean(axis=0), spaces.XB.mean(axis=0)
    A, B = unit_rows(spaces.XA, mean_A), unit_rows(spaces.XB, mean_B)
    supervised = polar_factor(A.T @ unit_rows(spaces.XA_counterparts, mean_B))
    A_test, B_test = unit_rows(spaces.XA_test, mean_A), unit_rows(spaces.XB_test, mean_B)
    random_state = np.random.RandomState(0)
    reduced = reduce_problem(AlignmentProblem(A, B, random_state=random_state), random_state)
    W = polar_factor(reduced.reduce(supervised))
    print(spaces.name)
    for contrast in ("logcosh", "skew"):
        for n_components in args.n_components:
            cosines = {share: [] for share in SHARES}
            matched, areas = [], []
            for seed in range(args.seeds):
                for share in SHARES:
                    start = ComponentStart(n_components, contrast, share)
                    lifted = reduced.lift(start.map(reduced, np.random.RandomState(seed)))
                    cosines[share].append(
                        mean_cosine_similarity(unit_rows(A_test @ lifted), B_test)
                    )
                stream = np.random.RandomState(seed)
                left, right = (
                    independent_components(X, n_components, contrast=contrast, random_state=stream)
                    for X in (reduced.coordinates_A, reduced.coordinates_B)
                )
                cosine = unit_rows(left.directions.T) @ W @ unit_rows(right.directions.T).T
                nodes = linear_sum_assignment(-cosine)
                corresponds = np.zeros(cosine.shape[0], dtype=bool)
                corresponds[nodes[0]] = cosine[nodes] > COUNTERPART
                matched.append(corresponds.sum())
                areas.append(roc_auc_score(corresponds, skewness(left.sources)))
            starts = ", ".join(
                f"share {share}: {np.mean(values):.3f} ({np.mean(np.array(values) > GOOD):.0%} "
                f"above {GOOD})"
                for share, values in cosines.items()
            )
            print(
                f"{contrast:8}{n_components:4}: {np.mean(matched):.0f} with a counterpart, area "
                f"under the curve of skewness {np.mean(areas):.2f}; mean cosine of starts: "
                f"{starts}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="archive of encoders")
    parser.add_argument("--pair", default="minilm_layer4:minilm")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--n-components", type=int, nargs="+", default=[64, 80, 96, 128])
    with threadpool_limits(1):
        main(parser.parse_args())
