"""The command ``report``: what is known about the map in a file, for vectors of today."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from sklearn_align._atomic import write_atomically
from sklearn_align._cli._common import (
    Sample,
    add_sampling,
    check_pairs_arguments,
    naming,
    positive_int,
    read_pairs,
    read_vectors,
    with_names_of_options,
)
from sklearn_align._cli._progress import show_progress
from sklearn_align.alignment import AlignmentReport, alignment_report, load_map

_DESCRIPTION = """\
Report on a map that "migrate --save-map" or MiniVec2Vec.export has written: the convergence check,
and with files of vectors, a comparison with the vectors of the fit."""


def add_report(commands: Any, **options: Any) -> None:
    """Add the parser of the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report", help="report on a map", description=_DESCRIPTION, **options
    )
    parser.add_argument("map", metavar="MAP", help="npz or safetensors file of a map")
    parser.add_argument(
        "old", metavar="OLD", nargs="?", help="parquet file with vectors that will be mapped"
    )
    parser.add_argument(
        "new", metavar="NEW", nargs="?", help="parquet file with vectors of the new model"
    )
    # Without files there is no column to name.
    add_sampling(parser, column_required=False)
    parser.add_argument(
        "--fit-source",
        metavar="FILE",
        help="parquet file with vectors of the old model that the map was fitted on",
    )
    parser.add_argument(
        "--queries", metavar="FILE", help="parquet file with queries by the new model"
    )
    parser.add_argument(
        "-k",
        type=positive_int,
        default=10,
        help="number of neighbours for the recall (default: %(default)s)",
    )
    parser.add_argument(
        "--format", choices=("text", "html", "json"), default="text", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="file to which the report is written, instead of printing it"
    )
    parser.set_defaults(run=_report)


def _report(arguments: Any) -> int:
    if arguments.column is None and any((arguments.old, arguments.fit_source, arguments.queries)):
        raise ValueError("--column is missing: pass the name of the column of vectors.")
    check_pairs_arguments(arguments)
    with naming(arguments.map):
        aligner = load_map(arguments.map)
    new_column = arguments.new_column or arguments.column
    with show_progress(arguments.quiet) as progress:
        old, new, seen = (
            None if path is None else Sample(path, column, arguments, progress)
            for path, column in (
                (arguments.old, arguments.column),
                (arguments.new, new_column),
                (arguments.fit_source, arguments.column),
            )
        )
    for sample in (old, new, seen):
        if sample is not None and sample.problem is not None:
            print(f"{sample.problem}; they are left out.", file=sys.stderr)
    queries = None if arguments.queries is None else read_vectors(arguments.queries, new_column)
    report = alignment_report(
        aligner,
        None if old is None else old.vectors,
        None if new is None else new.vectors,
        XA_fit=None if seen is None else seen.vectors,
        pairs=read_pairs(arguments),
        queries=queries,
        k=arguments.k,
    )
    text = _formatted(with_names_of_options(report), arguments.format)
    if arguments.out is None:
        print(text)
    else:
        write_atomically(Path(arguments.out), f"{text}\n".encode())
    return int(report.verdict == "fail")


def _formatted(report: AlignmentReport, format: str) -> str:
    if format == "html":
        return report.to_html()
    if format == "json":
        return json.dumps(report.to_dict(), indent=2)
    return str(report)
