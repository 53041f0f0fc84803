"""DataFrames of polars: the results are those of the same DataFrames of pandas."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import polars.selectors as cs
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_align import KeepAbsent, pack_modalities
from sklearn_align.datasets import drop_modalities
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor
from sklearn_align.metrics import missing_modality_curve, modality_importance
from sklearn_align.plotting import (
    MissingModalityDisplay,
    ModalityImportanceDisplay,
    ModalityWeightsDisplay,
    ReliabilityDisplay,
)

TINY = {"n_units": 6, "hidden_sizes": (5,), "gate_hidden": 4, "max_epochs": 2, "random_state": 0}
ESTIMATORS = [AECFClassifier, AECFRegressor, AECFEmbedder]
N_SAMPLES = 40
NAMES = ["img_1", "img_2", "snd_1", "snd_2"]
GLOBS = {"image": "img_*", "sound": "snd_*"}


def make_frames():
    rng = np.random.default_rng(0)
    y = np.arange(N_SAMPLES) % 2
    frame = pd.DataFrame(rng.normal(size=(N_SAMPLES, 4)) + y[:, None], columns=NAMES)
    frame.loc[:6, ["img_1", "img_2"]] = np.nan
    return frame, y


PANDAS, Y = make_frames()
NAN = pl.DataFrame({name: PANDAS[name].to_numpy() for name in NAMES})
NULL = NAN.fill_nan(None)
# Columns of any kind that no modality has.
MIXED = NULL.with_columns(
    id=pl.Series([f"patient {i}" for i in range(N_SAMPLES)]),
    date=pl.lit("2020-01-01").str.to_date(),
    words=pl.Series([[1.0, 2.0]] * N_SAMPLES),
).select("id", "img_1", "img_2", "date", "snd_1", "snd_2", "words")


def results(estimator, X):
    methods = ("predict_proba", "predict", "transform", "modality_weights")
    return [np.asarray(getattr(estimator, m)(X)) for m in methods if hasattr(estimator, m)]


def assert_same_bits(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("frame", [NAN, NULL], ids=["NaN", "null"])
def test_null_and_nan_are_absent_as_in_pandas(cls, frame):
    expected = cls(GLOBS, **TINY).fit(PANDAS, Y)
    fitted = cls(GLOBS, **TINY).fit(frame, Y)
    assert fitted.feature_names_in_.tolist() == NAMES
    assert fitted.n_features_in_ == 4
    assert_same_bits(results(fitted, frame), results(expected, PANDAS))
    assert_same_bits(results(fitted, PANDAS), results(expected, frame))
    assert (fitted.modality_weights(frame)[:7, 0] == 0).all()


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_columns_left_out_may_hold_anything(cls):
    expected = results(cls(GLOBS, **TINY).fit(PANDAS, Y), PANDAS)
    fitted = cls(GLOBS, remainder="drop", **TINY).fit(MIXED, Y)
    assert_same_bits(results(fitted, MIXED), expected)
    assert fitted.feature_names_in_.tolist() == MIXED.columns
    assert len(fitted.transform(MIXED[:0])) == 0


SELECTORS = [
    {"image": make_column_selector("^img"), "sound": make_column_selector("^snd")},
    {"image": cs.starts_with("img"), "sound": cs.by_name("snd_1", "snd_2")},
    {"image": pl.col("img_1", "img_2"), "sound": pl.col("^snd.*$")},
    {"image": cs.numeric() - cs.starts_with("snd"), "sound": lambda X: cs.starts_with("snd")},
    {"image": lambda X: X.columns[:2], "sound": lambda X: X.select("snd_1", "snd_2").columns},
    {"image": pl.Series(["img_1", "img_2"]), "sound": pl.Series([2, 3])},
    {"image": slice("img_1", "img_2"), "sound": slice("snd_1", None)},
    {"image": ["img_*"], "sound": ["snd_1", "snd_?"]},
]


@pytest.mark.parametrize("modalities", SELECTORS, ids=range(len(SELECTORS)))
def test_selectors(modalities):
    fitted = AECFClassifier(modalities, **TINY).fit(NULL, Y)
    assert [columns.tolist() for columns in fitted.layout_.columns] == [[0, 1], [2, 3]]
    copied = clone(fitted).fit(NULL, Y)
    assert_same_bits(results(copied, NULL), results(fitted, NULL))
    assert_same_bits(results(copy.deepcopy(fitted), NULL), results(fitted, NULL))
    assert "AECFClassifier" in repr(fitted)
    assert "AECFClassifier" in fitted._repr_html_()


def test_selectors_of_polars_can_be_stored():
    fitted = AECFClassifier(SELECTORS[1], **TINY).fit(NULL, Y)
    assert_same_bits(results(pickle.loads(pickle.dumps(fitted)), NULL), results(fitted, NULL))


@pytest.mark.parametrize(
    ("selector", "frame", "message"),
    [
        (cs.starts_with("img"), PANDAS, "polars DataFrame, but X is another kind"),
        (cs.starts_with("img"), PANDAS.to_numpy(), "polars DataFrame, but X is another kind"),
        (pl.col("img_1") * 2, NULL, r"computes or renames columns.*with_columns"),
        (pl.col("img_1").alias("a"), NULL, "computes or renames columns"),
        (cs.starts_with("text"), NULL, "selects no column of X"),
        (
            make_column_selector("^img", dtype_include=float),
            NULL,
            "needs a pandas DataFrame; X is a polars DataFrame.*polars.selectors.numeric",
        ),
    ],
)
def test_a_selector_that_does_not_fit_is_named(selector, frame, message):
    with pytest.raises(ValueError, match=rf"modalities\['image'\] = .*{message}"):
        AECFClassifier({"image": selector, "sound": [2, 3]}, **TINY).fit(frame, Y)


def test_names_of_fit_are_checked():
    fitted = AECFClassifier(GLOBS, **TINY).fit(NULL, Y)
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(NULL.select(NAMES[::-1]))
    with pytest.raises(ValueError, match="unseen at fit time"):
        fitted.predict(NULL.rename({"img_1": "x"}))
    with pytest.warns(UserWarning, match="valid feature names"):
        fitted.predict(NULL.to_numpy())


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("output", ["polars", "pandas", "default"])
def test_outputs(cls, output):
    estimator = cls(GLOBS, **TINY).set_output(transform=output)
    first = estimator.fit_transform(NULL, Y)
    again = estimator.transform(NULL)
    kinds = {"polars": pl.DataFrame, "pandas": pd.DataFrame, "default": np.ndarray}
    assert type(first) is type(again) is kinds[output]
    np.testing.assert_array_equal(np.asarray(first), np.asarray(again))
    names = [f"{cls.__name__.lower()}{i}" for i in range(again.shape[1])]
    assert estimator.get_feature_names_out().tolist() == names
    if output != "default":
        assert list(again.columns) == names


def test_pipelines_and_searches():
    blocks = ColumnTransformer(
        [
            ("image", StandardScaler(), ["img_1", "img_2"]),
            ("sound", StandardScaler(), ["snd_1", "snd_2"]),
        ]
    )
    model = make_pipeline(
        blocks, AECFClassifier({"image": "image__*", "sound": cs.starts_with("sound__")}, **TINY)
    ).set_output(transform="polars")
    candidates = [
        {"image": "image__*", "sound": "sound__*"},
        {"image": cs.starts_with("image__"), "sound": make_column_selector("^sound__")},
    ]
    grid = {"aecfclassifier__modalities": candidates}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(MIXED, Y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == scores[1]
    names = ["image__img_1", "image__img_2", "sound__snd_1", "sound__snd_2"]
    assert search.best_estimator_[-1].feature_names_in_.tolist() == names
    assert isinstance(search.transform(MIXED), pl.DataFrame)
    plain = make_pipeline(clone(blocks), AECFClassifier({"image": 2, "sound": 2}, **TINY))
    # The means of columns depend on the order of the frame in memory, and training enlarges this.
    for one, other in zip(
        results(search, MIXED), results(plain.fit(PANDAS, Y), PANDAS), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0.01, atol=1e-3)


def test_targets_weights_and_groups():
    labels, weight = np.array(["no", "yes"])[Y], np.linspace(0.5, 1.5, N_SAMPLES)
    groups = [f"speaker {i % 5}" for i in range(N_SAMPLES)]
    options = {"early_stopping": True, **TINY}
    expected = AECFClassifier(GLOBS, **options).fit(PANDAS, labels, weight, groups=groups)
    for kind in (pl.String, pl.Categorical):
        fitted = AECFClassifier(GLOBS, **options).fit(
            NULL, pl.Series(labels, dtype=kind), pl.Series(weight), groups=pl.Series(groups)
        )
        assert fitted.classes_.tolist() == ["no", "yes"]
        assert_same_bits(results(fitted, NULL), results(expected, PANDAS))
    both = np.column_stack([Y, 1 - Y])
    fitted = AECFClassifier(GLOBS, **TINY).fit(NULL, pl.DataFrame({"a": Y, "b": 1 - Y}))
    assert_same_bits(
        results(fitted, NULL), results(AECFClassifier(GLOBS, **TINY).fit(PANDAS, both), PANDAS)
    )


def test_further_training_and_cross_fit():
    options = {"calibration": "cross_fit", "remainder": "drop", **TINY}
    one = AECFClassifier(GLOBS, **options).fit(MIXED, Y).partial_fit(MIXED, Y).calibrate(MIXED, Y)
    other = AECFClassifier(GLOBS, **options).fit(PANDAS, Y).partial_fit(PANDAS, Y)
    assert_same_bits(results(one, MIXED), results(other.calibrate(PANDAS, Y), PANDAS))
    assert one.score(MIXED, pl.Series(Y)) == other.score(PANDAS, Y)


STACK = r"values of type .*numpy.stack\(X\['kind'\]\).*pack_modalities"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.lit("a"), "values of type String, such as 'a', not numbers.*KeepAbsent"),
        (pl.lit("a").cast(pl.Categorical), "values of type Categorical.*, such as 'a'"),
        (pl.lit("2020-01-01").str.to_date(), "times, not numbers. Turn it into numbers"),
        (pl.lit("2020-01-01").str.to_datetime(), "times, not numbers"),
        (pl.duration(days=1), "durations, not numbers"),
        (
            pl.Series([[1.0, 2.0]] * N_SAMPLES),
            STACK,
        ),
        (
            pl.Series([[1.0, 2.0]] * N_SAMPLES, dtype=pl.Array(pl.Float64, 2)),
            STACK,
        ),
    ],
)
def test_the_first_column_without_numbers_is_named(column, message):
    frame = NULL.with_columns(kind=column, other=pl.lit("text"))
    modalities = {"image": "img_*", "rest": ["snd_*", "kind"]}
    named = rf"column 'kind' of X \(modality 'rest'\) holds {message}"
    with pytest.raises(ValueError, match=named):
        AECFClassifier(modalities, remainder="drop", **TINY).fit(frame, Y)
    with pytest.raises(ValueError, match=f"column 'kind' of X holds {message}"):
        AECFClassifier(modalities, **TINY).fit(frame.drop("other"), Y)
    numbers = frame.with_columns(kind=pl.lit(1))
    fitted = AECFClassifier(modalities, remainder="drop", **TINY).fit(numbers, Y)
    with pytest.raises(ValueError, match=named):
        fitted.predict(frame)


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt32, pl.Boolean, pl.Float32, pl.Decimal(10, 2)])
def test_all_kinds_of_numbers(kind):
    numbers = pl.Series([None] * 5 + [0, 1] * 10 + [1] * 15, dtype=pl.Int64)
    frame = NULL.with_columns(flag=numbers.cast(kind))
    fitted = AECFClassifier({**GLOBS, "flag": "flag"}, **TINY).fit(frame, Y)
    expected = PANDAS.assign(flag=[np.nan] * 5 + [0.0, 1.0] * 10 + [1.0] * 15)
    of_pandas = AECFClassifier({**GLOBS, "flag": "flag"}, **TINY).fit(expected, Y)
    assert_same_bits(results(fitted, frame), results(of_pandas, expected))


def test_frames_that_are_not_computed_are_refused():
    fitted = AECFClassifier(GLOBS, **TINY).fit(NULL, Y)
    lazy = NULL.lazy()
    for call in (
        lambda: AECFClassifier(GLOBS, **TINY).fit(lazy, Y),
        lambda: fitted.predict(lazy),
        lambda: drop_modalities(lazy, GLOBS, 0.5),
        lambda: modality_importance(fitted, lazy, Y),
        lambda: KeepAbsent(StandardScaler()).fit(lazy),
    ):
        with pytest.raises(TypeError, match=r"X is a LazyFrame.*collect\(\)"):
            call()
    with pytest.raises(TypeError, match=r"block 'image' is a LazyFrame.*collect\(\)"):
        pack_modalities({"image": lazy})


def test_categories_keep_absence():
    rng = np.random.default_rng(1)
    ward = np.where(Y == 1, "north", "south").astype(object)
    # A category that a fold of the cross-validation does not have.
    ward[3] = "tower"
    ward[10:16] = None
    age = rng.integers(20, 80, N_SAMPLES).astype(float)
    age[10:16] = age[20:23] = np.nan
    frame = NULL.with_columns(ward=pl.Series(list(ward)), age=pl.Series(age, nan_to_null=True))
    table = ColumnTransformer(
        [
            ("ward", OneHotEncoder(handle_unknown="ignore"), ["ward"]),
            ("age", SimpleImputer(), ["age"]),
        ],
        sparse_threshold=0,
    )
    blocks = ColumnTransformer(
        [
            ("image", "passthrough", ["img_1", "img_2"]),
            ("table", KeepAbsent(table), ["ward", "age"]),
        ]
    ).set_output(transform="polars")
    model = make_pipeline(
        blocks, AECFClassifier({"image": "image__*", "table": "table__*"}, **TINY)
    )
    present = model.fit(frame, Y)[-1].modality_weights(model[:-1].transform(frame)) > 0
    np.testing.assert_array_equal(present[:, 0], np.arange(N_SAMPLES) >= 7)
    np.testing.assert_array_equal(present[:, 1], ~np.isin(np.arange(N_SAMPLES), range(10, 16)))
    scores = cross_val_score(model, frame, Y, cv=3, error_score="raise")
    as_pandas = NAN.to_pandas().assign(ward=ward, age=age)
    of_pandas = clone(model)
    of_pandas[0].set_output(transform="pandas")
    np.testing.assert_array_equal(scores, cross_val_score(of_pandas, as_pandas, Y, cv=3))


@pytest.mark.parametrize("method", ["drop", "permute", "shapley"])
def test_importances(method):
    of_polars = AECFClassifier(GLOBS, remainder="drop", **TINY).fit(MIXED, Y)
    of_pandas = AECFClassifier(GLOBS, **TINY).fit(PANDAS, Y)
    options = {"method": method, "random_state": 0, "scoring": "neg_log_loss", "per_sample": True}
    found, expected = (
        modality_importance(one, frame, Y, **options)
        for one, frame in ((of_polars, MIXED), (of_pandas, PANDAS))
    )
    np.testing.assert_array_equal(found.sample_importances, expected.sample_importances)


def test_curves_and_displays():
    of_polars = AECFClassifier(GLOBS, remainder="drop", **TINY).fit(MIXED, Y)
    of_pandas = AECFClassifier(GLOBS, **TINY).fit(PANDAS, Y)
    curves = [
        missing_modality_curve(one, frame, Y, rates=[0.0, 0.5], random_state=0).scores
        for one, frame in ((of_polars, MIXED), (of_pandas, PANDAS))
    ]
    np.testing.assert_array_equal(*curves)
    options = {"rates": [0.0, 0.5], "random_state": 0}
    assert MissingModalityDisplay.from_estimator(of_polars, MIXED, Y, **options).figure_
    assert ModalityImportanceDisplay.from_estimator(of_polars, MIXED, Y, random_state=0).figure_
    assert ModalityWeightsDisplay.from_estimator(of_polars, MIXED).figure_
    assert ReliabilityDisplay.from_estimator(of_polars, MIXED, Y, by_presence=True).figure_
    dropped = drop_modalities(MIXED, of_polars.layout_, 0.5, random_state=0)
    assert dropped.drop(NAMES).equals(MIXED.drop(NAMES))
