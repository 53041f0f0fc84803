"""The estimators keep scikit-learn's contract."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor

# A few long steps, which the data of the checks need to be learned.
SHORT = {"max_epochs": 8, "lr": 0.01}
ESTIMATORS = [
    AECFClassifier(**SHORT),
    AECFRegressor(**SHORT),
    AECFEmbedder(**SHORT),
    # with this setting NaN is allowed anywhere, and the checks put it there
    AECFClassifier(**SHORT, partial_missing="impute"),
]


@parametrize_with_checks(ESTIMATORS)
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS[:3], ids=lambda e: type(e).__name__)
def test_parameters_are_validated(estimator):
    check_param_validation(type(estimator).__name__, estimator)
