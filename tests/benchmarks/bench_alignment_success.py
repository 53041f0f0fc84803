"""Seeds and pairs of encoders: which alignments succeed, and whether `converged_` is right.

python -m tests.benchmarks.bench_alignment_success --data sentences.npz --seeds 10
python -m tests.benchmarks.bench_alignment_success --data sentences.npz encoders.npz --encoders
python -m tests.benchmarks.bench_alignment_success --data sentences.npz encoders.npz --encoders \\
    --both --n-pairs 30 --seeds 1

With ``--n-pairs``, a few known pairs are passed to fit. With ``--unrelated``, the targets are
unrelated to the source, and the table shows how often the convergence check rejects the map.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from sklearn_align import MiniVec2Vec
from sklearn_align.exceptions import AlignmentWarning
from tests.benchmarks.alignment_data import (
    SHIPPED_PAIR,
    Spaces,
    load_spaces,
    top1_and_cosine,
    unit,
    unrelated_spaces,
)
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

PAIRS = (SHIPPED_PAIR, "minilm_layer5:minilm", "static:minilm", "minilm_layer4:minilm")
NAMES = {
    "shipped": "word2vec, samples of the package",
    SHIPPED_PAIR: "word2vec, trained twice",
    "minilm_layer5:minilm": "layer 5 to the last layer",
    "static:minilm": "static token vectors to the last layer",
    "minilm_layer4:minilm": "layer 4 to the last layer",
}
# Sentence encoders that were trained independently.
ENCODER_PAIRS = (
    "minilm:mpnet",
    "use:e5",
    "minilm:e5",
    "minilm:use",
    "e5:mpnet",
    "use:mpnet",
    "minilm:wordllama",
    "wordllama:mpnet",
    "wordllama:e5",
    "use:wordllama",
)
UNRELATED = ("normal", "shuffled", "digits")
KEYS = ("pair", "n_samples", "n_pairs", "wrong", "n_init", "seed")
KEYS_UNRELATED = ("pair", "target", "n_samples", "n_init", "seed")
# Known pairs of the methods that the aligner without pairs is compared with.
N_KNOWN_PAIRS = 1000
# A map within this distance of the supervised one has succeeded.
TOLERANCE = 0.02


def reverse(pair: str) -> str:
    """Return the same encoders in the other direction."""
    source, target = pair.split(":")
    return f"{target}:{source}"


def fit_aligner(XA: Any, XB: Any, pairs: Any, seed: int, n_init: Any, n_jobs: int) -> MiniVec2Vec:
    """Fit with the defaults, without the warning of a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner = MiniVec2Vec(random_state=seed, n_jobs=n_jobs, n_init=n_init)
        return aligner.fit(XA, XB=XB, pairs=pairs)


def diagnostics(aligner: MiniVec2Vec) -> Figures:
    """Label-free diagnostics of a fit."""
    return {
        "score": float(aligner.alignment_score_),
        "agreement": float(aligner.agreement_),
        "relative_score": float(aligner.relative_score_),
        "expected_accuracy": float(aligner.expected_accuracy_),
        "converged": bool(aligner.converged_),
    }


def fit_related(
    spaces: Spaces, n_jobs: int, n_samples: int, n_pairs: int, wrong: float, n_init: Any,
    seed: int, pair: str,
) -> Figures:  # fmt: skip
    """Fit related spaces and compare with the supervised map."""
    drawn = spaces.draw(n_samples, seed)
    pairs = drawn.draw_pairs(n_pairs, wrong, seed)
    aligner = fit_aligner(drawn.XA, drawn.XB, pairs, seed, n_init, n_jobs)
    top1, cosine = top1_and_cosine(
        aligner.transform(drawn.XA_test), aligner.transform_target(drawn.XB_test)
    )
    supervised_top1, supervised_cosine = drawn.supervised()
    return {
        "top1": float(top1),
        "supervised_top1": float(supervised_top1),
        "cosine": float(cosine),
        "supervised_cosine": float(supervised_cosine),
        **diagnostics(aligner),
    }


def fit_encoders(spaces: Spaces, n_jobs: int, **keys: Any) -> Figures:
    """Fit related spaces, and methods that need pairs to some pairs."""
    figures = fit_related(spaces, n_jobs, **keys)
    drawn = spaces.draw(keys["n_samples"], keys["seed"])
    known = drawn.draw_pairs(N_KNOWN_PAIRS, 0.0, keys["seed"])
    assert known is not None
    means = [X.mean(axis=0) for X in known]
    A, B = (unit(X - mean) for X, mean in zip(known, means, strict=True))
    test_A, test_B = unit(drawn.XA_test - means[0]), unit(drawn.XB_test - means[1])
    U, _, Vt = np.linalg.svd(A.T @ B, full_matrices=False)
    ridge = RidgeCV(np.logspace(-3, 3, 25)).fit(A, B)
    figures["procrustes_top1"] = float(top1_and_cosine(test_A @ (U @ Vt), test_B)[0])
    figures["ridge_top1"] = float(top1_and_cosine(ridge.predict(test_A), test_B)[0])
    return figures


def write_encoders(runs: Runs, path: Path, n_pairs: int) -> None:
    """Write one line for each pair of encoders, of the fits with so many known pairs."""
    frame = runs.frame()
    frame = frame[frame["n_pairs"] == n_pairs]

    def lines() -> Iterator[list[Any]]:
        for pair, group in frame.groupby("pair", sort=False):
            top1, supervised = group["top1"], group["supervised_top1"]
            right = (group["converged"] == (top1 > supervised / 2)).sum()
            columns = ("top1", "procrustes_top1", "ridge_top1", "supervised_top1",
                       "expected_accuracy")  # fmt: skip
            yield [
                str(pair).replace(":", " to "),
                *(float(group[column].median()) for column in columns),
                f"{group['converged'].sum()} of {len(group)}",
                f"{right} of {len(group)}",
                len(group),
            ]

    known = f"{n_pairs:,} pairs" if n_pairs else "no pairs"
    header = ["encoders", known, "Procrustes, 1,000 pairs", "ridge, 1,000 pairs",
              "supervised map", "expected accuracy", "converged", "check correct",
              "seeds"]  # fmt: skip
    both = [*ENCODER_PAIRS, *map(reverse, ENCODER_PAIRS)]
    order = {pair.replace(":", " to "): number for number, pair in enumerate(both)}
    write_table(path, header, sorted(lines(), key=lambda line: order[line[0]]))


def fit_unrelated(
    spaces: Spaces, n_jobs: int, target: str, n_samples: int, n_init: Any, seed: int, pair: str
) -> Figures:
    """Fit to targets that are unrelated to the source."""
    drawn = unrelated_spaces(spaces.draw(n_samples, seed), target, seed)
    return diagnostics(fit_aligner(drawn.XA, drawn.XB, None, seed, n_init, n_jobs))


def write_related(runs: Runs, path: Path, *, with_pairs: bool) -> None:
    """Write one line for each pair of encoders, number of samples and number of known pairs."""
    frame = runs.frame()
    frame = frame[(frame["n_pairs"] > 0) == with_pairs]

    def lines() -> Iterator[list[Any]]:
        columns = ["pair", "n_samples", "n_pairs", "wrong", "n_init"]
        for (pair, n_samples, n_pairs, wrong, _), group in frame.groupby(columns, sort=False):
            top1, supervised = group["top1"], group["supervised_top1"]
            comparable = supervised.notna().all()
            near = (top1 > supervised - TOLERANCE).sum()
            right = (group["converged"] == (top1 > supervised / 2)).sum()
            settings = [n_pairs, f"{wrong:.0%}"] if with_pairs else []
            yield [
                NAMES.get(pair, pair),
                n_samples,
                *settings,
                float(top1.median()),
                float(supervised.median()) if comparable else "",
                f"{near} of {len(group)}" if comparable else "",
                f"{right} of {len(group)}" if comparable else "",
                len(group),
            ]

    settings = ["known pairs", "wrong pairs"] if with_pairs else []
    header = ["encoders", "samples of each side", *settings, "top-1, median", "supervised map",
              "near the supervised map", "check correct", "seeds"]  # fmt: skip
    order = {NAMES.get(pair, pair): number for number, pair in enumerate(PAIRS)}
    write_table(path, header, sorted(lines(), key=lambda line: order.get(line[0], len(order))))


def write_unrelated(runs: Runs, path: Path) -> None:
    """Write one line for each source and kind of target."""

    def lines() -> Iterator[list[Any]]:
        columns = ["pair", "target", "n_samples", "n_init"]
        for (pair, target, n_samples, _), group in runs.frame().groupby(columns, sort=False):
            yield [
                pair.split(":")[0],
                target,
                n_samples,
                float(group["agreement"].max()),
                float(group["relative_score"].max()),
                f"{(~group['converged']).sum()} of {len(group)}",
                len(group),
            ]

    header = ["source", "target", "samples of each side", "largest agreement",
              "largest relative score", "rejected", "seeds"]  # fmt: skip
    write_table(path, header, lines())


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    name = "alignment_encoders" if args.encoders else "alignment_success"
    name += "_unrelated" * args.unrelated
    runs = Runs(args.out, name, KEYS_UNRELATED if args.unrelated else KEYS)
    pairs = args.pairs
    if args.encoders:
        pairs = [*ENCODER_PAIRS, *map(reverse, ENCODER_PAIRS)] if args.both else ENCODER_PAIRS
    # Seed by seed, so that a run that is stopped has the same seeds of all pairs but the last.
    for seed in seeds:
        for pair in pairs if args.data else ["shipped"]:
            spaces = load_spaces(args.data, pair)
            keys = {"pair": pair, "n_samples": args.n_samples, "n_init": args.n_init, "seed": seed}
            related = {"n_pairs": args.n_pairs, "wrong": args.wrong}
            if args.unrelated:
                wanted = [keys | {"target": kind} for kind in UNRELATED]
                runs.fill(partial(fit_unrelated, spaces, args.n_jobs), wanted)
            elif args.encoders:
                runs.fill(partial(fit_encoders, spaces, args.n_jobs), [keys | related])
            else:
                runs.fill(partial(fit_related, spaces, args.n_jobs), [keys | related])
    if args.unrelated:
        write_unrelated(runs, args.out / f"{name}.csv")
    elif args.encoders:
        suffix = f"_{args.n_pairs}_pairs" if args.n_pairs else ""
        write_encoders(runs, args.out / f"{name}{suffix}.csv", args.n_pairs)
    else:
        suffix = "_pairs" if args.n_pairs else ""
        write_related(runs, args.out / f"{name}{suffix}.csv", with_pairs=args.n_pairs > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", help="archives; else the shipped pair")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, help="source:target")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--n-samples", type=int, default=7000, help="samples of each side")
    parser.add_argument("--n-pairs", type=int, default=0, help="known pairs")
    parser.add_argument("--wrong", type=float, default=0.0, help="share of wrong known pairs")
    parser.add_argument("--unrelated", action="store_true", help="targets without a match")
    parser.add_argument("--encoders", action="store_true", help="ten pairs of encoders")
    parser.add_argument("--both", action="store_true", help="with --encoders, both directions")
    parser.add_argument("--n-init", type=lambda v: v if v == "auto" else int(v), default="auto")
    parser.add_argument("--n-jobs", type=int, default=1)
    add_output_option(parser)
    main(parser.parse_args())
