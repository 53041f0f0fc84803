"""Progress of a fit: scikit-learn callback tasks, the history and the log, from one place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.callback import CallbackContext

logger = logging.getLogger("sklearn_align.alignment")
logger.addHandler(logging.NullHandler())


class FitMonitor:
    """Reports stages and iterations of a fit to callbacks and the log, and records them.

    `data` holds the arguments X and y of the callbacks' hooks, `history` one record for every stage
    that ended; `verbose` is that of the estimator.
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
        """Run a stage as a task of the fit and record it when it ends.

        `max_iter` is the largest number of iterations, for progress bars; None if it is unknown.
        """
        context = self._context.subcontext(task_name=name, max_subtasks=max_iter)
        stage = Stage(name, context, self)
        context.call_on_fit_task_begin(
            estimator=self._estimator, metadata={"stage": name}, **self._data
        )
        yield stage
        record = stage.record()
        self.history.append(record)
        self.report(
            1,
            "%s: score %.4f after %d iterations, %.2f s",
            name,
            record["score"][-1] if record["score"] else float("nan"),
            record["n_iter"],
            record["time"],
        )
        stage.stop_requested = context.call_on_fit_task_end(
            estimator=self._estimator,
            metadata=record,
            reconstruction_attributes=stage.reconstruct,
            **self._data,
        )

    def report(self, level: int, message: str, *values: Any) -> None:
        """Log a line, and print it when `verbose` reaches its level."""
        logger.log(logging.INFO if level == 1 else logging.DEBUG, message, *values)
        if self._verbose >= level:
            print(f"[{type(self._estimator).__name__}] {message % values}")  # noqa: T201


class Stage:
    """One stage of a fit; see :meth:`FitMonitor.stage`."""

    def __init__(self, name: str, context: CallbackContext, monitor: FitMonitor) -> None:
        self._name = name
        self._context = context
        self._monitor = monitor
        self._start = time.perf_counter()
        self._scores: list[float] = []
        self._extra: dict[str, list[Any]] = {}
        self.stop_requested = False
        self.reconstruct: Callable[[], dict[str, Any]] | None = None

    def iteration(
        self, score: float, reconstruct: Callable[[], dict[str, Any]], **metrics: Any
    ) -> bool:
        """Report the end of an iteration; True when a callback asks to stop the stage.

        `reconstruct` returns the fitted attributes that belong to the map, for callbacks that use
        the estimator as it is; `metrics` are further values for the callbacks.
        """
        monitor = self._monitor
        metadata = {"stage": self._name, "iteration": len(self._scores), "score": score, **metrics}
        self._scores.append(score)
        self.reconstruct = reconstruct
        monitor.report(2, "%s, iteration %d: score %.4f", self._name, len(self._scores), score)
        task = self._context.subcontext(task_name=f"{self._name} iteration")
        task.call_on_fit_task_begin(
            estimator=monitor._estimator, metadata=metadata, **monitor._data
        )
        return bool(
            task.call_on_fit_task_end(
                estimator=monitor._estimator,
                metadata=metadata,
                reconstruction_attributes=reconstruct,
                **monitor._data,
            )
        )

    def append(self, name: str, value: Any) -> None:
        """Append a value to a list in the stage's record."""
        self._extra.setdefault(name, []).append(value)

    def record(self) -> dict[str, Any]:
        """Return the stage's record in the history."""
        return {
            "stage": self._name,
            "n_iter": len(self._scores),
            "score": list(self._scores),
            "time": time.perf_counter() - self._start,
            **self._extra,
        }
