"""Reading of the data files in the package."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_arrays(name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file in the folder of the data, by name."""
    content = files("sklearn_align.datasets").joinpath("data", name).read_bytes()
    with np.load(BytesIO(content), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def read_description(name: str) -> str:
    """Return a description in reStructuredText from the folder of the data."""
    return files("sklearn_align.datasets").joinpath("data", name).read_text(encoding="utf-8")
