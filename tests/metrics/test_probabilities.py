import numpy as np
import pytest

from sklearn_align.metrics import (
    confidence_violation_rate,
    expected_calibration_error,
    maximum_calibration_error,
    modality_entropy,
)
from sklearn_align.metrics._probabilities import TOLERANCE
from sklearn_align.plotting import ReliabilityDisplay

CHECKED = {
    "expected": lambda proba: expected_calibration_error([0, 1], proba),
    "maximum": lambda proba: maximum_calibration_error([0, 1], proba),
    "subset": lambda proba: confidence_violation_rate(proba, [[0.5, 0.5]] * 2),
    "full": lambda proba: confidence_violation_rate([[0.5, 0.5]] * 2, proba),
    "weights": modality_entropy,
    "display": lambda proba: ReliabilityDisplay.from_predictions([0, 1], proba),
}


@pytest.fixture(params=CHECKED)
def function(request):
    return CHECKED[request.param]


@pytest.mark.parametrize("excess", [0.9 * TOLERANCE, -0.9 * TOLERANCE])
@pytest.mark.parametrize("largest", [0.6, 1.0])
def test_all_accept_sums_within_the_tolerance(function, excess, largest):
    function([[largest + excess, 1 - largest], [0.5, 0.5]])


@pytest.mark.parametrize("excess", [1.1 * TOLERANCE, -1.1 * TOLERANCE])
def test_all_refuse_sums_beyond_the_tolerance(function, excess):
    with pytest.raises(ValueError, match=r"must sum to 1 .* sample 1 sum to"):
        function([[0.5, 0.5], [0.6 + excess, 0.4]])


@pytest.mark.parametrize("value", [-0.1, 1 + 1.1 * TOLERANCE])
def test_all_refuse_values_outside_the_range(function, value):
    with pytest.raises(ValueError, match="must hold probabilities"):
        function([[value, 1 - value], [0.5, 0.5]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("n_classes", [2, 1000])
def test_rounded_probabilities_are_accepted(dtype, n_classes):
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(n_classes), size=200).astype(dtype)
    y = rng.integers(n_classes, size=200)
    assert expected_calibration_error(y, proba, labels=np.arange(n_classes)) >= 0
    assert confidence_violation_rate(proba, proba) == 0
    assert (modality_entropy(proba) > 0).all()
