"""Whatever goes into the public functions: no NaN comes out, nothing is changed, errors are clear.

The generators mostly draw valid input.
"""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from sklearn_align import ModalityLayout, metrics, pack_modalities
from sklearn_align.datasets import (
    drop_modalities,
    make_multimodal_classification,
    make_rotated_embeddings,
)
from sklearn_align.plotting import (
    AlignmentHistoryDisplay,
    MissingModalityDisplay,
    ModalityImportanceDisplay,
    ModalityWeightsDisplay,
    ReliabilityDisplay,
    RetrievalDisplay,
)
from tests.repetitions import repetitions

checked = settings(
    max_examples=repetitions(25, 1000),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
# What a caller may get instead of a result.
REFUSALS = (ValueError, TypeError)


def fingerprint(value):
    """Hash of everything that an argument holds."""
    if isinstance(value, pd.DataFrame):
        return fingerprint([value.to_numpy(), list(value.columns)])
    if sparse.issparse(value):
        return fingerprint([value.data, value.indices, value.indptr])
    if isinstance(value, np.ndarray):
        content = repr(value.tolist()).encode() if value.dtype == object else value.tobytes()
        return hashlib.sha256(content + str(value.dtype).encode()).hexdigest()
    if isinstance(value, dict):
        return {name: fingerprint(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [fingerprint(one) for one in value]
    return repr(value)


def numbers_in(result):
    """All numbers of a result."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return np.concatenate([np.zeros(0), *(numbers_in(one) for one in result)])
    if result is None or isinstance(result, str | slice):
        return np.zeros(0)
    return np.ravel(np.asarray(result, dtype=np.float64))


def call(function, *args, may_be_nan=False, **options):
    """Call a function: a finite result, None if it refuses, and arguments as they were."""
    before = fingerprint([args, options])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args, **options)
        except REFUSALS:
            result = None
    assert fingerprint([args, options]) == before
    for warning in caught:
        # scikit-learn adds infinities of both signs before it refuses them.
        known = result is None and "invalid value encountered in reduce" in str(warning.message)
        assert known or not issubclass(warning.category, RuntimeWarning), warning.message
    if result is not None and not may_be_nan:
        assert np.isfinite(numbers_in(result)).all()
    return result


# ------------------------------------------------------------------------------------ generators


def mostly(valid, invalid):
    """Draw from `valid` in nine of ten cases."""
    return st.integers(0, 9).flatmap(lambda one: invalid if one == 9 else valid)


ORDINARY = st.floats(-1e3, 1e3, width=32)
EXTREME = st.sampled_from(
    [0.0, -0.0, 1e-300, -1e-46, 5e-324, 1e39, -1.8e308, 1e154, np.nan, np.inf, -np.inf, 1.0]
)
SIZES = mostly(st.integers(1, 12), st.integers(-2, 0))


@st.composite
def matrices(draw, rows=None, columns=None):
    """Numbers in two dimensions, of all types, now and then extreme or of another shape."""
    n = draw(st.integers(1, 12)) if rows is None else rows
    d = draw(st.integers(1, 5)) if columns is None else columns
    dtype = draw(st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.float16, bool]))
    if draw(st.integers(0, 9)) == 9:
        return draw(hnp.arrays(np.float64, (n, d), elements=EXTREME))
    if draw(st.integers(0, 19)) == 19:
        return draw(hnp.arrays(np.float64, draw(hnp.array_shapes(max_dims=3)), elements=ORDINARY))
    values = draw(hnp.arrays(np.float64, (n, d), elements=st.floats(-100, 100)))
    if dtype is bool:
        return values > 0
    values = values.astype(dtype)
    order = draw(st.sampled_from(["C", "F", "frame", "list"]))
    if order == "frame":
        return pd.DataFrame(values, columns=[f"c{j}" for j in range(d)])
    return values.tolist() if order == "list" else np.asarray(values, order=order)


@st.composite
def pairs_of_matrices(draw):
    """Two matrices, mostly of one width and number of samples."""
    first = draw(matrices())
    shape = np.shape(first)
    same = len(shape) == 2 and draw(st.integers(0, 9)) < 9
    return first, draw(matrices(*shape) if same else matrices())


@st.composite
def probabilities(draw, n=None, k=None):
    """Rows that sum to one, as float64 or rounded to fewer digits."""
    n = draw(st.integers(1, 12)) if n is None else n
    k = draw(st.integers(1, 4)) if k is None else k
    if draw(st.integers(0, 9)) == 9:
        return draw(hnp.arrays(np.float64, (n, k), elements=EXTREME))
    exponents = draw(hnp.arrays(np.float64, (n, k), elements=st.floats(-300, 5)))
    values = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    return values.astype(draw(st.sampled_from([np.float64, np.float32, np.float16])))


def weights_of_samples(n):
    ordinary = hnp.arrays(np.float64, n, elements=st.floats(0, 10))
    return st.none() | mostly(ordinary, hnp.arrays(np.float64, n, elements=EXTREME))


BINS = {
    "n_bins": mostly(st.integers(1, 20), st.sampled_from([0, -1, 2.5])),
    "strategy": mostly(st.sampled_from(["uniform", "quantile"]), st.just("equal")),
}
REALS = mostly(st.floats(0, 3), EXTREME)
RATES = mostly(st.floats(0, 1), EXTREME)


# --------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    "name",
    [
        "retrieval_accuracy",
        "mean_rank",
        "mean_reciprocal_rank",
        "mean_cosine_similarity",
        "foscttm",
        "csls_score",
    ],
)
@checked
@given(pair=pairs_of_matrices(), k=SIZES)
def test_metrics_of_alignments(name, pair, k):
    options = {"retrieval_accuracy": {"k": k}, "csls_score": {"n_neighbors": k}}.get(name, {})
    value = call(getattr(metrics, name), *pair, **options)
    if value is not None and name in ("retrieval_accuracy", "mean_reciprocal_rank", "foscttm"):
        assert 0 <= value <= 1
    if value is not None and name == "mean_cosine_similarity":
        assert -1 - 1e-6 <= value <= 1 + 1e-6


@pytest.mark.parametrize("name", ["expected_calibration_error", "maximum_calibration_error"])
@checked
@given(data=st.data())
def test_metrics_of_calibration(name, data):
    proba = data.draw(probabilities())
    n, k = proba.shape
    multilabel = data.draw(st.booleans())
    if multilabel:
        y = data.draw(hnp.arrays(np.int64, (n, k), elements=st.integers(0, 1)))
        labels = None
    else:
        codes = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, max(k - 1, 1))))
        labels = data.draw(st.sampled_from([np.arange(9), np.array(list("abcdefghi"))]))
        y, labels = labels[codes], labels[: max(k, 2)]
        labels = data.draw(mostly(st.just(labels), st.none()))
    value = call(
        getattr(metrics, name), y, proba, labels=labels,
        sample_weight=data.draw(weights_of_samples(n)),
        **{option: data.draw(values) for option, values in BINS.items()},
    )  # fmt: skip
    assert value is None or -1e-12 <= value <= 1 + 1e-3


@checked
@given(proba=probabilities(), normalize=st.booleans())
def test_metrics_of_weights(proba, normalize):
    entropy = call(metrics.modality_entropy, proba, normalize=normalize)
    number = call(metrics.effective_modalities, proba)
    assert (entropy is None) == (number is None)
    if entropy is not None:
        assert (entropy >= 0).all()
        assert ((number <= proba.shape[1] + 1e-2) & (number >= 0)).all()


@checked
@given(data=st.data())
def test_confidence_violation_rate(data):
    n, k = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    value = call(
        metrics.confidence_violation_rate, data.draw(probabilities(n, k)),
        data.draw(mostly(probabilities(n, k), probabilities())),
        multilabel=data.draw(st.booleans()), tolerance=data.draw(REALS),
        sample_weight=data.draw(weights_of_samples(n)),
    )  # fmt: skip
    assert value is None or 0 <= value <= 1


class FirstColumn:
    """A classifier that needs no fit: its score is the share of samples with a first column."""

    def fit(self, X, y=None):
        return self

    def score(self, X, y=None, sample_weight=None):
        return float(np.mean(~np.isnan(np.asarray(X, dtype=float)[:, 0])))


@checked
@given(data=st.data())
def test_missing_modality_curve(data):
    X = data.draw(matrices(columns=4))
    curve = call(
        metrics.missing_modality_curve, FirstColumn(), X,
        rates=data.draw(mostly(st.lists(st.floats(0, 1), min_size=1, max_size=3), st.lists(RATES))),
        modalities=data.draw(layouts()), n_repeats=data.draw(mostly(st.just(2), st.just(0))),
        random_state=0,
    )  # fmt: skip
    if curve is not None:
        assert ((curve.scores >= 0) & (curve.scores <= 1)).all()


@checked
@given(data=st.data())
def test_modality_importance(data):
    X = data.draw(matrices(columns=4))
    method = data.draw(mostly(st.sampled_from(["drop", "permute", "shapley"]), st.just("gate")))
    empty = data.draw(mostly(st.sampled_from(["estimator", 0.0, 0.5]), st.just("constant") | REALS))
    result = call(
        metrics.modality_importance, FirstColumn(), X,
        modalities=data.draw(layouts()), method=method,
        n_repeats=data.draw(mostly(st.just(2), st.just(0))),
        empty_score=empty if method == "shapley" else "estimator",
        sample_weight=data.draw(mostly(st.none(), weights_of_samples(4))), random_state=0,
    )  # fmt: skip
    if result is None:
        return
    if method == "permute":
        assert (result.importances == 0).all()
        return
    total = result.baseline_score - result.get("empty_score", 0.0)
    assert result.importances.sum() == pytest.approx(total, abs=1e-12)
    if method == "drop" or empty in ("estimator", 0.0):
        # The first column belongs to the first modality.
        assert (result.importances[1:] == 0).all()


# -------------------------------------------------------------------------------------- datasets


@checked
@given(data=st.data())
def test_make_rotated_embeddings(data):
    sizes = {name: data.draw(SIZES) for name in ("n_samples", "n_features", "n_test", "n_clusters")}
    sizes.update(
        {name: data.draw(st.none() | SIZES) for name in ("n_samples_target", "n_features_target")}
    )
    reals = {name: data.draw(REALS) for name in ("cluster_std", "spectrum_decay", "noise", "shift")}
    call(make_rotated_embeddings, **sizes, **reals, random_state=0)


@checked
@given(data=st.data())
def test_make_multimodal_classification(data):
    n_modalities = data.draw(st.integers(0, 3))
    options = {
        "n_samples": data.draw(SIZES),
        "n_classes": data.draw(mostly(st.integers(2, 4), SIZES)),
        "widths": [data.draw(SIZES) for _ in range(n_modalities)],
        "class_sep": data.draw(REALS | st.lists(REALS, min_size=n_modalities, max_size=3)),
        "noise_spread": data.draw(REALS),
        "missing_rate": data.draw(RATES),
    }
    made = call(make_multimodal_classification, **options, random_state=0, may_be_nan=True)
    if made is not None:
        complete = call(
            make_multimodal_classification, **{**options, "missing_rate": 0.0}, random_state=0
        )
        present = ~np.isnan(made.data)
        np.testing.assert_array_equal(made.data[present], complete.data[present])
        assert options["missing_rate"] > 0 or present.all()


def layouts():
    """Layouts of four columns, now and then of more."""
    valid = [
        {"a": 3, "b": 1},
        {"a": slice(0, 2), "b": [2, 3]},
        {"a": [0, 3], "b": np.array([1]), "c": [2]},
        {"a": 4},
    ]
    return mostly(
        st.sampled_from(valid), st.sampled_from([{"a": 5}, {}, {"a": -4}, {"a": [0, 0]}, None])
    )


@checked
@given(X=matrices(columns=4), modalities=layouts(), data=st.data())
def test_drop_modalities(X, modalities, data):
    rate = data.draw(RATES | st.dictionaries(st.sampled_from("abx"), RATES, max_size=2))
    dropped = call(drop_modalities, X, modalities, rate, random_state=0, may_be_nan=True)
    if dropped is not None:
        before, after = np.asarray(X, dtype=float), np.asarray(dropped, dtype=float)
        kept = ~np.isnan(after)
        np.testing.assert_array_equal(after[kept], before[kept])
        # One block of every sample that has any is kept.
        has_some = ~np.isnan(before).all(axis=1)
        assert (~np.isnan(after)).any(axis=1)[has_some].all()


# ---------------------------------------------------------------------------------------- packing


def containers():
    return st.sampled_from(
        [
            np.asarray,
            pd.DataFrame,
            lambda a: pd.DataFrame(a).astype("Float64"),
            lambda a: np.asarray(a).astype(object),
            sparse.csr_matrix,
            lambda a: np.asarray(a).tolist(),
            np.asfortranarray,
            lambda a: np.ma.masked_invalid(a),
        ]
    )


@checked
@given(data=st.data())
def test_pack_modalities(data):
    n = data.draw(st.integers(0, 8))
    names = data.draw(st.lists(st.text(min_size=1), min_size=1, max_size=3, unique=True))
    widths = {name: data.draw(st.integers(1, 3)) for name in names}
    arrays, blocks = {}, {}
    for name, width in widths.items():
        if data.draw(st.integers(0, 4)) == 4:
            blocks[name] = None
            continue
        dtype = data.draw(st.sampled_from([np.float64, np.float32, np.int16, np.uint8, bool]))
        elements = st.integers(0, 100) if dtype is not bool else st.booleans()
        arrays[name] = data.draw(hnp.arrays(dtype, (n, width), elements=elements))
        if dtype in (np.float32, np.float64) and n:
            arrays[name][data.draw(st.integers(0, n - 1))] = np.nan
        blocks[name] = data.draw(containers())(arrays[name])
    if not arrays or (n == 0 and any(isinstance(one, list) for one in blocks.values())):
        call(pack_modalities, blocks, widths)
        return
    X = call(pack_modalities, blocks, widths, may_be_nan=True)
    layout = ModalityLayout(
        tuple(names),
        tuple(np.split(np.arange(sum(widths.values())), np.cumsum(list(widths.values()))[:-1])),
        sum(widths.values()),
    )
    assert X.shape == (n, layout.n_features)
    for name, block in layout.split(X).items():
        expected = arrays.get(name, np.full((n, widths[name]), np.nan))
        np.testing.assert_array_equal(block, expected.astype(float))


@checked
@given(
    block=st.one_of(
        matrices(),
        hnp.arrays(
            st.sampled_from(["U3", "S2", "M8[D]", "m8[s]", "c16", "O"]),
            hnp.array_shapes(min_dims=1, max_dims=3, max_side=3),
            elements=None,
        ).filter(lambda a: a.dtype != object),
        st.lists(st.lists(st.none() | st.integers() | st.text() | st.floats())),
        st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()),
    )
)
def test_pack_modalities_takes_numbers_only(block):
    X = call(pack_modalities, {"m": block}, may_be_nan=True)
    if X is not None:
        assert X.dtype in (np.float32, np.float64)
        given_values = [v for row in np.asarray(block, dtype=object).tolist() for v in row]
        assert not any(isinstance(v, str | complex) for v in given_values)
        missing = [v is None or v != v for v in given_values]
        np.testing.assert_array_equal(np.isnan(X).ravel(), missing)


# --------------------------------------------------------------------------------------- displays


@pytest.fixture
def ax():
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    yield Figure().add_subplot
    import matplotlib.pyplot as plt

    plt.close("all")


def drawn(display, lines):
    return None if display is None else [line.get_ydata() for line in lines(display)]


@checked
@given(data=st.data())
def test_displays_of_predictions(ax, data):
    proba = data.draw(probabilities())
    n, k = proba.shape
    groups = data.draw(st.none() | hnp.arrays(np.int64, n, elements=st.integers(0, 2)))
    weights = lambda: ModalityWeightsDisplay.from_predictions(  # noqa: E731
        proba, modality_names=data.draw(mostly(st.none(), st.just(["a"]))), groups=groups, ax=ax()
    )
    shown = call(weights, may_be_nan=True)
    if shown is not None:
        widths = [bar.get_width() for bars in shown.bars_.values() for bar in bars]
        assert np.isfinite(widths).all()

    codes = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, max(k - 1, 1))))
    reliability = lambda: ReliabilityDisplay.from_predictions(  # noqa: E731
        codes, proba, labels=np.arange(max(k, 2)), groups=groups, ax=ax(),
        sample_weight=data.draw(weights_of_samples(n)),
        **{option: data.draw(values) for option, values in BINS.items()},
    )  # fmt: skip
    shown = call(reliability, may_be_nan=True)
    if shown is not None:
        assert np.isfinite(list(shown.errors.values())).all()
        assert all(np.isfinite(line.get_ydata()).all() for line in shown.lines_)


@checked
@given(data=st.data())
def test_displays_of_curves(ax, data):
    n = data.draw(st.integers(1, 4))
    rates = data.draw(hnp.arrays(np.float64, n, elements=RATES))
    scores = data.draw(hnp.arrays(np.float64, (n, 2), elements=mostly(ORDINARY, EXTREME)))
    curve = lambda: MissingModalityDisplay.from_predictions(rates, scores, ax=ax())  # noqa: E731
    shown = call(curve, may_be_nan=True)
    if shown is not None:
        assert all(np.isfinite(line.get_ydata()).all() for line in shown.lines_)

    bars = lambda: ModalityImportanceDisplay.from_importances(scores, ax=ax())  # noqa: E731
    shown = call(bars, may_be_nan=True)
    if shown is not None:
        assert np.isfinite([bar.get_width() for bar in shown.bars_["importance"]]).all()

    pair = data.draw(pairs_of_matrices())
    retrieval = lambda: RetrievalDisplay.from_predictions(*pair, ax=ax())  # noqa: E731
    shown = call(retrieval, may_be_nan=True)
    if shown is not None:
        assert all(np.isfinite(line.get_ydata()).all() for line in shown.lines_)

    stages = data.draw(
        st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=3), min_size=1, max_size=3)
    )
    history = [{"stage": f"s{i}", "score": one} for i, one in enumerate(stages)]
    assert (
        call(lambda: AlignmentHistoryDisplay.from_predictions(history, ax=ax()), may_be_nan=True)
        is not None
    )
