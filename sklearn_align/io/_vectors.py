"""Conversion between lists of Arrow and matrices of NumPy, on the same memory where possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_align._samples import sample_blocks
from sklearn_align._typing import BoolArray, IntArray
from sklearn_align.io._arrow import import_pyarrow

if TYPE_CHECKING:
    import pyarrow as pa

ListType = Literal["fixed_size_list", "list", "large_list"]
Matrix = NDArray[Any]

_MAX_INT32 = 2**31 - 1


@dataclass(frozen=True)
class Vectors:
    """The vectors of one array of Arrow.

    Parameters
    ----------
    matrix : ndarray of shape (n_present, width)
        The vectors that are not null, in their order. A view of the memory of Arrow, which cannot
        be written to, or a copy.

    index : ndarray of shape (n_present,), or None
        Their rows in the array; None if no vector is null.

    n_rows : int
        Length of the array.

    incomplete : ndarray of shape (n_present,), or None
        Vectors that are not null but hold a null; None if there is none.
    """

    matrix: Matrix
    index: IntArray | None
    n_rows: int
    incomplete: BoolArray | None

    def rows(self, positions: IntArray) -> IntArray:
        """Return the rows of the array at which vectors of `matrix` are."""
        return positions if self.index is None else self.index[positions]

    def null_rows(self) -> IntArray:
        """Return the rows whose vector is null."""
        if self.index is None:
            return np.empty(0, dtype=np.intp)
        return np.setdiff1d(np.arange(self.n_rows), self.index)

    def invalid(self) -> BoolArray | None:
        """Tell which vectors of `matrix` hold a null, NaN or an infinite value; None if none."""
        invalid = self.incomplete
        if self.matrix.dtype.kind == "f":
            for block in sample_blocks(self.matrix.shape, self.matrix.dtype.itemsize):
                finite = np.isfinite(self.matrix[block])
                if not finite.all():
                    if invalid is None:
                        invalid = np.zeros(len(self.matrix), dtype=bool)
                    invalid[block] |= ~finite.all(axis=1)
        return invalid


def vectors_to_numpy(vectors: pa.Array | pa.ChunkedArray) -> Matrix:
    """Convert a column of vectors from Arrow to NumPy.

    Parameters
    ----------
    vectors : pyarrow.Array or pyarrow.ChunkedArray
        Lists of numbers of equal length: FixedSizeList, List or LargeList, or an extension type
        that stores vectors as one of these types.

    Returns
    -------
    X : ndarray of shape (n_vectors, width)
        The vectors, with the number type of the lists. If possible, it is a view of the memory of
        Arrow, which is read-only. If there are several chunks, it is a copy.

    Raises
    ------
    ImportError
        If pyarrow is not installed.

    ValueError
        If there are null vectors or nulls in vectors, or if the lists differ in length. The message
        has the number of the row.

    See Also
    --------
    vectors_to_arrow : Convert a matrix to a column of vectors.

    Notes
    -----
    NaN and infinite values are not changed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from sklearn_align.io import vectors_to_numpy
    >>> vectors_to_numpy(pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int8(), 2)))
    array([[1, 2],
           [3, 4],
           [5, 6]], dtype=int8)
    """
    pa = import_pyarrow("vectors_to_numpy")
    chunks = vectors.chunks if isinstance(vectors, pa.ChunkedArray) else [vectors]
    reader = VectorReader("vectors")
    matrices = []
    for chunk in chunks or [pa.array([], vectors.type)]:
        first_row = reader.n_rows
        part = reader.read(chunk)
        rows = part.null_rows()
        if part.incomplete is not None:
            rows = np.append(rows, part.rows(np.flatnonzero(part.incomplete)))
        if len(rows):
            raise ValueError(
                f"row {first_row + rows.min()} of vectors is null or holds a null: drop such "
                "rows first, for instance with vectors.drop_null()."
            )
        matrices.append(part.matrix)
    if len(matrices) == 1:
        return matrices[0]
    # Chunks of List without rows do not know their width.
    filled = [matrix for matrix in matrices if len(matrix)] or matrices
    return np.concatenate(filled)


def vectors_to_arrow(X: ArrayLike, *, list_type: ListType = "fixed_size_list") -> pa.Array:
    """Convert a matrix from NumPy to a column of vectors of Arrow.

    Parameters
    ----------
    X : array-like of shape (n_vectors, width)
        Matrix of numbers. The number type does not change.

    list_type : {"fixed_size_list", "list", "large_list"}, default="fixed_size_list"
        Type of the column. Spark supports only ``"list"``.

    Returns
    -------
    vectors : pyarrow.Array
        The rows of `X`. If `X` is an array in C order, the result uses the same memory: do not
        change `X` afterwards.

    Raises
    ------
    ImportError
        If pyarrow is not installed.

    ValueError
        If `X` is not a matrix of numbers, or has too many numbers for ``"list"``.

    See Also
    --------
    vectors_to_numpy : Convert a column of vectors to a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.io import vectors_to_arrow
    >>> vectors_to_arrow(np.ones((3, 2), dtype=np.float32)).type
    FixedSizeListType(fixed_size_list<item: float>[2])
    """
    import_pyarrow("vectors_to_arrow")
    check_list_type(list_type)
    matrix = check_array(
        X,
        dtype=None,
        ensure_all_finite=False,
        ensure_min_samples=0,
        ensure_min_features=0,
        input_name="X",
    )
    if matrix.dtype.kind not in "fiu" or matrix.dtype.itemsize > 8:
        raise ValueError(f"X holds {matrix.dtype} values; Arrow has lists of integers and floats")
    return make_vectors(matrix.astype(matrix.dtype.newbyteorder("="), copy=False), list_type)


def check_list_type(list_type: str) -> None:
    """Raise unless `list_type` is one that vectors can be returned as."""
    if list_type not in get_args(ListType):
        raise ValueError(f"list_type must be one of {get_args(ListType)}; got {list_type!r}")


def vector_type(dtype: np.dtype[Any], width: int, list_type: str) -> pa.DataType:
    """Return the type of Arrow for vectors of NumPy numbers."""
    import pyarrow as pa

    number = pa.from_numpy_dtype(dtype)
    if list_type == "fixed_size_list":
        return pa.list_(number, width)
    return pa.list_(number) if list_type == "list" else pa.large_list(number)


def make_vectors(matrix: Matrix, list_type: str, present: BoolArray | None = None) -> pa.Array:
    """Return the rows of a matrix as vectors of Arrow, null where not `present`."""
    import pyarrow as pa

    n_rows, width = matrix.shape
    values = np.ascontiguousarray(matrix)
    numbers = pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), values.size, [None, pa.py_buffer(values)]
    )
    buffers = [None]
    if present is not None:
        buffers = [pa.py_buffer(np.packbits(present, bitorder="little"))]
    if list_type != "fixed_size_list":
        if list_type == "list" and values.size > _MAX_INT32:
            raise ValueError(
                f"a batch of {n_rows} vectors of width {width} has more numbers than list_type="
                "'list' can hold: use 'large_list' or smaller batches"
            )
        kind = np.int32 if list_type == "list" else np.int64
        buffers.append(pa.py_buffer(np.arange(n_rows + 1, dtype=kind) * kind(width)))
    type_ = vector_type(values.dtype, width, list_type)
    return pa.Array.from_buffers(type_, n_rows, buffers, children=[numbers])


class VectorReader:
    """Reads the arrays of one column one after the other and counts their rows.

    All arrays must have the same width. Where that is not in the type, as with List, the first
    vector decides.

    Parameters
    ----------
    name : str
        How error messages call the column.

    Attributes
    ----------
    n_rows : int
        Rows read so far.

    width : int or None
        Numbers in each vector; None until it is known.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_rows = 0
        self.width: int | None = None

    def read(self, array: pa.Array) -> Vectors:
        """Return the vectors of the next array."""
        array = self._storage(array)
        present = _present(array)
        index = None if present is None else np.flatnonzero(present)
        numbers, dtype = self._numbers(array)
        matrix, incomplete = self._rows(array, numbers, dtype, index)
        vectors = Vectors(matrix, index, len(array), incomplete)
        self.n_rows += len(array)
        return vectors

    def _storage(self, array: pa.Array) -> pa.Array:
        """Return what an extension type stores; vectors only."""
        import pyarrow as pa

        while isinstance(array, pa.ExtensionArray):
            shape = getattr(array.type, "shape", None)
            if shape is not None and len(shape) != 1:
                raise ValueError(
                    f"{self.name} holds tensors of shape {tuple(shape)}, not vectors: flatten them "
                    "first, for instance with pyarrow's array.storage."
                )
            array = array.storage
        return array

    def _numbers(self, array: pa.Array) -> tuple[pa.Array, np.dtype[Any]]:
        """Return the numbers of all vectors in one array, and their type in NumPy."""
        types = _pyarrow_types()
        is_list = any(
            check(array.type)
            for check in (types.is_fixed_size_list, types.is_list, types.is_large_list)
        )
        number = array.type.value_type if is_list else None
        if number is None or not (types.is_integer(number) or types.is_floating(number)):
            raise ValueError(
                f"{self.name} has the type {array.type}; vectors are FixedSizeList, List or "
                "LargeList of floats or integers."
            )
        return array.values, np.dtype(number.to_pandas_dtype())

    def _rows(
        self,
        array: pa.Array,
        numbers: pa.Array,
        dtype: np.dtype[Any],
        index: IntArray | None,
    ) -> tuple[Matrix, BoolArray | None]:
        """Return the vectors at the rows `index`, and which of them hold a null."""
        if _pyarrow_types().is_fixed_size_list(array.type):
            width = array.type.list_size
            self._check_width(width, self.n_rows)
            # `values` holds all of the parent of a slice.
            numbers = numbers.slice(array.offset * width, len(array) * width)
            matrix = _view(numbers, dtype).reshape(len(array), width)
            present = _present(numbers)
            if present is not None:
                present = present.reshape(matrix.shape)
            if index is not None:
                matrix = matrix[index]
                present = None if present is None else present[index]
            return matrix, _incomplete(present)
        offsets = array.offsets.to_numpy(zero_copy_only=False)
        starts, lengths = offsets[:-1], np.diff(offsets)
        if index is not None:
            starts, lengths = starts[index], lengths[index]
        if len(starts) == 0:
            return np.empty((0, self.width or 0), dtype=dtype), None
        width = self._common_width(lengths, index)
        first, last = int(starts[0]), int(starts[-1]) + width
        numbers = numbers.slice(first, last - first)
        matrix, present = _view(numbers, dtype), _present(numbers)
        if len(numbers) == width * len(starts):
            matrix = matrix.reshape(len(starts), width)
            present = None if present is None else present.reshape(matrix.shape)
        else:  # null vectors may have numbers too
            at = (starts - first)[:, None] + np.arange(width)
            matrix = matrix[at]
            present = None if present is None else present[at]
        return matrix, _incomplete(present)

    def _common_width(self, lengths: IntArray, index: IntArray | None) -> int:
        """Return the length of all lists, the rows of which are `index`."""
        width = int(lengths[0]) if self.width is None else self.width
        wrong = np.flatnonzero(lengths != width)
        self.width = width
        if len(wrong):
            row = int(wrong[0] if index is None else index[wrong[0]])
            self._check_width(int(lengths[wrong[0]]), self.n_rows + row)
        return width

    def _check_width(self, width: int, row: int) -> None:
        if self.width is not None and width != self.width:
            raise ValueError(
                f"row {row} of {self.name} has a vector of {width} numbers, the rows before it "
                f"have {self.width}. All vectors need the same width: filter out such rows, or "
                "set them to null."
            )
        self.width = width


def _incomplete(present: BoolArray | None) -> BoolArray | None:
    """Return which vectors lack a number, given which numbers are there; None if none does."""
    if present is None or present.all():
        return None
    return np.asarray(~present.all(axis=1))


def _present(array: pa.Array) -> BoolArray | None:
    """Return which elements are not null; None if all are there."""
    if array.null_count == 0:
        return None
    present: BoolArray = array.is_valid().to_numpy(zero_copy_only=False)
    return present


def _view(numbers: pa.Array, dtype: np.dtype[Any]) -> Matrix:
    """Return the memory of numbers, whatever it holds where they are null."""
    buffer = numbers.buffers()[1]
    if len(numbers) == 0 or buffer is None:
        return np.zeros(len(numbers), dtype=dtype)
    view = np.frombuffer(
        buffer, dtype=dtype, count=len(numbers), offset=numbers.offset * dtype.itemsize
    )
    view.flags.writeable = False
    return view


def _pyarrow_types() -> Any:
    from pyarrow import types

    return types
