"""Fitting that either succeeds or leaves the estimator as it was, and versions of stored state."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

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
