"""What the monitor of a fit asks of the callbacks, prints and records, without a fit."""

from __future__ import annotations

import logging
from copy import deepcopy

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

    def call_on_fit_task_begin(self, estimator, **arguments):
        self._note("begin", estimator, arguments)

    def call_on_fit_task_end(self, estimator, **arguments):
        self._note("end", estimator, arguments)
        return self.answers.get(self.name)

    def _note(self, kind, estimator, arguments):
        history = deepcopy(estimator.history)
        self.calls.append((kind, self.name, {"estimator": estimator, **arguments}, history))


class Estimator:
    """A name for the lines that are printed, and the history that hooks read."""


def make_monitor(verbose=0, **answers):
    calls, estimator = [], Estimator()
    data = {"X": "samples", "y": "targets"}
    monitor = FitMonitor(estimator, Context(calls, answers), data, verbose)
    estimator.history = monitor.history
    return monitor, calls, estimator


def test_calls_of_a_stage(monkeypatch):
    clock = iter([10.0, 10.5, 11.0, 12.5])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    monitor, calls, estimator = make_monitor()
    assert monitor.history == []
    with monitor.stage("first", 7) as stage:
        assert stage.iteration(0.25, lambda: {"map_": 1}) is False
        assert stage.iteration(0.5, lambda: {"map_": 2}) is False
        stage.append("list", 1)
        stage.append("list", 2)
    # No `metadata`: scorers would be given it.
    data = {"estimator": estimator, "X": "samples", "y": "targets"}
    iteration = [("new", "iteration"), ("begin", "iteration"), ("end", "iteration")]
    assert [call[:2] for call in calls] == [
        ("new", "fit"),
        ("new", "first"),
        ("begin", "first"),
        *iteration,
        *iteration,
        ("end", "first"),
    ]
    assert [call[2] for call in calls if call[0] == "new"] == [0, 7, 0, 0]
    assert [call[2] for call in calls if call[0] == "begin"] == 3 * [data]
    states = []
    for _, _, arguments, _ in (call for call in calls if call[0] == "end"):
        states.append(arguments.pop("reconstruction_attributes"))
        assert arguments == data
    records = [
        {"stage": "first", "n_iter": 0, "score": [], "time": 0.0},
        {"stage": "first", "n_iter": 1, "score": [0.25], "time": 0.5},
        {"stage": "first", "n_iter": 2, "score": [0.25, 0.5], "time": 1.0},
        {"stage": "first", "n_iter": 2, "score": [0.25, 0.5], "time": 2.5, "list": [1, 2]},
    ]
    histories = [call[3] for call in calls if call[0] in ("begin", "end")]
    assert histories == [[records[i]] for i in (0, 0, 1, 1, 2, 3)]
    assert monitor.history == records[-1:]
    assert [state()["map_"] for state in states] == [1, 2, 2]
    copied = states[-1]()["history_"]
    assert copied == monitor.history
    copied[0]["score"].append(1.0)
    assert monitor.history == records[-1:]


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
    monitor, _, _ = make_monitor(iteration=True, one="stop")
    with monitor.stage("one", 1) as stage:
        assert stage.iteration(1.0, dict) is True
        assert stage.stop_requested is False
    assert stage.stop_requested is True


@pytest.mark.parametrize(("verbose", "n_lines"), [(0, 0), (1, 1), (2, 3), (3, 3)])
def test_lines_of_a_stage(verbose, n_lines, capsys, caplog, monkeypatch):
    clock = iter([1.0, 1.5, 2.0, 2.25])
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


def test_a_stage_that_raises_does_not_end(capsys):
    monitor, calls, _ = make_monitor(verbose=2)
    with pytest.raises(RuntimeError, match="stop"), monitor.stage("bad", 1):
        raise RuntimeError("stop")
    assert calls[-1][0] == "begin"
    assert capsys.readouterr().out == ""
