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
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).parents[2] / "sklearn_align" / "datasets" / "data"
N_SAMPLES = 3000
N_TEST = 1500
# Position at which each research set begins in the list of all sentences, and its kind of text:
# reviews and plots of films (SUBJ), reviews of films (MR), questions (TREC), reviews of products
# (CR), phrases (MPQA). Kinds are positions in `label_names` of the loader.
SET_STARTS = (0, 5000, 10_000, 16_495, 21_876, 25_641)
SET_KINDS = (0, 1, 0, 2, 3, 4)


def sentences(folder: Path) -> None:
    """Write the word2vec pair."""
    archive = np.load(folder / "sentences.npz")
    side_A, side_B, test = (np.flatnonzero(archive["split"] == part) for part in range(3))
    which_set = np.searchsorted(SET_STARTS, archive["row"], side="right") - 1
    kinds = np.array(SET_KINDS, dtype=np.int8)[which_set]
    np.savez_compressed(
        OUTPUT / "sentences_word2vec.npz",
        XA=archive["word2vec_a"][side_A[:N_SAMPLES]],
        XB=archive["word2vec_b"][side_B[:N_SAMPLES]],
        XA_test=archive["word2vec_a"][test[:N_TEST]],
        XB_test=archive["word2vec_b"][test[:N_TEST]],
        labels_A=kinds[side_A[:N_SAMPLES]],
        labels_B=kinds[side_B[:N_SAMPLES]],
        labels_test=kinds[test[:N_TEST]],
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
    for build in (sentences, avmnist, mfeat):
        build(Path(sys.argv[1]))
    for path in sorted(OUTPUT.glob("*.npz")):
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 2**20:.2f} MiB\n")
