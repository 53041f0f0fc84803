"""DataFrames as users have them: selectors, columns left out, text, scaling by modality."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align.datasets import drop_modalities
from sklearn_align.fusion import AECFClassifier, AECFConfig, AECFEmbedder, AECFRegressor
from sklearn_align.metrics import missing_modality_curve, modality_importance
from sklearn_align.plotting import ReliabilityDisplay

TINY = {
    "n_units": 6,
    "hidden_sizes": (5,),
    "gate_hidden": 4,
    "max_epochs": 2,
    "random_state": 0,
}
ESTIMATORS = [AECFClassifier, AECFRegressor, AECFEmbedder]
N_SAMPLES = 40
NAMES = ["img_1", "img_2", "snd_1", "snd_2"]
SLICES = {"image": slice(0, 2), "sound": slice(2, 4)}
SELECTORS = [
    {"image": "img_*", "sound": "snd_*"},
    {"image": ["img_*"], "sound": ["snd_1", "snd_?"]},
    {"image": slice("img_1", "img_2"), "sound": slice("snd_1", None)},
    {"image": make_column_selector("^img"), "sound": make_column_selector("^snd")},
    {"image": lambda X: X.columns[:2], "sound": lambda X: [2, 3]},
]


def make_samples(seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(N_SAMPLES) % 2
    X = rng.normal(size=(N_SAMPLES, 4)) * [1, 5, 10, 0.1] + y[:, None]
    X[:7, :2] = np.nan
    return pd.DataFrame(X, columns=NAMES), y


X, Y = make_samples()
# Columns of any kind between those that count.
MIXED = X.copy()
MIXED.insert(0, "id", [f"patient {i}" for i in range(N_SAMPLES)])
MIXED.insert(3, "date", pd.date_range("2020-01-01", periods=N_SAMPLES))
MIXED["junk"] = [np.inf, -np.inf] * (N_SAMPLES // 2)


def results(estimator, X):
    methods = ("predict_proba", "predict", "transform", "modality_weights")
    return [getattr(estimator, name)(X) for name in methods if hasattr(estimator, name)]


def assert_same_bits(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("modalities", SELECTORS)
def test_selectors_give_the_bits_of_slices(cls, modalities):
    expected = results(cls(SLICES, **TINY).fit(X, Y), X)
    fitted = cls(modalities, **TINY).fit(X, Y)
    assert_same_bits(expected, results(fitted, X))
    assert [columns.tolist() for columns in fitted.layout_.columns] == [[0, 1], [2, 3]]
    assert fitted.modalities is modalities


def test_selectors_are_not_called_again():
    calls = []

    def select(frame):
        calls.append(frame)
        return ["img_1", "img_2"]

    fitted = AECFClassifier({"image": select, "sound": "snd_*"}, **TINY).fit(X, Y)
    assert len(calls) == 1
    assert calls[0] is X
    fitted.predict(X)
    fitted.partial_fit(X, Y)
    fitted.calibrate(X, Y)
    assert len(calls) == 1


def test_names_of_fit_are_checked():
    fitted = AECFClassifier(SELECTORS[0], **TINY).fit(X, Y)
    assert fitted.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(X[NAMES[::-1]])
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(X.rename(columns={"img_1": "x"}))
    with pytest.warns(UserWarning, match="valid feature names"):
        fitted.predict(X.to_numpy())


@pytest.mark.parametrize("modalities", SELECTORS[:4])
def test_selectors_need_a_data_frame(modalities):
    for frame in (X.to_numpy(), X.set_axis(range(4), axis=1)):
        with pytest.raises(ValueError, match=r"modalities\['image'\].*no column names"):
            AECFClassifier(modalities, **TINY).fit(frame, Y)


@pytest.mark.parametrize("modalities", SELECTORS[:4])
def test_copies_and_files(modalities):
    fitted = AECFClassifier(modalities, **TINY).fit(X, Y)
    assert_same_bits(results(fitted, X), results(pickle.loads(pickle.dumps(fitted)), X))
    copy = clone(fitted)
    assert set(copy.get_params()) == set(fitted.get_params())
    assert_same_bits(results(fitted, X), results(copy.fit(X, Y), X))


def test_search_over_modalities():
    candidates = [SLICES, {"image": "img_*", "sound": make_column_selector("^snd")}]
    search = GridSearchCV(AECFClassifier(**TINY), {"modalities": candidates}, cv=2).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == scores[1]
    assert search.best_estimator_.modality_names_ == ["image", "sound"]


def test_frames_that_a_step_makes():
    table = ColumnTransformer(
        [
            ("image", StandardScaler(), ["img_1", "img_2"]),
            ("sound", StandardScaler(), ["snd_1", "snd_2"]),
        ]
    ).set_output(transform="pandas")
    by_name = {"image": "image__*", "sound": make_column_selector("^sound__")}
    model = make_pipeline(table, AECFClassifier(by_name, **TINY)).fit(MIXED, Y)
    plain = make_pipeline(clone(table), AECFClassifier({"image": 2, "sound": 2}, **TINY))
    assert_same_bits(results(model, MIXED), results(plain.fit(MIXED, Y), MIXED))


def test_set_output_of_the_estimator():
    embedder = AECFEmbedder(SELECTORS[0], n_components=3, **TINY).set_output(transform="pandas")
    out = embedder.fit(X).transform(X)
    assert list(out.columns) == ["aecfembedder0", "aecfembedder1", "aecfembedder2"]
    assert out.index.equals(X.index)


# ------------------------------------------------------------------------ Columns left out.


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("modalities", SELECTORS[:2] + SELECTORS[3:4])
def test_columns_left_out_have_no_influence(cls, modalities):
    expected = results(cls(SLICES, **TINY).fit(X, Y), X)
    fitted = cls(modalities, remainder="drop", **TINY).fit(MIXED, Y)
    assert_same_bits(expected, results(fitted, MIXED))
    changed = MIXED.assign(id=None, junk="text")
    assert_same_bits(expected, results(fitted, changed))
    assert fitted.n_features_in_ == MIXED.shape[1]
    assert fitted.feature_names_in_.tolist() == list(MIXED.columns)


def test_columns_left_out_of_arrays_and_lists():
    expected = results(AECFClassifier(SLICES, **TINY).fit(X.to_numpy(), Y), X.to_numpy())
    wide = np.column_stack([X.to_numpy(), np.full(N_SAMPLES, np.inf)])
    for modalities in (SLICES, {"image": 2, "sound": 2}, {"image": [0, 1], "sound": [2, 3]}):
        for samples in (wide, wide.astype(object), wide.tolist()):
            fitted = AECFClassifier(modalities, remainder="drop", **TINY).fit(samples, Y)
            assert_same_bits(expected, results(fitted, samples))


def test_single_precision_is_kept():
    wide = np.column_stack([X.to_numpy(), Y]).astype(np.float32)
    fitted = AECFEmbedder(SLICES, remainder="drop", **TINY).fit(wide)
    assert fitted.transform(wide).dtype == np.float32


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_columns_that_no_modality_names_are_an_error_by_default(cls):
    message = (
        r"column\(s\) \[4\] of X belong to no modality \(named \['extra'\]\).*remainder='drop'"
    )
    with pytest.raises(ValueError, match=message):
        cls(SELECTORS[0], **TINY).fit(X.assign(extra=1.0), Y)


def test_without_columns_to_leave_out_nothing_changes():
    fitted = [
        AECFClassifier(SLICES, remainder=rule, **TINY).fit(X, Y) for rule in ("drop", "raise")
    ]
    assert_same_bits(*(results(one, X) for one in fitted))


def test_names_and_number_of_all_columns_are_checked():
    fitted = AECFClassifier(SELECTORS[0], remainder="drop", **TINY).fit(MIXED, Y)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(X)
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(MIXED[list(MIXED.columns)[::-1]])
    of_array = AECFClassifier(SLICES, remainder="drop", **TINY).fit(np.ones((6, 5)), [0, 1] * 3)
    with pytest.raises(ValueError, match="X has 4 features, but AECFClassifier is expecting 5"):
        of_array.predict(np.ones((6, 4)))


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (np.ones(5), ValueError, "1D array"),
        (np.ones((4, 2, 3)), ValueError, "nn.Unflatten"),
        ({"image": np.ones((4, 2))}, TypeError, "pack_modalities"),
        ([np.ones((4, 2)), np.ones((4, 2))], TypeError, "pack_modalities"),
        (np.full((4, 5), np.inf), ValueError, "infinity"),
        (np.ones((1, 5)), ValueError, "minimum of 2"),
    ],
)
def test_bad_input_is_refused_as_ever(samples, error, message):
    with pytest.raises(error, match=message):
        AECFClassifier(SLICES, remainder="drop", **TINY).fit(samples, [0, 1, 0, 1][: len(samples)])


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    fitted = AECFClassifier(SELECTORS[0], remainder="drop", **TINY).fit(MIXED, Y)
    before = results(fitted, MIXED)
    with pytest.raises(ValueError, match="image"):
        fitted.fit(X.rename(columns={"img_1": "a", "img_2": "b"}), Y)
    assert_same_bits(before, results(fitted, MIXED))


def test_more_training_and_calibration():
    left_out = AECFClassifier(SELECTORS[0], remainder="drop", **TINY).fit(MIXED, Y)
    plain = AECFClassifier(SLICES, **TINY).fit(X, Y)
    for one, samples in ((left_out, MIXED), (plain, X)):
        one.set_params(remainder="raise").partial_fit(samples, Y, epochs=2)
        one.calibrate(samples, Y)
    assert_same_bits(results(left_out, MIXED), results(plain, X))
    assert left_out.score(MIXED, Y) == plain.score(X, Y)
    assert len(left_out.predict(MIXED[:0])) == 0


def test_cross_fit():
    left_out = AECFClassifier(SELECTORS[0], remainder="drop", calibration="cross_fit", **TINY)
    plain = AECFClassifier(SLICES, calibration="cross_fit", **TINY)
    assert_same_bits(results(left_out.fit(MIXED, Y), MIXED), results(plain.fit(X, Y), X))


def test_metrics_and_displays_use_the_fitted_layout():
    left_out = AECFClassifier(SELECTORS[3], remainder="drop", **TINY).fit(MIXED, Y)
    plain = AECFClassifier(SLICES, **TINY).fit(X, Y)
    curves = [
        missing_modality_curve(one, samples, Y, rates=[0.0, 0.5], random_state=0)
        for one, samples in ((left_out, MIXED), (plain, X))
    ]
    np.testing.assert_array_equal(curves[0].scores, curves[1].scores)
    dropped = drop_modalities(MIXED, left_out.layout_, 0.5, random_state=0)
    assert_same_bits(
        results(left_out, dropped), results(plain, drop_modalities(X, SLICES, 0.5, random_state=0))
    )
    display = ReliabilityDisplay.from_estimator(left_out, MIXED, Y, by_presence=True)
    assert display.figure_ is not None


@pytest.mark.parametrize("method", ["drop", "permute", "shapley"])
def test_importance_uses_the_fitted_layout(method):
    left_out = AECFClassifier(SELECTORS[3], remainder="drop", **TINY).fit(MIXED, Y)
    plain = AECFClassifier(SLICES, **TINY).fit(X, Y)
    options = {"method": method, "random_state": 0, "scoring": "neg_log_loss"}
    found, expected = (
        modality_importance(one, samples, Y, **options).importances_mean
        for one, samples in ((left_out, MIXED), (plain, X))
    )
    np.testing.assert_array_equal(found, expected)


# ------------------------------------------------------------------- Columns without numbers.


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "b"], "values of type .*, such as 'a'.*ColumnTransformer"),
        (pd.Categorical(["a", "b"] * (N_SAMPLES // 2)), "values of type category, such as 'a'"),
        (pd.date_range("2020-01-01", periods=N_SAMPLES), "times, not numbers.*ColumnTransformer"),
        (pd.timedelta_range("1s", periods=N_SAMPLES), "durations"),
        (
            pd.Series([np.ones(3)] * (N_SAMPLES - 1) + [None]),
            r"values of type object, such as array\(\[1., 1., 1.\]\).*numpy.stack\(X\['kind'\]\)"
            ".*pack_modalities",
        ),
    ],
)
def test_the_first_column_without_numbers_is_named(values, message):
    values = values * (N_SAMPLES // 2) if isinstance(values, list) else values
    frame = X.assign(kind=values, other="text")
    with pytest.raises(ValueError, match=f"column 'kind' of X holds {message}"):
        AECFClassifier({"image": "img_*", "rest": ["snd_*", "kind", "other"]}, **TINY).fit(frame, Y)
    with pytest.raises(ValueError, match=r"column 'kind' of X \(modality 'rest'\) holds"):
        AECFClassifier({"image": "img_*", "rest": ["snd_*", "kind"]}, remainder="drop", **TINY).fit(
            frame, Y
        )


def test_other_errors_are_not_taken_for_text():
    frame = X.assign(none=[None] * N_SAMPLES)
    frame.loc[3, "snd_1"] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        AECFClassifier({"image": "img_*", "rest": ["snd_*", "none"]}, **TINY).fit(frame, Y)


def test_text_at_prediction_is_named():
    fitted = AECFClassifier(SELECTORS[0], **TINY).fit(X, Y)
    with pytest.raises(ValueError, match=r"column 'snd_1' of X \(modality 'sound'\) holds"):
        fitted.predict(X.assign(snd_1="loud"))


# ---------------------------------------------------------------------- Scaling by modality.


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    "standardize", [["image"], ("image",), {"sound": False}, {"image": True, "sound": False}]
)
def test_scaling_of_one_modality(cls, standardize):
    fitted = cls(SLICES, standardize=standardize, **TINY).fit(X, Y)
    scaled = fitted.get_dataset(X).X["X"].numpy()[7:]
    np.testing.assert_array_equal(scaled[:, 2:], X.to_numpy()[7:, 2:].astype(np.float32))
    expected = StandardScaler().fit_transform(X.to_numpy()[7:, :2])
    np.testing.assert_allclose(scaled[:, :2], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("by_modality", "the_same"),
    [
        (["image", "sound"], True),
        ({}, True),
        ([], False),
        ({"image": False, "sound": False}, False),
    ],
)
def test_all_or_no_modalities_are_the_boolean(by_modality, the_same):
    fitted = [AECFClassifier(SLICES, standardize=s, **TINY) for s in (by_modality, the_same)]
    assert_same_bits(*(results(one.fit(X, Y), X) for one in fitted))


@pytest.mark.parametrize(
    ("standardize", "message"),
    [
        (["image", "text"], r"standardize names \['text'\].*modalities has \['image', 'sound'\]"),
        ({"text": False}, r"standardize names \['text'\]"),
        ({"image": "no"}, r"True or False for every modality; got \{'image': 'no'\}"),
        ("image", "'standardize' parameter"),
    ],
)
def test_wrong_scaling_is_named(standardize, message):
    with pytest.raises(ValueError, match=message):
        AECFClassifier(SLICES, standardize=standardize, **TINY).fit(X, Y)


def test_only_columns_that_are_not_scaled_must_fit_float32():
    large = X * [1, 1, 1e20, 1]
    AECFClassifier(SLICES, standardize=["sound"], **TINY).fit(large, Y)
    with pytest.raises(ValueError, match=r"'snd_1' of X \(modality 'sound'\).*standardize=True"):
        AECFClassifier(SLICES, standardize=["image"], **TINY).fit(large, Y)


def test_scaling_by_modality_in_a_configuration():
    config = AECFConfig(standardize=["image"], max_epochs=2)
    assert AECFClassifier.from_config(config).standardize == ["image"]


def test_stored_estimators_know_the_columns(tmp_path):
    sio = pytest.importorskip("skops.io")
    fitted = AECFClassifier(
        SELECTORS[0], remainder="drop", standardize={"sound": False}, **TINY
    ).fit(MIXED, Y)
    sio.dump(fitted, tmp_path / "model.skops")
    trusted = sio.get_untrusted_types(file=tmp_path / "model.skops")
    assert trusted == ["sklearn_align.fusion._classifier.AECFClassifier"]
    loaded = sio.load(tmp_path / "model.skops", trusted=trusted)
    assert_same_bits(results(fitted, MIXED), results(loaded, MIXED))
