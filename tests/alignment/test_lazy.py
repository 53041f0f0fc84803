"""Lazy collections are refused, with a remedy that works."""

import re

import numpy as np
import polars as pl
import pytest

from sklearn_align.alignment._lazy import refuse_lazy

METHODS = ("transform", "to_target", "transform_target", "inverse_transform")


@pytest.fixture
def lazy(spaces):
    """Return samples of the source, as a dask array with several blocks of samples and columns."""
    array = pytest.importorskip("dask.array")
    return array.from_array(spaces.XA_test.astype(np.float32), chunks=(70, 10))


def run_remedy(error, names):
    """Run the code of the message, between "Use" and what the second remedy begins with."""
    code = re.search(r" Use (.*?)(, or .*)?\.$", str(error.value)).group(1)
    return eval(code, {"numpy": np, **names})


@pytest.mark.parametrize("method", METHODS)
def test_a_dask_array_is_mapped_as_the_message_says(fitted, lazy, method):
    with pytest.raises(TypeError, match=f"is a dask Array.* {method} maps") as error:
        getattr(fitted, method)(lazy)
    name = re.match(r"\w+", str(error.value)).group(0)
    mapped = run_remedy(error, {name: lazy, "aligner": fitted})
    expected = getattr(fitted, method)(np.asarray(lazy))
    assert mapped.shape == expected.shape
    assert mapped.dtype == expected.dtype
    np.testing.assert_allclose(mapped.compute(scheduler="synchronous"), expected, atol=1e-5)


def test_nothing_is_computed(fitted):
    array = pytest.importorskip("dask.array")

    def fail(block):
        raise AssertionError("computed")

    lazy = array.zeros((20, fitted.n_features_in_)).map_blocks(fail, dtype=float, meta=np.empty(0))
    for call in (
        fitted.transform,
        fitted.to_target,
        fitted.fit,
        fitted.fit_transform,
        fitted.score,
    ):
        with pytest.raises(TypeError, match="X is a dask Array"):
            call(lazy)


@pytest.mark.parametrize("name", ["X", "y", "XB", "pairs[0]", "pairs[1]"])
def test_fit_asks_for_a_sample(quick, spaces, lazy, name):
    given = {"X": spaces.XA, "XB": spaces.XB}
    if name == "y":
        given |= {"y": lazy, "XB": None}
    elif name.startswith("pairs"):
        sides = [spaces.XA_test, spaces.XB_test]
        sides[int(name[6])] = lazy
        given["pairs"] = tuple(sides)
    else:
        given[name] = lazy
    aligner = quick()
    with pytest.raises(TypeError, match=re.escape(f"{name} is a dask Array")) as error:
        aligner.fit(**given)
    assert f"numpy.asarray({name}[rows])" in str(error.value)
    assert not hasattr(aligner, "n_features_in_")


def test_labels_are_not_samples(quick, spaces):
    """With `XB=`, `y` is ignored, whatever it is."""
    array = pytest.importorskip("dask.array")
    aligner = quick().fit(spaces.XA, array.zeros(len(spaces.XA)), XB=spaces.XB)
    assert aligner.n_features_in_ == spaces.XA.shape[1]


def test_target_samples_of_score(fitted, spaces):
    array = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match=r"y is a dask Array.*score needs a sample"):
        fitted.score(spaces.XA_test, array.from_array(spaces.XB_test))


def test_other_collections_of_dask():
    class Frame:
        """Has what the frames of dask have."""

        divisions = (0, 1)

        def map_partitions(self):
            raise AssertionError

        def __dask_graph__(self):
            return {}

    Frame.__module__ = "dask.dataframe.core"
    with pytest.raises(TypeError, match=r"dask Frame.*X\.map_partitions\(aligner\.transform\)"):
        refuse_lazy(Frame(), "X", method="transform", width=3)
    with pytest.raises(TypeError, match=r"X\.sample\(frac=fraction\)\.compute\(\)"):
        refuse_lazy(Frame(), "X", method="fit")
    delayed = pytest.importorskip("dask").delayed(np.zeros)((3, 2))
    with pytest.raises(TypeError, match=r"dask Delayed.*X\.compute\(\)"):
        refuse_lazy(delayed, "X", method="transform", width=3)


def test_a_collection_that_holds_no_graph_is_not_lazy():
    class Labelled:
        """As an array of xarray without dask."""

        def __dask_graph__(self):
            return None

    refuse_lazy(Labelled(), "X", method="fit")


def test_a_lazy_frame_of_polars(fitted, spaces):
    lazy = pl.DataFrame(spaces.XA_test, schema=[str(i) for i in range(24)]).lazy()
    with pytest.raises(TypeError, match="X is a polars LazyFrame") as error:
        fitted.transform(lazy)
    collected = run_remedy(error, {"X": lazy})
    np.testing.assert_array_equal(collected, spaces.XA_test)


@pytest.mark.parametrize(
    ("package", "kind", "remedy"),
    [
        ("ray.data.dataset", "Dataset", "map_batches"),
        ("pyspark.sql.classic", "DataFrame", "mapInArrow"),
    ],
)
def test_data_sets_of_engines(fitted, package, kind, remedy):
    lazy = type(kind, (), {"__module__": package})()
    with pytest.raises(TypeError, match=f"{kind}, which is not computed yet.*{remedy}"):
        fitted.to_target(lazy)
