"""NaN never comes out: the right values, or an error that says what to do."""

from __future__ import annotations

import re
import warnings
from hashlib import sha256

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor
from sklearn_align.fusion._scaling import ColumnScaler

TINY = {
    "modalities": {"image": 3, "sound": 2},
    "n_units": 4,
    "hidden_sizes": (4,),
    "gate_hidden": 3,
    "max_epochs": 2,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
Y = RNG.integers(0, 2, 40)
LABELS = RNG.integers(0, 2, (40, 3))
ESTIMATORS = [AECFClassifier(**TINY), AECFRegressor(**TINY), AECFEmbedder(**TINY, n_components=3)]


def of_kind(estimator):
    return type(estimator).__name__


def outputs(estimator, X):
    names = ("predict", "predict_proba", "predict_log_proba", "transform")
    names += ("modality_weights", "gate_entropy")
    return [getattr(estimator, name)(X) for name in names if hasattr(estimator, name)]


def assert_finite(estimator, X):
    for values in outputs(estimator, X):
        if values.dtype.kind == "f":
            assert np.isfinite(values).all()


@pytest.mark.parametrize("codes", [(-1, 1), (1, 2), (0, 2), (3, 3), (-1.0, 0.0)])
def test_label_matrix_must_hold_zeros_and_ones(codes):
    y = LABELS.copy() if codes[0] != -1.0 else LABELS.astype(float)
    y[:, 1:] = np.array(codes)[LABELS[:, 1:]]
    if codes == (3, 3):
        y[:, 0] = 3  # More than two values are no label matrix at all.
    clf = AECFClassifier(**TINY)
    with pytest.raises(ValueError, match=r"column [01] of y .*holds the values.*Recode it"):
        clf.fit(X, y)
    clf.fit(X, LABELS)
    for method in (clf.partial_fit, clf.calibrate, clf.score):
        with pytest.raises(ValueError, match=r"column [01] of y"):
            method(X, y)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.float32])
def test_label_matrix_of_any_number_type(dtype):
    expected = AECFClassifier(**TINY).fit(X, LABELS).predict_proba(X)
    got = AECFClassifier(**TINY).fit(X, LABELS.astype(dtype)).predict_proba(X)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=of_kind)
@pytest.mark.parametrize("max_epochs", [1, 4])
@pytest.mark.parametrize("lr", [1e12, 1e38, 1e300])
def test_training_that_diverges_is_an_error(estimator, lr, max_epochs):
    estimator = clone(estimator).fit(X, Y)
    before = [values.tobytes() for values in outputs(estimator, X)]
    estimator.set_params(lr=lr, max_epochs=max_epochs, gradient_clip=None, warm_start=True)
    for train in (estimator.fit, estimator.partial_fit):
        with pytest.raises(ValueError, match=r"diverged in epoch [3-6]: .*lr=1.*lower them"):
            train(X, Y)
    assert [values.tobytes() for values in outputs(estimator, X)] == before


def test_loss_that_is_nan_is_an_error():
    class Broken(torch.nn.Module):
        def __init__(self, **options):
            super().__init__()

        def set_epoch(self, epoch):
            pass

        def forward(self, outputs, y, presence=None, sample_weight=None):
            return outputs[0].sum() * torch.nan

    clf = AECFClassifier(**TINY, criterion=Broken)
    with pytest.raises(ValueError, match="diverged in epoch 1: the loss is nan"):
        clf.fit(X, Y)
    assert not clf.__sklearn_is_fitted__()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=of_kind)
@pytest.mark.parametrize("factor", [2.0**-153, 2.0**130, 2.0**-1000, 2.0**1000])
def test_unit_of_a_column_does_not_matter(estimator, factor):
    scaled = X.copy()
    scaled[:, 1] *= factor
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = outputs(clone(estimator).fit(scaled, Y), scaled)
    for values, expected in zip(got, outputs(clone(estimator).fit(X, Y), X), strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("factor", [2.0**-153, 2.0**130, 2.0**-900, 2.0**900])
@pytest.mark.parametrize("several", [False, True])
def test_unit_of_a_target_does_not_matter(factor, several):
    y = X[:, :2] @ RNG.normal(size=(2, 2)) + 3 if several else X[:, 0] - 1
    reference = AECFRegressor(**TINY).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor = AECFRegressor(**TINY).fit(X, y * factor)
        score = regressor.score(X, y * factor)
    np.testing.assert_allclose(regressor.predict(X) / factor, reference.predict(X), rtol=1e-5)
    np.testing.assert_allclose(score, reference.score(X, y), rtol=1e-4)


@pytest.mark.parametrize("value", [5.0, -1e39, 1e-46, 1e200])
def test_constant_targets_are_predicted(value):
    regressor = AECFRegressor(**TINY).fit(X, np.full(40, value))
    np.testing.assert_allclose(regressor.predict(X), value, rtol=0.2)


@pytest.mark.parametrize("value", [1e39, -1.7e308, -3.4028235e38])
@pytest.mark.parametrize("standardize", [True, False])
def test_codes_for_missing_data_are_refused(value, standardize):
    shown = re.escape(f"{value:.8g}")
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcde"))
    coded = frame.copy()
    coded.loc[7, "d"] = value
    estimator = AECFEmbedder(**TINY, standardize=standardize)
    with pytest.raises(ValueError, match=rf"column 'd' of X .*'sound'.* {shown}.*NaN"):
        estimator.fit(coded)
    estimator.fit(frame)
    with pytest.raises(ValueError, match=rf"column 'd' of X .*{shown} in sample 7.*NaN"):
        estimator.transform(coded)
    with pytest.raises(ValueError, match="column 'd' of X"):
        estimator.partial_fit(coded)


@pytest.mark.parametrize("value", [1e39, -1.7e308, -3.4028235e38])
def test_codes_for_missing_targets_are_refused(value):
    y = np.c_[X[:, 0], X[:, 1]]
    y[3, 1] = value
    with pytest.raises(
        ValueError, match=rf"column 1 of y holds {re.escape(f'{value:.8g}')}.*[Ll]eave"
    ):
        AECFRegressor(**TINY).fit(X, y)


@pytest.mark.parametrize(
    ("factor", "what"), [(1e-46, "cannot distinguish from 0"), (1e39, "exceed")]
)
def test_without_scaling_values_that_float32_cannot_hold_are_refused(factor, what):
    scaled = X.copy()
    scaled[:, 4] *= factor
    with pytest.raises(ValueError, match=f"column 4 of X .*{what}.*standardize=True"):
        AECFClassifier(**TINY, standardize=False).fit(scaled, Y)


BAD = [np.inf, np.nan, -1.0]


@pytest.mark.parametrize("value", [*BAD, "2", None])
def test_class_weights_must_be_finite_and_not_negative(value):
    with pytest.raises(ValueError, match=r"class_weight\[1\] is .*finite number"):
        AECFClassifier(**TINY, class_weight={1: value}).fit(X, Y)


@pytest.mark.parametrize("value", [*BAD, 0.0, 1e39])
def test_pos_weights_must_be_positive_and_finite(value):
    with pytest.raises(ValueError, match="pos_weight must hold 3 positive numbers"):
        AECFClassifier(**TINY, pos_weight=[1.0, value, 1.0]).fit(X, LABELS)


@pytest.mark.parametrize("value", [*BAD, 0.0])
def test_sample_weights_must_be_finite_and_positive_somewhere(value):
    weight = np.full(40, value)
    clf = AECFClassifier(**TINY).fit(X, Y)
    before = clf.predict_proba(X)
    for method in (clf.fit, clf.partial_fit, clf.calibrate):
        with pytest.raises(ValueError, match=r"(sample_weight|[Ss]ample weights?)"):
            method(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    for estimator in (clf, AECFRegressor(**TINY).fit(X, Y)):
        with pytest.raises(ValueError, match=r"(sample_weight|[Ss]ample weights?)"):
            estimator.score(X, Y, sample_weight=weight)


def test_weights_of_zero_on_all_usable_samples_are_refused():
    absent = X.copy()
    absent[0] = np.nan
    weight = np.zeros(40)
    weight[0] = 1.0
    clf = AECFClassifier(**TINY).fit(X, Y)
    for method in (clf.fit, clf.calibrate):
        with (
            pytest.raises(ValueError, match="weight of zero"),
            warnings.catch_warnings(action="ignore", category=MissingModalityWarning),
        ):
            method(absent, Y, sample_weight=weight)
    with pytest.raises(ValueError, match="class_weight"):
        AECFClassifier(**TINY, class_weight={0: 0.0, 1: 0.0}).fit(X, Y)
    with pytest.raises(ValueError, match="no modality is present"):
        clf.calibrate(np.full_like(X, np.nan), Y)


@pytest.mark.parametrize("factor", [2.0**-1000, 2.0**-140, 2.0**140, 2.0**1000])
def test_unit_of_the_weights_does_not_matter(factor):
    weight = np.linspace(1, 3, 40)
    expected = AECFClassifier(**TINY).fit(X, Y, weight).calibrate(X, Y, weight)
    weight = weight * factor
    got = AECFClassifier(**TINY).fit(X, Y, weight).calibrate(X, Y, weight)
    np.testing.assert_allclose(got.predict_proba(X), expected.predict_proba(X), rtol=1e-4)


def test_logarithms_of_probabilities_that_are_rounded_to_zero():
    clf = AECFClassifier(**TINY).fit(X, Y)
    with torch.no_grad():
        for head in clf.module_.head.heads:
            head.output.weight.mul_(1e4)
            head.output.bias.mul_(1e4)
    for samples in (X, X.astype(np.float32)):
        probabilities = clf.predict_proba(samples)
        assert (probabilities == 0).any()
        logarithms = clf.predict_log_proba(samples)
        assert np.isfinite(logarithms).all()
        usual = probabilities > 0
        np.testing.assert_array_equal(logarithms[usual], np.log(probabilities[usual]))


def test_outputs_that_overflow_are_an_error():
    clf = AECFClassifier(**TINY).fit(X, Y)
    with torch.no_grad():
        for head in clf.module_.head.heads:
            head.output.weight.fill_(1e38)
    with pytest.raises(ValueError, match=r"not finite for sample \d"):
        clf.predict_proba(1e9 * X)


def test_state_of_a_scaler_without_exponents():
    scaler = ColumnScaler(2).fit(X[:, :2], np.ones(40), standardize=True)
    state = {name: values for name, values in scaler.state_dict().items() if name != "exponent"}
    loaded = ColumnScaler(2)
    loaded.load_state_dict(state)
    np.testing.assert_array_equal(loaded.transform(X[:, :2]), scaler.transform(X[:, :2]))


ORDINARY = st.floats(-100, 100, width=32)
EXTREME = st.sampled_from(
    [
        0.0,
        -0.0,
        1e-46,
        5e-324,
        1e-30,
        1e15,
        -1e20,
        1e31,
        1e39,
        -3.4028235e38,
        -1.7976931348623157e308,
    ]
)
SETTINGS = st.fixed_dictionaries(
    {
        "standardize": st.booleans(),
        "lr": st.sampled_from([1e-3, 1e-3, 1e-1, 1e4, 1e20]),
        "gate_activation": st.sampled_from(["softmax", "sigmoid"]),
        "max_epochs": st.integers(1, 2),
        "partial_missing": st.sampled_from(["impute", "raise"]),
    }
)


@st.composite
def problems(draw):
    """Samples, targets and weights; most of them valid."""
    n_samples = draw(st.integers(4, 12))
    n_columns = 5
    values = draw(
        st.lists(ORDINARY, min_size=n_samples * n_columns, max_size=n_samples * n_columns)
    )
    samples = np.array(values).reshape(n_samples, n_columns)
    places = st.tuples(st.integers(0, n_samples - 1), st.integers(0, n_columns - 1))
    for place, value in draw(st.lists(st.tuples(places, EXTREME), max_size=2)):
        samples[place] = value
    column, unit = draw(st.integers(0, 4)), draw(st.sampled_from([1.0, 1.0, 1e-46, 1e39, 1e300]))
    with np.errstate(over="ignore"):  # Infinite values are refused.
        samples[:, column] *= unit
    absent = draw(st.lists(st.integers(0, n_samples - 1), max_size=2))
    samples[absent, :3] = np.nan
    y = np.arange(n_samples) % 2 * draw(st.sampled_from([1.0, 1.0, 1e39, 1e-46, 1e200]))
    weight = np.ones(n_samples)
    weight[: n_samples // 2] = draw(st.sampled_from([1.0, 0.0, 1e-300, 1e300]))
    return samples, y, weight


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.MissingModalityWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=of_kind)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(problem=problems(), params=SETTINGS)
def test_nan_never_comes_out(estimator, problem, params):
    samples, y, weight = problem
    digests = [sha256(array.tobytes()).hexdigest() for array in problem]
    estimator = clone(estimator).set_params(**params)
    try:
        estimator.fit(samples, y, sample_weight=weight)
    except ValueError:
        assert not estimator.__sklearn_is_fitted__()
    else:
        used = weight > 0
        assert_finite(estimator, samples[used])
        if hasattr(estimator, "predict"):
            assert np.isfinite(estimator.score(samples[used], y[used]))
        assert np.isfinite(estimator.history[:, "train_loss"]).all()
    assert [sha256(array.tobytes()).hexdigest() for array in problem] == digests
