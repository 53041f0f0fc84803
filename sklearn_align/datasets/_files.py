"""Reading of the files that are shipped with the package."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_arrays(name: str) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file.

    Parameters
    ----------
    name : str
        File name without folder.

    Returns
    -------
    dict of str to ndarray
        As stored.
    """
    content = files("sklearn_align.datasets").joinpath("data", name).read_bytes()
    with np.load(BytesIO(content), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def read_description(name: str) -> str:
    """Read a description.

    Parameters
    ----------
    name : str
        File name without folder.

    Returns
    -------
    str
        Text in reStructuredText.
    """
    return files("sklearn_align.datasets").joinpath("data", name).read_text(encoding="utf-8")
