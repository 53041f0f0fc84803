"""A sample of a column that is read once, in batches."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import check_random_state, check_scalar

from sklearn_align._typing import BoolArray, Float64Array, IntArray
from sklearn_align.io._arrow import import_pyarrow
from sklearn_align.io._sources import read_batches
from sklearn_align.io._vectors import VectorReader


def sample_rows(
    source: Any,
    n: int,
    column: str,
    *,
    on_invalid: Literal["raise", "drop"] = "raise",
    random_state: int | RandomState | None = None,
) -> NDArray[Any]:
    """Draw vectors of a column at random, without replacement.

    The source is read once, batch by batch, so that it need not fit into memory. Only the sample
    and one batch are in memory.

    Parameters
    ----------
    source : object
        Source of the column: a pyarrow Table, RecordBatch, RecordBatchReader or Dataset; an
        iterable of record batches; the path of a parquet file or a list of paths; any other object
        with ``__arrow_c_stream__``, such as the data frames of polars. From files and data sets,
        only this column is read.

    n : int
        Number of vectors.

    column : str
        Name of the column. It contains lists of numbers of equal length: FixedSizeList, List,
        LargeList, or an extension type that stores vectors as one of these types.

    on_invalid : {"raise", "drop"}, default="raise"
        Treatment of vectors that contain NaN, an infinite value or a null. With ``"drop"``, they
        are left out. Vectors that are null are never drawn.

    random_state : int, RandomState instance or None, default=None
        Determines which vectors are drawn.

    Returns
    -------
    X : ndarray of shape (min(n, n_vectors), width)
        The drawn vectors in the order of the source, with the number type of the source.

    Raises
    ------
    ImportError
        If pyarrow is not installed.

    ValueError
        If the column does not exist or contains no vectors, or a vector is invalid. The message has
        the number of the row, counted from 0 over the whole source.

    See Also
    --------
    map_batches : Apply the aligner that was fitted on the sample.

    Notes
    -----
    Every vector gets a random key, and the vectors with the `n` smallest keys are the sample: each
    set of `n` vectors has the same probability. Keys belong to rows, so that the sample does not
    depend on the division of the rows into batches.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from sklearn_align.io import sample_rows, vectors_to_arrow
    >>> X = np.arange(2000.0).reshape(1000, 2)
    >>> table = pa.table({"vector": vectors_to_arrow(X)})
    >>> sample_rows(table, 100, "vector", random_state=0).shape
    (100, 2)
    """
    import_pyarrow("sample_rows")
    check_scalar(n, "n", Integral, min_val=1)
    if on_invalid not in ("raise", "drop"):
        raise ValueError(f"on_invalid must be 'raise' or 'drop'; got {on_invalid!r}")
    random = check_random_state(random_state)
    reader = VectorReader(f"column {column!r}")
    reservoir = _Reservoir(n)
    for batch in read_batches(source, column, all_columns=False):
        first_row = reader.n_rows
        vectors = reader.read(batch.column(column))
        keys = random.random_sample(vectors.n_rows)
        invalid = vectors.invalid()
        if invalid is not None and on_invalid == "raise":
            row = first_row + vectors.rows(np.flatnonzero(invalid))[0]
            raise ValueError(
                f"row {row} of column {column!r} holds NaN, an infinite value or a null: pass "
                "on_invalid='drop' to leave such vectors out."
            )
        if vectors.index is not None:
            keys = keys[vectors.index]
        reservoir.add(vectors.matrix, keys, invalid)
    if reservoir.size == 0:
        raise ValueError(
            f"column {column!r} holds no vectors to draw from: {reader.n_rows} rows were read."
        )
    return reservoir.vectors()


class _Reservoir:
    """The vectors with the `n` smallest keys of all that were added."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.size = 0
        self._n_added = 0
        # Vectors and their keys; arrays have room for more than `size` of them.
        self._matrix: NDArray[Any] = np.empty((0, 0))
        self._keys: Float64Array = np.empty(0)
        self._order: IntArray = np.empty(0, dtype=np.int64)

    def add(self, matrix: NDArray[Any], keys: Float64Array, invalid: BoolArray | None) -> None:
        """Add vectors that are not `invalid`, each with a key."""
        order = self._n_added + np.arange(len(matrix))
        self._n_added += len(matrix)
        chosen = np.arange(len(matrix)) if invalid is None else np.flatnonzero(~invalid)
        if self.size == self.n:
            chosen = chosen[keys[chosen] < self._keys.max()]
        n_free = min(self.n - self.size, len(chosen))
        self._append(matrix, keys, order, chosen[:n_free])
        chosen = chosen[n_free:]
        if len(chosen) == 0:
            return
        together = np.concatenate([self._keys[: self.n], keys[chosen]])
        smallest = np.zeros(len(together), dtype=bool)
        smallest[np.argpartition(together, self.n - 1)[: self.n]] = True
        slots = np.flatnonzero(~smallest[: self.n])
        chosen = chosen[smallest[self.n :]]
        self._put(slots, matrix, keys, order, chosen)

    def vectors(self) -> NDArray[Any]:
        """Return the vectors in the order in which they were added."""
        return self._matrix[np.argsort(self._order[: self.size])]

    def _append(
        self, matrix: NDArray[Any], keys: Float64Array, order: IntArray, chosen: IntArray
    ) -> None:
        size = self.size + len(chosen)
        if size > len(self._matrix) or self._matrix.shape[1] != matrix.shape[1]:
            capacity = min(self.n, max(size, 2 * self.size))
            larger = np.empty((capacity, matrix.shape[1]), dtype=matrix.dtype)
            if self.size:
                larger[: self.size] = self._matrix[: self.size]
            self._matrix = larger
            self._keys = np.resize(self._keys, capacity)
            self._order = np.resize(self._order, capacity)
        self._put(np.arange(self.size, size), matrix, keys, order, chosen)
        self.size = size

    def _put(
        self,
        slots: IntArray,
        matrix: NDArray[Any],
        keys: Float64Array,
        order: IntArray,
        chosen: IntArray,
    ) -> None:
        self._matrix[slots] = matrix[chosen]
        self._keys[slots] = keys[chosen]
        self._order[slots] = order[chosen]
