"""Progress on the standard error: bars where it is a terminal and rich is installed, else lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """A step at a time, of which a number of things is done; it shows nothing itself."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Begin a step, of `total` things where that is known."""

    def advance(self, n: int = 1, detail: str = "") -> None:
        """Add to the number of things that are done."""

    def end(self) -> None:
        """End the step."""


class Lines(Progress):
    """One line at the beginning of a step, and one for every quarter of it."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Begin a step, of `total` things where that is known."""
        self._what, self._total, self._done, self._shown = what, total, 0, 0
        self._write(what)

    def advance(self, n: int = 1, detail: str = "") -> None:
        """Add to the number of things that are done."""
        self._done += n
        if self._total:
            quarter = 4 * self._done // self._total
            if quarter > self._shown:
                self._shown = quarter
                self._write(f"{self._what}: {self._done} of {self._total}")
        elif detail and n:
            self._write(f"{self._what}: {detail}")

    def _write(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Bars(Progress):
    """Bars of rich."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars

    def begin(self, what: str, total: int | None = None) -> None:
        """Begin a step, of `total` things where that is known."""
        self._what = what = what.replace("[", "\\[")  # which would begin a style
        self._task = self._bars.add_task(what, total=total)

    def advance(self, n: int = 1, detail: str = "") -> None:
        """Add to the number of things that are done."""
        text = f"{self._what}: {detail}" if detail else self._what
        self._bars.update(self._task, advance=n, description=text)

    def end(self) -> None:
        """End the step."""
        done = self._bars.tasks[self._task].completed
        self._bars.update(self._task, description=self._what, total=max(1, done), completed=done)


@contextmanager
def show_progress(quiet: bool) -> Iterator[Progress]:
    """Yield what shows the progress of a command."""
    if quiet:
        yield Progress()
        return
    try:
        from rich.console import Console
        from rich.progress import Progress as RichProgress
    except ImportError:
        yield Lines()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    with RichProgress(console=console) as bars:
        yield Bars(bars)


class FitProgress:
    """Callback of scikit-learn that passes the stages of a fit on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing at the beginning of a fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing at the end of a fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing at the beginning of a task, when nothing is done yet."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Show stage and iteration, and let the fit go on."""
        if context.task_name == "iteration":
            detail = f"{context.parent.task_name}, iteration {context.task_id + 1}"
            self._progress.advance(int(context.task_id == 0), detail)
        return False
