"""Columns of vectors in Apache Arrow tables: samples to fit on, and mapped batches.

Data frames, parquet files, Ray Data, Spark and Lance can exchange Arrow tables. The functions need
pyarrow, which they import when they are called.
"""

from sklearn_align.io._mapping import map_batches
from sklearn_align.io._sampling import sample_rows
from sklearn_align.io._vectors import vectors_to_arrow, vectors_to_numpy

__all__ = [
    "map_batches",
    "sample_rows",
    "vectors_to_arrow",
    "vectors_to_numpy",
]
