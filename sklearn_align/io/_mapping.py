"""Batches of a table with one column mapped by an aligner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sklearn_align._compose import final_estimator, reach_final
from sklearn_align._samples import OUTPUT_TYPES
from sklearn_align._typing import BoolArray
from sklearn_align.io._arrow import import_pyarrow
from sklearn_align.io._sources import read_batches
from sklearn_align.io._vectors import (
    ListType,
    VectorReader,
    Vectors,
    check_list_type,
    make_vectors,
    vector_type,
)

if TYPE_CHECKING:
    import pyarrow as pa


def map_batches(
    aligner: Any,
    batches: Any,
    column: str,
    *,
    out_column: str | None = None,
    on_invalid: Literal["raise", "null"] = "raise",
    dtype: DTypeLike | None = None,
    list_type: ListType = "fixed_size_list",
) -> Iterator[pa.RecordBatch]:
    """Map the vectors of a column, batch by batch.

    Batches are read one at a time, when the iterator requests them, so that the table need not fit
    into memory. Data engines that work on batches of Arrow, such as ``mapInArrow`` of Spark, can
    use this function directly.

    Parameters
    ----------
    aligner : estimator
        Fitted aligner, or a pipeline or search that ends in an aligner; ``to_target`` is applied.
        For other estimators, ``transform`` is applied.

    batches : object
        Source of the column: a pyarrow Table, RecordBatch, RecordBatchReader or Dataset; an
        iterable of record batches; the path of a parquet file or a list of paths; any other object
        with ``__arrow_c_stream__``, such as the data frames of polars.

    column : str
        Name of the column. It contains lists of numbers of equal length: FixedSizeList, List,
        LargeList, or an extension type that stores vectors as one of these types.

    out_column : str, default=None
        Name of a new last column for the mapped vectors. By default, the mapped vectors replace
        `column`.

    on_invalid : {"raise", "null"}, default="raise"
        Treatment of vectors that are null, or contain NaN, an infinite value or a null. With
        ``"null"``, the mapped vector is null.

    dtype : {"float16", "float32", "float64"}, default=None
        Number type of the mapped vectors; by default, the type that the aligner returns.

    list_type : {"fixed_size_list", "list", "large_list"}, default="fixed_size_list"
        Type of the column of mapped vectors. Spark supports only ``"list"``.

    Returns
    -------
    mapped : iterator of pyarrow.RecordBatch
        One batch for each input batch, with the same number of rows. Other columns and the metadata
        of the schema do not change. All batches, including batches without rows, have the same
        schema.

    Raises
    ------
    ImportError
        If pyarrow is not installed.

    ValueError
        If the column does not exist, a vector is invalid, or the output type cannot represent a
        mapped value. The message has the number of the row, counted from 0 over all batches.
        Parameters are checked when the function is called. Batches are checked when they are
        requested.

    See Also
    --------
    sample_rows : Draw the vectors to fit on.

    Notes
    -----
    If possible, the aligner gets the vectors as a view of the memory of Arrow. Nothing is written
    to this memory. Each batch is one call of the aligner: the division of the rows into batches
    changes the results only by rounding.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.datasets import make_rotated_embeddings
    >>> from sklearn_align.io import map_batches, vectors_to_arrow
    >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
    >>> aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
    >>> vectors = vectors_to_arrow(data.XA_test)
    >>> table = pa.table({"id": range(len(vectors)), "vector": vectors})
    >>> mapped = pa.Table.from_batches(map_batches(aligner, table, "vector", dtype="float32"))
    >>> mapped.column_names, mapped.schema.field("vector").type
    (['id', 'vector'], FixedSizeListType(fixed_size_list<item: float>[24]))
    """
    import_pyarrow("map_batches")
    if on_invalid not in ("raise", "null"):
        raise ValueError(f"on_invalid must be 'raise' or 'null'; got {on_invalid!r}")
    out_dtype = None if dtype is None else np.dtype(dtype)
    if out_dtype is not None and out_dtype.name not in OUTPUT_TYPES:
        raise ValueError(f"dtype must be one of {OUTPUT_TYPES} or None; got {dtype!r}")
    check_list_type(list_type)
    mapper = _Mapper(aligner, column, on_invalid == "null", out_dtype)
    return _mapped(mapper, batches, out_column, list_type)


def _mapped(
    mapper: _Mapper, batches: Any, out_column: str | None, list_type: str
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema: Any = None
    for batch in read_batches(batches, mapper.column, all_columns=True):
        matrix, present = mapper.map(batch.column(mapper.column))
        if schema is None:
            type_ = vector_type(matrix.dtype, matrix.shape[1], list_type)
            position, schema = _place(batch.schema, mapper, out_column, type_)
        arrays = batch.columns
        arrays[position : position + 1] = [make_vectors(matrix, list_type, present)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _place(
    schema: pa.Schema, mapper: _Mapper, out_column: str | None, type_: pa.DataType
) -> tuple[int, pa.Schema]:
    """Return the position of the mapped column and the schema with it."""
    import pyarrow as pa

    field = schema.field(mapper.column)
    if out_column is None or out_column == mapper.column:
        # Metadata about the old type is not true of the new one.
        metadata = {
            key: value
            for key, value in (field.metadata or {}).items()
            if not key.startswith(b"ARROW:extension")
        }
        nullable = field.nullable or mapper.with_nulls
        position = schema.get_field_index(mapper.column)
        field = pa.field(mapper.column, type_, nullable, metadata or None)
        return position, schema.set(position, field)
    if out_column in schema.names:
        raise ValueError(f"there is a column {out_column!r} already: choose another out_column")
    return len(schema), schema.append(pa.field(out_column, type_))


class _Mapper:
    """Maps the arrays of one column one after the other.

    Parameters
    ----------
    aligner : estimator
        What maps.

    column : str
        Name of the column, for errors.

    with_nulls : bool
        Whether invalid vectors become null; they raise otherwise.

    dtype : dtype or None
        Number type of the results; None for that of the aligner.
    """

    def __init__(
        self, aligner: Any, column: str, with_nulls: bool, dtype: np.dtype[Any] | None
    ) -> None:
        self.column = column
        self.with_nulls = with_nulls
        self._function = _mapping_of(aligner)
        self._n_features: int | None = getattr(aligner, "n_features_in_", None)
        self._name = type(aligner).__name__
        self._dtype = dtype
        self._reader = VectorReader(f"column {column!r}")
        # Width of the results, known after the first one.
        self._width: int | None = None

    def map(self, array: pa.Array) -> tuple[NDArray[Any], BoolArray | None]:
        """Return the mapped vectors of the next array, and which of its rows have one."""
        first_row = self._reader.n_rows
        vectors = self._reader.read(array)
        self._check_width()
        present = self._present(vectors, first_row)
        matrix = vectors.matrix
        if present is not None:
            rows = np.flatnonzero(present)
            if len(rows) < len(matrix):
                taken = rows if vectors.index is None else np.searchsorted(vectors.index, rows)
                matrix = matrix[taken]
        if len(matrix) == 0:
            return self._nothing(matrix.dtype, vectors.n_rows), present
        mapped = self._apply(matrix)
        out = mapped if self._dtype is None else self._converted(mapped, first_row, present)
        if present is not None:
            whole = np.zeros((vectors.n_rows, out.shape[1]), dtype=out.dtype)
            whole[present] = out
            out = whole
        return out, present

    def _present(self, vectors: Vectors, first_row: int) -> BoolArray | None:
        """Return which rows hold valid vectors, None for all."""
        null_rows, invalid = vectors.null_rows(), vectors.invalid()
        rows = null_rows
        if invalid is not None:
            rows = np.append(rows, vectors.rows(np.flatnonzero(invalid)))
        if len(rows) == 0:
            return None
        if not self.with_nulls:
            row = rows.min()
            what = "is null" if row in null_rows else "holds NaN, an infinite value or a null"
            raise ValueError(
                f"row {first_row + row} of column {self.column!r} {what}: pass on_invalid='null' "
                "to map such vectors to null, or filter them out."
            )
        present = np.ones(vectors.n_rows, dtype=bool)
        present[rows] = False
        return present

    def _apply(self, matrix: NDArray[Any]) -> NDArray[Any]:
        mapped = np.asarray(self._function(matrix))
        if mapped.ndim != 2 or len(mapped) != len(matrix) or mapped.dtype.kind not in "fiu":
            raise ValueError(
                f"{self._name} returned an array of shape {mapped.shape} and type {mapped.dtype} "
                f"for {len(matrix)} vectors; one vector of numbers for each is needed."
            )
        if self._width is None:
            self._width = mapped.shape[1]
            self._dtype = mapped.dtype if self._dtype is None else self._dtype
        return mapped

    def _converted(
        self, mapped: NDArray[Any], first_row: int, present: BoolArray | None
    ) -> NDArray[Any]:
        with np.errstate(over="ignore"):
            out = mapped.astype(self._dtype, copy=False)
        if out.dtype.itemsize < mapped.dtype.itemsize:
            overflow = np.flatnonzero((np.isinf(out) & np.isfinite(mapped)).any(axis=1))
            if len(overflow):
                row = overflow[0] if present is None else np.flatnonzero(present)[overflow[0]]
                raise ValueError(
                    f"the vector that row {first_row + row} of column {self.column!r} is mapped to "
                    f"has values that {out.dtype} cannot represent: choose a wider dtype."
                )
        return out

    def _nothing(self, dtype: np.dtype[Any], n_rows: int) -> NDArray[Any]:
        """Return zeros in the shape of results for rows without a valid vector."""
        if self._width is None or self._dtype is None:
            width = self._reader.width if self._reader.width is not None else self._n_features
            if width is None:
                raise ValueError(
                    f"the width of column {self.column!r} is not known, because the first batch "
                    "holds no vectors: cast the column to FixedSizeList, or drop that batch."
                )
            # Not every estimator maps nothing; a vector of zeros shows the width and the type.
            self._apply(np.zeros((1, width), dtype=dtype))
        return np.zeros((n_rows, self._width or 0), dtype=self._dtype)

    def _check_width(self) -> None:
        width = self._reader.width
        if None not in (width, self._n_features) and width != self._n_features:
            raise ValueError(
                f"column {self.column!r} has vectors of width {width}, but {self._name} was fitted "
                f"on {self._n_features} features."
            )


def _mapping_of(aligner: Any) -> Callable[[NDArray[Any]], Any]:
    """Return what maps samples to the target space."""
    for name in ("to_target", "transform"):
        if hasattr(aligner, name):
            method: Callable[[NDArray[Any]], Any] = getattr(aligner, name)
            break
    else:
        raise TypeError(
            "aligner must have a method to_target or transform; "
            f"{type(aligner).__name__} has neither."
        )
    if name == "to_target" or not hasattr(final_estimator(aligner), "to_target"):
        return method

    def through_steps(X: NDArray[Any]) -> Any:
        final, Z = reach_final(aligner, X)
        return final.to_target(Z)

    return through_steps
