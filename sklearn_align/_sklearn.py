"""The only file that imports private names of scikit-learn."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import RequestMethod
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_feature_names as check_feature_names
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _get_feature_names as get_feature_names

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "RequestMethod",
    "StrOptions",
    "called_from_cross_validation",
    "check_feature_names",
    "check_sample_weight",
    "fit_context",
    "get_feature_names",
    "get_tags",
    "safe_indexing",
    "validate_parameter_constraints",
    "validate_parameters",
]


def validate_parameters(estimator: Any) -> None:
    """Check `get_params()` of an object against its `_parameter_constraints`."""
    validate_parameter_constraints(
        estimator._parameter_constraints,
        estimator.get_params(deep=False),
        caller_name=type(estimator).__name__,
    )


def called_from_cross_validation() -> bool:
    """Tell whether a scikit-learn splitter has sliced the samples of the running ``fit``.

    scikit-learn does not tell an estimator that it sees a subset of the samples, yet sample indices
    are wrong then. Its cross-validation functions, searches included, fit inside one private
    module, which is looked for among the callers.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "sklearn.model_selection._validation":
            return True
        frame = frame.f_back
    return False
