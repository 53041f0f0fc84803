"""Importance of modalities against closed forms."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities, make_multimodal_classification
from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.metrics import modality_importance

MODALITIES = {"image": 3, "sound": 2, "text": 1}
COEFFICIENTS = np.array([1.0, -2.0, 0.5, 3.0, 1.0, -1.5])
METHODS = ["drop", "permute", "shapley"]


class Additive(RegressorMixin, BaseEstimator):
    """A fixed linear model to which an absent modality is 0; keeps what it has predicted."""

    def __init__(self, coefficients=COEFFICIENTS, modalities=None, *, needs_one=False):
        self.coefficients = coefficients
        self.modalities = modalities
        self.needs_one = needs_one

    def fit(self, X=None, y=None):
        self.seen_ = []
        return self

    def predict(self, X):
        self.seen_.append(X)
        if self.needs_one and np.isnan(np.asarray(X)).all(axis=1).any():
            raise ValueError("a sample has no modality")
        return np.nan_to_num(np.asarray(X)) @ self.coefficients


def samples(n=200, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 6)) + 0.3
    return X, X @ COEFFICIENTS


def contributions(X, modalities=None, coefficients=COEFFICIENTS):
    """What each modality adds to the prediction (n_samples, n_modalities)."""
    blocks = modalities or {"image": [0, 1, 2], "sound": [3, 4], "text": [5]}
    return np.column_stack([X[:, c] @ coefficients[c] for c in blocks.values()])


@pytest.fixture
def additive():
    return Additive(modalities=MODALITIES).fit()


# ------------------------------------------------------------------------------- closed forms


def test_dropping_loses_the_squared_contribution(additive):
    X, y = samples()
    result = modality_importance(additive, X, y, scoring="neg_mean_squared_error")
    expected = (contributions(X) ** 2).mean(axis=0)
    np.testing.assert_allclose(result.importances_mean, expected)
    np.testing.assert_allclose(result.importances, expected[:, None])
    np.testing.assert_array_equal(result.importances_std, 0)
    assert result.names == ["image", "sound", "text"]
    assert result.baseline_score == pytest.approx(0, abs=1e-20)
    assert set(result) == {
        "importances_mean", "importances_std", "importances", "names", "baseline_score"
    }  # fmt: skip


def test_shapley_values_divide_the_products_of_contributions(additive):
    X, y = samples()
    result = modality_importance(additive, X, y, scoring="neg_mean_squared_error", method="shapley")
    C = contributions(X)
    # v(S) = -mean((sum of the contributions outside of S)^2)
    np.testing.assert_allclose(result.importances_mean, (C.T @ C / len(C)).sum(axis=1))
    assert result.empty_score == pytest.approx(-(y**2).mean())


def test_shapley_values_of_many_modalities_are_drawn():
    rng = np.random.default_rng(0)
    X, coefficients = rng.normal(size=(100, 11)), rng.normal(size=11)
    modalities = {f"m{j}": 1 for j in range(11)}
    model = Additive(coefficients, modalities).fit()
    C = X * coefficients
    for n_repeats in (1, 3):
        model.seen_.clear()
        result = modality_importance(
            model, X, C.sum(axis=1), scoring="neg_mean_squared_error", method="shapley",
            n_repeats=n_repeats, random_state=0,
        )  # fmt: skip
        assert result.importances.shape == (11, n_repeats)
        # Only pairs interact, so that an order and its reverse give the exact value.
        np.testing.assert_allclose(
            result.importances, np.tile((C.T @ C / 100).sum(axis=1)[:, None], n_repeats)
        )
        assert len(model.seen_) <= 2 + 20 * n_repeats


def test_permuted_blocks_move_as_a_whole(additive):
    X, y = samples()
    result = modality_importance(
        additive, X, y, scoring="neg_mean_squared_error", method="permute", n_repeats=4,
        random_state=0,
    )  # fmt: skip
    before, *seen = additive.seen_
    np.testing.assert_array_equal(before, X)
    blocks = [[0, 1, 2], [3, 4], [5]]
    orders = []
    for position, permuted in enumerate(seen):
        modality, repeat = divmod(position, 4)
        columns = blocks[modality]
        others = np.setdiff1d(np.arange(6), columns)
        np.testing.assert_array_equal(permuted[:, others], X[:, others])
        order = np.array(
            [np.flatnonzero(X[:, columns[0]] == one)[0] for one in permuted[:, columns[0]]]
        )
        np.testing.assert_array_equal(permuted[:, columns], X[np.ix_(order, columns)])
        assert sorted(order) == list(range(200))
        c = contributions(X)[:, modality]
        assert result.importances[modality, repeat] == pytest.approx(((c - c[order]) ** 2).mean())
        orders.append(tuple(order))
    assert len(set(orders)) == 4
    # On average twice the variance of the contribution.
    np.testing.assert_allclose(result.importances_mean, 2 * contributions(X).var(axis=0), rtol=0.3)
    np.testing.assert_allclose(result.importances_std, result.importances.std(axis=1))


def test_permuted_single_columns_agree_with_scikit_learn():
    X, y = samples(60)
    model = HistGradientBoostingRegressor(max_iter=10).fit(X, y)
    options = {"n_repeats": 200, "random_state": 0}
    theirs = permutation_importance(model, X, y, **options)
    columns = {f"c{j}": 1 for j in range(6)}
    ours = modality_importance(model, X, y, method="permute", modalities=columns, **options)
    # Both are means over 200 random permutations.
    error = np.hypot(ours.importances_std, theirs.importances_std) / np.sqrt(200)
    assert (np.abs(ours.importances_mean - theirs.importances_mean) <= 4 * error).all()
    np.testing.assert_allclose(ours.importances_std, theirs.importances_std, rtol=0.3)


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_absolute_error"])
def test_shapley_values_sum_to_what_all_modalities_gain(additive, scoring):
    X, y = samples()
    y = y + np.random.default_rng(1).normal(size=200)
    result = modality_importance(additive, X, y, scoring=scoring, method="shapley")
    score = get_scorer(scoring)
    assert result.baseline_score == score(additive, X, y)
    assert result.empty_score == score(additive, np.full_like(X, np.nan), y)
    assert result.importances_mean.sum() == pytest.approx(
        result.baseline_score - result.empty_score
    )


# ------------------------------------------------------------------------------- invariances


@pytest.mark.parametrize("method", METHODS)
def test_a_modality_that_is_not_used_has_no_importance(method):
    X, y = samples()
    coefficients = COEFFICIENTS * [1, 1, 1, 0, 0, 1]
    result = modality_importance(
        Additive(coefficients, MODALITIES).fit(), X, y, method=method, random_state=0
    )
    assert result.importances_mean[1] == 0
    assert (result.importances_mean[[0, 2]] > 0).all()


def test_equal_modalities_share_the_importance():
    X = np.repeat(np.random.default_rng(0).normal(size=(100, 1)), 2, axis=1)
    model = Additive(np.array([0.5, 0.5]), {"a": 1, "b": 1}).fit()
    for method in ("drop", "shapley"):
        result = modality_importance(model, X, X[:, 0], method=method)
        assert result.importances_mean[0] == result.importances_mean[1] > 0
    assert result.importances_mean[0] == pytest.approx(
        (result.baseline_score - result.empty_score) / 2
    )


@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_modalities_does_not_matter(method):
    X, y = samples()
    blocks = {"image": [0, 1, 2], "sound": [3, 4], "text": [5]}
    one = modality_importance(
        Additive().fit(), X, y, modalities=blocks, method=method, random_state=0
    )
    other = modality_importance(
        Additive().fit(), X, y, modalities=dict(reversed(blocks.items())), method=method,
        random_state=0,
    )  # fmt: skip
    assert other.names == one.names[::-1]
    np.testing.assert_allclose(other.importances[::-1], one.importances)


@pytest.mark.parametrize("method", METHODS)
def test_jobs_and_seeds(method):
    X, y = samples(60)
    model = HistGradientBoostingRegressor(max_iter=5).fit(X, y)
    options = {"modalities": MODALITIES, "method": method}
    first, second = (
        modality_importance(model, X, y, random_state=0, n_jobs=n_jobs, **options)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(first.importances, second.importances)
    other = modality_importance(model, X, y, random_state=1, **options)
    assert np.array_equal(other.importances, first.importances) == (method != "permute")


def test_a_modality_of_noise_has_an_importance_near_0():
    data = make_multimodal_classification(600, widths=(3, 2), random_state=0)
    rng = np.random.default_rng(0)
    X = np.column_stack([data.data, rng.normal(size=(600, 4))])
    modalities = {**data.modalities, "noise": 4}
    train, test = slice(0, 400), slice(400, None)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    model.fit(drop_modalities(X[train], modalities, 0.5, random_state=0), data.target[train])
    for method in METHODS:
        result = modality_importance(
            model, X[test], data.target[test], modalities=modalities, method=method,
            scoring="accuracy", random_state=0,
        )  # fmt: skip
        assert abs(result.importances_mean[2]) < 0.05
        assert (result.importances_mean[:2] > 0.1).all()


# ------------------------------------------------------------------------------- single samples


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", ["accuracy", "neg_brier_score"]])
def test_importances_of_samples_average_to_those_of_the_score(method, weighted, scoring):
    data = make_multimodal_classification(150, random_state=0)
    X, y = data.data, data.target
    model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
    weight = np.random.default_rng(0).random(150) if weighted else None
    options = {
        "modalities": data.modalities, "method": method, "scoring": scoring, "random_state": 0,
        "sample_weight": weight,
    }  # fmt: skip
    single = modality_importance(model, X, y, per_sample=True, **options)
    together = modality_importance(model, X, y, **options)
    names = [None] if isinstance(scoring, str | None) else scoring
    for name in names:
        one = single if name is None else single[name]
        other = together if name is None else together[name]
        assert one.sample_importances.shape == (150, 2)
        for key in ("importances_mean", "importances_std", "importances", "baseline_score"):
            np.testing.assert_allclose(one[key], other[key], atol=1e-12)
        mean = np.average(one.sample_importances, axis=0, weights=weight)
        np.testing.assert_allclose(mean, one.importances_mean, atol=1e-12)
        assert ("empty_score" in one) == (method == "shapley")


def test_importances_of_samples_have_closed_forms(additive):
    X, y = samples()
    C = contributions(X)
    options = {"scoring": "neg_mean_squared_error", "per_sample": True}
    dropped = modality_importance(additive, X, y, **options)
    np.testing.assert_allclose(dropped.sample_importances, C**2, atol=1e-12)
    shapley = modality_importance(additive, X, y, method="shapley", **options)
    np.testing.assert_allclose(
        shapley.sample_importances, C * C.sum(axis=1, keepdims=True), atol=1e-12
    )


@pytest.mark.parametrize("method", ["drop", "shapley"])
def test_an_absent_modality_has_no_importance_for_its_sample(additive, method):
    X, y = samples()
    X[:20, 3:5] = np.nan
    result = modality_importance(additive, X, y, method=method, per_sample=True)
    np.testing.assert_array_equal(result.sample_importances[:20, 1], 0)
    assert (result.sample_importances[20:, 1] != 0).all()


def test_callables_score_single_samples(additive):
    X, y = samples()

    def minus_absolute_error(estimator, X, y):
        return -np.abs(y - estimator.predict(X))

    scoring = {"mine": minus_absolute_error, "theirs": "neg_mean_absolute_error"}
    results = modality_importance(additive, X, y, scoring=scoring, per_sample=True)
    for name in scoring:
        np.testing.assert_allclose(results[name].sample_importances, np.abs(contributions(X)))


def test_callables_do_without_targets(additive):
    X, _ = samples()
    result = modality_importance(
        additive, X, scoring=lambda estimator, X, y: estimator.predict(X), per_sample=True
    )
    np.testing.assert_allclose(result.sample_importances, contributions(X), atol=1e-12)


def test_own_score_that_is_no_mean_over_samples():
    class OwnScore(Additive):
        def score(self, X, y):
            return 0.5

    X, y = samples()
    with pytest.raises(
        ValueError, match=r"0\.5, the own score of OwnScore, is not known.*scoring="
    ):
        modality_importance(OwnScore(modalities=MODALITIES).fit(), X, y, per_sample=True)


# ------------------------------------------------------------------------------- scoring


def test_several_scorers_give_a_dict(additive):
    X, y = samples()
    y = y + np.random.default_rng(1).normal(size=200)
    names = ["r2", "neg_mean_squared_error"]

    def both(estimator, X, y):
        return {name: get_scorer(name)(estimator, X, y) for name in names}

    alone = {name: modality_importance(additive, X, y, scoring=name) for name in names}
    for scoring in (names, {name: get_scorer(name) for name in names}, both):
        results = modality_importance(additive, X, y, scoring=scoring)
        assert list(results) == names
        for name in names:
            np.testing.assert_array_equal(results[name].importances, alone[name].importances)
            assert results[name].baseline_score == alone[name].baseline_score


def test_sample_weights_reach_the_scorer(additive):
    X, y = samples()
    y = y + np.random.default_rng(1).normal(size=200)
    weight = np.r_[np.ones(120), np.zeros(80)]
    scoring = ["r2", "neg_mean_absolute_error"]
    for method in ("drop", "shapley"):
        options = {"scoring": scoring, "method": method}
        weighted = modality_importance(additive, X, y, sample_weight=weight, **options)
        parts = modality_importance(additive, X[:120], y[:120], **options)
        for name in scoring:
            np.testing.assert_allclose(weighted[name].importances, parts[name].importances)
            assert weighted[name].baseline_score == pytest.approx(parts[name].baseline_score)


def test_score_without_any_modality():
    X, y = samples()
    model = Additive(modalities=MODALITIES, needs_one=True).fit()
    options = {"method": "shapley", "scoring": "r2"}
    with pytest.raises(
        ValueError, match=r"does not accept samples without any modality.*'constant'"
    ):
        modality_importance(model, X, y, **options)
    constant = modality_importance(model, X, y, empty_score="constant", **options)
    assert constant.empty_score == 0
    given = modality_importance(model, X, y, empty_score=-1.0, **options)
    assert given.empty_score == -1
    # It is an end of one of as many orders as there are modalities.
    np.testing.assert_allclose(given.importances - constant.importances, 1 / 3)
    scoring = ["r2", "neg_mean_squared_error"]
    both = modality_importance(
        model, X, y, method="shapley", scoring=scoring, empty_score=dict.fromkeys(scoring, -2.0)
    )
    assert [both[name].empty_score for name in scoring] == [-2, -2]


def test_constant_prediction_of_a_classifier_is_that_of_its_classes():
    data = make_multimodal_classification(100, random_state=0)
    y = np.where(data.target == 0, "rare", "frequent")
    model = HistGradientBoostingClassifier(max_iter=5).fit(data.data, y)
    share = np.mean(y == "frequent")
    share = max(share, 1 - share)
    for per_sample in (False, True):
        result = modality_importance(
            model, data.data, y, modalities=data.modalities, method="shapley",
            empty_score="constant", per_sample=per_sample,
        )  # fmt: skip
        assert result.empty_score == pytest.approx(share)


# ------------------------------------------------------------------------------- containers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_frames_stay_frames(method, kind):
    X, y = samples(50)
    X[:, 5] = np.arange(50)
    names = [f"c{j}" for j in range(6)]
    frame = pd.DataFrame(X, columns=names, index=np.arange(50)[::-1] * 2).astype({"c5": int})
    if kind is pl.DataFrame:
        frame = pl.from_pandas(frame.reset_index(drop=True))
    before = frame.copy() if kind is pd.DataFrame else frame.clone()
    modalities = {"image": names[:3], "sound": names[3:5], "text": names[5:]}
    model = Additive(modalities=modalities).fit()
    result = modality_importance(model, frame, y, method=method, random_state=0)
    plain = modality_importance(
        Additive(modalities=MODALITIES).fit(), X, y, method=method, random_state=0
    )
    np.testing.assert_allclose(result.importances, plain.importances)
    for seen in model.seen_:
        assert type(seen) is kind
        assert list(seen.columns) == names
        if kind is pd.DataFrame:
            assert (seen.index == frame.index).all()
    assert frame.equals(before)


@pytest.mark.parametrize("method", METHODS)
def test_input_is_not_changed_and_lists_are_taken(additive, method):
    X, y = samples(30)
    X.flags.writeable = False
    result = modality_importance(additive, X, y, method=method, random_state=0)
    listed = modality_importance(additive, X.tolist(), y.tolist(), method=method, random_state=0)
    np.testing.assert_array_equal(listed.importances, result.importances)


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_number_types(dtype):
    X = (10 * samples(30)[0]).astype(dtype)
    model = Additive(modalities=MODALITIES).fit()
    modality_importance(model, X, X @ COEFFICIENTS)
    kinds = {seen.dtype for seen in model.seen_[1:]}
    assert kinds == {np.dtype(np.float32 if dtype is np.float32 else np.float64)}


# ------------------------------------------------------------------------------- compositions


def reorder(X):
    return X[:, [4, 6, 5, 0, 2]]


@pytest.fixture(scope="module")
def fusion():
    data = make_multimodal_classification(300, widths=(3, 2), random_state=0)
    X = np.random.default_rng(0).normal(size=(300, 8))
    X[:, [4, 6, 5, 0, 2]] = data.data
    net = AECFClassifier(modalities={"image": 3, "sound": 2}, max_epochs=3, random_state=0)
    pipeline = make_pipeline(FunctionTransformer(reorder), net)
    return X, data.target, pipeline.fit(X, data.target)


@pytest.mark.parametrize("method", METHODS)
def test_modalities_are_found_in_pipelines_and_searches(fusion, method):
    X, y, pipeline = fusion
    options = {"method": method, "n_repeats": 2, "random_state": 0}
    direct = modality_importance(pipeline[-1], reorder(X), y, **options)
    assert direct.names == ["image", "sound"]
    search = GridSearchCV(
        pipeline, {"aecfclassifier__lr": [1e-3]}, cv=2, scoring="neg_log_loss"
    ).fit(X, y)
    inner = search.best_estimator_[-1]
    for outer, final, scoring in ((pipeline, pipeline[-1], None), (search, inner, "neg_log_loss")):
        result = modality_importance(outer, X, y, **options)
        expected = modality_importance(final, reorder(X), y, scoring=scoring, **options)
        np.testing.assert_array_equal(result.importances, expected.importances)
        assert result.baseline_score == outer.score(X, y)
    constant = modality_importance(search, X, y, method="shapley", empty_score="constant")
    assert constant.empty_score == pytest.approx(
        np.log(np.bincount(y) / 300) @ np.bincount(y) / 300
    )


def mean_errors(estimator, X, y):
    errors = np.abs(y - estimator.predict(X))
    return {"mean": -errors.mean(), "largest": -errors.max()}


@pytest.mark.parametrize(
    "scoring", ["r2", ["neg_mean_squared_error", "neg_max_error"], mean_errors]
)
def test_a_search_is_scored_by_its_own_score(scoring):
    X, y = samples(60)
    name = "largest" if callable(scoring) else "neg_max_error"
    search = GridSearchCV(
        HistGradientBoostingRegressor(max_iter=5), {"max_depth": [2]}, scoring=scoring,
        refit=True if scoring == "r2" else name, cv=2,
    ).fit(X, y)  # fmt: skip
    result = modality_importance(search, X, y, modalities=MODALITIES)
    assert result.baseline_score == search.score(X, y)
    X[:, 5] = np.nan
    assert result.importances_mean[2] == result.baseline_score - search.score(X, y)


def test_blocks_of_a_pipeline_that_has_no_modalities():
    X, y = samples()
    pipeline = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=5))
    outer = TransformedTargetRegressor(pipeline, func=np.cbrt, inverse_func=lambda y: y**3)
    outer.fit(X, y)
    result = modality_importance(outer, X, y, modalities=MODALITIES)
    assert result.baseline_score == outer.score(X, y)
    X[:, 3:5] = np.nan
    assert result.importances_mean[1] == result.baseline_score - outer.score(X, y)


def test_only_samples_of_the_user_are_warned_of(fusion):
    X, y, pipeline = fusion
    net, X = pipeline[-1], reorder(X)
    for method in METHODS:
        modality_importance(net, X, y, method=method, random_state=0, n_repeats=1)
    X[0] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        modality_importance(net, X, y)
    assert [one.category for one in caught] == [MissingModalityWarning]
    assert caught[0].filename == __file__


def test_estimators_that_refuse_missing_values_can_be_permuted():
    X, y = samples()
    model = LinearRegression().fit(X, y)
    for method in ("drop", "shapley"):
        with pytest.raises(ValueError, match=r"LinearRegression does not accept.*method='permute'"):
            modality_importance(model, X, y, modalities=MODALITIES, method=method)
    result = modality_importance(model, X, y, modalities=MODALITIES, method="permute")
    assert (result.importances_mean > 0).all()


# ------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gate"}, "method must be 'drop', 'permute' or 'shapley', got 'gate'"),
        ({"n_repeats": 0}, "n_repeats == 0, must be >= 1"),
        ({"y": [0.0, 1.0]}, "inconsistent numbers"),
        ({"estimator": LogisticRegression()}, "modalities is needed"),
        ({"modalities": {"image": 99}}, "sum to 99"),
        ({"sample_weight": [1.0]}, "sample_weight.shape"),
        ({"sample_weight": -np.ones(30)}, "[Nn]egative values"),
        ({"scoring": "nonsense"}, "'nonsense'"),
        ({"scoring": lambda *_: np.nan}, "finite scores, got nan: choose another"),
        ({"scoring": lambda *_: {"mine": np.inf}}, "scoring 'mine' must give finite scores"),
        ({"scoring": [], "per_sample": True}, "scoring is empty"),
        ({"y": None, "scoring": "r2", "per_sample": True}, "scoring='r2' needs the targets y"),
        ({"scoring": "max_error", "per_sample": True}, "scoring='max_error'. Pass one of"),
        ({"empty_score": 0.0}, "empty_score=0.0 has no effect with method='drop'"),
        ({"empty_score": "zero", "method": "shapley"}, "got 'zero'"),
        ({"empty_score": np.nan, "method": "shapley"}, "finite numbers, got nan"),
        ({"empty_score": {"r2": 0}, "method": "shapley"}, "a number for one scorer"),
        (
            {"empty_score": 0.0, "method": "shapley", "scoring": ["r2", "neg_max_error"]},
            r"these are \['r2', 'neg_max_error'\]",
        ),
        (
            {"y": None, "scoring": lambda *_: 0.0, "empty_score": "constant", "method": "shapley"},
            "empty_score='constant' needs a classifier or a regressor, and y",
        ),
    ],
)
def test_bad_input(additive, options, message):
    X, y = samples(30)
    arguments = {"estimator": additive, "X": X, "y": y, **options}
    with pytest.raises(ValueError, match=message):
        modality_importance(**arguments)


def test_views_are_refused(additive):
    X, y = samples(30)
    with pytest.raises(TypeError, match="pack_modalities"):
        modality_importance(additive, {"image": X}, y)
