"""Batches of all that holds a table: Arrow objects, streams, data sets and parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# Files are read in batches of this many rows: 16 MiB at 1024 numbers in single precision.
_ROWS_FROM_FILES = 4096


def read_batches(source: Any, column: str, *, all_columns: bool) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a source, with `column` only unless `all_columns`.

    All batches have the columns of the first one. A source that knows its columns yields a batch
    without rows when it has no other, so that the columns are not lost.
    """
    first: Any = None
    for whole in _batches(source, None if all_columns else [column]):
        _check_column(whole.schema, column)
        batch = whole if all_columns else whole.select([column])
        if first is None:
            first = batch.schema
        elif not batch.schema.equals(first):
            raise ValueError(
                f"all batches must have the same columns. The first one has\n{_names(first)}\nand "
                f"a later one\n{_names(batch.schema)}\nCast or select columns first."
            )
        yield batch


def _batches(source: Any, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if isinstance(source, pa.RecordBatch):
        return iter([source])
    if isinstance(source, pa.Table):
        return _at_least_one(source.to_batches(), source.schema)
    if isinstance(source, pa.RecordBatchReader):
        return _at_least_one(source, source.schema)
    if isinstance(source, str | os.PathLike):
        return _parquet_batches(source, columns)
    if _is_dataset(source):
        _check_columns(source.schema, columns)
        batches = source.to_batches(columns=columns, batch_size=_ROWS_FROM_FILES)
        return _at_least_one(batches, source.schema)
    if hasattr(source, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(source)
        return _at_least_one(reader, reader.schema)
    # Arrays, data frames and dicts are iterable too, over something else than batches.
    is_other = hasattr(source, "shape") or isinstance(source, Mapping)
    if isinstance(source, Iterable) and not is_other:
        return _iterated(source, columns)
    raise TypeError(_wrong_type(f"got {type(source).__name__}"))


def _iterated(source: Iterable[Any], columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an iterable of record batches or tables, or of paths of files."""
    import pyarrow as pa

    for item in source:
        if isinstance(item, pa.RecordBatch | pa.Table | str | os.PathLike):
            yield from _batches(item, columns)
        else:
            raise TypeError(_wrong_type(f"got {type(source).__name__} of {type(item).__name__}"))


def _parquet_batches(
    path: str | os.PathLike[str], columns: list[str] | None
) -> Iterator[pa.RecordBatch]:
    from pyarrow import parquet

    if Path(path).is_dir():
        raise ValueError(
            f"{os.fspath(path)!r} is a folder: pass pyarrow.dataset.dataset(folder), or a list of "
            "the files in it."
        )
    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        _check_columns(schema, columns)
        batches = file.iter_batches(batch_size=_ROWS_FROM_FILES, columns=columns)
        yield from _at_least_one(batches, schema)


def _at_least_one(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the batches, or one without rows, of all columns, where there is none."""
    import pyarrow as pa

    iterator = iter(batches)
    first = next(iterator, None)
    if first is not None:
        yield from chain([first], iterator)
        return
    table = schema.empty_table()
    arrays = [array.combine_chunks() for array in table.columns]
    yield pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def _is_dataset(source: Any) -> bool:
    try:
        from pyarrow import dataset
    except ImportError:  # builds of pyarrow may lack it
        return False
    return isinstance(source, dataset.Dataset)


def _check_columns(schema: pa.Schema, columns: list[str] | None) -> None:
    for column in columns or []:
        _check_column(schema, column)


def _check_column(schema: pa.Schema, column: str) -> None:
    n_found = len(schema.get_all_field_indices(column))
    if n_found == 0:
        raise ValueError(f"there is no column {column!r}; the columns are {_names(schema)}")
    if n_found > 1:
        raise ValueError(f"there are {n_found} columns {column!r}: rename or drop all but one")


def _names(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _wrong_type(what: str) -> str:
    return (
        f"{what}, which holds no Arrow data. Pass a pyarrow Table, RecordBatch, RecordBatchReader "
        "or Dataset, an iterable of record batches, paths of parquet files, or an object with "
        "__arrow_c_stream__ (polars, duckdb, pandas 2.2 or later)."
    )
