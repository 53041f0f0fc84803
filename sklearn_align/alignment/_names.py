"""Names of the features of the target space, held to scikit-learn's rules for those of `X`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align._sklearn import check_feature_names, get_feature_names
from sklearn_align.exceptions import warn_user

Names = NDArray[np.object_]


def names_of(samples: Any) -> Names | None:
    """Names of the columns of a data frame when all are strings, else None: (n_features,)."""
    names: Names | None = get_feature_names(samples)
    return names


def check_names(samples: Any, expected: Names | None, *, input_name: str, estimator: Any) -> None:
    """Raise where names differ from those seen at fit, warn where only one side has names."""
    names = names_of(samples)
    if names is None and expected is None:
        return
    caller = type(estimator).__name__
    if expected is None:
        warn_user(
            f"{input_name} has feature names, but {caller} was fitted without feature names of "
            "that space",
            UserWarning,
        )
    elif names is None:
        warn_user(
            f"{input_name} does not have valid feature names, but {caller} was fitted with feature "
            "names of that space",
            UserWarning,
        )
    else:
        seen_at_fit = object.__new__(type(estimator))
        seen_at_fit.feature_names_in_ = expected
        try:
            check_feature_names(seen_at_fit, samples, reset=False)
        except ValueError as error:
            raise ValueError(f"{input_name}: {error}") from None


def check_output_names(samples: Any, output_names: Names, *, input_name: str) -> None:
    """Raise when a data frame has other string names than the output of ``transform``."""
    names = names_of(samples)
    if names is not None and not np.array_equal(names, output_names):
        raise ValueError(
            f"{input_name} has the feature names {_listed(names)}, but the output of transform, "
            f"which inverse_transform takes, has the feature names {_listed(output_names)}. Pass "
            "that output, or an array without names."
        )


def numbered(names: Sequence[str]) -> list[str]:
    """Return names in which those that occur several times are numbered from 1 on."""
    return [
        f"{name}-{names[: i + 1].count(name)}" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _listed(names: Names) -> str:
    """Return the first names, for a message."""
    return ", ".join(map(str, names[:3])) + (", ..." if len(names) > 3 else "")
