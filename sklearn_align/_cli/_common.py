"""Arguments that several commands have, and the reading of columns."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align._cli._progress import Progress
from sklearn_align._typing import BoolArray, IntArray
from sklearn_align.alignment import AlignmentReport
from sklearn_align.io import sample_rows, vectors_to_numpy
from sklearn_align.io._arrow import import_pyarrow
from sklearn_align.io._sources import read_batches
from sklearn_align.io._vectors import VectorReader

# Arguments of alignment_report, and what the commands call them.
_OPTIONS = {
    "XA_fit": "report --fit-source",
    "XA": "OLD",
    "XB": "NEW",
    "pairs=...": "--pairs or --key",
}
_ARGUMENTS = r"\bXA_fit\b|\bXA\b|\bXB\b|\bpairs=\.\.\."
_SAMPLES = r"(?<=^The samples of )X[AB]\b"


def with_names_of_options(report: AlignmentReport) -> AlignmentReport:
    """Have arguments named as on the command line."""
    contents = report.to_dict()
    contents["not_shown"] = {
        what: re.sub(_ARGUMENTS, lambda found: _OPTIONS[found[0]], remedy)
        for what, remedy in contents["not_shown"].items()
    }
    contents["findings"] = [
        re.sub(_SAMPLES, lambda found: _OPTIONS[found[0]], finding)
        for finding in contents["findings"]
    ]
    return AlignmentReport(contents)


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
        "--new-column",
        metavar="NAME",
        help="column of vectors in NEW (default: the name of --column)",
    )
    parser.add_argument(
        "--n-samples",
        type=positive_int,
        default=20_000,
        metavar="N",
        help="number of vectors that are drawn from each file (default: %(default)s)",
    )
    parser.add_argument(
        "--random-state",
        type=int,
        default=0,
        metavar="SEED",
        help="seed of the random samples (default: %(default)s)",
    )
    parser.add_argument(
        "--pairs",
        metavar="FILE",
        help="parquet file with known pairs: one row for each pair, with two columns of vectors",
    )
    parser.add_argument(
        "--pairs-columns",
        nargs=2,
        default=("old", "new"),
        metavar=("OLD", "NEW"),
        help="columns of --pairs (default: old new)",
    )
    parser.add_argument(
        "--key",
        metavar="NAME",
        help="column of OLD and NEW, such as an id: rows with the same value are known pairs",
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
    """Return the two sides of the known pairs in random order, None without any."""
    random = np.random.RandomState(arguments.random_state)
    if arguments.pairs is not None:
        path, columns = arguments.pairs, arguments.pairs_columns
        sides = [read_vectors(path, column) for column in columns]
        order = random.permutation(len(sides[0]))
        return sides[0][order], sides[1][order]
    if arguments.key is None:
        return None
    names = (arguments.column, arguments.new_column or arguments.column)
    files = (arguments.old, arguments.new)
    rows = _rows_with_equal_keys(files, arguments.key)
    order = random.permutation(len(rows[0]))[: arguments.n_samples]
    (old, is_old), (new, is_new) = (
        _vectors_at(path, column, one[order])
        for path, column, one in zip(files, names, rows, strict=True)
    )
    valid = is_old & is_new
    if not valid.any():
        raise ValueError(
            f"--key {arguments.key}: no value occurs in both files, in rows with valid vectors: "
            "choose another column, or leave --key out."
        )
    return old[valid], new[valid]


def check_pairs_arguments(arguments: Any) -> None:
    """Refuse arguments about pairs that contradict one another or name no column."""
    if arguments.pairs is not None:
        if arguments.key is not None:
            raise ValueError("--key and --pairs are two ways to name pairs: pass one of them.")
        for column in arguments.pairs_columns:
            check_column(arguments.pairs, column)
    if arguments.key is not None:
        if arguments.old is None or arguments.new is None:
            raise ValueError("--key needs OLD and NEW, whose rows it compares: pass both.")
        for path in (arguments.old, arguments.new):
            check_column(path, arguments.key)


def _rows_with_equal_keys(files: Sequence[str], key: str) -> list[IntArray]:
    """Return the rows of both files whose keys are equal, in one order; nulls have no equal."""
    from pyarrow import compute, parquet

    keys = []
    for path in files:
        with naming(path):
            column = parquet.read_table(path, columns=[key]).column(key).combine_chunks()
        known = column.drop_null()
        if len(known) != len(known.unique()):
            raise ValueError(
                f"{path}: values of --key {key} occur in several rows: choose a column of ids."
            )
        keys.append(column)
    if keys[0].type != keys[1].type:
        raise ValueError(
            f"--key {key} has the type {keys[0].type} in {files[0]} and {keys[1].type} in "
            f"{files[1]}: cast one of them."
        )
    matched = compute.index_in(keys[0], value_set=keys[1], skip_nulls=True)
    rows = np.flatnonzero(matched.is_valid().to_numpy(zero_copy_only=False))
    return [rows, matched.drop_null().to_numpy().astype(np.intp)]


def _vectors_at(path: str, column: str, rows: IntArray) -> tuple[NDArray[Any], BoolArray]:
    """Return the vectors at some rows, and which of them are valid; others are zero."""
    reader = VectorReader(f"column {column!r}")
    order = np.argsort(rows)
    ordered = rows[order]
    found: NDArray[Any] | None = None
    valid = np.zeros(len(rows), dtype=bool)
    with naming(path):
        for batch in read_batches(path, column, all_columns=False):
            first = reader.n_rows
            vectors = reader.read(batch.column(column))
            start, stop = np.searchsorted(ordered, [first, reader.n_rows])
            wanted = ordered[start:stop] - first
            present = np.arange(vectors.n_rows) if vectors.index is None else vectors.index
            invalid = vectors.invalid()
            if invalid is not None:
                present = present[~invalid]
            is_present = np.isin(wanted, present)
            at = wanted[is_present]
            if vectors.index is not None:
                at = np.searchsorted(vectors.index, at)
            if found is None or found.shape[1] == 0:
                found = np.zeros((len(rows), vectors.matrix.shape[1]), vectors.matrix.dtype)
            places = order[start:stop][is_present]
            found[places] = vectors.matrix[at]
            valid[places] = True
    return np.empty((len(rows), 0)) if found is None else found, valid
