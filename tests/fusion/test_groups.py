"""Groups of samples: none is on both sides of any split, and their names have no influence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback, EarlyStopping
from skorch.dataset import ValidSplit
from torch.utils.data import Subset

from sklearn_align.exceptions import ValidationSplitWarning
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor, _calibration
from sklearn_align.fusion._groups import check_groups, group_folds, group_hold_out

NETS = [AECFClassifier, AECFRegressor, AECFEmbedder]
MODALITIES = {"image": 3, "sound": 2}


def data(n=240, n_groups=8, seed=0):
    """Samples whose first column is the number of their group, in random order."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.arange(n) % n_groups)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 5)) + y[:, None]
    X[:, 0] = groups
    return X, y, groups


def make(kind=AECFClassifier, **options):
    defaults = {"n_units": 8, "hidden_sizes": (8,), "max_epochs": 2, "random_state": 0}
    return kind(**{"modalities": MODALITIES, **defaults, **options})


def outputs(net, X):
    names = ("predict_proba", "transform", "predict")
    method = next(name for name in names if hasattr(net, name))
    return getattr(net, method)(X)


class Sides(Callback):
    """Notes the values of the first column, which tells groups apart, on both sides."""

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.train, self.valid = (
            set() if part is None else set(part.X["X"][:, 0].tolist())
            for part in (dataset_train, dataset_valid)
        )


def assert_apart(sides, n_groups):
    assert sides.train
    assert sides.valid
    assert not sides.train & sides.valid
    assert len(sides.train | sides.valid) == n_groups


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("n_groups", [2, 3, 8, 60])
def test_no_group_is_both_in_training_and_in_validation(kind, n_groups):
    X, y, groups = data(n_groups=n_groups)
    sides, without = Sides(), Sides()
    make(kind, callbacks=[("own", sides)]).fit(X, y, groups=groups)
    assert_apart(sides, n_groups)
    make(kind, callbacks=[("own", without)]).fit(X, y)
    assert without.train & without.valid


@pytest.mark.parametrize("kind", NETS)
def test_early_stopping_of_few_samples_keeps_groups_apart(kind):
    X, y, groups = data(n=40, n_groups=5)
    sides = Sides()
    make(kind, early_stopping=True, callbacks=[("own", sides)]).fit(X, y, groups=groups)
    assert_apart(sides, 5)
    nothing = Sides()
    make(kind, callbacks=[("own", nothing)]).fit(X, y, groups=groups)
    assert not nothing.valid


def test_several_labels_per_sample():
    X, y, groups = data()
    sides = Sides()
    labels = np.eye(3, dtype=int)[y]
    labels[:, 2] = 0
    make(callbacks=[("own", sides)]).fit(X, labels, groups=groups)
    assert_apart(sides, 8)


@pytest.mark.parametrize("n_groups", [2, 4, 12])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_group_is_on_both_sides_of_a_fold(n_groups, early_stopping, monkeypatch):
    if early_stopping and n_groups == 2:
        return
    X, y, groups = data(n_groups=n_groups)
    trained, held_out, splits = [], [], []
    train, prepared = AECFClassifier._train, _calibration.prepared_samples

    def noting_train(self, X, *args, **kwargs):
        if self.calibration is False:
            trained.append(set(X[:, 0]))
        sides = Sides()
        self.callbacks = [("own", sides)]
        result = train(self, X, *args, **kwargs)
        splits.append(sides)
        return result

    def noting_prepared(net, X, *args):
        held_out.append(set(X[:, 0]))
        return prepared(net, X, *args)

    monkeypatch.setattr(AECFClassifier, "_train", noting_train)
    monkeypatch.setattr(_calibration, "prepared_samples", noting_prepared)
    options = {"calibration": "cross_fit", "early_stopping": early_stopping}
    clf = make(**options).fit(X, y, groups=groups)
    assert clf.module_.log_temperature.any()
    assert len(trained) == len(held_out) == min(5, n_groups)
    assert not any(first & second for first, second in zip(trained, held_out, strict=True))
    assert sorted(number for part in held_out for number in part) == list(range(n_groups))
    assert not any(sides.train & sides.valid for sides in splits)
    assert all(bool(sides.valid) == early_stopping for sides in splits)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"calibration": "cross_fit"}])
def test_order_of_samples_and_names_of_groups_have_no_influence(kind, options):
    if "calibration" in options and kind is not AECFClassifier:
        return
    X, y, groups = data()
    expected = outputs(make(kind, **options).fit(X, y, groups=groups), X)
    order = np.random.default_rng(1).permutation(len(X))
    permuted = make(kind, **options).fit(X[order], y[order], groups=groups[order])
    np.testing.assert_array_equal(outputs(permuted, X), expected)
    names = np.array(list("hagbfced"))[groups]
    for given in (names, names.tolist(), pd.Series(names, index=order).astype("category")):
        np.testing.assert_array_equal(
            outputs(make(kind, **options).fit(X, y, groups=given), X), expected
        )


@pytest.mark.parametrize("kind", NETS)
def test_without_groups_they_are_not_looked_at(kind):
    X, y, groups = data()
    plain = make(kind).fit(X, y)
    np.testing.assert_array_equal(outputs(make(kind).fit(X, y, groups=None), X), outputs(plain, X))
    grouped = make(kind).fit(X, y, groups=groups)
    assert (outputs(grouped, X) != outputs(plain, X)).any()
    # Nothing is held out, and so the groups have no influence.
    unsplit = [make(kind, train_split=None).fit(X, y, groups=given) for given in (None, groups)]
    np.testing.assert_array_equal(*(outputs(net, X) for net in unsplit))


@pytest.mark.parametrize("kind", NETS)
def test_equal_samples_are_merged_within_a_group_only(kind):
    X, y, groups = data()
    weight = np.ones(len(X))
    weight[:30] = 2
    weighted = make(kind).fit(X, y, weight, groups=groups)
    twice = np.r_[np.arange(30), np.arange(len(X))]
    repeated = make(kind).fit(X[twice], y[twice], groups=groups[twice])
    np.testing.assert_array_equal(outputs(weighted, X), outputs(repeated, X))
    sizes = []

    class Size(Callback):
        def on_train_begin(self, net, X=None, **kwargs):
            sizes.append(len(X))

    other = np.r_[(groups[:30] + 1) % 8, groups]
    make(kind, callbacks=[Size]).fit(X[twice], y[twice], groups=groups[twice])
    make(kind, callbacks=[Size]).fit(X[twice], y[twice], groups=other)
    assert sizes == [len(X), len(X) + 30]


def test_samples_that_do_not_count_take_their_groups_with_them():
    X, y, groups = data(n=480, n_groups=4)
    weight = (groups != 3).astype(float)
    sides = Sides()
    absent = X.copy()
    absent[groups == 2] = np.nan
    with pytest.warns(match="no present modality"):
        make(callbacks=[("own", sides)]).fit(absent, y, weight, groups=groups)
    assert_apart(sides, 2)


def test_groups_that_differ_make_the_classifier_less_sure():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 60)
    y = rng.integers(0, 2, 600)
    # The sign of the sound's signal depends on the group, which the columns give away.
    X = rng.normal(size=(600, 5)) + 0.3 * y[:, None]
    X[:, 3] = rng.normal(size=10)[groups] * 5
    X[:, 4] = 3 * (2 * y - 1) * rng.choice([-1, 1], 10)[groups] + rng.normal(size=600)
    options = {"calibration": "cross_fit", "max_epochs": 15, "lr": 0.01}
    plain = make(**options).fit(X, y)
    grouped = make(**options).fit(X, y, groups=groups)
    # The same network, at another temperature.
    np.testing.assert_array_equal(plain.predict(X), grouped.predict(X))
    assert grouped.predict_proba(X).max(axis=1).mean() < plain.predict_proba(X).max(axis=1).mean()


@pytest.mark.parametrize("kind", NETS)
def test_single_group_is_refused(kind):
    X, y, groups = data()
    for given, weight in ((np.full(len(X), "theo"), None), (groups, groups == 3)):
        net = make(kind)
        with pytest.raises(ValueError, match=r"single group, .*at least\s+two groups"):
            net.fit(X, y, weight, groups=given)
        with pytest.raises(NotFittedError):
            check_is_fitted(net)
    with pytest.raises(ValueError, match="single group, 'theo'"):
        make(kind).fit(X, y, groups=np.full(len(X), "theo"))


def test_cross_fitting_with_early_stopping_needs_three_groups():
    X, y, groups = data(n_groups=2)
    clf = make(calibration="cross_fit", early_stopping=True)
    with pytest.raises(ValueError, match=r"holds 2 groups.*at least 3.*early_stopping=False"):
        clf.fit(X, y, groups=groups)
    make(calibration="cross_fit").fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2, 3], r"shape \(3,\), but X has 4 samples"),
        ([[1], [2], [1], [2]], r"shape \(4, 1\).*shape \(4,\)"),
        (3, r"shape \(\)"),
        ([1.0, np.nan, 2.0, np.nan], r"NaN or None\) for 2 of 4 samples, the first at position 1"),
        (np.array([1.0, 2.0, np.nan, 2.0]), "first at position 2"),
        (["a", "b", np.nan, "b"], "first at position 2"),
        (["a", "b", "a", None], "first at position 3"),
        (pd.Series(["a", pd.NA, "b", "b"], dtype="string"), "first at position 1"),
        (pd.Series([1, 2, None, 1], dtype="Int64"), "first at position 2"),
        (np.array(["2020", "NaT", "2021", "2021"], dtype="datetime64[D]"), "position 1"),
        ([1, "a", 1, "a"], r"\['int', 'str'\].*str"),
    ],
)
def test_bad_groups_are_refused(groups, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_groups(groups, 4)
    assert "groups" in str(caught.value)
    X, y = np.arange(20.0).reshape(4, 5), np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match=message):
        make().fit(X, y, groups=groups)


@pytest.mark.parametrize(
    "groups",
    [
        ["b", "a", "b"],
        (7, -2, 7),
        np.array([1.5, 0.5, 1.5]),
        np.array([True, False, True]),
        np.array(["2021", "2020", "2021"], dtype="datetime64[D]"),
        pd.Series(["b", "a", "b"], dtype="category", index=[5, 6, 5]),
        pd.Series([2, 1, 2], dtype="Int64"),
    ],
)
def test_groups_of_any_type(groups):
    np.testing.assert_array_equal(check_groups(groups, 3), [1, 0, 1])


@pytest.mark.parametrize("seed", range(5))
def test_hold_out_is_about_a_tenth_of_samples_and_of_classes(seed):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(30), rng.integers(1, 60, 30)))
    n = len(groups)
    indicators = np.c_[np.ones(n), np.eye(4)[rng.integers(0, 4, n)]]
    fitted, held_out = group_hold_out(indicators, groups, seed=seed)
    np.testing.assert_array_equal(np.sort(np.r_[fitted, held_out]), np.arange(n))
    assert not set(groups[fitted]) & set(groups[held_out])
    shares = indicators[held_out].sum(axis=0) / indicators.sum(axis=0)
    assert ((shares > 0.05) & (shares < 0.2)).all()


def test_hold_out_leaves_large_groups_and_only_groups_of_a_class_to_the_training():
    groups = np.repeat(np.arange(5), [200, 25, 25, 25, 25])
    classes = np.where(groups == 4, 1, 0)
    for seed in range(10):
        held_out = group_hold_out(np.c_[np.ones(300), np.eye(2)[classes]], groups, seed=seed)[1]
        assert set(groups[held_out]) <= {1, 2, 3}


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_folds_hold_out_every_group_once(stratify, seed):
    rng = np.random.default_rng(seed)
    n_groups = int(rng.integers(2, 9))
    n = int(rng.integers(n_groups, 80))
    groups = rng.permutation(np.r_[np.arange(n_groups), rng.integers(0, n_groups, n - n_groups)])
    # Classes that depend on the group are the hardest to spread over folds.
    encoded = groups % 2 if seed % 2 else rng.integers(0, 2, n)
    random = np.random.RandomState(seed)
    folds = list(group_folds(encoded, groups, 5, stratify=stratify, rng=random))
    assert len(folds) == min(5, n_groups)
    for fitted, held_out in folds:
        assert len(fitted)
        assert len(held_out)
        assert not set(groups[fitted]) & set(groups[held_out])
    everything = np.concatenate([held_out for _, held_out in folds])
    np.testing.assert_array_equal(np.sort(everything), np.arange(n))


def test_warning_if_groups_are_too_small_to_calibrate():
    X, y, groups = data()
    groups = np.where(np.arange(len(X)) < 220, 0, 1 + np.arange(len(X)) % 4)
    with pytest.warns(ValidationSplitWarning, match="5 samples.*'cross_fit'") as caught:
        clf = make().fit(X, y, groups=groups)
    assert [warning.filename for warning in caught] == [__file__]
    assert not clf.module_.log_temperature.any()
    make(calibration=False).fit(X, y, groups=groups)


@pytest.mark.parametrize("kind", NETS)
def test_splits_of_ones_own(kind):
    X, y, groups = data()
    sides = Sides()
    options = {"train_split": ValidSplit(GroupKFold(4)), "callbacks": [("own", sides)]}
    make(kind, **options).fit(X, y, groups=groups)
    assert_apart(sides, 8)
    plain = make(kind, train_split=ValidSplit(4))
    with (
        pytest.warns(UserWarning, match="groups parameter is ignored by KFold"),
        pytest.raises(ValueError, match=r"train_split=.*both sides.*GroupKFold\(5\)"),
    ):
        plain.fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="number of groups: 8"):
        make(kind, train_split=ValidSplit(GroupKFold(9))).fit(X, y, groups=groups)


def test_split_without_groups_is_checked():
    X, y, groups = data()

    def halves(of_first):
        def split(dataset, y=None):
            first = np.flatnonzero(of_first)
            return Subset(dataset, first), Subset(dataset, np.flatnonzero(~of_first))

        return split

    sides = Sides()
    make(train_split=halves(groups < 5), callbacks=[("own", sides)]).fit(X, y, groups=groups)
    assert_apart(sides, 8)
    with pytest.raises(ValueError, match="samples of 8 groups on both sides"):
        make(train_split=halves(np.arange(len(X)) < 120)).fit(X, y, groups=groups)


def test_warm_start_takes_groups():
    X, y, groups = data()
    sides = Sides()
    clf = make(warm_start=True, callbacks=[("own", sides)]).fit(X, y, groups=groups)
    assert clf.fit(X, y, groups=groups).n_iter_ == 4
    assert_apart(sides, 8)


@pytest.mark.parametrize("kind", NETS)
def test_pipeline_hands_the_groups_on(kind):
    X, y, groups = data()
    with sklearn.config_context(enable_metadata_routing=True):
        net = make(kind).set_fit_request(groups=True)
        pipeline = make_pipeline(StandardScaler(), net).fit(X, y, groups=groups)
        scaled = pipeline[:-1].transform(X)
        direct = make(kind).fit(scaled, y, groups=groups)
        np.testing.assert_array_equal(outputs(pipeline[-1], scaled), outputs(direct, scaled))
        with pytest.raises(ValueError, match="groups"):
            make_pipeline(StandardScaler(), make(kind)).fit(X, y, groups=groups)
        assert clone(net).get_metadata_routing().fit.requests["groups"] is True


@pytest.mark.parametrize("kind", NETS[:2])
def test_search_and_cross_validation_hand_the_groups_on(kind):
    X, y, groups = data()
    with sklearn.config_context(enable_metadata_routing=True):
        net = make(kind).set_fit_request(groups=True)
        search = GridSearchCV(net, {"lr": [1e-3, 1e-2]}, cv=GroupKFold(2)).fit(X, y, groups=groups)
        direct = make(kind, **search.best_params_).fit(X, y, groups=groups)
        np.testing.assert_array_equal(search.predict(X), direct.predict(X))
        sides = make(kind, callbacks=[("stop", EarlyStopping())]).set_fit_request(groups=True)
        result = cross_validate(
            sides, X, y, cv=GroupKFold(2), params={"groups": groups}, return_estimator=True,
            return_indices=True,
        )  # fmt: skip
        for fitted, train in zip(result["estimator"], result["indices"]["train"], strict=True):
            direct = clone(sides).fit(X[train], y[train], groups=groups[train])
            np.testing.assert_array_equal(fitted.predict(X), direct.predict(X))
