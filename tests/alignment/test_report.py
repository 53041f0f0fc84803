"""The report on a map: verdicts, figures against closed forms, and what is left out."""

from __future__ import annotations

import copy
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_align import MiniVec2Vec, load_map
from sklearn_align.alignment import AlignmentReport, alignment_report
from sklearn_align.alignment._report_sections import _share_outside
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import neighbor_overlap, neighbor_recall, retrieval_accuracy

WIDTH = 16


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(2000, WIDTH, n_test=300, random_state=0)


@pytest.fixture(scope="module")
def aligner(data):
    return MiniVec2Vec(random_state=0).fit(data.XA, data.XB)


@pytest.fixture(scope="module")
def failed(data):
    noise = np.random.default_rng(0).standard_normal((300, WIDTH))
    with pytest.warns(match="did not converge"):
        return MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(noise, data.XB[:300])


def test_without_samples_the_report_says_what_each_section_needs(aligner):
    report = alignment_report(aligner)
    assert isinstance(report, AlignmentReport)
    contents = report.to_dict()
    assert contents["verdict"] == report.verdict == "pass"
    assert contents["before_after"] is None
    assert contents["outside"] is None
    assert contents["evidence"]["agreement"] == {
        "value": aligner.agreement_,
        "needed": 0.7,
        "decides": True,
    }
    assert contents["evidence"]["relative_score"]["needed"] == 0.6
    assert contents["evidence"]["expected_accuracy"] == {
        "value": aligner.expected_accuracy_,
        "needed": 0.5,
        "decides": True,
    }
    assert contents["evidence"]["accuracy_measured"] is False
    assert "estimated without known pairs" in str(report)
    remedies = " ".join(contents["not_shown"].values())
    for argument in ("pairs", "XA", "XB"):
        assert argument in remedies
    for line in (*contents["not_shown"], *contents["not_shown"].values()):
        assert line in str(report)


def test_a_map_that_did_not_converge_fails(failed, data):
    report = alignment_report(failed)
    assert report.verdict == "fail"
    assert "did not converge" in report.findings[0]
    assert "FAIL" in str(report)
    assert "FAIL" in report.to_html()


def test_an_ambiguous_map_fails_with_what_helps(aligner):
    ambiguous = copy.copy(aligner)
    ambiguous.ambiguous_, ambiguous.converged_ = True, False
    report = alignment_report(ambiguous)
    assert report.verdict == "fail"
    assert report.findings == [
        "The spaces are symmetric, so that another map is as good: do not use the map. Only known "
        "pairs tell which of the maps is correct."
    ]


@pytest.mark.parametrize("converged", [True, False])
def test_a_low_agreement_does_not_decide_on_a_map_that_converged(aligner, converged):
    """Where arbitrary maps do not come close, no independent run is needed."""
    other = copy.copy(aligner)
    other.agreement_, other.converged_ = 0.3, converged
    evidence = alignment_report(other, output_dict=True)["evidence"]
    assert evidence["agreement"]["decides"] is not converged
    assert evidence["relative_score"]["decides"] is True


def test_measured_accuracy_decides_where_there_are_known_pairs(data):
    aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(
        data.XA, data.XB, pairs=(data.XA_test, data.XB_test)
    )
    evidence = alignment_report(aligner, output_dict=True)["evidence"]
    assert evidence["expected_accuracy"] == {
        "value": aligner.expected_accuracy_,
        "needed": 0.5,
        "decides": True,
    }
    assert not evidence["agreement"]["decides"]
    assert "1,000" in str(alignment_report(aligner))


def test_before_and_after_are_the_metrics_of_raw_vectors(aligner, data):
    A, B = data.XA_test, data.XB_test
    section = alignment_report(aligner, pairs=(A, B), k=5, output_dict=True)["before_after"]
    V = aligner.to_target(A)
    assert section["accuracy"] == {
        "unmapped": retrieval_accuracy(B, A),
        "mapped": retrieval_accuracy(B, V),
        "chance": 1 / 300,
    }
    index = np.arange(300) % 5 != 0
    assert section["recall"] == {
        "unmapped": neighbor_recall(A[index], B[index], B[~index], 5),
        "mapped": neighbor_recall(V[index], B[index], B[~index], 5),
        "chance": 5 / 240,
    }
    assert section["overlap"]["unmapped"] == neighbor_overlap(A, B, 5)
    assert section["overlap"]["mapped"] == neighbor_overlap(V, B, 5)
    assert (section["n_pairs"], section["n_queries"], section["k"]) == (300, 60, 5)
    low, high = section["accuracy_interval"]
    assert 0 < low < section["accuracy"]["mapped"] <= high <= 1


def test_queries_of_the_caller_search_all_pairs(aligner, data):
    A, B, queries = data.XA_test, data.XB_test, data.XB[:7]
    section = alignment_report(aligner, pairs=(A, B), queries=queries).to_dict()["before_after"]
    expected = neighbor_recall(aligner.to_target(A), B, queries)
    assert section["recall"]["mapped"] == expected
    assert section["n_queries"] == 7


def test_indices_and_samples_are_the_same_pairs(aligner, data):
    rows = np.random.default_rng(0).permutation(300)[:100]
    by_index = alignment_report(aligner, data.XA_test, data.XB_test, pairs=(rows, rows))
    by_sample = alignment_report(aligner, pairs=(data.XA_test[rows], data.XB_test[rows]))
    assert by_index.to_dict()["before_after"] == by_sample.to_dict()["before_after"]


def test_accuracy_is_that_among_a_thousand_samples_at_most(aligner, data):
    A, B = data.XA[:1500], aligner.to_target(data.XA[:1500])
    section = alignment_report(aligner, pairs=(A, B), output_dict=True)["before_after"]
    assert section["n_targets"] == 750
    assert section["accuracy"]["mapped"] == 1
    assert section["accuracy_interval"] == [pytest.approx(1500 / (1500 + 1.96**2), abs=1e-5), 1]


def test_wrong_pairs_fail_and_few_of_them_prove_nothing(aligner, data):
    A, B = data.XA_test, np.roll(data.XB_test, 1, axis=0)
    report = alignment_report(aligner, pairs=(A, B))
    assert report.verdict == "fail"
    assert "Of 300 pairs, 0.0% are retrieved" in report.findings[0]
    assert alignment_report(aligner, pairs=(A[:24], B[:24])).verdict == "pass"


@pytest.mark.usefixtures("unjudged")
def test_spaces_of_different_widths_have_no_unmapped_index(data):
    narrow = np.ascontiguousarray(data.XB[:, :12])
    aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(
        data.XA, narrow, pairs=(data.XA_test, data.XB_test[:, :12])
    )
    pairs = (data.XA_test, data.XB_test[:, :12])
    section = alignment_report(aligner, pairs=pairs, output_dict=True)["before_after"]
    assert section["accuracy"]["unmapped"] is None
    assert section["recall"]["unmapped"] is None
    assert 0 < section["overlap"]["unmapped"] <= 1


def test_lengths_at_fit_and_now(aligner, data):
    lengths = alignment_report(aligner, data.XA, data.XB, output_dict=True)["lengths"]
    np.testing.assert_allclose(lengths["source"]["now"], lengths["source"]["fit"])
    np.testing.assert_allclose(lengths["target"]["now"], lengths["target"]["fit"])
    norms = np.linalg.norm(aligner.to_target(data.XA), axis=1)
    np.testing.assert_allclose(lengths["mapped"]["now"], np.quantile(norms, [0.05, 0.5, 0.95]))


def test_samples_of_other_lengths_are_a_finding_and_no_warning(aligner, data):
    unit = data.XA_test / np.linalg.norm(data.XA_test, axis=1, keepdims=True)
    report = alignment_report(aligner, unit, 10 * data.XB)
    assert report.verdict == "check"
    assert "XA" in report.findings[0]
    assert "XB" in report.findings[1]


def test_samples_outside_those_of_the_fit(aligner, data):
    rng = np.random.default_rng(0)
    inside = alignment_report(aligner, data.XA_test, data.XB, XA_fit=data.XA)
    assert inside.to_dict()["outside"]["source_share"] < 0.05
    assert inside.to_dict()["outside"]["target_share"] < 0.05
    assert inside.verdict == "pass"
    # All in one direction that no sample of the fit has, as long as these.
    axis = np.linalg.svd(data.XA - data.XA.mean(axis=0))[2][-1]
    far = data.XA.mean(axis=0) + 2 * axis + 0.01 * rng.standard_normal((100, WIDTH))
    outside = alignment_report(aligner, far, data.XB, XA_fit=data.XA)
    assert outside.to_dict()["outside"]["source_share"] == 1
    assert outside.to_dict()["outside"]["target_share"] == 1
    assert outside.verdict == "check"
    mixed = np.vstack([np.repeat(data.XA[:50], 2, axis=0), far])
    half = alignment_report(aligner, mixed, XA_fit=data.XA).to_dict()["outside"]
    assert half["source_share"] == pytest.approx(0.5, abs=0.03)


def test_the_share_outside_against_full_matrices():
    rng = np.random.default_rng(0)
    reference, Z = (rng.standard_normal((n, 4)) for n in (150, 4000))
    reference[50:60] = reference[:10]  # copies are neighbours like others
    for X in (reference, Z):
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    among = reference @ reference.T
    np.fill_diagonal(among, -np.inf)
    usual = np.sort(among, axis=1)[:, -10]
    own = np.sort(Z @ reference.T, axis=1)[:, -10]
    expected = (own < np.quantile(usual, 0.01)).mean()
    assert 0 < expected < 1
    assert _share_outside(Z, reference) == expected
    assert _share_outside(Z, np.vstack([reference, np.zeros((5, 4))])) == expected
    assert _share_outside(Z, reference[:10]) is None


def test_invalid_samples_are_counted_and_left_out(aligner, data):
    X = data.XA_test.copy()
    X[3, 1], X[5, 0], X[9] = np.nan, np.inf, 0
    report = alignment_report(aligner, X)
    outside = report.to_dict()["outside"]
    assert (outside["n_samples"], outside["n_invalid"], outside["n_zero"]) == (300, 2, 1)
    assert [finding[:18] for finding in report.findings] == [
        "2 of 300 samples o",
        "1 of 300 samples o",
    ]
    nothing = alignment_report(aligner, np.full((3, WIDTH), np.nan))
    assert nothing.to_dict()["outside"]["n_invalid"] == 3
    assert nothing.to_dict()["lengths"]["mapped"]["now"] is None


def test_a_loaded_map_has_the_same_report(aligner, data, tmp_path):
    aligner.export(tmp_path / "map.npz", metadata={"source": "<old>"})
    loaded = load_map(tmp_path / "map.npz")
    arguments = {"pairs": (data.XA_test, data.XB_test), "XA_fit": data.XA, "output_dict": True}
    expected = alignment_report(aligner, data.XA_test, data.XB, **arguments)
    found = alignment_report(loaded, data.XA_test, data.XB, **arguments)
    assert found["map"].pop("metadata") == {"source": "<old>"}
    assert expected["map"].pop("metadata") == {}
    assert found == expected
    # A file holds no target samples.
    assert (
        "share of mapped samples outside"
        in alignment_report(loaded, data.XA).to_dict()["not_shown"]
    )


def test_a_map_that_does_not_know_its_threshold_has_a_report(aligner, tmp_path):
    aligner.export(tmp_path / "map.npz")
    loaded = load_map(tmp_path / "map.npz")
    assert alignment_report(loaded).to_dict()["evidence"]["relative_score"]["needed"] == 0.6
    loaded.min_relative_score_ = float("nan")  # as from a file of an earlier version
    report = alignment_report(loaded)
    assert report.to_dict()["evidence"]["relative_score"]["needed"] is None
    assert "relative score" in str(report)


@pytest.mark.usefixtures("unjudged")
def test_a_pipeline_is_followed_to_its_aligner(data):
    pipeline = make_pipeline(
        StandardScaler(), MiniVec2Vec(n_init=1, refinements=[], random_state=0)
    )
    pipeline.fit(data.XA, data.XB)
    scaled = pipeline[:-1].transform(data.XA_test)
    arguments = {"pairs": (data.XA_test, data.XB_test), "output_dict": True}
    through = alignment_report(pipeline, data.XA_test, data.XB, XA_fit=data.XA, **arguments)
    arguments["pairs"] = (scaled, data.XB_test)
    seen = pipeline[:-1].transform(data.XA)
    direct = alignment_report(pipeline[-1], scaled, data.XB, XA_fit=seen, **arguments)
    assert through == direct
    # Steps may change the number of features.
    widened = make_pipeline(FunctionTransformer(lambda X: np.hstack([X, X])), pipeline[-1])
    with pytest.raises(ValueError, match="32 features"):
        alignment_report(widened, data.XA_test)


@pytest.mark.usefixtures("unjudged")
def test_data_frames_keep_their_names(data):
    pd = pytest.importorskip("pandas")
    names = [f"a{i}" for i in range(WIDTH)]
    frame = pd.DataFrame(data.XA, columns=names)
    aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(frame, data.XB)
    invalid = frame.copy()
    invalid.iloc[4, 2] = np.nan
    rows = np.arange(50)
    report = alignment_report(aligner, invalid, data.XB, XA_fit=frame, pairs=(rows[5:], rows[5:]))
    assert report.to_dict()["outside"]["n_invalid"] == 1
    renamed = frame.rename(columns={"a0": "b0"})
    with pytest.raises(ValueError, match="feature names"):
        alignment_report(aligner, renamed)
    back = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(data.XB, frame)
    with pytest.raises(ValueError, match=r"XB: .*feature names"):
        alignment_report(back, XB=renamed)


def test_a_report_looks_at_some_of_many_samples(aligner, data):
    X = np.tile(data.XA, (3, 1))
    X[::50] = np.inf
    outside = alignment_report(aligner, X, XA_fit=X).to_dict()["outside"]
    assert (outside["n_samples"], outside["n_invalid"]) == (6000, 120)
    assert 1900 < outside["n_compared"] <= 2000
    empty = alignment_report(aligner, XA_fit=X[:0], XA=X[1:9], XB=np.full((3, WIDTH), np.nan))
    assert empty.to_dict()["outside"]["source_share"] is None
    assert empty.to_dict()["outside"]["target_share"] is None


def test_the_dict_is_plain_json_and_a_copy(aligner, data):
    report = alignment_report(aligner, data.XA, data.XB, pairs=(data.XA_test, data.XB_test))
    contents = report.to_dict()
    assert json.loads(json.dumps(contents, allow_nan=False)) == contents
    contents["findings"].append("mine")
    contents["evidence"]["agreement"]["value"] = -1
    assert report.findings == []
    assert report.to_dict()["evidence"]["agreement"]["value"] > 0


class Tags(HTMLParser):
    """Checks that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_well_formed_and_escaped(aligner, data, tmp_path):
    aligner.export(tmp_path / "map.npz", metadata={"<script>": "&<b>"})
    X = data.XA_test.copy()
    X[0] = np.nan
    report = alignment_report(
        load_map(tmp_path / "map.npz"), X, data.XB, pairs=(data.XA_test, data.XB_test)
    )
    html = report._repr_html_()
    assert html == report.to_html()
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    assert parser.seen == {"div", "p", "strong", "ul", "li", "table", "caption", "tr", "th", "td"}
    assert "&lt;script&gt;" in html
    # The text has the same numbers.
    assert f"{report.to_dict()['before_after']['recall']['mapped']:.3f}" in html
    assert max(map(len, str(report).splitlines()[3:])) <= 100


def test_arrays_are_left_alone(aligner, data):
    arrays = [data.XA, data.XB, data.XA_test, data.XB_test]
    copies = [X.copy() for X in arrays]
    alignment_report(aligner, *arrays[:2], XA_fit=arrays[0], pairs=tuple(arrays[2:]))
    for X, before in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"XA": np.ones((3, 5))}, "XA has 5 features, and the aligner was fitted with 16"),
        ({"XB": np.ones((3, 5))}, "XB has 5 features"),
        ({"XA_fit": np.ones((3, 5)), "XA": np.ones((3, 16))}, "XA_fit has 5 features"),
        ({"k": 0}, "k == 0, must be >= 1"),
        ({"pairs": (np.arange(20), np.arange(20))}, "need XA and XB"),
        ({"pairs": (np.ones((20, 16)), np.ones((19, 16)))}, "as many rows_A as rows_B"),
        ({"pairs": (np.ones((20, 16)), np.arange(20))}, "pairs must be two integer vectors"),
        ({"pairs": (np.ones((9, 16)), np.ones((9, 16)))}, "pairs has 9 pairs; at least 10"),
        ({"pairs": (np.full((20, 16), np.nan), np.ones((20, 16)))}, "20 samples with NaN"),
        (
            {"pairs": (np.ones((20, 16)), np.ones((20, 16))), "queries": np.full((2, 16), np.inf)},
            "queries has 2 samples with NaN",
        ),
    ],
)
def test_bad_input(aligner, arguments, message):
    with pytest.raises(ValueError, match=message):
        alignment_report(aligner, **arguments)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="LogisticRegression is not one"):
        alignment_report(make_pipeline(StandardScaler(), LogisticRegression()))


@pytest.mark.parametrize("n_samples", [0, 1, 2, 12])
def test_few_samples(aligner, data, n_samples):
    few = {"XA": data.XA_test[:n_samples], "XB": data.XB_test[:n_samples]}
    few["XA_fit"] = data.XA[:n_samples]
    report = alignment_report(aligner, **few)
    assert report.to_dict()["outside"]["n_samples"] == n_samples
    assert "nan" not in str(report)
    for name, samples in few.items():
        others = {} if name != "XA_fit" else {"XA": data.XA_test}
        assert "nan" not in str(alignment_report(aligner, **{name: samples}, **others))


def test_samples_that_differ_in_nothing(aligner, data):
    constant = np.ones((50, WIDTH))
    for samples in (constant, 0 * constant):
        report = alignment_report(
            aligner, samples, samples, XA_fit=samples, pairs=(samples, samples)
        )
        assert report.verdict == "fail"
        assert "nan" not in str(report)
    n_zero = report.to_dict()["outside"]["n_zero"]
    assert n_zero == 50
    means = [np.tile(mean, (50, 1)) for mean in (aligner.source_mean_, aligner.target_mean_)]
    assert alignment_report(aligner, *means).verdict == "check"


def test_constant_features(aligner, data):
    XA = data.XA.copy()
    XA[:, 3] = 1.0
    report = alignment_report(aligner, XA, data.XB, XA_fit=data.XA)
    assert report.verdict in {"check", "fail"}
    assert "nan" not in str(report)


def test_a_map_that_was_not_checked_is_not_said_to_have_converged(data):
    given = MiniVec2Vec.from_map(np.eye(WIDTH))
    report = alignment_report(given)
    text = str(report)
    assert report.verdict == "check"
    assert report.to_dict()["evidence"] is None
    assert "converged was not checked" in text
    assert "The fit converged" not in text + report.to_html()
    assert "The map is from another source" in report.findings[0]
    # Lengths of samples that nobody has seen are not zero.
    assert "at fit   0" not in text
    assert report.to_dict()["lengths"]["source"]["fit"] is None
    assert "lengths of target samples at fit" in report.to_dict()["not_shown"]
    assert "Lengths" in str(alignment_report(given, data.XA_test, data.XB_test))
    known = MiniVec2Vec.from_map(np.eye(WIDTH), source_length=2.0)
    assert alignment_report(known).to_dict()["lengths"]["source"]["fit"] == [2.0] * 3
    wrong = alignment_report(given, pairs=(data.XA_test, data.XB_test))
    assert wrong.verdict == "fail"
    assert "Do not use the map." in str(wrong)
