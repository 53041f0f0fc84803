"""The import of pyarrow, which is optional."""

from __future__ import annotations

from typing import Any


def import_pyarrow(function: str) -> Any:
    """Return the module pyarrow; `function` is the name for the error."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(f"{function} needs pyarrow: pip install 'sklearn-align[io]'.") from error
    return pyarrow
