"""Migrate a vector index to another encoder without encoding its documents again.

    pip install ".[examples]"
    python examples/migrate_vector_index.py --directory migration

The table "old" of a LanceDB database on disk has vectors by encoder A (all-MiniLM-L6-v2). A map is
fitted on a sample of these vectors and on other sentences by encoder B (all-mpnet-base-v2), and
written to map.npz. If `converged_` is True, the vectors are mapped batch by batch and written to
the table "mapped". Then held-out sentences are used as queries in two searches: vectors by encoder
B in the mapped table, and the same vectors, mapped to the space of encoder A, in the old table,
which does not change. The results are compared with the results in the table "native", which has
vectors of the documents by encoder B.

The run may be killed at any time. The same command continues it: each batch is one commit, so that
rows in the mapped table are complete, and the remaining rows are mapped. Only one process may
write at a time.

The package has vectors of 6,000 documents by encoder A. Larger tables (``--n-samples``) repeat
these vectors, each copy with different noise. They show time and memory; a sample of such a table
has fewer different sentences for the fit. Recall is measured on the 1,000 documents that both
encoders have encoded. The queries are 500 other sentences, which are not in the fit and not in any
table.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from sklearn.utils import Bunch
from tqdm import tqdm

from sklearn_align import MiniVec2Vec, load_map
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.io import map_batches, sample_rows, vectors_to_arrow

# Length of the noise in copies of documents, relative to that of the vectors.
NOISE = 0.1
N_NEIGHBORS = 10


def main(arguments: list[str] | None = None) -> None:
    """Run the example on the sentence encoders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--directory", type=Path, default=Path("migration"), help="folder of tables and map")
    add("--n-samples", type=int, default=6_000, help="rows of the old table, up to 1,000,000")
    add("--fit-samples", type=int, default=5_000, help="rows of the old table to fit on")
    add("--batch-size", type=int, default=8_192, help="most rows in a batch, which is a commit")
    add("--random-state", type=int, default=0)
    add("--force", action="store_true", help="use a map that the convergence check refuses")
    options = vars(parser.parse_args(arguments))
    for name in ("n_samples", "fit_samples", "batch_size"):
        if options[name] < 1:
            parser.error(f"{name} must be at least 1, got {options[name]}")
    run(load_sentence_embeddings(pair="minilm_mpnet"), **options)


def run(
    data: Bunch,
    directory: Path,
    *,
    n_samples: int,
    fit_samples: int,
    batch_size: int,
    random_state: int,
    force: bool = False,
) -> None:
    """Build the old table, fit, map, and measure; every step is left out where it is done."""
    directory.mkdir(parents=True, exist_ok=True)
    database = lancedb.connect(directory / "tables")
    # Two thirds of what both encoders have encoded are documents, the others are queries.
    n_documents = 2 * len(data.XA_test) // 3
    documents = np.concatenate([data.XA_test[:n_documents], data.XA])
    if n_samples < n_documents:
        sys.exit(f"--n-samples must be at least {n_documents}, the documents that are searched.")

    old = write_old_table(database, documents, n_samples, random_state)
    path = directory / "map.npz"
    if path.exists():
        print(f"\nThe map of {path} is used.")
        aligner = load_map(path)
    else:
        n_fit = min(fit_samples, old.count_rows())
        print(f"\nFit on {n_fit} rows of the old table and {len(data.XB)} other samples of B:")
        XA = sample_rows(
            scan(old, ["vector"], batch_size), n_fit, "vector", random_state=random_state
        )
        aligner = MiniVec2Vec(n_jobs=2, verbose=1, random_state=random_state).fit(XA, data.XB)
    print_verdict(aligner)
    if not (aligner.converged_ or force):
        sys.exit("The map is not to be used; pass more --fit-samples, or --force to use it.")
    if not path.exists():
        aligner.export(path)  # the file appears as a whole

    mapped = migrate(aligner, database, old, batch_size)
    native = write_native_table(database, data.XB_test[:n_documents])
    print_recall(
        aligner, old, mapped, native, data.XA_test[n_documents:], data.XB_test[n_documents:]
    )


def write_old_table(database: Any, documents: np.ndarray, n_samples: int, random_state: int) -> Any:
    """Write the documents and noisy copies of them until the table has `n_samples` rows.

    Each copy is one commit. Row i has the id i, so that the number of rows says what is missing.
    """
    n_documents, width = documents.shape
    table = open_table(database, "old", width)
    n_written = table.count_rows()
    with progress("old table", n_written, max(n_samples, n_written)) as bar:
        while n_written < n_samples:
            copy, first = divmod(n_written, n_documents)
            X = documents if copy == 0 else noisy_copy(documents, [random_state, copy])
            X = X[first : first + n_samples - n_written]
            table.add(make_rows(np.arange(n_written, n_written + len(X)), X))
            n_written += len(X)
            bar.update(len(X))
    return table


def noisy_copy(X: np.ndarray, seed: list[int]) -> np.ndarray:
    """Return vectors near those of `X`, with the same lengths."""
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    noise = np.random.default_rng(seed).standard_normal(X.shape, dtype=X.dtype)
    noisy = X + NOISE * lengths * noise / np.sqrt(X.shape[1], dtype=X.dtype)
    return noisy * (lengths / np.linalg.norm(noisy, axis=1, keepdims=True))


def print_verdict(aligner: MiniVec2Vec) -> None:
    """Print what the convergence check has found."""
    print(
        f"converged_: {aligner.converged_}, agreement_: {aligner.agreement_:.3f}, "
        f"relative_score_: {aligner.relative_score_:.3f}, "
        f"expected_accuracy_: {aligner.expected_accuracy_:.3f} "
        f"({'measured' if aligner.accuracy_measured_ else 'estimated'})\n"
    )


def migrate(aligner: MiniVec2Vec, database: Any, old: Any, batch_size: int) -> Any:
    """Map the rows of the old table that the mapped table does not have yet.

    The mapped table carries the digest of the map, because vectors of two fits must not be mixed.
    """
    digest = digest_of(aligner)
    try:
        mapped = open_table(database, "mapped", aligner.n_features_target_, {"map": digest})
    except ValueError as error:
        sys.exit(
            f'The table "mapped" was begun with another map: drop it, or restore map.npz. {error}'
        )
    done = read_ids(mapped)
    rows = without_ids(scan(old, ["id", "vector"], batch_size), done)
    with progress("mapped table", len(done), old.count_rows()) as bar:
        for batch in map_batches(aligner, rows, "vector", dtype="float32"):
            mapped.add(batch)
            bar.update(len(batch))
    if not np.array_equal(np.sort(read_ids(old)), np.sort(read_ids(mapped))):
        sys.exit("The ids of both tables differ: did two processes write to them?")
    print(f"mapped table: {mapped.count_rows()} rows, every id of the old table once")
    return mapped


def digest_of(aligner: MiniVec2Vec) -> str:
    """Return what tells the map from others."""
    arrays = (aligner.linear_map_, aligner.source_mean_, aligner.target_mean_)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def without_ids(batches: Iterator[pa.RecordBatch], ids: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Yield the rows whose id is not among `ids`."""
    for batch in batches:
        missing = ~np.isin(batch.column("id").to_numpy(), ids)
        if missing.any():
            yield batch.filter(pa.array(missing))


def write_native_table(database: Any, XB: np.ndarray) -> Any:
    """Write the documents by encoder B, in one commit."""
    table = open_table(database, "native", XB.shape[1])
    if table.count_rows() == 0:
        table.add(make_rows(np.arange(len(XB)), XB))
    return table


def print_recall(
    aligner: MiniVec2Vec,
    old: Any,
    mapped: Any,
    native: Any,
    queries_A: np.ndarray,
    queries_B: np.ndarray,
) -> None:
    """Print how much of what encoder B finds natively each kind of search finds."""
    n_documents = native.count_rows()
    back = aligner.inverse_transform(aligner.transform_target(queries_B))
    forth = aligner.to_target(queries_A)
    found = {
        "queries of B, native table": search(native, queries_B, n_documents),
        "queries of B, mapped table": search(mapped, queries_B, n_documents),
        "queries of B mapped back, old table": search(old, back, n_documents),
        "queries of A mapped, native table": search(native, forth, n_documents),
        "queries of A, old table": search(old, queries_A, n_documents),
    }
    as_native, as_old = found["queries of B, native table"], found["queries of A, old table"]
    print(
        f"\nrecall@{N_NEIGHBORS}, {len(queries_B)} queries, {n_documents} documents, exact search"
    )
    print(f"{'':38}{'of B, native':>14}{'of A, old':>12}")
    for name, ids in found.items():
        print(f"{name:38}{recall(ids, as_native):14.3f}{recall(ids, as_old):12.3f}")
    chance = N_NEIGHBORS / n_documents
    print(f"{'chance':38}{chance:14.3f}{chance:12.3f}")


def search(table: Any, queries: np.ndarray, n_documents: int) -> np.ndarray:
    """Return the ids of the documents that are nearest to each query, by an exact search.

    All queries are one search, which reads the table once.
    """
    found = (
        table.search(list(queries))
        .distance_type("cosine")
        .where(f"id < {n_documents}")
        .bypass_vector_index()
        .select(["id", "_distance"])
        .limit(N_NEIGHBORS)
        .to_arrow()
        .sort_by("query_index")
    )
    return found["id"].to_numpy().reshape(len(queries), -1)


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of the expected ids (n_queries, k) that were found."""
    return float((expected[:, :, None] == found[:, None, :]).any(axis=2).mean())


def open_table(database: Any, name: str, width: int, metadata: dict[str, str] | None = None) -> Any:
    """Open a table of vectors, or create it where there is none, or a half-made one."""
    return database.create_table(name, schema=make_schema(width, metadata), exist_ok=True)


def make_schema(width: int, metadata: dict[str, str] | None = None) -> pa.Schema:
    """Return the columns of all tables."""
    vectors = pa.list_(pa.float32(), width)
    return pa.schema([("id", pa.int64()), ("vector", vectors)], metadata)


def make_rows(ids: np.ndarray, X: np.ndarray) -> pa.RecordBatch:
    """Return rows of a table."""
    vectors = vectors_to_arrow(X.astype(np.float32, copy=False))
    return pa.record_batch([pa.array(ids), vectors], schema=make_schema(X.shape[1]))


def scan(table: Any, columns: list[str], batch_size: int) -> Iterator[pa.RecordBatch]:
    """Yield columns of a table batch by batch, without reading it as a whole."""
    yield from table.search().select(columns).to_batches(batch_size)


def read_ids(table: Any) -> np.ndarray:
    """Return the ids of a table."""
    batches = scan(table, ["id"], 1_000_000)
    return np.concatenate([np.empty(0, int), *(batch.column("id").to_numpy() for batch in batches)])


def progress(what: str, n_done: int, n_rows: int) -> Any:
    """Return a progress bar over rows."""
    return tqdm(desc=what, initial=n_done, total=n_rows, unit=" rows", unit_scale=True)


if __name__ == "__main__":
    main()
