"""Constraints of parameters that several estimators share."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn_align._sklearn import Interval

Constraint = list[Any]

POSITIVE_INT = Interval(Integral, 1, None, closed="left")
NON_NEGATIVE_INT = Interval(Integral, 0, None, closed="left")
AT_LEAST_TWO = Interval(Integral, 2, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
PROBABILITY = Interval(Real, 0, 1, closed="both")
FRACTION_BELOW_ONE = Interval(Real, 0, 1, closed="left")
FRACTION_ABOVE_ZERO = Interval(Real, 0, 1, closed="right")
