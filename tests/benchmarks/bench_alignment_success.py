"""Table of seeds and pairs of encoders: which alignments succeed, and whether the verdict is right.

python -m tests.benchmarks.bench_alignment_success --data sentences.npz --seeds 10

With ``--unrelated``, targets that have nothing to do with the source, for which only the verdict
is printed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from sklearn_align import MiniVec2Vec
from sklearn_align.exceptions import AlignmentWarning
from tests.benchmarks.alignment_data import Spaces, load_spaces, unrelated_spaces

PAIRS = (
    "word2vec_a:word2vec_b",
    "minilm_layer5:minilm",
    "static:minilm",
    "minilm_layer4:minilm",
)


UNRELATED = ("normal", "shuffled", "digits")


def print_verdicts_on_unrelated(spaces: Spaces, args: argparse.Namespace) -> None:
    """Print what the aligner says of targets that have nothing to do with the source."""
    n_rejected = 0
    for kind in UNRELATED:
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            drawn = unrelated_spaces(spaces.sample(args.rows, seed), kind, seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AlignmentWarning)
                aligner = MiniVec2Vec(random_state=seed, n_jobs=args.n_jobs, n_init=args.n_init)
                aligner.fit(drawn.XA, XB=drawn.XB)
            n_rejected += not aligner.converged_
            print(
                f"{drawn.name:28} seed {seed}: agreement {aligner.agreement_:.3f}, relative score "
                f"{aligner.relative_score_:.3f}, converged {aligner.converged_}",
                flush=True,
            )
    print(f"rejected {n_rejected} of {len(UNRELATED) * args.seeds}")


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    for pair in args.pairs if args.data else PAIRS[:1]:
        spaces = load_spaces(args.data, *pair.split(":"))
        if args.unrelated:
            print_verdicts_on_unrelated(spaces, args)
            continue
        results = []
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            drawn = spaces.sample(args.rows, seed)
            known = None
            if args.n_pairs:
                if drawn.XA_counterparts is None:
                    raise SystemExit("--n-pairs needs --data")
                rng = np.random.default_rng(seed)
                rows = rng.choice(len(drawn.XA), args.n_pairs, replace=False)
                counterparts = drawn.XA_counterparts[rows]
                n_wrong = round(args.wrong * args.n_pairs)
                counterparts[:n_wrong] = np.roll(counterparts[:n_wrong], 1, axis=0)
                known = (drawn.XA[rows], counterparts)
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AlignmentWarning)
                aligner = MiniVec2Vec(random_state=seed, n_jobs=args.n_jobs, n_init=args.n_init)
                aligner.fit(drawn.XA, XB=drawn.XB, pairs=known)
            seconds = time.perf_counter() - start
            top1, cosine = drawn.top1_and_cosine(
                aligner.transform(drawn.XA_test), aligner.transform_target(drawn.XB_test)
            )
            oracle_top1, oracle_cosine = drawn.oracle()
            results.append((top1, oracle_top1, aligner.converged_))
            print(
                f"{spaces.name:28} seed {seed}: top-1 {top1:.4f} (oracle {oracle_top1:.4f}), "
                f"cosine {cosine:.3f} ({oracle_cosine:.3f}), score "
                f"{aligner.alignment_score_:.4f}, agreement {aligner.agreement_:.3f}, relative "
                f"score {aligner.relative_score_:.3f}, converged "
                f"{aligner.converged_}, {seconds:.1f} s",
                flush=True,
            )
        top1s, oracles, verdicts = (np.array(column) for column in zip(*results, strict=True))
        if args.data:
            right = (verdicts == (top1s > oracles / 2)).sum()
            print(
                f"{spaces.name:28} succeeded {(top1s > oracles - 0.02).sum()} of {len(results)}, "
                f"verdict right {right} of {len(results)}, median top-1 minus oracle "
                f"{np.median(top1s - oracles):+.4f}\n",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="archive of encoders; else the shipped pair")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, help="source:target")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=7000, help="rows per side")
    parser.add_argument("--n-pairs", type=int, default=0, help="known pairs")
    parser.add_argument("--wrong", type=float, default=0.0, help="share of wrong known pairs")
    parser.add_argument("--unrelated", action="store_true", help="targets without a match")
    parser.add_argument("--n-init", type=lambda v: v if v == "auto" else int(v), default="auto")
    parser.add_argument("--n-jobs", type=int, default=1)
    main(parser.parse_args())
