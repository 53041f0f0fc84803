"""Validation of the second space and of known pairs, and the problem that they make."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array

from sklearn_align._samples import check_samples, computing_dtype, sample_blocks
from sklearn_align._sklearn import called_from_cross_validation
from sklearn_align._typing import FloatArray, IntArray
from sklearn_align.alignment._names import Names, check_names
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs
from sklearn_align.alignment._recipes import HELD_OUT, UNSEEN
from sklearn_align.exceptions import SmallSampleWarning, warn_user


def shape_of(y: Any) -> tuple[int, ...]:
    """Shape of an array-like; that of a list of unequal lists is its length."""
    shape = getattr(y, "shape", None)
    if isinstance(shape, tuple):
        return shape
    try:
        return np.asarray(y).shape
    except ValueError:
        return (len(y),)


def choose_target(
    XB: ArrayLike | None, y: ArrayLike | None, caller: str, method: str = "fit"
) -> ArrayLike:
    """Return the samples of the target space: `XB` if given, else `y`; a 1-D `y` as one column."""
    if XB is not None:
        return XB
    if y is None:
        raise ValueError(
            f"{caller} requires y to be passed, but the target y is None. Pass the samples "
            f"of the target space as {method}(XA, XB)."
        )
    if len(shape_of(y)) == 1:
        warn_user(
            "y is one-dimensional and is used as a target space with a single feature. If y holds "
            "labels, pass the samples of the target space as XB=...",
            DataConversionWarning,
        )
        column: ArrayLike = np.asarray(y).reshape(-1, 1)
        return column
    return y


def refuse_labels(y: FloatArray) -> None:
    """Raise for a matrix that scikit-learn takes for multilabel targets, whatever its type.

    That is a matrix of two or more columns with two different values, both whole numbers.
    """
    if y.shape[1] < 2 or len(np.unique(y[:100])) > 2:
        return
    low, high = y.min(), y.max()
    if low == high or low != np.round(low) or high != np.round(high):
        return
    blocks = (y[block] for block in sample_blocks(y.shape, y.dtype.itemsize))
    if all(((block == low) | (block == high)).all() for block in blocks):
        raise ValueError(
            f"y has two dimensions and only the values {low!s} and {high!s}, so that it is treated "
            "as multilabel targets, also if you convert it to float. Pass the samples of the "
            "target space as XB=..., which is never treated as labels."
        )


def draw_samples(
    name: str,
    samples: FloatArray,
    max_samples: int | None,
    random_state: np.random.RandomState,
    *,
    leave_out: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Draw at most `max_samples` samples (n_samples, n_features), and some of the others.

    With `leave_out`, there are others, however many are asked for. Raises if all samples are equal.
    """
    n_searched = len(samples) - UNSEEN.n_samples if leave_out else len(samples)
    if max_samples is not None:
        n_searched = min(n_searched, max_samples)
    unseen = samples[:0]
    if len(samples) > n_searched:
        order = random_state.choice(len(samples), len(samples), replace=False)
        unseen = samples[np.sort(order[n_searched : n_searched + UNSEEN.n_samples])]
        samples = samples[np.sort(order[:n_searched])]
    if np.array_equal(samples.min(axis=0), samples.max(axis=0)):
        raise ValueError(
            f"All samples of {name} are equal, so there is no geometry to align. Pass samples that "
            "differ."
        )
    return samples, unseen


def draw_problem(
    source: FloatArray,
    target: FloatArray,
    known: KnownPairs | None,
    normalizers: tuple[CentredNormalizer, CentredNormalizer],
    random_state: np.random.RandomState,
    *,
    max_samples: int | None,
    score_sample_size: int,
    leave_out: bool,
) -> tuple[AlignmentProblem, AlignmentProblem | None]:
    """Normalise both sides in float32; the search sees at most `max_samples` of each.

    Also returns some of the samples that it does not see, None without enough of them, or where
    known pairs measure the accuracy. `leave_out` lets the search do without some of many samples.
    """
    measured = known is not None and len(known) >= HELD_OUT.min_pairs
    many = min(len(source), len(target)) >= UNSEEN.min_samples
    leave_out = leave_out and many and not measured
    drawn = (
        draw_samples(name, samples, max_samples, random_state, leave_out=leave_out)
        for name, samples in (("X", source), ("the target space", target))
    )
    (A, unseen_A), (B, unseen_B) = (
        [normalizer.transform(some).astype(np.float32, copy=False) for some in side]
        for side, normalizer in zip(drawn, normalizers, strict=True)
    )
    problem = AlignmentProblem(
        A, B, known, score_sample_size=score_sample_size, random_state=random_state
    )
    if measured or min(len(unseen_A), len(unseen_B)) < UNSEEN.n_samples:
        return problem, None
    return problem, AlignmentProblem(unseen_A, unseen_B)


def check_pairs(
    pairs: Any,
    XA: FloatArray,
    XB: FloatArray,
    *,
    normalizers: tuple[CentredNormalizer, CentredNormalizer],
    names: tuple[Names | None, Names | None],
    weight: float,
    estimator: Any,
) -> KnownPairs | None:
    """Validate pairs, given as two vectors of sample indices or as two matrices of samples.

    Returns normalised samples in float32; None when there are no pairs. Indices are refused inside
    a cross-validation, where they no longer point to the same samples.
    """
    if pairs is None:
        return None
    given = two_sides(pairs)
    sides = [np.asarray(side) for side in given]
    check_equally_many(sides)
    if len(sides[0]) == 0:
        return None
    spaces = (XA, XB)
    if all(side.ndim == 1 for side in sides):
        samples = samples_at(sides, spaces)
    elif all(side.ndim == 2 for side in sides):
        samples = []
        for i, (side, space) in enumerate(zip(given, spaces, strict=True)):
            name = f"pairs[{i}]"
            check_names(side, names[i], input_name=name, estimator=estimator)
            checked = check_samples(side, input_name=name, estimator=estimator)
            if checked.shape[1] != space.shape[1]:
                raise ValueError(
                    f"{name} has {checked.shape[1]} features, but its space has {space.shape[1]}."
                )
            dtype = computing_dtype(space)
            # Numbers that the type does not hold become infinite and are refused.
            with np.errstate(over="ignore"):
                samples.append(check_array(checked, dtype=dtype, input_name=name))
    else:
        raise ValueError(
            "pairs must be two integer vectors (sample indices) or two matrices (the samples "
            f"themselves), got {sides[0].dtype} of shape {sides[0].shape} and {sides[1].dtype} of "
            f"shape {sides[1].shape}."
        )
    A, B = (
        normalizer.transform(side).astype(np.float32, copy=False)
        for normalizer, side in zip(normalizers, samples, strict=True)
    )
    return KnownPairs(A, B, weight)


def check_equally_many(sides: Sequence[np.ndarray[Any, Any]]) -> None:
    """Raise unless both sides of pairs have rows, as many as the other."""
    if not all(side.ndim for side in sides) or len(sides[0]) != len(sides[1]):
        raise ValueError(
            "pairs must hold as many rows_A as rows_B, got shapes "
            f"{sides[0].shape} and {sides[1].shape}."
        )


def two_sides(pairs: Any) -> tuple[Any, Any]:
    """Return the two entries of `pairs`, unless they can be read in another way as well."""
    remedy = (
        "pairs must be a tuple (rows_A, rows_B) of two index vectors or of two matrices of paired "
        "samples"
    )
    if not isinstance(pairs, Sequence) or isinstance(pairs, str | bytes) or len(pairs) != 2:
        got = type(pairs).__name__
        if isinstance(pairs, Sequence):
            got += f" of length {len(pairs)}"
        elif hasattr(pairs, "shape"):
            got += f" of shape {pairs.shape}"
        raise ValueError(
            f"{remedy}, got {got}. A list of pairs [(a, b), ...] is turned into such a tuple by "
            "pairs=tuple(numpy.array(pairs).T), an array of shape (n_pairs, 2) by "
            "pairs=(pairs[:, 0], pairs[:, 1])."
        )
    first, second = pairs
    if all(isinstance(side, list | tuple) and len(side) == 2 for side in (first, second)):
        (a, b), (c, d) = (map(_short, side) for side in (first, second))
        raise ValueError(
            f"pairs=[[{a}, {b}], [{c}, {d}]] can be read in two ways: as rows_A=[{a}, {b}] and "
            f"rows_B=[{c}, {d}], or as the pairs ({a}, {b}) and ({c}, {d}). Pass the two sides as "
            f"arrays: pairs=(numpy.array([{a}, {b}]), numpy.array([{c}, {d}])) for the former, "
            f"pairs=(numpy.array([{a}, {c}]), numpy.array([{b}, {d}])) for the latter."
        )
    return first, second


def _short(value: Any) -> str:
    """Return a number as it is, anything longer as dots."""
    return repr(value) if isinstance(value, int | float) else "..."


def samples_at(
    sides: Sequence[np.ndarray[Any, Any]], spaces: tuple[FloatArray, FloatArray]
) -> list[FloatArray]:
    """Return the samples of both spaces at two vectors of indices, which must be integers."""
    indices = []
    for side in sides:
        if side.dtype.kind not in "iu" and not (
            side.dtype.kind == "O"
            and all(isinstance(i, Integral) and not isinstance(i, bool) for i in side)
        ):
            raise ValueError(
                "pairs must be two integer vectors (sample indices) or two matrices (the samples "
                f"themselves), got {sides[0].dtype} of shape {sides[0].shape} and "
                f"{sides[1].dtype} of shape {sides[1].shape}. Indices are converted by "
                "rows.astype(int), a mask by numpy.flatnonzero(mask)."
            )
        indices.append(side)
    if called_from_cross_validation():
        raise ValueError(
            "pairs holds sample indices, which no longer point to the same samples after a "
            "cross-validation split. Pass the paired samples themselves: "
            "pairs=(XA[rows_A], XB[rows_B])."
        )
    samples = []
    for name, side, space in zip(("rows_A", "rows_B"), indices, spaces, strict=True):
        if side.min() < 0 or side.max() >= len(space):
            raise ValueError(
                f"pairs: {name} must lie in [0, {len(space) - 1}], got values from "
                f"{side.min()} to {side.max()}."
            )
        positions: IntArray = side.astype(np.intp)
        samples.append(space[positions])
    return samples


def clip_to_samples(name: str, value: int, n_samples: int) -> int:
    """Return `value`, at most `n_samples`, with a warning that names the parameter when clipped."""
    if value <= n_samples:
        return value
    warn_user(
        f"{name}={value} was reduced to {n_samples}, the number of samples. Pass more samples or a "
        f"smaller {name}.",
        SmallSampleWarning,
    )
    return n_samples
