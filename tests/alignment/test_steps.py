"""From parameters to steps: what `init`, `n_init`, `selection` and `refinements` stand for."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import (
    AnchorStart,
    ClusterRefinement,
    ComponentStart,
    NeighborRefinement,
    StochasticTransportRefinement,
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
    first, *others = [type(step) for step in robust]
    assert first is TransportRefinement
    assert others == [StochasticTransportRefinement] * 2
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


# Parts


@pytest.mark.parametrize(
    ("init", "n_init", "selection", "expected"),
    [
        ("components", "auto", "halving", 12),
        ("components", 3, "halving", 3),
        ("components", 30, "halving", 30),
        ("components", 1, None, 1),
        ("anchors", "auto", "halving", 12),
        ("anchors", 1, None, 1),
        (AnchorStart(), "auto", "halving", 12),
        (AnchorStart(), 1, None, 1),
        ([AnchorStart()], "auto", None, 1),
        ((AnchorStart(), ComponentStart()), "auto", "halving", 2),
        ((AnchorStart(), ComponentStart()), 1, None, 1),
    ],
)
def test_number_of_starts(init, n_init, selection, expected):
    assert len(list_starts(init, n_init, selection)) == expected


def test_starts_of_the_recipes_in_turn():
    components = list_starts("components", 14, "halving")
    assert [repr(start) for start in components] == [
        repr(ComponentStart(**_recipes.ROBUST.starts[i % 12])) for i in range(14)
    ]
    n_samples = _recipes.ANCHORS.n_match_samples
    assert [repr(start) for start in list_starts("anchors", 1, None)] == [
        repr(AnchorStart(**_recipes.PAPER.starts[0], n_match_samples=n_samples))
    ]
    one = Identity()
    assert list_starts(one, 3, "halving") == [one] * 3


REFUSED = {
    "nothing": (
        ([], "auto", "halving"),
        "The 'init' parameter of MiniVec2Vec is an empty list: pass at least one initialization, "
        "'components' or 'anchors'.",
    ),
    "two with none": (
        ("components", 2, None),
        "selection=None takes a single initialization, but n_init=2 and init='components' ask for "
        "2. Set n_init=1, or selection='halving'.",
    ),
    "two in a list": (
        ([ComponentStart(7), ComponentStart(8)], "auto", None),
        "selection=None takes a single initialization, but n_init='auto' and "
        "init=[ComponentStart(n_components=7), ComponentStart(n_components=8)] ask for 2. Set "
        "n_init=1, or selection='halving'.",
    ),
    "a class": (
        (ComponentStart, "auto", "halving"),
        "The 'init' parameter of MiniVec2Vec must be 'components', 'anchors', an object or a list "
        "of objects with a method initial_map(problem, random_state), got <class "
        "'sklearn_align.alignment.starts._components.ComponentStart'>.",
    ),
    "no start": (
        ([AnchorStart(), 3], "auto", "halving"),
        "The 'init' parameter of MiniVec2Vec must be 'components', 'anchors', an object or a list "
        "of objects with a method initial_map(problem, random_state), got 3.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_starts_that_are_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match="init") as raised:
        list_starts(*arguments)
    assert str(raised.value) == message


@pytest.mark.parametrize("step", [3, TransportRefinement, Identity()], ids=["3", "class", "start"])
def test_refinements_that_are_refused(step):
    with pytest.raises(ValueError, match="refinements") as raised:
        list_refinements([TransportRefinement(), step])
    assert str(raised.value) == (
        "The 'refinements' parameter of MiniVec2Vec must be 'robust', 'paper' or a list of objects "
        f"with a method iterate(problem, W, random_state), got {step!r}."
    )


def test_parameters_of_steps_are_validated():
    with pytest.raises(ValueError, match="'n_components' parameter of ComponentStart"):
        list_starts(ComponentStart(-1), 1, "halving")
    with pytest.raises(ValueError, match="'max_iter' parameter of TransportRefinement"):
        list_refinements([TransportRefinement(max_iter=-1)])


def test_refinements_of_a_list_are_taken_as_they_are():
    class Step(BaseEstimator):
        """An estimator without constraints."""

        def iterate(self, problem, W, random_state):
            yield W

    steps = (TransportRefinement(), Step())
    assert list_refinements(steps) == list(steps)
    assert list_refinements([]) == []
    for name, recipe in (("robust", _recipes.ROBUST), ("paper", _recipes.PAPER)):
        settings = [dict(values) for _, values in recipe.refinements]
        for step, expected in zip(list_refinements(name), settings, strict=True):
            assert expected.items() <= step.get_params().items()
