"""Search with new queries in an old index: its vectors mapped, or the queries mapped.

python -m tests.benchmarks.bench_vector_index --data sentences.npz encoders.npz

The index holds ``to_target`` of its vectors ("mapped"), the affine map of FAISS ("affine") or
``transform`` of them ("centred", with ``transform_target`` of the queries). Or it is left as it is,
and the queries are mapped by the transpose of `map_` between both means ("affine inverse"), by
``inverse_transform`` ("inverse") or by the transpose of `linear_map_` alone ("transpose"). "old
queries" are those of the old encoder.

The held-out samples are the texts of an index, the last 500 of them queries. Recall is the share of
the ten nearest texts by the new encoder that are found, where texts and queries differ; top-1 the
share of queries whose own text is found first, in an index that holds all held-out samples. Both
are by cosine, with FAISS. Without --data, the pairs of encoders that come with the package are
used, without known pairs.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.exceptions import AlignmentWarning
from tests.benchmarks.alignment_data import FloatArray, Spaces, load_archives, unit
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

SHIPPED = {"word2vec_a:word2vec_b": "word2vec", "minilm:mpnet": "minilm_mpnet"}
INDEX_SIDE = ("mapped", "affine", "centred")
QUERY_SIDE = ("affine inverse", "inverse", "transpose")
OLD = "old queries"
KEYS = ("pair", "n_pairs", "n_samples", "seed")
N_QUERIES = 500
K = 10


def load(data: Sequence[Path] | None, pair: str) -> Spaces:
    """Load two encoders of archives, or of the package."""
    if data is not None:
        return load_archives(data, pair)
    shipped = load_sentence_embeddings(pair=SHIPPED[pair])
    return Spaces(pair, shipped.XA, shipped.XB, shipped.XA_test, shipped.XB_test)


def search(stored: FloatArray, queries: FloatArray, k: int) -> Any:
    """Return the positions (n_queries, k) of the nearest stored vectors by cosine."""
    index = faiss.IndexFlatIP(stored.shape[1])
    index.add(np.ascontiguousarray(unit(stored), dtype=np.float32))
    return index.search(np.ascontiguousarray(unit(queries), dtype=np.float32), k)[1]


def mapped_sides(
    aligner: MiniVec2Vec, old: FloatArray, new: FloatArray
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return what the index holds and what it is searched with, by the name of the method."""
    W, mean_A, mean_B = aligner.linear_map_, aligner.source_mean_, aligner.target_mean_
    # Not meant for encoders of which `source_normalized_` or `target_normalized_` is True.
    scale = aligner.target_radius_ / aligner.source_radius_
    T = aligner.transform_target(new)
    return {
        "mapped": (aligner.to_target(old), new),
        "affine": (mean_B + scale * (old - mean_A) @ W, new),
        "centred": (aligner.transform(old), T),
        "affine inverse": (old, mean_A + (new - mean_B) @ aligner.map_.T / scale),
        "inverse": (old, aligner.inverse_transform(T)),
        "transpose": (old, new @ W.T),
    }


def fit(data: Sequence[Path] | None, pair: str, n_pairs: int, n_samples: int, seed: int) -> Figures:
    """Fit to a sample and search with queries by the new encoder."""
    spaces = load(data, pair)
    known = spaces.draw_pairs(n_pairs, 0.0, seed)
    spaces = spaces.draw(n_samples, seed)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner = MiniVec2Vec(random_state=seed).fit(spaces.XA, XB=spaces.XB, pairs=known)
    old, new = spaces.XA_test, spaces.XB_test
    sides = {**mapped_sides(aligner, old, new), OLD: (old, old)}
    expected = search(new[:-N_QUERIES], new[-N_QUERIES:], K)
    own = np.arange(len(new) - N_QUERIES, len(new))
    figures: Figures = {"converged": int(aligner.converged_)}
    for name, (stored, queries) in sides.items():
        found = search(stored[:-N_QUERIES], queries[-N_QUERIES:], K)
        hits = (found[:, :, None] == expected[:, None, :]).any(axis=2)
        figures[f"recall, {name}"] = float(hits.mean())
        first = search(stored, queries[-N_QUERIES:], 1)[:, 0]
        figures[f"top1, {name}"] = float((first == own).mean())
    return figures


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    faiss.omp_set_num_threads(1)
    runs = Runs(args.out, "vector_index", KEYS)
    available = {pair: len(load(args.data, pair).XA) for pair in args.pairs}
    runs.fill(
        partial(fit, args.data),
        [
            {"pair": pair, "n_pairs": n_pairs, "n_samples": n_samples, "seed": seed}
            for seed in range(args.seeds)
            for n_samples in args.n_samples
            for pair in args.pairs
            for n_pairs in (args.n_pairs if args.data else [0])
            if n_samples <= available[pair]
        ],
    )

    def lines() -> Iterator[list[Any]]:
        for (pair, n_pairs, n_samples), group in runs.frame().groupby(list(KEYS[:3]), sort=False):
            medians = group.drop(columns="pair").median()
            cells = [
                f"{medians[f'recall, {name}']:.3f} / {medians[f'top1, {name}']:.3f}"
                for name in (*INDEX_SIDE, *QUERY_SIDE)
            ]
            old = f"{medians[f'recall, {OLD}']:.3f}"
            converged = f"{group['converged'].sum()} of {len(group)}"
            yield [pair.replace(":", " to "), n_pairs, n_samples, *cells, old, converged]

    header = ["encoders", "known pairs", "samples", *INDEX_SIDE, *QUERY_SIDE, OLD, "converged"]
    write_table(args.out / "vector_index.csv", header, lines())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", help="archives; else the shipped pairs")
    parser.add_argument("--pairs", nargs="+", default=list(SHIPPED), help="old:new encoder")
    parser.add_argument("--n-pairs", nargs="+", type=int, default=[0, 1000])
    parser.add_argument("--n-samples", nargs="+", type=int, default=[500, 1000, 2000, 5000, 7000])
    parser.add_argument("--seeds", type=int, default=3)
    add_output_option(parser)
    main(parser.parse_args())
