"""Arguments that several commands have, and the reading of columns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align._cli._progress import Progress
from sklearn_align.io import sample_rows, vectors_to_numpy
from sklearn_align.io._arrow import import_pyarrow
from sklearn_align.io._sources import read_batches
from sklearn_align.io._vectors import VectorReader


def positive_int(text: str) -> int:
    """Return an argument that is a number of things."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value


def add_sampling(parser: argparse.ArgumentParser, *, column_required: bool) -> None:
    """Add the arguments about columns and samples."""
    parser.add_argument(
        "--column",
        required=column_required,
        metavar="NAME",
        help="column of vectors in OLD, and in NEW",
    )
    parser.add_argument(
        "--new-column", metavar="NAME", help="column of vectors in NEW (default: that of --column)"
    )
    parser.add_argument(
        "--n-samples",
        type=positive_int,
        default=20_000,
        metavar="N",
        help="vectors of each file that are drawn (default: %(default)s)",
    )
    parser.add_argument(
        "--random-state",
        type=int,
        default=0,
        metavar="SEED",
        help="seed of all that is drawn (default: %(default)s)",
    )
    parser.add_argument(
        "--pairs",
        metavar="FILE",
        help="parquet file with known pairs: one row for each, with its vectors in two columns",
    )
    parser.add_argument(
        "--pairs-columns",
        nargs=2,
        default=("old", "new"),
        metavar=("OLD", "NEW"),
        help="columns of --pairs (default: old new)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Have errors begin with the name of the file that they are about."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def file_of(path: str) -> tuple[int, list[str]]:
    """Return the number of rows of a parquet file and the names of its columns."""
    import_pyarrow("The command line")
    from pyarrow import parquet

    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder: pass one parquet file.")
    with naming(path), parquet.ParquetFile(path) as file:
        return int(file.metadata.num_rows), list(file.schema_arrow.names)


def check_column(path: str, column: str) -> list[str]:
    """Return the names of all columns; ValueError unless `column` is one of them."""
    names = file_of(path)[1]
    if column not in names:
        raise ValueError(f"{path}: there is no column {column!r}; there are {', '.join(names)}.")
    return names


class Sample:
    """Vectors that are drawn from a column, and numbers of those that are none."""

    def __init__(self, path: str, column: str, arguments: Any, progress: Progress) -> None:
        self.n_null = 0
        self.n_invalid = 0
        self.path = path
        progress.begin(f"read {path}", file_of(path)[0])
        with naming(path):
            self.vectors = sample_rows(
                self._batches(path, column, progress),
                arguments.n_samples,
                column,
                on_invalid="drop",
                random_state=arguments.random_state,
            )
        progress.end()

    @property
    def problem(self) -> str | None:
        """What is wrong with the vectors of the file, None if nothing."""
        if self.n_null + self.n_invalid == 0:
            return None
        return (
            f"{self.path}: {self.n_null} vectors are null and {self.n_invalid} hold NaN, an "
            "infinite value or a null"
        )

    def _batches(self, path: str, column: str, progress: Progress) -> Iterator[Any]:
        reader = VectorReader(f"column {column!r}")
        for batch in read_batches(path, column, all_columns=False):
            vectors = reader.read(batch.column(column))
            invalid = vectors.invalid()
            self.n_null += len(vectors.null_rows())
            self.n_invalid += 0 if invalid is None else int(np.count_nonzero(invalid))
            progress.advance(batch.num_rows)
            yield batch


def read_vectors(path: str, column: str) -> NDArray[Any]:
    """Return all vectors of a column."""
    file_of(path)
    import pyarrow as pa

    with naming(path):
        table = pa.Table.from_batches(read_batches(path, column, all_columns=False))
        return vectors_to_numpy(table[column])


def read_pairs(arguments: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the two sides of the known pairs, None without any."""
    if arguments.pairs is None:
        return None
    old, new = arguments.pairs_columns
    return read_vectors(arguments.pairs, old), read_vectors(arguments.pairs, new)
