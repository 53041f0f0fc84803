"""Every parameter of the alignment does something: a setting in which changing it shows."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec, alignment
from sklearn_align.alignment import (
    AlignmentProblem,
    AnchorStart,
    ClusterRefinement,
    ComponentStart,
    MutualNeighborRefinement,
    NeighborRefinement,
    PairStart,
    StochasticTransportRefinement,
    TransportRefinement,
)
from sklearn_align.datasets import make_rotated_embeddings

WIDTH = 12


@dataclass(frozen=True)
class Setting:
    """A parameter's changed value, and the other parameters with which it matters."""

    changed: Any
    base: dict[str, Any] = field(default_factory=dict)


STARTS: dict[type, dict[str, Setting]] = {
    AnchorStart: {
        "n_clusters": Setting(10, base={"n_runs": 4}),
        "n_runs": Setting(2, base={"n_runs": 4}),
        "n_qap_restarts": Setting(1, base={"n_runs": 4, "n_clusters": 30}),
        "n_neighbors": Setting(10, base={"n_runs": 4}),
        "n_cluster_samples": Setting(200, base={"n_runs": 4}),
        "n_match_samples": Setting(200, base={"n_runs": 4}),
    },
    ComponentStart: {
        "n_components": Setting(6, base={"n_components": WIDTH}),
        "contrast": Setting("logcosh", base={"n_components": WIDTH}),
        "matched_fraction": Setting(0.5, base={"n_components": WIDTH}),
    },
    PairStart: {},
}
REFINEMENTS: dict[type, dict[str, Setting]] = {
    NeighborRefinement: {
        "max_iter": Setting(2, base={"max_iter": 3}),
        "sample_size": Setting(100, base={"max_iter": 3}),
        "n_neighbors": Setting(5, base={"max_iter": 3}),
        "smoothing": Setting(1.0, base={"max_iter": 3}),
    },
    ClusterRefinement: {
        "n_clusters": Setting(30, base={"n_clusters": 40}),
        "smoothing": Setting(1.0, base={"n_clusters": 40}),
    },
    TransportRefinement: {
        "max_iter": Setting(3, base={"max_iter": 4}),
        "sample_size": Setting(100, base={"max_iter": 4}),
        "epsilon": Setting((0.1, 0.02), base={"max_iter": 4}),
        "whitening": Setting((0.5, 0.5), base={"max_iter": 4}),
        "n_sinkhorn_rounds": Setting(1, base={"max_iter": 4}),
        "smoothing": Setting(1.0, base={"max_iter": 4}),
        "momentum": Setting(0.5, base={"max_iter": 4}),
        "n_iter_no_change": Setting(None, base={"n_iter_no_change": 1, "tol": 1.0, "max_iter": 4}),
        "tol": Setting(0.0, base={"n_iter_no_change": 1, "tol": 1.0, "max_iter": 4}),
    },
    StochasticTransportRefinement: {
        "max_iter": Setting(2, base={"max_iter": 1}),
        "n_batches": Setting(3, base={"max_iter": 1}),
        "sample_size": Setting(100, base={"max_iter": 1}),
        "target_sample_size": Setting(100, base={"max_iter": 1}),
        "epsilon": Setting(0.1, base={"max_iter": 1}),
        "whitening": Setting(0.5, base={"max_iter": 1}),
        "step": Setting((0.5, 0.5), base={"max_iter": 1}),
        "momentum": Setting(0.2, base={"max_iter": 1}),
    },
    MutualNeighborRefinement: {
        "max_iter": Setting(2, base={"max_iter": 3}),
        "sample_size": Setting(100, base={"max_iter": 3}),
        "n_neighbors": Setting(3, base={"max_iter": 3}),
    },
}
QUICK = {"n_init": 1, "refinements": [], "score_sample_size": 150, "random_state": 0}
ALIGNER: dict[str, Setting] = {
    "init": Setting("anchors"),
    "n_init": Setting(2),
    "selection": Setting(None),
    "refinements": Setting([ClusterRefinement(n_clusters=40)]),
    "max_samples": Setting(200),
    "pair_weight": Setting(100.0, base={"refinements": [NeighborRefinement(2, n_neighbors=10)]}),
    "correction": Setting(None, base={"correction": "ridge"}),
    "score_sample_size": Setting(100),
    "random_state": Setting(1),
}
# These have a test of their own below.
WITHOUT_INFLUENCE = {"keep_maps", "n_jobs", "verbose"}
FROM_PAPER = {
    "n_clusters": 10,
    "n_runs": 5,
    "n_qap_restarts": 2,
    "n_neighbors": 7,
    "anchor_sample_size": None,
    "max_iter": 8,
    "sample_size": 300,
    "smoothing": 0.9,
    "n_refine_clusters": 40,
}


@pytest.fixture(scope="module")
def embeddings():
    return make_rotated_embeddings(400, WIDTH, random_state=0)


@pytest.fixture(scope="module")
def problem(embeddings):
    sides = (X - X.mean(axis=0) for X in (embeddings.XA, embeddings.XB))
    return AlignmentProblem(*(X / np.linalg.norm(X, axis=1, keepdims=True) for X in sides))


@pytest.fixture(scope="module")
def rough(embeddings):
    noise = np.random.default_rng(0).standard_normal((WIDTH, WIDTH))
    U, _, Vt = np.linalg.svd(embeddings.rotation + 0.2 * noise)
    return U @ Vt


def walk(table):
    return [
        pytest.param(cls, name, id=f"{cls.__name__}-{name}")
        for cls, settings in table.items()
        for name in settings
    ]


@pytest.mark.parametrize(("cls", "name"), walk(STARTS))
def test_a_change_shows_in_the_first_map(problem, cls, name):
    setting = STARTS[cls][name]
    before, again, after = (
        cls(**parameters).initial_map(problem, np.random.RandomState(0))
        for parameters in (
            setting.base,
            setting.base,
            {**setting.base, name: setting.changed},
        )
    )
    np.testing.assert_array_equal(before, again)
    assert not np.allclose(before, after)


@pytest.mark.parametrize(("cls", "name"), walk(REFINEMENTS))
def test_a_change_shows_in_the_refined_maps(problem, rough, cls, name):
    setting = REFINEMENTS[cls][name]
    before, again, after = (
        list(cls(**parameters).iterate(problem, rough, np.random.RandomState(0)))
        for parameters in (
            setting.base,
            setting.base,
            {**setting.base, name: setting.changed},
        )
    )
    np.testing.assert_array_equal(before, again)
    assert len(before) != len(after) or not np.allclose(before, after)


def fit(embeddings, **parameters):
    pairs = (embeddings.XA_test[:20], embeddings.XB_test[:20])
    aligner = MiniVec2Vec(**{**QUICK, **parameters})
    return aligner.fit(embeddings.XA, embeddings.XB, pairs=pairs)


def outcome(aligner):
    """The maps and the label-free scores: of the candidates, after each iteration, and at last."""
    scores = [record["score"] for record in aligner.history_]
    candidates = aligner.history_[0].get("start_scores", [])
    maps = aligner.map_.tolist(), aligner.linear_map_.tolist()
    return maps, scores, candidates, aligner.alignment_score_


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("name", ALIGNER)
def test_a_change_shows_in_the_fitted_aligner(embeddings, name):
    setting = ALIGNER[name]
    before = outcome(fit(embeddings, **setting.base))
    assert before == outcome(fit(embeddings, **setting.base))
    assert before != outcome(fit(embeddings, **{**setting.base, name: setting.changed}))


@pytest.mark.usefixtures("unjudged")
def test_n_jobs_runs_candidates_at_the_same_time(embeddings):
    class RandomRotation:
        def __init__(self, meeting):
            self.meeting = meeting

        def initial_map(self, problem, random_state):
            # Waits for a second thread, and raises when none comes.
            if self.meeting is not None:
                self.meeting.wait(timeout=20)
            gaussian = random_state.standard_normal((problem.A.shape[1], problem.B.shape[1]))
            return np.linalg.qr(gaussian)[0].astype(np.float32)

    outcomes = []
    for n_jobs, meeting in ((1, None), (2, threading.Barrier(2))):
        aligner = MiniVec2Vec(RandomRotation(meeting), n_jobs=n_jobs, **{**QUICK, "n_init": 2})
        outcomes.append(outcome(aligner.fit(embeddings.XA, embeddings.XB)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.usefixtures("unjudged")
def test_verbose_prints(embeddings, capsys):
    outcomes, n_lines = [], []
    for verbose in (0, 1, 2):
        outcomes.append(outcome(fit(embeddings, verbose=verbose)))
        n_lines.append(len(capsys.readouterr().out.splitlines()))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert 0 == n_lines[0] < n_lines[1] < n_lines[2]


@pytest.mark.usefixtures("unjudged")
def test_keep_maps_keeps_maps(embeddings):
    without, with_maps = (fit(embeddings, keep_maps=keep) for keep in (False, True))
    assert outcome(without) == outcome(with_maps)
    assert not hasattr(without, "maps_")
    assert list(with_maps.maps_) == ["start"]


def parameters_of(aligner):
    """Parameters of the aligner and of the steps that it holds."""
    steps = [aligner.init, *aligner.refinements]
    of_steps = [(type(step).__name__, step.get_params()) for step in steps]
    of_aligner = aligner.get_params(deep=False)
    return {**of_aligner, "init": None, "refinements": None, "steps": of_steps}


@pytest.mark.parametrize("name", FROM_PAPER)
def test_an_argument_of_from_paper_sets_a_parameter(name):
    value = FROM_PAPER[name]
    default = parameters_of(MiniVec2Vec.from_paper())
    changed = parameters_of(MiniVec2Vec.from_paper(**{name: value}))
    assert changed != default
    assert any(value in step.values() for _, step in changed["steps"])


def test_further_arguments_of_from_paper_are_parameters_of_the_aligner():
    for name, setting in ALIGNER.items():
        aligner = MiniVec2Vec.from_paper(**{name: setting.changed})
        assert aligner.get_params(deep=False)[name] == setting.changed


# ---------------------------------------------------------------------- Nothing is left out.


@pytest.mark.parametrize("cls", [*STARTS, *REFINEMENTS])
def test_every_parameter_of_a_step_has_an_entry(cls):
    parameters = cls().get_params() if hasattr(cls, "get_params") else {}
    assert set({**STARTS, **REFINEMENTS}[cls]) == set(parameters)


def test_every_parameter_of_the_aligner_has_an_entry():
    assert set(ALIGNER) | WITHOUT_INFLUENCE == set(MiniVec2Vec().get_params(deep=False))


def test_every_argument_of_from_paper_has_an_entry():
    arguments = inspect.signature(MiniVec2Vec.from_paper).parameters.values()
    assert set(FROM_PAPER) == {p.name for p in arguments if p.kind is p.KEYWORD_ONLY}


def test_every_public_step_is_in_a_table():
    public = {getattr(alignment, name) for name in alignment.__all__}
    steps = {cls for cls in public if hasattr(cls, "initial_map") or hasattr(cls, "iterate")}
    assert steps - {alignment.Start, alignment.Refinement} == {*STARTS, *REFINEMENTS}
