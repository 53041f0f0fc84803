"""Symmetric, unrelated and related narrow spaces: whether `converged_` is right.

python -m tests.benchmarks.bench_alignment_symmetric --seeds 3

A map between symmetric spaces is arbitrary, so that `converged_` must be False there, and so it
must be between unrelated spaces. The related spaces are controls, where it should be True. With
``--data``, a pair of encoders of an archive is one more control.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_mfeat, load_sentence_embeddings, make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning
from sklearn_align.metrics import retrieval_accuracy
from tests.benchmarks.alignment_data import FloatArray, load_archives
from tests.benchmarks.tables import Figures, Runs, add_output_option, write_table

KEYS = ("kind", "case", "seed")
# Samples of both sides, and held-out pairs where there are any.
Case = tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray] | None]
ROTATED = ((8, 200), (8, 600), (12, 400), (16, 200), (16, 1000), (24, 600), (24, 2000), (48, 2000))
MIXTURES = tuple((width, n) for width in (8, 12, 16) for n in (60, 100, 300))


def rotation(width: int, rng: np.random.Generator) -> FloatArray:
    """Draw an orthogonal matrix."""
    return np.linalg.qr(rng.standard_normal((width, width)))[0]


def halves(X: FloatArray, rng: np.random.Generator) -> Case:
    """Split samples into two sides, the second one rotated."""
    X = X[rng.permutation(len(X))]
    A, B = np.array_split(X, 2)
    return A, B @ rotation(X.shape[1], rng), None


def skewed_mixture(n_samples: int, width: int, rng: np.random.Generator) -> FloatArray:
    """Draw samples of several clusters without a symmetry."""
    centres = rng.standard_normal((10, width)) * np.linspace(2, 1, width)
    noise = rng.gamma(1.0, 0.5, (n_samples, width)) * np.linspace(1, 0.5, width)
    return np.asarray(centres[rng.integers(10, size=n_samples)] + noise)


def digit_views() -> dict[str, FloatArray]:
    """Views of the digits by name, standardised."""
    digits = load_mfeat()
    views, first = {}, 0
    for name, width in digits.modalities.items():
        view = np.asarray(digits.data[:, first : first + width], dtype=float)
        views[name] = (view - view.mean(axis=0)) / np.maximum(view.std(axis=0), 1e-9)
        first += width
    return views


def leading(X: FloatArray, n_components: int) -> FloatArray:
    """Principal components of samples."""
    X = X - X.mean(axis=0)
    return np.asarray(X @ np.linalg.svd(X, full_matrices=False)[2][:n_components].T)


def mirror_images(rng: np.random.Generator) -> Case:
    """Digits and mirror images of other digits, 15 x 16 pixels."""
    pixels = digit_views()["pix"].reshape(-1, 16, 15)
    order = rng.permutation(len(pixels))
    both = np.concatenate([pixels[order[:1000]], pixels[order[1000:], :, ::-1]])
    return halves(both.reshape(len(both), -1), rng)


def mirror_axis(rng: np.random.Generator) -> Case:
    """One direction changes its sign without a change of the distribution."""
    X = skewed_mixture(2000, 16, rng)
    X[:, 0] *= rng.choice([-1, 1], size=len(X))
    return halves(X, rng)


def point_symmetry(rng: np.random.Generator) -> Case:
    """Every sample and its negative are as frequent."""
    X = skewed_mixture(2000, 16, rng)
    return halves(X * rng.choice([-1, 1], size=(len(X), 1)), rng)


def exchangeable_halves(rng: np.random.Generator) -> Case:
    """The first and the second half of the features can be exchanged."""
    X = skewed_mixture(2000, 16, rng)
    X = X.reshape(len(X), 2, 8)
    swapped = rng.random(len(X)) < 0.5
    X[swapped] = X[swapped, ::-1]
    return halves(X.reshape(len(X), 16), rng)


def independent_features(n_samples: int, rng: np.random.Generator) -> Case:
    """Any permutation of independent features with one skewed distribution is a symmetry."""
    return halves(rng.gamma(1.0, 1.0, (n_samples, 16)), rng)


SYMMETRIC: dict[str, Callable[[np.random.Generator], Case]] = {
    "digits and mirror images": mirror_images,
    "mirror axis": mirror_axis,
    "point symmetry": point_symmetry,
    "exchangeable halves": exchangeable_halves,
    "independent features, 300 samples": lambda rng: independent_features(600, rng),
    "independent features, 2000 samples": lambda rng: independent_features(4000, rng),
}


def mixtures(width: int, n_samples: int, rng: np.random.Generator) -> Case:
    """Unrelated mixtures of normal clusters, as those of `make_blobs`."""

    def side() -> FloatArray:
        centres = rng.uniform(-10, 10, (int(rng.integers(4, 11)), width))
        of = rng.integers(len(centres), size=n_samples)
        return np.asarray(centres[of] + rng.standard_normal((n_samples, width)))

    return side(), side(), None


def sentences_and_digits(n_samples: int, rng: np.random.Generator) -> Case:
    """Twelve principal components of sentences and of digits."""
    A = leading(load_sentence_embeddings().XA, 12)
    B = leading(np.hstack(list(digit_views().values())), 12)
    return A[rng.permutation(len(A))[:n_samples]], B[rng.permutation(len(B))[:n_samples]], None


def rotated(width: int, n_samples: int, seed: int) -> Case:
    """Samples of one distribution in two bases."""
    data = make_rotated_embeddings(n_samples, width, random_state=seed)
    return data.XA, data.XB, (data.XA_test, data.XB_test)


def two_views(source: str, target: str, rng: np.random.Generator) -> Case:
    """Two views of different digits."""
    views = digit_views()
    A, B, test = np.split(rng.permutation(2000), [900, 1800])
    X, Y = views[source], views[target]
    return X[A], Y[B], (X[test], Y[test])


def word2vec(n_samples: int, rng: np.random.Generator) -> Case:
    """The pair of encoders of the package."""
    data = load_sentence_embeddings()
    A, B = (X[rng.permutation(len(X))[:n_samples]] for X in (data.XA, data.XB))
    return A, B, (data.XA_test, data.XB_test)


def encoders(paths: list[Path], pair: str, n_samples: int, rng: np.random.Generator) -> Case:
    """A pair of encoders of archives."""
    spaces = load_archives(paths, pair)
    A, B = (X[rng.permutation(len(X))[:n_samples]] for X in (spaces.XA, spaces.XB))
    return A, B, (spaces.XA_test, spaces.XB_test)


def list_cases() -> dict[tuple[str, str], Callable[[int], Case]]:
    """All cases that need no archive, by kind and name; each draws a case from a seed."""
    rng = np.random.default_rng
    cases: dict[tuple[str, str], Callable[[int], Case]] = {}
    for name, draw in SYMMETRIC.items():
        cases["symmetric", name] = lambda seed, draw=draw: draw(rng(seed))
    for width, n in MIXTURES:
        cases["unrelated", f"mixtures, {width} features, {n} samples"] = (
            lambda seed, width=width, n=n: mixtures(width, n, rng(seed))
        )
    for n in (100, 300):
        cases["unrelated", f"sentences and digits, {n} samples"] = lambda seed, n=n: (
            sentences_and_digits(n, rng(seed))
        )
    for width, n in ROTATED:
        cases["related", f"rotated copies, {width} features, {n} samples"] = (
            lambda seed, width=width, n=n: rotated(width, n, seed)
        )
    for source, target in (("pix", "kar"), ("kar", "pix"), ("fac", "pix")):
        cases["related", f"digits, {source} and {target}"] = (
            lambda seed, source=source, target=target: two_views(source, target, rng(seed))
        )
    cases["related", "word2vec, 2000 samples"] = lambda seed: word2vec(2000, rng(seed))
    return cases


def fit_case(draw: Callable[[int], Case], seed: int, kind: str, case: str) -> Figures:
    """Fit one case with the defaults."""
    XA, XB, test = draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner = MiniVec2Vec(random_state=seed).fit(XA, XB=XB)
        top1 = float("nan")
        if test is not None:
            top1 = float(
                retrieval_accuracy(aligner.transform(test[0]), aligner.transform_target(test[1]))
            )
    return {
        "top1": top1,
        "agreement": float(aligner.agreement_),
        "relative_score": float(aligner.relative_score_),
        "ambiguous": bool(getattr(aligner, "ambiguous_", False)),
        "converged": bool(aligner.converged_),
    }


def write_cases(runs: Runs, path: Path) -> None:
    """Write one line for each case."""
    frame = runs.frame()
    lines = [
        [
            kind,
            case,
            float(group["top1"].median()) if kind == "related" else "",
            f"{group['ambiguous'].sum()} of {len(group)}",
            f"{(group['ambiguous'] | group['converged']).sum()} of {len(group)}",
            f"{group['converged'].sum()} of {len(group)}",
            str(kind == "related"),
        ]
        for (kind, case), group in frame.groupby(["kind", "case"], sort=False)
    ]
    header = ["kind", "spaces", "top-1, median", "ambiguous",
              "without the ambiguity check", "converged", "should converge"]  # fmt: skip
    write_table(path, header, lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    cases = list_cases()
    if args.data:
        cases["related", f"{args.pair}, {args.n_samples} samples"] = lambda seed: encoders(
            args.data, args.pair, args.n_samples, np.random.default_rng(seed)
        )
    runs = Runs(args.out, "alignment_symmetric", KEYS)
    for (kind, case), draw in cases.items():
        wanted = [{"kind": kind, "case": case, "seed": seed} for seed in range(args.seeds)]

        def fit(seed: int, kind: str, case: str, draw: Callable[[int], Case] = draw) -> Figures:
            return fit_case(draw, seed, kind, case)

        runs.fill(fit, wanted)
    write_cases(runs, args.out / "alignment_symmetric.csv")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", help="archives of encoders")
    parser.add_argument("--pair", default="minilm:mpnet", help="source:target")
    parser.add_argument("--n-samples", type=int, default=5000, help="samples of each encoder")
    parser.add_argument("--seeds", type=int, default=3)
    add_output_option(parser)
    main(parser.parse_args())
