"""What the monitor of a fit asks of the callbacks, prints and records, without a fit."""

from __future__ import annotations

import logging

import pytest

import sklearn_align.alignment._monitor as module
from sklearn_align.alignment._monitor import FitMonitor


class Context:
    """What the monitor asks of a callback context, with the answers of the callbacks."""

    def __init__(self, calls, answers, task_name="fit", max_subtasks=0):
        self.calls = calls
        self.answers = answers
        self.name = task_name
        calls.append(("new", task_name, max_subtasks))

    def subcontext(self, **arguments):
        return Context(self.calls, self.answers, **arguments)

    def call_on_fit_task_begin(self, **arguments):
        self.calls.append(("begin", self.name, arguments))

    def call_on_fit_task_end(self, **arguments):
        self.calls.append(("end", self.name, arguments))
        return self.answers.get(self.name)


class Estimator:
    """A name for the lines that are printed."""


def make_monitor(verbose=0, **answers):
    calls, estimator = [], Estimator()
    data = {"X": "samples", "y": "targets"}
    return FitMonitor(estimator, Context(calls, answers), data, verbose), calls, estimator


def test_calls_of_a_stage(monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    monitor, calls, estimator = make_monitor()
    assert monitor.history == []

    def reconstruct():
        return {}

    with monitor.stage("first", 7) as stage:
        assert stage.iteration(0.25, dict, gain=3) is False
        assert stage.iteration(0.5, reconstruct) is False
        stage.append("list", 1)
        stage.append("list", 2)
    about = {"estimator": estimator, "X": "samples", "y": "targets"}
    metadata = [
        {"stage": "first", "iteration": 0, "score": 0.25, "gain": 3},
        {"stage": "first", "iteration": 1, "score": 0.5},
    ]
    record = {"stage": "first", "n_iter": 2, "score": [0.25, 0.5], "time": 2.5, "list": [1, 2]}
    iterations = [
        (kind, "first iteration", arguments)
        for one, function in zip(metadata, (dict, reconstruct), strict=True)
        for kind, arguments in (
            ("new", 0),
            ("begin", {**about, "metadata": one}),
            ("end", {**about, "metadata": one, "reconstruction_attributes": function}),
        )
    ]
    assert calls == [
        ("new", "fit", 0),
        ("new", "first", 7),
        ("begin", "first", {**about, "metadata": {"stage": "first"}}),
        *iterations,
        ("end", "first", {**about, "metadata": record, "reconstruction_attributes": reconstruct}),
    ]
    assert monitor.history == [record]


def test_a_stage_without_iterations(capsys):
    monitor, calls, _ = make_monitor(verbose=1)
    with monitor.stage("nothing", None) as stage:
        assert stage.stop_requested is False
        assert stage.reconstruct is None
    assert calls[1] == ("new", "nothing", None)
    assert calls[-1][2]["reconstruction_attributes"] is None
    assert monitor.history[0]["score"] == []
    line = capsys.readouterr().out
    assert line.startswith("[Estimator] nothing: score nan after 0 iterations, 0.0")


def test_answers_of_callbacks():
    monitor, _, _ = make_monitor(**{"one iteration": True, "one": "stop"})
    with monitor.stage("one", 1) as stage:
        assert stage.iteration(1.0, dict) is True
        assert stage.stop_requested is False
    assert stage.stop_requested == "stop"


@pytest.mark.parametrize(("verbose", "n_lines"), [(0, 0), (1, 1), (2, 3), (3, 3)])
def test_lines_of_a_stage(verbose, n_lines, capsys, caplog, monkeypatch):
    clock = iter([1.0, 2.25])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    monitor, _, _ = make_monitor(verbose)
    with caplog.at_level(logging.DEBUG, logger="sklearn_align"), monitor.stage("s", 2) as stage:
        stage.iteration(0.5, dict)
        stage.iteration(0.75, dict)
    expected = [
        "s, iteration 1: score 0.5000",
        "s, iteration 2: score 0.7500",
        "s: score 0.7500 after 2 iterations, 1.25 s",
    ]
    assert [record.getMessage() for record in caplog.records] == expected
    assert [record.levelname for record in caplog.records] == ["DEBUG", "DEBUG", "INFO"]
    printed = [f"[Estimator] {line}" for line in expected[3 - n_lines :]]
    assert capsys.readouterr().out.splitlines() == printed


def test_a_stage_that_raises_is_not_recorded():
    monitor, calls, _ = make_monitor()
    with pytest.raises(RuntimeError, match="stop"), monitor.stage("bad", 1):
        raise RuntimeError("stop")
    assert monitor.history == []
    assert calls[-1][0] == "begin"
