"""Fitting that either succeeds or leaves the estimator as it was, and versions of stored state."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from sklearn_align.exceptions import StateVersionWarning, warn_user

_VERSION = "_sklearn_align_version"

Method = TypeVar("Method", bound=Callable[..., Any])


def all_or_nothing(method: Method) -> Method:
    """Undo what a method did to its estimator when it raises, also when it is interrupted.

    Attributes are put back by one assignment, so that a signal cannot find half of them restored.
    What the method changes in place is not undone, unless the estimator has a method
    `_remember_in_place`, which returns a function that undoes it.
    """

    @wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        undo = getattr(self, "_remember_in_place", _nothing_in_place)()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            undo()
            # Not by `setattr`, which skorch's nets extend.
            object.__setattr__(self, "__dict__", before)
            raise

    return cast(Method, guarded)


def _nothing_in_place() -> Callable[[], None]:
    return lambda: None


def with_version(state: dict[str, Any]) -> dict[str, Any]:
    """Add the version of this package to the state of an estimator that is stored."""
    return {**state, _VERSION: _version()}


def check_version(state: dict[str, Any], name: str) -> dict[str, Any]:
    """Return loaded state without its version; warn if that is not the version of this package."""
    stored = state.get(_VERSION)
    if stored != _version():
        by = f"version {stored}" if stored else "an unknown version"
        warn_user(
            f"this {name} was stored by {by} of sklearn_align and is loaded by version "
            f"{_version()}: its results may differ, or it may fail. Fit it again with this "
            "version, or load it with the version that stored it.",
            StateVersionWarning,
        )
    return {key: value for key, value in state.items() if key != _VERSION}


def _version() -> str:
    # Not at the head of this file, which the package imports.
    import sklearn_align

    return sklearn_align.__version__
