import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align.datasets import drop_modalities, make_multimodal_classification
from sklearn_align.metrics import (
    confidence_violation_rate,
    effective_modalities,
    expected_calibration_error,
    missing_modality_curve,
    modality_entropy,
)


def test_entropy_agrees_with_scipy():
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=30)
    np.testing.assert_allclose(modality_entropy(weights), entropy(weights, axis=1))
    np.testing.assert_allclose(
        modality_entropy(weights, normalize=True), entropy(weights, axis=1, base=5)
    )
    np.testing.assert_allclose(effective_modalities(weights), np.exp(entropy(weights, axis=1)))


@pytest.mark.parametrize("n_used", [1, 2, 4])
def test_equal_weights_count_as_many_modalities(n_used):
    weights = np.zeros((3, 4))
    weights[:, :n_used] = 1 / n_used
    np.testing.assert_allclose(effective_modalities(weights), n_used)
    np.testing.assert_allclose(modality_entropy(weights), np.log(n_used), atol=1e-12)
    np.testing.assert_allclose(
        modality_entropy(weights, normalize=True), 0.0 if n_used == 1 else 1.0
    )


def test_violations_against_a_loop():
    rng = np.random.default_rng(0)
    full, subset = rng.dirichlet(np.ones(4), size=(2, 50))
    weight = rng.random(50)
    violated = [max(subset[i]) > max(full[i]) + 0.1 for i in range(50)]
    rate = confidence_violation_rate(subset, full, tolerance=0.1, sample_weight=weight)
    assert rate == pytest.approx(weight[violated].sum() / weight.sum())
    assert confidence_violation_rate(full, full) == 0
    # Each sample is more confident in one of the two directions.
    there, back = (confidence_violation_rate(*pair) for pair in ((subset, full), (full, subset)))
    assert there + back == pytest.approx(1)


def test_violations_of_several_labels_count_labels():
    full = [[0.9, 0.1], [0.5, 0.6]]
    # The second label of the first sample and the first label of the second one.
    subset = [[0.8, 0.05], [0.1, 0.6]]
    assert confidence_violation_rate(subset, full, multilabel=True) == 0.5


@pytest.mark.parametrize(
    ("subset", "options", "message"),
    [
        ([[0.5, 0.5]] * 2, {}, "same samples and classes"),
        ([[2.0, -1.0]], {}, "values from -1 to 2"),
        ([[0.5, 0.6]], {}, "must sum to 1.*sample 0 sum to 1.1.*multilabel=True"),
        ([[0.5, 0.5]], {"tolerance": -1.0}, "tolerance == -1.0, must be >= 0"),
        ([[0.5, 0.5]], {"sample_weight": [0.0]}, "[Ww]eight"),
    ],
)
def test_bad_input_of_violations(subset, options, message):
    with pytest.raises(ValueError, match=message):
        confidence_violation_rate(subset, [[0.4, 0.6]], **options)


def test_sample_without_modalities():
    weights = [[0.0, 0.0], [1.0, 0.0]]
    assert effective_modalities(weights).tolist() == [0.0, 1.0]
    assert modality_entropy(weights).tolist() == [0.0, 0.0]
    assert modality_entropy(weights, normalize=True).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("function", [modality_entropy, effective_modalities])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1.5, -0.5]], "weights must hold probabilities"),
        ([[0.5, 0.5], [0.7, 0.7]], "sample 1 sum to 1.4"),
        ([[np.nan, 1.0]], "weights contains NaN"),
        ([0.5, 0.5], "Expected 2D array"),
    ],
)
def test_bad_weights(function, weights, message):
    with pytest.raises(ValueError, match=message):
        function(weights)


class CountsPresent(ClassifierMixin, BaseEstimator):
    """Its score is the share of present blocks; it keeps what it was given."""

    def __init__(self, modalities=None):
        self.modalities = modalities

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen_ = []
        return self

    def score(self, X, y):
        self.seen_.append(X)
        return 1 - np.isnan(X[:, [0, -1]]).mean()

    def predict(self, X):
        return np.where(np.isnan(X).any(axis=1), 0, 1)


@pytest.fixture
def data():
    return make_multimodal_classification(200, widths=(3, 2), random_state=0)


def test_shapes_and_values(data):
    estimator = CountsPresent(data.modalities).fit(data.data, data.target)
    curve = missing_modality_curve(
        estimator, data.data, data.target, rates=[0, 0.5, 1], n_repeats=4, random_state=0
    )
    assert curve.rates.tolist() == [0, 0.5, 1]
    assert curve.scores.shape == (3, 4)
    assert (curve.scores[0] == 1).all()
    assert (curve.scores[2] == 0.5).all()
    # A quarter of the samples would lose both blocks and keep one of them.
    assert curve.mean[1] == pytest.approx(1 - (0.5 - 0.125), abs=0.05)
    np.testing.assert_allclose(curve.mean, curve.scores.mean(axis=1))
    np.testing.assert_allclose(curve.std, curve.scores.std(axis=1))


def test_all_estimators_are_scored_on_the_same_samples_also_in_separate_calls(data):
    X, y = data.data, data.target
    one, two, three = (CountsPresent(data.modalities).fit(X, y) for _ in range(3))
    both = missing_modality_curve({"a": one, "b": two}, X, y, random_state=3)
    alone = missing_modality_curve(three, X, y, random_state=3)
    # Once at rate 0, five times at each of three rates.
    assert len(one.seen_) == 16
    for seen in zip(one.seen_, two.seen_, three.seen_, strict=True):
        np.testing.assert_array_equal(seen[0], seen[1])
        np.testing.assert_array_equal(seen[0], seen[2])
    np.testing.assert_array_equal(both.scores["a"], both.scores["b"])
    np.testing.assert_array_equal(both.scores["a"], alone.scores)


def test_missing_blocks_grow_with_the_rate_within_a_repeat(data):
    estimator = CountsPresent(data.modalities).fit(data.data, data.target)
    missing_modality_curve(
        estimator, data.data, data.target, rates=[0.2, 0.6, 1], n_repeats=1, random_state=0
    )
    low, middle, high = (np.isnan(X) for X in estimator.seen_)
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert low.sum() < middle.sum() < high.sum()


def test_jobs_do_not_change_the_result(data):
    model = HistGradientBoostingClassifier(max_iter=5).fit(data.data, data.target)
    curves = [
        missing_modality_curve(
            model,
            data.data,
            data.target,
            rates=[0.5],
            modalities=data.modalities,
            random_state=0,
            n_jobs=n_jobs,
        ).scores
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*curves)


def test_any_scorer(data):
    X, y = data.data, data.target
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
    calibration = make_scorer(
        expected_calibration_error, response_method="predict_proba", greater_is_better=False
    )
    for scoring in (None, "neg_log_loss", lambda model, X, y: model.score(X, y), calibration):
        curve = missing_modality_curve(
            model, X, y, modalities=data.modalities, scoring=scoring, random_state=0, n_repeats=2
        )
        assert curve.scores[-1, 0] != curve.scores[-1, 1]
        if scoring is not calibration:
            assert curve.mean[0] > curve.mean[-1]
    regressor = HistGradientBoostingRegressor(max_iter=20).fit(X, data.noise[:, 0])
    curve = missing_modality_curve(
        regressor, X, data.noise[:, 0], modalities=data.modalities, scoring="r2", random_state=0
    )
    assert curve.mean[0] > curve.mean[-1]


def test_scores_are_those_of_drop_modalities(data):
    X, y = data.data, data.target
    model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
    curve = missing_modality_curve(
        model, X, y, rates=[0.5], modalities=data.modalities, n_repeats=1, random_state=7
    )
    seed = np.random.RandomState(7).randint(np.iinfo(np.int32).max, size=1)[0]
    dropped = drop_modalities(X, data.modalities, 0.5, random_state=seed)
    assert curve.scores[0, 0] == model.score(dropped, y)


def test_modalities_are_found_in_pipelines_and_searches(data):
    X, y = data.data, data.target
    pipeline = make_pipeline(StandardScaler(), CountsPresent(data.modalities)).fit(X, y)
    search = GridSearchCV(pipeline, {}, scoring="accuracy", error_score="raise").fit(X, y)
    for estimator in (pipeline, search):
        assert missing_modality_curve(estimator, X, y, random_state=0).scores.shape == (4, 5)


def test_input_is_not_changed(data):
    before = data.data.copy()
    estimator = CountsPresent(data.modalities).fit(data.data, data.target)
    missing_modality_curve(estimator, data.data, data.target, random_state=0)
    np.testing.assert_array_equal(data.data, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": [0.5, 1.5]}, "rates must lie in"),
        ({"rates": 0.5}, "rates must be a sequence"),
        ({"rates": []}, "rates must be a sequence"),
        ({"n_repeats": 0}, "n_repeats must be at least 1"),
        ({"scoring": ["accuracy", "r2"]}, "one metric"),
        ({"estimator": {}}, "empty dict"),
        ({"estimator": HistGradientBoostingClassifier()}, "modalities is needed"),
        ({"y": [0, 1]}, "inconsistent numbers"),
        ({"modalities": {"m0": 99}}, "sum to 99"),
    ],
)
def test_bad_input(data, options, message):
    estimator = CountsPresent(data.modalities).fit(data.data, data.target)
    arguments = {"estimator": estimator, "X": data.data, "y": data.target, **options}
    with pytest.raises(ValueError, match=message):
        missing_modality_curve(**arguments)
