"""Collections that are not computed yet, and what to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# By package and class, so that none of the packages is imported.
_REMEDIES = {
    ("polars", "LazyFrame"): ("{name}.collect()", "{name}.collect()"),
    ("ray", "Dataset"): (
        'numpy.stack({name}.random_sample(fraction).take_batch(30_000)["vector"])',
        "{name}.map_batches(function) with sklearn_align.io.map_batches in the function",
    ),
    ("pyspark", "DataFrame"): (
        "{name}.sample(fraction).toArrow() and sklearn_align.io.vectors_to_numpy",
        "{name}.mapInArrow(function, schema) with sklearn_align.io.map_batches in the function",
    ),
}
_SAMPLE = "numpy.asarray({name}[rows]) with some 30,000 random rows"
_COMPUTED = "numpy.asarray({name})"
_BLOCKS = (
    "{name}.rechunk({{1: -1}}).map_blocks(aligner.{method}, chunks=({name}.chunks[0], ({width},)), "
    "meta=numpy.empty((0, 0), {name}.dtype))"
)
_PARTITIONS = "{name}.map_partitions(aligner.{method})"


def refuse_lazy(X: Any, name: str, *, method: str, width: int = 0) -> None:
    """Raise for samples that NumPy would compute and hold as a whole, or that it cannot read.

    Collections of dask are known by its protocol. `name` is the argument, `method` that of the
    aligner, which returns `width` columns unless it is "fit", "assess" or "score".
    """
    package, kind = type(X).__module__.partition(".")[0], type(X).__name__
    remedies = _REMEDIES.get((package, kind))
    if remedies is None:
        graph = getattr(X, "__dask_graph__", None)
        if graph is None or isinstance(X, type) or graph() is None:
            return
        remedies = _remedies_of_dask(X)
    wants_sample = method in ("fit", "assess", "score")
    remedy = remedies[0 if wants_sample else 1].format(name=name, method=method, width=width)
    what = "needs a sample in memory" if wants_sample else "maps samples in memory"
    raise TypeError(
        f"{name} is a {package} {kind}, which is not computed yet and may be larger than the "
        f"memory. {method} {what}. Use {remedy}."
    )


def refuse_lazy_sides(X: Any, y: Any, XB: Any, pairs: Any, *, method: str) -> None:
    """Raise for a lazy collection among the arguments of `fit` or `assess`."""
    given = {"X": X, "y": y, "XB": XB} if XB is None else {"X": X, "XB": XB}
    if isinstance(pairs, Sequence) and not isinstance(pairs, str | bytes):
        given |= {f"pairs[{i}]": side for i, side in enumerate(pairs[:2])}
    for name, samples in given.items():
        refuse_lazy(samples, name, method=method)


def _remedies_of_dask(X: Any) -> tuple[str, str]:
    """Return what to do in fit and elsewhere with a collection that follows dask's protocol."""
    # Delayed objects have attributes of any name.
    if isinstance(getattr(X, "chunks", None), tuple):
        return _SAMPLE, f"{_BLOCKS}, or {_COMPUTED} if the memory holds it"
    if isinstance(getattr(X, "divisions", None), tuple):
        sample = "{name}.sample(frac=fraction).compute()"
        return sample, f"{_PARTITIONS}, or {{name}}.compute() if the memory holds it"
    return "{name}.compute()", "{name}.compute()"
