"""The code of docs/user_guide/word_vectors.rst does what the text says."""

import numpy as np
import pytest

from sklearn_align.alignment import PairStart
from sklearn_align.datasets import make_rotated_embeddings
from tests.test_documented_code import ROOT, blocks

models = pytest.importorskip("gensim.models")

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning"),
    # gensim leaves files to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

READ, FIT, PAIRS, WRITE, SHARED = blocks(ROOT / "docs" / "user_guide" / "word_vectors.rst")
N_PAIRS = 60


def vectors_of(words, matrix):
    vectors = models.KeyedVectors(matrix.shape[1])
    vectors.add_vectors(words, matrix)
    return vectors


@pytest.fixture(scope="module")
def data():
    data = make_rotated_embeddings(500, 12, n_features_target=16, n_test=N_PAIRS, random_state=0)
    return {name: np.float32(data[name]) for name in ("XA", "XB", "XA_test", "XB_test")}


@pytest.fixture(scope="module")
def names(data, tmp_path_factory):
    """Run the code of the page in a folder with files, with the quickest fit there is."""
    folder = tmp_path_factory.mktemp("vectors")
    ours = ["cat", *(f"eins{i}" for i in range(1, 30)), *(f"été{i}" for i in range(30))]
    theirs = ["Katze", *(f"one{i}" for i in range(1, 30)), *ours[30:]]
    XA = np.concatenate([data["XA_test"], data["XA"]])
    XB = np.concatenate([data["XB"], data["XB_test"]])
    source = vectors_of([*ours, *(f"a{i}" for i in range(len(data["XA"])))], XA)
    target = vectors_of([*(f"b{i}" for i in range(len(data["XB"]))), *theirs], XB)
    source.save_word2vec_format(str(folder / "source.vec"))
    target.save_word2vec_format(str(folder / "target.bin"), binary=True)
    lines = [f"{a} {b}" for a, b in zip(ours[:30], theirs[:30], strict=True)]
    (folder / "dictionary.txt").write_text("\n".join([*lines, "a0 absent"]), encoding="utf-8")
    fit = FIT.replace(
        "MiniVec2Vec(", "MiniVec2Vec(PairStart(), selection=None, refinements=[], correction=None, "
    ).replace(".fit(XA, XB)", "")
    fit = fit[: fit.index("aligner.converged_")]
    names = {"PairStart": PairStart, "XA_written": XA, "XB_written": XB}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for code in (READ, fit, PAIRS, WRITE, SHARED):
            exec(code, names)
    return names | {"folder": folder, "ours": ours, "theirs": theirs}


def test_files_are_read_as_words_and_matrix(names):
    assert names["source"].index_to_key[:60] == names["ours"]
    assert names["target"].index_to_key[-60:] == names["theirs"]
    for side, written in (("source", "XA_written"), ("target", "XB_written")):
        assert names[side].vectors.dtype == np.float32
        np.testing.assert_array_equal(names[side].vectors, names[written])


def test_pairs_come_from_the_dictionary_and_from_equal_words(names):
    assert names["pairs"] == list(zip(names["ours"], names["theirs"], strict=True))


@pytest.mark.parametrize("name", ["mapped.vec", "mapped.bin"])
def test_mapped_vectors_are_written_without_loss(names, name):
    path = str(names["folder"] / name)
    mapped = models.KeyedVectors.load_word2vec_format(path, binary=name.endswith("bin"))
    assert mapped.index_to_key == names["source"].index_to_key
    expected = names["aligner"].to_target(names["source"].vectors)
    np.testing.assert_array_equal(mapped.vectors, expected)


def test_translations_are_the_nearest_words(names):
    shared = [
        models.KeyedVectors.load_word2vec_format(str(names["folder"] / f"{side}.mapped.vec"))
        for side in ("source", "target")
    ]
    assert shared[1].vectors.shape == names["target"].vectors.shape
    np.testing.assert_allclose(np.linalg.norm(shared[0].vectors, axis=1), 1, atol=1e-5)
    for ours, theirs in zip(names["ours"], names["theirs"], strict=True):
        assert shared[1].similar_by_vector(shared[0][ours], topn=1)[0][0] == theirs
    found = names["target"].similar_by_vector(names["mapped"]["cat"], topn=1)
    assert found[0][0] == "Katze"


def test_variants_of_the_format(names, tmp_path):
    """Trailing blanks as of fastText, no header, compressed, some words only."""
    source, path = names["source"], names["folder"] / "source.vec"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    load = models.KeyedVectors.load_word2vec_format
    blanks, bare = tmp_path / "blanks.vec", tmp_path / "bare.txt"
    blanks.write_text("\n".join([header, *(line + " " for line in lines)]), encoding="utf-8")
    bare.write_text("\n".join(lines), encoding="utf-8")
    source.save_word2vec_format(str(tmp_path / "packed.vec.gz"))
    for read in (
        load(str(blanks)),
        load(str(bare), no_header=True),
        load(str(tmp_path / "packed.vec.gz")),
    ):
        assert read.index_to_key == source.index_to_key
        np.testing.assert_array_equal(read.vectors, source.vectors)
    assert load(str(blanks), limit=7).index_to_key == source.index_to_key[:7]


def test_words_that_occur_twice(tmp_path):
    path = tmp_path / "twice.vec"
    path.write_text("3 2\na 1 2\na 3 4\nb 5 6\n", encoding="utf-8")
    source = models.KeyedVectors.load_word2vec_format(str(path))
    n_words = len(source.key_to_index)
    assert source.index_to_key == ["a", "b", None]
    np.testing.assert_array_equal(source.vectors[:n_words], [[1, 2], [5, 6]])
    assert not source.vectors[n_words:].any()


def test_words_that_were_cut(tmp_path):
    path = tmp_path / "cut.vec"
    path.write_bytes("2 1\né 1\nü 2\n".encode()[:-4] + b" 2\n")
    load = models.KeyedVectors.load_word2vec_format
    with pytest.raises(UnicodeDecodeError):
        load(str(path))
    assert load(str(path), unicode_errors="ignore").index_to_key[0] == "é"
