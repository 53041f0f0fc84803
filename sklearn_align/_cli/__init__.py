"""The command line: arguments, errors and exit codes. The commands are in files of their own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sklearn_align
from sklearn_align._cli._migrate import add_migrate
from sklearn_align._cli._report import add_report

_DESCRIPTION = """\
Map a column of vectors from an old embedding model to a new one, without pairs and without encoding
everything again."""
_EXIT_CODES = """\
exit codes:
  0    verdict "pass" or "check": the map converged, or its convergence was not checked
  1    verdict "fail": the map did not converge, or too few of the pairs are retrieved
  2    wrong arguments or files
  130  interrupted; 143 after SIGTERM
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = _parser().parse_args(argv)
    with warnings.catch_warnings(), _termination_raises():
        warnings.simplefilter("default")
        warnings.showwarning = _show_warning
        try:
            code: int = arguments.run(arguments)
        except KeyboardInterrupt:
            _say(arguments.command, "interrupted")
            code = 130
        except _input_errors() as error:
            _say(arguments.command, f"error: {_one_line(error)}")
            code = 2
    return code


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Have SIGTERM end the command as an exception, so that unfinished files are removed."""

    def terminate(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    # Handlers can be set in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    options: dict[str, Any] = {
        "epilog": _EXIT_CODES,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
    # `prog` would be "__main__.py" with python -m.
    parser = argparse.ArgumentParser("sklearn_align", description=_DESCRIPTION, **options)
    parser.add_argument(
        "--version", action="version", version=f"sklearn_align {sklearn_align.__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_migrate(commands, **options)
    add_report(commands, **options)
    return parser


def _input_errors() -> tuple[type[Exception], ...]:
    """Return what wrong arguments and files raise; everything else is an error of the program."""
    errors: tuple[type[Exception], ...] = (ValueError, OSError, ImportError)
    try:
        from pyarrow import ArrowException
    except ImportError:
        return errors
    return (*errors, ArrowException)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"sklearn_align: warning: {message}", file=sys.stderr)


def _say(command: str, text: str) -> None:
    print(f"sklearn_align {command}: {text}", file=sys.stderr)
