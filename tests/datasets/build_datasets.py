"""Derive the files in sklearn_align/datasets/data from the full feature archives.

Run with the folder that holds the archives::

    python -m tests.datasets.build_datasets FOLDER

The archives and their keys:

``sentences.npz``
    English sentences embedded by two word2vec models (skip-gram, 300 features, one trained on
    every second sentence of a corpus, the other independently on the whole corpus), as
    ``word2vec_a`` and ``word2vec_b``. ``split`` is 0 for sentences of side A, 1 for side B, 2 for
    held-out ones. Samples are in random order; the first ones of each side are taken. ``row`` is
    the position of the sentence in the concatenated research sets, which determines its kind.
    ``minilm`` (384 features) is all-MiniLM-L6-v2.
``encoders.npz``
    The same sentences in the same order embedded by all-mpnet-base-v2, as ``mpnet`` (768 features),
    with the same ``split`` and ``row``.
``avmnist.npz``
    MNIST test images with additive noise and Free Spoken Digit Dataset recordings with additive
    noise, each reduced to 50 principal components: ``X_image``, ``X_audio``, ``y``, ``split``,
    ``img_noise``, ``aud_snr``. Taken whole.
``mfeat.npz``
    UCI Multiple Features: ``X_fac`` and so on, ``y``, ``splits``. Integer features are stored as
    integers, the others in half precision, except the morphological ones, whose range needs
    single precision.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

OUTPUT = Path(__file__).parents[2] / "sklearn_align" / "datasets" / "data"
N_SAMPLES = 3000
# With these the quantised embeddings of two sentence encoders stay below 8 MB.
N_SAMPLES_QUANTIZED = 5000
N_TEST = 1500
# Position at which each research set begins in the list of all sentences, and its kind of text:
# reviews and plots of films (SUBJ), reviews of films (MR), questions (TREC), reviews of products
# (CR), phrases (MPQA). Kinds are positions in `label_names` of the loader.
SET_STARTS = (0, 5000, 10_000, 16_495, 21_876, 25_641)
SET_KINDS = (0, 1, 0, 2, 3, 4)


def sides(archive: Mapping[str, NDArray[Any]], n_samples: int) -> dict[str, NDArray[Any]]:
    """Positions of the samples of A, of B and of the held-out ones in an archive, by name."""
    side_A, side_B, test = (np.flatnonzero(archive["split"] == part) for part in range(3))
    return {"A": side_A[:n_samples], "B": side_B[:n_samples], "test": test[:N_TEST]}


def kinds_of(archive: Mapping[str, NDArray[Any]]) -> NDArray[np.int8]:
    """Kind of text of each sample of an archive."""
    which_set = np.searchsorted(SET_STARTS, archive["row"], side="right") - 1
    return np.array(SET_KINDS, dtype=np.int8)[which_set]


def sentences(folder: Path) -> None:
    """Write the word2vec pair."""
    archive = np.load(folder / "sentences.npz")
    index = sides(archive, N_SAMPLES)
    kinds = kinds_of(archive)
    np.savez_compressed(
        OUTPUT / "sentences_word2vec.npz",
        XA=archive["word2vec_a"][index["A"]],
        XB=archive["word2vec_b"][index["B"]],
        XA_test=archive["word2vec_a"][index["test"]],
        XB_test=archive["word2vec_b"][index["test"]],
        **{f"labels_{side}": kinds[chosen] for side, chosen in index.items()},
    )


def quantized(X: NDArray[Any]) -> NDArray[np.int8]:
    """Unit vectors (n_samples, n_features) as int8, all with the same scale.

    The scale is not kept, because the loader divides every sample by its length.
    """
    unit = normalize(X.astype(np.float64))
    codes = np.rint(unit * (127 / np.abs(unit).max())).astype(np.int8)
    stored = normalize(codes.astype(np.float64))
    change = np.abs(stored[-N_TEST:] @ stored[-N_TEST:].T - unit[-N_TEST:] @ unit[-N_TEST:].T)
    np.testing.assert_array_less(change, 0.01)
    return codes


def sentence_encoders(folder: Path) -> None:
    """Write the pair of sentence encoders."""
    archive, other = np.load(folder / "sentences.npz"), np.load(folder / "encoders.npz")
    for key in ("split", "row"):
        np.testing.assert_array_equal(archive[key], other[key])
    index = sides(archive, N_SAMPLES_QUANTIZED)
    kinds = kinds_of(archive)
    codes_A = quantized(archive["minilm"][np.r_[index["A"], index["test"]]])
    codes_B = quantized(other["mpnet"][np.r_[index["B"], index["test"]]])
    np.savez_compressed(
        OUTPUT / "sentences_minilm_mpnet.npz",
        XA=codes_A[: len(index["A"])],
        XB=codes_B[: len(index["B"])],
        XA_test=codes_A[len(index["A"]) :],
        XB_test=codes_B[len(index["B"]) :],
        **{f"labels_{side}": kinds[chosen] for side, chosen in index.items()},
    )


def avmnist(folder: Path) -> None:
    """Write the digits in image and sound."""
    archive = np.load(folder / "avmnist.npz")
    np.savez_compressed(
        OUTPUT / "avmnist.npz",
        image=archive["X_image"],
        audio=archive["X_audio"],
        target=archive["y"].astype(np.int8),
        split=archive["split"].astype(np.int8),
        image_noise=archive["img_noise"],
        audio_snr=archive["aud_snr"],
    )


def mfeat(folder: Path) -> None:
    """Write the six views of digits."""
    archive = np.load(folder / "mfeat.npz")
    types = {
        "fac": np.uint16,
        "fou": np.float16,
        "kar": np.float16,
        "pix": np.uint8,
        "zer": np.float16,
        "mor": np.float32,
    }
    views = {name: archive[f"X_{name}"].astype(dtype) for name, dtype in types.items()}
    for name, view in views.items():
        np.testing.assert_allclose(view, archive[f"X_{name}"], rtol=1e-3, atol=1e-5)
    np.savez_compressed(
        OUTPUT / "mfeat.npz",
        **views,
        target=archive["y"].astype(np.int8),
        splits=archive["splits"].astype(np.int8),
    )


if __name__ == "__main__":
    OUTPUT.mkdir(exist_ok=True)
    for build in (sentences, sentence_encoders, avmnist, mfeat):
        build(Path(sys.argv[1]))
    for path in sorted(OUTPUT.glob("*.npz")):
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 2**20:.2f} MiB\n")
