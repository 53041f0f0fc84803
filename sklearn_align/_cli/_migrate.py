"""The command ``migrate``: fit on samples of two files, report, map one of them."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from sklearn_align._atomic import atomic_path
from sklearn_align._cli._common import (
    Sample,
    add_sampling,
    check_column,
    check_pairs_arguments,
    file_of,
    naming,
    read_pairs,
    with_names_of_options,
)
from sklearn_align._cli._progress import FitProgress, Progress, show_progress
from sklearn_align._samples import OUTPUT_TYPES
from sklearn_align.alignment import (
    AlignmentReport,
    MiniVec2Vec,
    alignment_report,
    load_map,
)
from sklearn_align.alignment._recipes import REPORT
from sklearn_align.exceptions import AlignmentWarning, SampleLengthWarning
from sklearn_align.io import map_batches

_DESCRIPTION = """\
Learn the map from the vectors of OLD to the vectors of NEW, print a report, and write a copy of OLD
with mapped vectors. OLD and NEW need no texts in common. Other columns and the order of the rows do
not change. The file is written completely or not at all, and replaces an existing file.

With 125 known pairs or more (--pairs or --key), a fifth of them is left out of the fit to measure
the accuracy. Nothing is written if the verdict of the report is "fail", unless --force is given."""
# Batches are collected up to this size, because each written table is a row group of the file.
_ROW_GROUP_BYTES = 64 * 2**20
# Of known pairs, where these are enough to prove something.
_SHARE_FOR_REPORT = 0.2
_MAP_FORMATS = (".npz", ".safetensors")


def add_migrate(commands: Any, **options: Any) -> None:
    """Add the parser of the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "migrate", help="map a column of a parquet file", description=_DESCRIPTION, **options
    )
    parser.add_argument("old", metavar="OLD", help="parquet file with vectors of the old model")
    parser.add_argument(
        "new",
        metavar="NEW",
        nargs="?",
        help="parquet file with vectors of the new model, of any rows; not needed with --map",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="parquet file to write")
    add_sampling(parser, column_required=True)
    parser.add_argument(
        "--out-column",
        metavar="NAME",
        help="new column for the mapped vectors (default: they replace the vectors of --column)",
    )
    parser.add_argument("--dtype", choices=OUTPUT_TYPES, help="number type of the mapped vectors")
    parser.add_argument(
        "--on-invalid",
        choices=("raise", "null"),
        default="raise",
        help="vectors that are null or contain NaN or an infinite value: an error, or mapped to "
        "null (default: %(default)s)",
    )
    parser.add_argument(
        "--map",
        metavar="FILE",
        help="npz or safetensors file of a map that is used instead of a fit",
    )
    parser.add_argument(
        "--save-map", metavar="FILE", help="npz or safetensors file to which the map is written"
    )
    parser.add_argument(
        "--force", action="store_true", help='write the file even if the verdict is "fail"'
    )
    parser.set_defaults(run=_migrate)


def _migrate(arguments: Any) -> int:
    _check(arguments)
    with show_progress(arguments.quiet) as progress:
        source = Sample(arguments.old, arguments.column, arguments, progress)
        if arguments.on_invalid == "raise" and source.problem is not None:
            raise ValueError(
                f"{source.problem}: pass --on-invalid null to map such vectors to null, or filter "
                "them out."
            )
        target = None
        if arguments.new is not None:
            column = arguments.new_column or arguments.column
            sample = Sample(arguments.new, column, arguments, progress)
            target = sample.vectors
            if sample.problem is not None:
                print(f"{sample.problem}; they are left out.", file=sys.stderr)
        known, pairs = _split(read_pairs(arguments), arguments)
        aligner = _aligner(arguments, source, target, known, progress)
    report = alignment_report(aligner, source.vectors, target, pairs=pairs)
    if arguments.map is None:
        # They are those that fit has seen.
        contents = report.to_dict()
        contents["not_shown"].pop("share of source samples outside", None)
        report = AlignmentReport(contents)
    print(with_names_of_options(report))
    failed = report.verdict == "fail"
    if failed and not arguments.force:
        print("\nNothing was written. --force writes all the same.")
        return 1
    with show_progress(arguments.quiet) as progress:
        n_rows = _write(aligner, arguments, progress)
    if arguments.save_map is not None:
        aligner.export(arguments.save_map)
        print(f"\nThe map was written to {arguments.save_map}.")
    print(f"\n{n_rows} rows were written to {arguments.out}.")
    return int(failed)


def _check(arguments: Any) -> None:
    """Refuse arguments that would fail after all the work has been done."""
    if arguments.map is None and arguments.new is None:
        raise ValueError("NEW is missing: pass a file of the new model, or a map by --map.")
    if arguments.map is not None and arguments.save_map is not None:
        raise ValueError("--save-map cannot be used with --map, because no new map is fitted.")
    if arguments.save_map is not None:
        suffix = Path(arguments.save_map).suffix.lower()
        if suffix not in _MAP_FORMATS:
            raise ValueError(
                f"--save-map {arguments.save_map}: the name must end in one of "
                f"{', '.join(_MAP_FORMATS)}."
            )
        if suffix == ".safetensors":
            _import_safetensors()
    columns = check_column(arguments.old, arguments.column)
    if arguments.new is not None:
        check_column(arguments.new, arguments.new_column or arguments.column)
    check_pairs_arguments(arguments)
    if arguments.out_column in columns and arguments.out_column != arguments.column:
        raise ValueError(
            f"--out-column {arguments.out_column}: {arguments.old} has such a column already: "
            "choose another name."
        )
    inputs = [arguments.old, arguments.new, arguments.pairs, arguments.map]
    for option, path in (("--out", arguments.out), ("--save-map", arguments.save_map)):
        if path is None:
            continue
        if not Path(os.path.realpath(path)).parent.is_dir():
            raise ValueError(f"{option} {path}: there is no such folder: create it first.")
        if Path(path).is_dir():
            raise ValueError(f"{option} {path} is a folder: pass the name of a file.")
        if os.path.realpath(path) in [os.path.realpath(one) for one in inputs if one is not None]:
            raise ValueError(f"{option} {path} is an input as well: choose another name.")


def _import_safetensors() -> None:
    try:
        import safetensors.numpy  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "--save-map needs safetensors for such a file: pip install 'sklearn-align[export]', or "
            "choose a name that ends in .npz."
        ) from error


def _split(pairs: Any, arguments: Any) -> tuple[Any, Any]:
    """Return the pairs to fit with and those that are left for the report, None for no pairs."""
    if pairs is None or arguments.map is not None:
        return None, pairs
    n_left = int(len(pairs[0]) * _SHARE_FOR_REPORT)
    if n_left < REPORT.min_pairs:
        return pairs, None
    return tuple(side[n_left:] for side in pairs), tuple(side[:n_left] for side in pairs)


def _aligner(
    arguments: Any, source: Sample, target: Any, pairs: Any, progress: Progress
) -> MiniVec2Vec:
    if arguments.map is not None:
        with naming(arguments.map):
            return load_map(arguments.map)
    aligner = MiniVec2Vec(random_state=arguments.random_state)
    aligner.set_callbacks(FitProgress(progress))
    progress.begin("fit")
    with warnings.catch_warnings():
        # The report says so, and it decides about the exit code.
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner.fit(source.vectors, XB=target, pairs=pairs)
    progress.end()
    return aligner


def _write(aligner: MiniVec2Vec, arguments: Any, progress: Progress) -> int:
    """Write the mapped file and return its number of rows."""
    from pyarrow import parquet

    progress.begin(f"write {arguments.out}", file_of(arguments.old)[0])
    n_rows = 0
    with warnings.catch_warnings(), atomic_path(Path(arguments.out)) as temporary:
        # The report has said so.
        warnings.simplefilter("ignore", SampleLengthWarning)
        batches = map_batches(
            aligner,
            arguments.old,
            arguments.column,
            out_column=arguments.out_column,
            on_invalid=arguments.on_invalid,
            dtype=arguments.dtype,
        )
        # The file that is read is closed before another one takes its place.
        with closing(batches):  # type: ignore[type-var]
            tables = _tables(batches, progress)
            first = next(tables)
            with parquet.ParquetWriter(temporary, first.schema) as writer:
                for table in chain([first], tables):
                    writer.write_table(table)
                    n_rows += table.num_rows
    progress.end()
    return n_rows


def _tables(batches: Iterable[Any], progress: Progress) -> Iterator[Any]:
    """Yield tables of several batches each; at least one, because there is at least one batch."""
    import pyarrow as pa

    collected: list[Any] = []
    size = 0
    for batch in batches:
        collected.append(batch)
        size += batch.nbytes
        progress.advance(batch.num_rows)
        if size >= _ROW_GROUP_BYTES:
            yield pa.Table.from_batches(collected)
            collected, size = [], 0
    if collected:
        yield pa.Table.from_batches(collected)
