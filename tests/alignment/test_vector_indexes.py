"""The code of docs/user_guide/vector_indexes.rst does what the text says."""

import numpy as np
import pytest
from sklearn.preprocessing import normalize

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import PairStart
from sklearn_align.datasets import load_sentence_embeddings, make_rotated_embeddings
from tests.test_documented_code import ROOT, blocks

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning"),
    # Wrappers of SWIG, which FAISS is made of.
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning"),
]

FIT, REMAP, TRANSFORM, BACK, INVERSE = blocks(ROOT / "docs" / "user_guide" / "vector_indexes.rst")


def unit(X):
    return normalize(X).astype(np.float32)


@pytest.fixture(scope="module")
def faiss():
    return pytest.importorskip("faiss")


def fit(data, lengths="vary"):
    """Fit as quickly as possible, to samples that vary in length or do not."""
    scale = np.float32 if lengths == "vary" else unit
    XA, XB, XA_test, XB_test = (
        scale(getattr(data, name)) for name in ("XA", "XB", "XA_test", "XB_test")
    )
    aligner = MiniVec2Vec(
        PairStart(), selection=None, refinements=[], correction=None, random_state=0
    )
    return aligner.fit(XA, XB=XB, pairs=(XA_test, XB_test)), XA_test, XB_test


@pytest.fixture(scope="module", params=["vary", "one"])
def case(request, faiss):
    """Return an aligner, old vectors and queries, of varying lengths or of one."""
    return fit(
        make_rotated_embeddings(600, 12, n_features_target=16, random_state=0), request.param
    )


def run(*codes, **names):
    names = {"np": np, **names}
    for code in codes:
        exec(code, names)
    return names


def names_of_transform(aligner, XA, XB):
    code = ("import faiss", TRANSFORM)
    return run(*code, aligner=aligner, vectors_by_old_encoder=XA, queries=XB)


def index_of(faiss, X):
    index = faiss.IndexFlatIP(X.shape[1])
    index.add(np.ascontiguousarray(X))
    return index


def test_an_index_is_fitted_to_and_mapped(faiss):
    data = load_sentence_embeddings()
    old = index_of(faiss, data.XA[:800])
    code = FIT.replace("random_state=0", "n_init=1, refinements=[], random_state=0")
    names = run(code, REMAP, old=old, XB=data.XB[:800], queries=data.XB_test[:5])
    expected = unit(names["aligner"].to_target(data.XA[:800]))
    np.testing.assert_allclose(names["mapped"].reconstruct_n(0, 800), expected, atol=1e-5)
    best = np.argsort(-(data.XB_test[:5] @ expected.T), axis=1)[:, 0]
    np.testing.assert_array_equal(names["found"][:, 0], best)


@pytest.mark.parametrize("factory", ["HNSW8", "IVF2,Flat"])
def test_other_indexes_are_read_in_their_order(faiss, case, factory):
    aligner, XA, XB = case
    old = faiss.index_factory(12, factory)
    old.train(XA)
    old.add(XA)
    mapped = run(REMAP, aligner=aligner, old=old, queries=XB[:5])["mapped"]
    expected = unit(aligner.to_target(XA))
    np.testing.assert_allclose(mapped.reconstruct_n(0, len(XA)), expected, atol=1e-5)


def test_numbers_of_vectors(faiss, case):
    aligner, XA, _ = case
    numbers = 7 * np.arange(len(XA))
    old = faiss.IndexIDMap(faiss.IndexFlatIP(12))
    old.add_with_ids(XA, numbers)
    np.testing.assert_array_equal(faiss.vector_to_array(old.id_map), numbers)
    np.testing.assert_array_equal(old.index.reconstruct_n(0, len(XA)), XA)
    assert aligner.to_target(old.index.reconstruct_n(0, 3)).shape == (3, 16)


def test_the_affine_transform(faiss, case, tmp_path):
    aligner, XA, XB = case
    names = names_of_transform(aligner, XA, XB)
    raw = names["adding"].chain.at(0).apply(XA)
    V = aligner.to_target(XA)
    if aligner.source_length_ is None:
        np.testing.assert_allclose(raw, V, rtol=1e-5, atol=1e-5 * np.abs(V).max())
    else:
        assert not np.allclose(raw, V, atol=1e-3)
        cosines = np.einsum("ij,ij->i", unit(raw), unit(V))
        assert np.median(cosines) > 0.99
    stored = names["flat"].reconstruct_n(0, len(XA))
    np.testing.assert_allclose(stored, unit(raw), atol=1e-6)
    assert np.mean(names["found"][:, 0] == np.arange(len(XB))) > 0.9

    faiss.write_index(names["adding"], str(tmp_path / "index"))
    loaded = faiss.read_index(str(tmp_path / "index"))
    loaded.add(XA[:3])
    np.testing.assert_allclose(loaded.index.reconstruct_n(0, 1), stored[:1], atol=1e-6)
    assert loaded.ntotal == len(XA) + 3


def test_directions_are_exact_in_every_case(faiss, case):
    aligner, XA, XB = case
    linear = names_of_transform(aligner, XA, XB)["linear"]
    V = aligner.linear_map_
    index = faiss.IndexPreTransform(faiss.IndexFlatIP(16))
    index.prepend_transform(faiss.NormalizationTransform(16))
    index.prepend_transform(linear(V, -aligner.source_mean_ @ V))
    index.add(XA)
    stored = faiss.downcast_index(index.index).reconstruct_n(0, len(XA))
    np.testing.assert_allclose(stored, aligner.transform(XA), atol=1e-5)


def test_directions_of_vectors_with_long_tails(faiss):
    data = make_rotated_embeddings(600, 12, random_state=0)
    factors = np.random.default_rng(0).lognormal(sigma=2, size=(600, 1))
    data.XA = data.XA * factors
    aligner, XA, XB = fit(data)
    assert aligner.source_normalized_
    linear = names_of_transform(aligner, XA, XB)["linear"]
    V = aligner.linear_map_
    index = faiss.IndexPreTransform(faiss.IndexFlatIP(12))
    index.prepend_transform(faiss.NormalizationTransform(12))
    index.prepend_transform(linear(V, -aligner.source_mean_ @ V))
    index.prepend_transform(faiss.NormalizationTransform(12))
    index.add(XA)
    stored = faiss.downcast_index(index.index).reconstruct_n(0, len(XA))
    np.testing.assert_allclose(stored, aligner.transform(XA), atol=1e-5)


def test_mapped_queries(faiss, case):
    aligner, XA, XB = case
    old = index_of(faiss, unit(XA))
    names = run("import faiss", INVERSE, aligner=aligner, old=old, queries=XB)
    expected = unit(aligner.inverse_transform(aligner.transform_target(XB)))
    np.testing.assert_allclose(names["back"], expected, atol=1e-6)
    assert np.mean(names["found"][:, 0] == np.arange(len(XB))) > 0.9


def test_the_way_back_is_the_inverse(faiss):
    """Between spaces of one width, where the affine map is ``to_target``."""
    aligner, XA, _ = fit(make_rotated_embeddings(600, 12, random_state=0))
    linear = names_of_transform(aligner, XA, XA)["linear"]
    V = aligner.to_target(XA)
    names = run(
        BACK, faiss=faiss, linear=linear, aligner=aligner, old=index_of(faiss, XA), queries=V
    )
    back = names["searching"].chain.at(0).apply(V)
    np.testing.assert_allclose(back, XA, rtol=1e-5, atol=1e-5 * np.abs(XA).max())


def test_queries_find_their_counterparts(faiss, case):
    aligner, XA, XB = case
    linear = names_of_transform(aligner, XA, XB)["linear"]
    old = index_of(faiss, unit(XA))
    names = run(BACK, faiss=faiss, linear=linear, aligner=aligner, old=old, queries=XB)
    assert np.mean(names["found"][:, 0] == np.arange(len(XB))) > 0.9
    np.testing.assert_array_equal(old.reconstruct_n(0, len(XA)), unit(XA))


def test_the_transposed_map_ranks_as_the_affine_one(faiss, case):
    """Inner products differ by a factor and by a number for each query."""
    aligner, XA, XB = case
    affine = names_of_transform(aligner, XA, XB)["adding"].chain.at(0).apply(XA)
    scale = aligner.target_radius_ / aligner.source_radius_
    W = aligner.linear_map_
    offset = XB @ (aligner.target_mean_ - scale * aligner.source_mean_ @ W)
    transposed = scale * XA @ (XB @ W.T).T + offset
    np.testing.assert_allclose(transposed, affine @ XB.T, atol=1e-5)


def test_the_map_of_known_pairs_is_the_corrected_one(faiss):
    """The transforms take `linear_map_`, which is what the aligner applies."""
    data = make_rotated_embeddings(600, 12, n_test=200, random_state=0)
    XA, XB, old, new = (np.float32(data[name]) for name in ("XA", "XB", "XA_test", "XB_test"))
    skew = np.linspace(0.3, 2, 12, dtype=np.float32)
    XB, new = XB * skew, new * skew
    aligner = MiniVec2Vec(PairStart(), selection=None, refinements=[], random_state=0)
    aligner.fit(XA, XB=XB, pairs=(old, new))
    assert np.isfinite(aligner.correction_strength_)
    names = names_of_transform(aligner, old, new)
    raw, V = names["adding"].chain.at(0).apply(old), aligner.to_target(old)
    # Lengths differ, directions from the mean do not.
    mean = aligner.target_mean_
    np.testing.assert_allclose(unit(raw - mean), unit(V - mean), atol=1e-4)
