"""Progress of a fit: scikit-learn callback tasks, the history and the log, from one place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

from sklearn.callback import CallbackContext

logger = logging.getLogger("sklearn_align.alignment")
logger.addHandler(logging.NullHandler())

Reconstruct = Callable[[], dict[str, Any]]


class FitMonitor:
    """Reports stages and iterations of a fit to callbacks and the log, and records them.

    `data` holds the arguments X and y of the callbacks' hooks. `history` has one record for every
    stage, added when the stage begins and up to date whenever a hook is called; `verbose` is that
    of the estimator. There is no `metadata` for the hooks: it is passed on to scorers, and
    scorers of an aligner take samples only.
    """

    def __init__(
        self, estimator: Any, context: CallbackContext, data: dict[str, Any], verbose: int
    ) -> None:
        self._estimator = estimator
        self._context = context
        self._data = data
        self._verbose = verbose
        self.history: list[dict[str, Any]] = []

    @contextmanager
    def stage(self, name: str, max_iter: int | None) -> Iterator[Stage]:
        """Run a stage as a task of the fit and record it.

        `max_iter` is the largest number of iterations, for progress bars; None if it is unknown.
        """
        context = self._context.subcontext(task_name=name, max_subtasks=max_iter)
        stage = Stage(name, context, self)
        self.history.append(stage.record)
        self.begin(context)
        yield stage
        stage.take_time()
        record = stage.record
        self.report(
            1,
            "%s: score %.4f after %d iterations, %.2f s",
            name,
            record["score"][-1] if record["score"] else float("nan"),
            record["n_iter"],
            record["time"],
        )
        stage.stop_requested = self.end(context, stage.reconstruct)

    def begin(self, task: CallbackContext) -> None:
        """Report that a task begins."""
        task.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def end(self, task: CallbackContext, reconstruct: Reconstruct | None) -> bool:
        """Report that a task is over; True when a callback asks to stop."""
        return bool(
            task.call_on_fit_task_end(
                estimator=self._estimator,
                reconstruction_attributes=reconstruct and partial(self._state_now, reconstruct),
                **self._data,
            )
        )

    def _state_now(self, reconstruct: Reconstruct) -> dict[str, Any]:
        """Return what a copy of the estimator has of its own: it keeps the history of its time."""
        return {**reconstruct(), "history_": deepcopy(self.history)}

    def report(self, level: int, message: str, *values: Any) -> None:
        """Log a line, and print it when `verbose` reaches its level."""
        logger.log(logging.INFO if level == 1 else logging.DEBUG, message, *values)
        if self._verbose >= level:
            print(f"[{type(self._estimator).__name__}] {message % values}")  # noqa: T201


class Stage:
    """One stage of a fit; see :meth:`FitMonitor.stage`."""

    def __init__(self, name: str, context: CallbackContext, monitor: FitMonitor) -> None:
        self._context = context
        self._monitor = monitor
        self._start = time.perf_counter()
        self.record: dict[str, Any] = {"stage": name, "n_iter": 0, "score": [], "time": 0.0}
        self.stop_requested = False
        self.reconstruct: Reconstruct | None = None

    def iteration(self, score: float, reconstruct: Reconstruct) -> bool:
        """Report the end of an iteration; True when a callback asks to stop the stage.

        `reconstruct` returns the fitted attributes that belong to the map, for callbacks that use
        the estimator as it is.
        """
        self.reconstruct = reconstruct
        record = self.record
        number = record["n_iter"] + 1
        self._monitor.report(2, "%s, iteration %d: score %.4f", record["stage"], number, score)
        task = self._context.subcontext(task_name="iteration")
        self._monitor.begin(task)
        record["n_iter"] = number
        record["score"].append(score)
        self.take_time()
        return self._monitor.end(task, reconstruct)

    def append(self, name: str, value: Any) -> None:
        """Append a value to a list in the stage's record."""
        self.record.setdefault(name, []).append(value)

    def take_time(self) -> None:
        """Write the time since the beginning of the stage into its record."""
        self.record["time"] = time.perf_counter() - self._start
