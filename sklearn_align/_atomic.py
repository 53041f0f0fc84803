"""Files that are written as a whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the name of a new file of the same folder, which takes the name at the end.

    A failure or an interrupt removes it and leaves a file that was there before as it was.
    """
    target = Path(os.path.realpath(path))  # else a link would be replaced by a file
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    temporary = target.with_name(f".{uuid4().hex}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name never stands for a part of the content."""
    with atomic_path(path) as temporary, temporary.open("xb") as stream:
        stream.write(content)
