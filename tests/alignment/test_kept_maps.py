"""The map after each stage of a fit."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import MutualNeighborRefinement, TransportRefinement
from sklearn_align.alignment._names import numbered

STEPS = [TransportRefinement(6), MutualNeighborRefinement(2), TransportRefinement(3)]
NAMES = ["start", "TransportRefinement-1", "MutualNeighborRefinement", "TransportRefinement-2"]


@pytest.fixture(scope="module")
def kept(spaces, unjudged_module):
    aligner = MiniVec2Vec(n_init=1, refinements=STEPS, keep_maps=True, random_state=0)
    return aligner.fit(spaces.XA, spaces.XB)


def test_there_is_a_map_for_each_stage(kept):
    assert list(kept.maps_) == NAMES
    assert [name.partition("-")[0] for name in NAMES] == [r["stage"] for r in kept.history_]
    for W in kept.maps_.values():
        assert W.dtype == kept.map_.dtype
        np.testing.assert_allclose(W.T @ W, np.eye(24), atol=1e-5)
    np.testing.assert_array_equal(kept.maps_[NAMES[-1]], kept.map_)
    assert not np.may_share_memory(kept.maps_[NAMES[-1]], kept.map_)
    maps = list(kept.maps_.values())
    assert all(np.abs(W - V).max() > 1e-3 for W, V in pairwise(maps))


def test_a_refinement_in_place_leaves_the_maps_before_it(kept, spaces):
    class Negative(BaseEstimator):
        def iterate(self, problem, W, random_state):
            W *= -1
            yield W

    aligner = clone(kept).set_params(refinements=[Negative(), Negative()])
    maps = list(aligner.fit(spaces.XA, spaces.XB).maps_.values())
    np.testing.assert_array_equal(maps[0], kept.maps_["start"])
    np.testing.assert_allclose(maps[1], -maps[0], atol=1e-6)
    np.testing.assert_allclose(maps[2], maps[0], atol=1e-6)


@pytest.mark.parametrize("n_steps", [0, 1, 2])
def test_the_maps_are_those_of_fits_with_fewer_stages(kept, spaces, n_steps):
    shorter = clone(kept).set_params(refinements=STEPS[:n_steps])
    shorter.fit(spaces.XA, spaces.XB)
    np.testing.assert_array_equal(shorter.map_, kept.maps_[NAMES[n_steps]])


def test_the_other_results_are_the_same(kept, spaces):
    without = clone(kept).set_params(keep_maps=False).fit(spaces.XA, spaces.XB)
    np.testing.assert_array_equal(without.map_, kept.map_)
    assert vars(kept).keys() - vars(without).keys() == {"maps_"}
    # A fit without them leaves none of an earlier one.
    again = copy.deepcopy(kept).set_params(keep_maps=False).fit(spaces.XA, spaces.XB)
    assert not hasattr(again, "maps_")


def test_they_are_stored_and_found_in_pipelines(kept, spaces):
    loaded = pickle.loads(pickle.dumps(kept))
    assert list(loaded.maps_) == NAMES
    for name in NAMES:
        np.testing.assert_array_equal(loaded.maps_[name], kept.maps_[name])
    assert not hasattr(clone(kept), "maps_")
    pipeline = Pipeline([("scale", StandardScaler()), ("align", clone(kept))])
    pipeline.fit(spaces.XA, spaces.XB)
    assert list(pipeline[-1].maps_) == NAMES


def test_a_kept_map_makes_an_aligner(kept, spaces):
    aligner = MiniVec2Vec.from_map(kept.maps_[NAMES[-1]], kept.source_mean_, kept.target_mean_)
    np.testing.assert_array_equal(aligner.transform(spaces.XA), kept.transform(spaces.XA))


class Stop:
    """Ends the fit after the start."""

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "start"


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_a_fit_that_was_stopped_has_fewer(kept, spaces):
    aligner = clone(kept).set_callbacks(Stop()).fit(spaces.XA, spaces.XB)
    assert list(aligner.maps_) == ["start"]
    np.testing.assert_array_equal(aligner.maps_["start"], aligner.map_)


def test_a_value_that_is_no_bool_is_refused(spaces):
    with pytest.raises(ValueError, match="'keep_maps' parameter of MiniVec2Vec"):
        MiniVec2Vec(keep_maps="all").fit(spaces.XA, spaces.XB)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["a"], ["a"]),
        (["a", "b"], ["a", "b"]),
        (["a", "b", "a"], ["a-1", "b", "a-2"]),
        (["a", "a", "a"], ["a-1", "a-2", "a-3"]),
    ],
)
def test_names_of_stages(names, expected):
    assert numbered(names) == expected
