"""What an exported map consists of: arrays of numbers and lines of text, none of which is code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

import sklearn_align
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._names import Names
from sklearn_align.alignment._normalizer import CentredNormalizer

if TYPE_CHECKING:
    from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec

# Raised by every change of the contents that this version could not read. Maps that have been
# judged are written in version 1, which is the same but cannot do without their figures.
FORMAT_VERSION = 2
# Keys of the metadata that start with it are written by the package itself.
PREFIX = "sklearn_align."
REQUIRED_ARRAYS = frozenset({"linear_map", "source_mean", "target_mean"})
# The orthogonal map, where it is not the linear map itself.
OPTIONAL_ARRAYS = frozenset({"map"})
SIDES = ("source", "target")
# Results of the convergence check that are numbers, without the "_" of the attribute.
FIGURES = ("alignment_score", "agreement", "relative_score")
# Those that files of earlier versions do not have, between 0 and 1, NaN where there is none.
OPTIONAL_SHARES = ("expected_accuracy", "min_relative_score", "relearned_agreement")
# The same without limits.
OPTIONAL_NUMBERS = ("relearned_score",)


class MapState(NamedTuple):
    """Arrays and metadata of an exported map; keys of the package start with :data:`PREFIX`."""

    arrays: dict[str, FloatArray]
    metadata: dict[str, str]


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata of the caller as a dict of text, which every file format can hold."""
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a dict of str, not {type(metadata).__name__}.")
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise TypeError(f"metadata: the key {key!r} is not a str.")
        if not isinstance(value, str):
            raise TypeError(
                f"metadata: the value of {key!r} must be a str, not {type(value).__name__}."
            )
        if key.startswith(PREFIX):
            raise ValueError(
                f"metadata: {key!r} starts with {PREFIX!r}, which is reserved for the package."
            )
        for text in (key, value):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                raise ValueError(
                    f"metadata: the entry {key!r} cannot be encoded as UTF-8."
                ) from None
    return dict(metadata)


def state_of(aligner: MiniVec2Vec, metadata: Mapping[str, str] | None) -> MapState:
    """Return what is stored of a fitted aligner; without `metadata`, that of its own file."""
    check_is_fitted(aligner, "correction_strength_")
    if metadata is None:
        metadata = getattr(aligner, "metadata_", {})
    arrays = {
        "linear_map": aligner.linear_map_,
        "source_mean": aligner.source_mean_,
        "target_mean": aligner.target_mean_,
    }
    if aligner.linear_map_ is not aligner.map_:
        arrays["map"] = aligner.map_
    judged = hasattr(aligner, "converged_")
    own = {
        "format": "1" if judged else str(FORMAT_VERSION),
        "version": sklearn_align.__version__,
        "n_iter": str(int(aligner.n_iter_)),
        "correction_strength": _text(aligner.correction_strength_),
    }
    if judged:
        own["converged"] = _text(bool(aligner.converged_))
        own["accuracy_measured"] = _text(bool(aligner.accuracy_measured_))
        own["ambiguous"] = _text(bool(aligner.ambiguous_))
        for name in (*FIGURES, *OPTIONAL_SHARES, *OPTIONAL_NUMBERS):
            own[name] = _text(getattr(aligner, f"{name}_"))
    for side in SIDES:
        for name in ("normalized", "length", "radius"):
            own[f"{side}_{name}"] = _text(getattr(aligner, f"{side}_{name}_"))
        raw_lengths = getattr(aligner, f"_{side}_normalizer").raw_lengths
        own[f"{side}_raw_lengths"] = json.dumps([float(length) for length in raw_lengths])
    for side, attribute in zip(
        SIDES, ("feature_names_in_", "feature_names_target_in_"), strict=True
    ):
        if hasattr(aligner, attribute):
            own[f"{side}_feature_names"] = json.dumps(list(getattr(aligner, attribute)))
    return MapState(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        {**{PREFIX + key: text for key, text in own.items()}, **check_metadata(metadata)},
    )


def fitted_attributes(state: MapState) -> dict[str, Any]:
    """Return the attributes of the aligner whose state was stored; ValueError if there are none."""
    own = {k.removeprefix(PREFIX): v for k, v in state.metadata.items() if k.startswith(PREFIX)}
    _check_format(own)
    missing = REQUIRED_ARRAYS - set(state.arrays)
    if missing:
        raise ValueError(f"the array {min(missing)!r} is missing")
    unknown = set(state.arrays) - REQUIRED_ARRAYS - OPTIONAL_ARRAYS
    if unknown:
        raise ValueError(f"there is an unknown array {min(unknown)!r}")
    arrays = {name: _check_array(name, array) for name, array in state.arrays.items()}
    linear_map = arrays["linear_map"]
    corrected = linear_map if "map" in arrays else None
    _check_shapes(arrays)
    strength = _parse(own, "correction_strength", _strength)
    if np.isfinite(strength) and "map" not in arrays:
        raise ValueError("the map is corrected, but the array 'map' is missing")
    normalizers = (_normalizer(side, arrays[f"{side}_mean"], own) for side in SIDES)
    attributes = {
        **{f"_{side}_normalizer": one for side, one in zip(SIDES, normalizers, strict=True)},
        "n_features_in_": linear_map.shape[0],
        "n_features_target_": linear_map.shape[1],
        "_dtype": linear_map.dtype,
        "map_": arrays.get("map", linear_map),
        "_corrected_map": corrected,
        "correction_strength_": strength,
        "n_iter_": _parse(own, "n_iter", int),
        "metadata_": {k: v for k, v in state.metadata.items() if not k.startswith(PREFIX)},
    }
    if int(own["format"]) == 1 or "converged" in own:
        attributes |= _evidence(own)
    names = zip(SIDES, ("feature_names_in_", "feature_names_target_in_"), strict=True)
    for side, attribute in names:
        if f"{side}_feature_names" in own:
            attributes[attribute] = _names(own, side, len(arrays[f"{side}_mean"]))
    return attributes


def _evidence(own: dict[str, str]) -> dict[str, Any]:
    """Return the results of the convergence check, which only a map that was judged has."""
    figures = {
        **{f"{name}_": _parse(own, name, _number) for name in FIGURES},
        **{f"{name}_": _parse({name: "nan", **own}, name, _share) for name in OPTIONAL_SHARES},
        **{f"{name}_": _parse({name: "nan", **own}, name, float) for name in OPTIONAL_NUMBERS},
    }
    # Earlier versions had an expected accuracy only where known pairs measured it.
    measured = {"accuracy_measured": _text(not np.isnan(figures["expected_accuracy_"])), **own}
    return {
        **figures,
        "accuracy_measured_": _parse(measured, "accuracy_measured", _boolean),
        "ambiguous_": _parse({"ambiguous": _text(False), **own}, "ambiguous", _boolean),
        "converged_": _parse(own, "converged", _boolean),
    }


def _check_format(own: dict[str, str]) -> None:
    """Refuse a file of a newer format, whose other contents need not be what they are here."""
    number = _parse(own, "format", int)
    if number > FORMAT_VERSION:
        raise ValueError(
            f"it has format version {number}, written by version {own.get('version')!r} of "
            f"sklearn_align, and this version, {sklearn_align.__version__}, reads format versions "
            f"up to {FORMAT_VERSION}"
        )
    if number < 1:
        raise ValueError(f"the format version {number} does not exist")


def _check_array(name: str, array: FloatArray) -> FloatArray:
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise ValueError(f"the array {name!r} has the type {array.dtype}, not float32 or float64")
    n_dims = 1 if name.endswith("_mean") else 2
    if array.ndim != n_dims or array.size == 0:
        raise ValueError(f"the array {name!r} has the shape {array.shape}, not {n_dims} dimensions")
    if not np.isfinite(array).all():
        raise ValueError(f"the array {name!r} has numbers that are not finite")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _check_shapes(arrays: dict[str, FloatArray]) -> None:
    expected = (len(arrays["source_mean"]), len(arrays["target_mean"]))
    for name in ("linear_map", "map"):
        if name in arrays and arrays[name].shape != expected:
            raise ValueError(
                f"the array {name!r} has the shape {arrays[name].shape}, and the means of both "
                f"spaces have the widths {expected}"
            )


def _normalizer(side: str, mean: FloatArray, own: dict[str, str]) -> CentredNormalizer:
    radius = _parse(own, f"{side}_radius", _radius)
    length = _parse(own, f"{side}_length", _length)
    normalized = _parse(own, f"{side}_normalized", _boolean)
    raw_lengths = _parse(own, f"{side}_raw_lengths", _raw_lengths)
    return CentredNormalizer(mean, radius, length, normalized, raw_lengths)


def _names(own: dict[str, str], side: str, n_features: int) -> Names:
    names = _parse(own, f"{side}_feature_names", json.loads)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"the names of the {side} features are not a list of strings")
    if len(names) != n_features:
        raise ValueError(f"there are {len(names)} names for {n_features} {side} features")
    return np.asarray(names, dtype=object)


def _parse(own: dict[str, str], name: str, parser: Callable[[str], Any]) -> Any:
    """Return the value of an entry of the package."""
    if name not in own:
        raise ValueError(f"the metadata entry {PREFIX + name!r} is missing")
    try:
        return parser(own[name])
    except (ValueError, TypeError, KeyError, RecursionError):
        shown = own[name] if len(own[name]) <= 40 else f"{own[name][:40]}..."
        raise ValueError(f"the metadata entry {PREFIX + name!r} cannot be {shown!r}") from None


def _text(value: float | bool | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return repr(float(value))


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _number(text: str) -> float:
    value = float(text)
    if not np.isfinite(value):
        raise ValueError
    return value


def _share(text: str) -> float:
    value = float(text)
    if not (np.isnan(value) or 0 <= value <= 1):
        raise ValueError
    return value


def _radius(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise ValueError
    return value


def _length(text: str) -> float | None:
    if text == "none":
        return None
    value = _number(text)
    if value <= 0:
        raise ValueError
    return value


def _raw_lengths(text: str) -> tuple[float, float, float]:
    low, median, high = (_radius(str(length)) for length in json.loads(text))
    if not low <= median <= high:
        raise ValueError
    return low, median, high


def _strength(text: str) -> float:
    return float("inf") if text == "inf" else _radius(text)
