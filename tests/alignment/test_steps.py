"""From parameters to steps: what `init`, `n_init`, `selection` and `refinements` stand for."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import (
    AnchorStart,
    ClusterRefinement,
    ComponentStart,
    NeighborRefinement,
    TransportRefinement,
    _recipes,
)
from sklearn_align.alignment._steps import list_refinements, list_starts
from sklearn_align.exceptions import AlignmentWarning


class Identity:
    """An initialization that counts its calls."""

    def __init__(self):
        self.n_calls = 0

    def initial_map(self, problem, random_state):
        self.n_calls += 1
        return np.eye(problem.A.shape[1], problem.B.shape[1], dtype=problem.A.dtype)


def test_the_initialization_that_was_asked_for_runs_with_the_refinements_of_the_paper(spaces):
    start = Identity()
    aligner = MiniVec2Vec(init=start, n_init=1, refinements="paper", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner.fit(spaces.XA, spaces.XA)
    assert start.n_calls == 1
    names = [record["stage"] for record in aligner.history_]
    assert names == ["start", "NeighborRefinement", "ClusterRefinement"]


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
def test_components_start_the_recipe_of_the_paper_when_asked_for(spaces, monkeypatch):
    calls = []
    initial_map = ComponentStart.initial_map

    def spy(self, problem, random_state):
        calls.append(self)
        return initial_map(self, problem, random_state)

    monkeypatch.setattr(ComponentStart, "initial_map", spy)
    monkeypatch.setattr(AnchorStart, "initial_map", None)
    MiniVec2Vec(init="components", n_init=1, refinements="paper", random_state=0).fit(
        spaces.XA[:300], spaces.XB[:300]
    )
    assert calls


def test_starts_of_a_list_take_turns():
    one, other = AnchorStart(), ComponentStart()
    assert list_starts([one, other], 3, "halving") == [one, other, one]
    assert list_starts([one, other], "auto", "halving") == [one, other]
    assert list_starts(one, "auto", None) == [one]
    assert len(list_starts("components", "auto", "halving")) == 12
    assert len(list_starts("anchors", 4, "halving")) == 4
    assert len(list_starts("components", "auto", None)) == 1


def test_recipes_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        _recipes.ROBUST.starts = ()
    with pytest.raises(TypeError):
        _recipes.ROBUST.starts[0]["n_components"] = 3


def test_refinements_of_the_recipes():
    robust = list_refinements("robust")
    assert [type(step) for step in robust] == [TransportRefinement] * 3
    paper = list_refinements("paper")
    assert [type(step) for step in paper] == [NeighborRefinement, ClusterRefinement]


def test_the_published_recipe_has_the_defaults_of_its_steps():
    aligner = MiniVec2Vec.from_paper()
    assert aligner.selection is None
    assert repr(aligner.init) == repr(AnchorStart())
    assert repr(aligner.refinements) == repr(list_refinements("paper"))


def test_every_argument_of_the_published_recipe_reaches_a_step():
    parameters = inspect.signature(MiniVec2Vec.from_paper).parameters
    default = MiniVec2Vec.from_paper()
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        changed = MiniVec2Vec.from_paper(**{name: parameter.default / 2})
        assert repr(changed.get_params()) != repr(default.get_params()), name
    assert MiniVec2Vec.from_paper(random_state=3).random_state == 3
