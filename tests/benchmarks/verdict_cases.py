"""Spaces on which the convergence check is tried: related, partly related, symmetric, unrelated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from sklearn_align.datasets import load_mfeat, make_rotated_embeddings
from tests.benchmarks.alignment_data import (
    SHIPPED_PAIR,
    FloatArray,
    Spaces,
    load_archives,
    unit,
    unrelated_spaces,
)

Case = dict[str, Any]
ENCODERS = ("minilm", "mpnet", "use", "e5", "wordllama")
LAYERS = (SHIPPED_PAIR, "minilm_layer5:minilm", "static:minilm", "minilm_layer4:minilm")
VIEWS = ("fac:kar", "kar:pix", "pix:fac", "fou:zer", "kar:fou", "fac:zer")
N_TEST = 1000


def cases() -> Iterator[Case]:
    """Yield the keys of every case: family, data, samples of each side, known pairs and seed."""

    def case(family: str, data: str, n_samples: int, *, n_pairs: int = 0, seed: int = 0) -> Case:
        return {"family": family, "data": data, "n_samples": n_samples,
                "n_pairs": n_pairs, "seed": seed}  # fmt: skip

    directions = [f"{a}:{b}" for a in ENCODERS for b in ENCODERS if a != b]
    backwards = [":".join(reversed(pair.split(":"))) for pair in LAYERS]
    for seed in range(20):
        yield case("narrow mixtures", "mixture", 60 + 12 * seed, seed=seed)
        yield case("narrow mixtures", "two mixtures", 60 + 12 * seed, seed=seed)
    for seed in range(10):
        yield case("narrow mixtures", "text and digits", 100, seed=seed)
        yield case("equal features", "gamma", 150 + 100 * seed, seed=seed)
    for kind in ("mirror", "sign", "swap", "images"):
        for n_samples in (300, 800, 1500):
            for seed in range(3):
                yield case("symmetric", kind, n_samples, seed=seed)
    for seed in range(10):
        yield case("overlapping clusters", "clusters", 1500, seed=seed)
        yield case("symmetric", "clusters", 1500, seed=seed)
    for rank in (3, 8):
        for n_samples in (300, 1500):
            for seed in range(3):
                yield case("low rank", str(rank), n_samples, seed=seed)
    for pair in VIEWS:
        for n_samples in (400, 800):
            yield case("views of digits", pair, n_samples)
    for n_samples in (60, 125, 250, 500):
        for encoder in (*ENCODERS[:3], SHIPPED_PAIR):
            yield case("few samples", encoder, n_samples)
    for n_samples in (1000, 3500, 7000):
        for encoder in ENCODERS:
            if n_samples < 7000:
                yield case("permuted features", encoder, n_samples)
                for kind in ("normal", "shuffled", "digits"):
                    yield case("unrelated", f"{encoder}:{kind}", n_samples)
                for noise in (0.3, 0.6, 1.0):
                    yield case("rotated, noise", f"{encoder}:{noise}", n_samples)
        for pair in (*LAYERS, *backwards):
            yield case("one encoder", pair, n_samples)
        for pair in directions:
            yield case("independent encoders", pair, n_samples)
    for pair in directions:
        yield case("100 known pairs", pair, 3500, n_pairs=100)


def build(paths: tuple[Path, ...], family: str, data: str, n_samples: int, seed: int) -> Spaces:
    """Return the spaces of a case; without counterparts where no map can be right."""
    rng = np.random.default_rng(seed)
    if family in _GENERATED:
        spaces = _GENERATED[family](paths, data, n_samples, rng)
    elif family == "unrelated":
        encoder, kind = data.split(":")
        drawn = _one_encoder(paths, encoder).draw(n_samples, seed)
        spaces = replace(unrelated_spaces(drawn, kind, seed), XA_counterparts=None)
    else:
        spaces = _load(paths, data).draw(n_samples, seed)
    return replace(spaces, XA_test=spaces.XA_test[:N_TEST], XB_test=spaces.XB_test[:N_TEST])


@cache
def _load(paths: tuple[Path, ...], pair: str) -> Spaces:
    return load_archives(paths, pair)


@cache
def _one_encoder(paths: tuple[Path, ...], encoder: str) -> Spaces:
    """Return a space and itself."""
    return load_archives(paths, f"{encoder}:{encoder}")


def _rotation(width: int, rng: np.random.Generator) -> FloatArray:
    Q, R = np.linalg.qr(rng.standard_normal((width, width)))
    return np.asarray(Q * np.sign(np.diag(R)), dtype=np.float32)


def _halves(X: FloatArray, n_samples: int, rng: np.random.Generator) -> Spaces:
    """Rotate samples, and split them into two sides and held-out samples."""
    X = X[rng.permutation(len(X))].astype(np.float32)
    Y = X @ _rotation(X.shape[1], rng)
    n_test = min(N_TEST, len(X) - 2 * n_samples)
    source, target, test = np.split(np.arange(2 * n_samples + n_test), [n_samples, 2 * n_samples])
    return Spaces("halves", X[source], Y[target], X[test], Y[test], Y[source])


def _rotated(
    paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator
) -> Spaces:
    """Rotate one encoder and add noise of a length relative to that of the samples."""
    encoder, noise = data.split(":")
    spaces = _one_encoder(paths, encoder).draw(n_samples, int(rng.integers(1000)))
    Q = _rotation(spaces.XA.shape[1], rng)

    def view(X: FloatArray | None) -> FloatArray:
        assert X is not None
        spread = np.linalg.norm(X - X.mean(axis=0), axis=1).mean() / np.sqrt(X.shape[1])
        noise_rows = rng.standard_normal(X.shape) * (float(noise) * spread)
        return np.asarray((X + noise_rows) @ Q, dtype=np.float32)

    return Spaces(
        spaces.name, spaces.XA, view(spaces.XB), spaces.XA_test, view(spaces.XB_test),
        view(spaces.XA_counterparts),
    )  # fmt: skip


def _permuted(
    paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator
) -> Spaces:
    """Permute the features of one encoder."""
    spaces = _one_encoder(paths, data).draw(n_samples, int(rng.integers(1000)))
    order = rng.permutation(spaces.XA.shape[1])
    assert spaces.XA_counterparts is not None
    return Spaces(
        spaces.name, spaces.XA, spaces.XB[:, order], spaces.XA_test, spaces.XB_test[:, order],
        spaces.XA_counterparts[:, order],
    )  # fmt: skip


def _few(paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator) -> Spaces:
    """Take few samples of word2vec trained twice or of one encoder and its rotation."""
    if data == SHIPPED_PAIR:
        return _load(paths, data).draw(n_samples, int(rng.integers(1000)))
    return _rotated(paths, f"{data}:0", n_samples, rng)


def _views(paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator) -> Spaces:
    """Two views of the same handwritten digits, standardized."""
    digits = load_mfeat()
    names, widths = list(digits.modalities), list(digits.modalities.values())
    blocks = dict(zip(names, np.split(digits.data, np.cumsum(widths)[:-1], axis=1), strict=True))
    views = [blocks[name] for name in data.split(":")]
    A, B = ((X - X.mean(axis=0)) / X.std(axis=0) for X in views)
    order = rng.permutation(len(A))
    source, target = order[:n_samples], order[n_samples : 2 * n_samples]
    test = order[2 * n_samples : 2 * n_samples + N_TEST]
    A, B = A.astype(np.float32), B.astype(np.float32)
    return Spaces(data, A[source], B[target], A[test], B[test], B[source])


def _clusters(
    paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator
) -> Spaces:
    """Clusters that overlap in few features."""
    return _halves(_overlapping_clusters(2 * n_samples + N_TEST, rng), n_samples, rng)


def _overlapping_clusters(n: int, rng: np.random.Generator) -> FloatArray:
    """Centred samples of clusters, along their principal directions."""
    width, seed = int(rng.integers(8, 17)), int(rng.integers(1000))
    X = make_rotated_embeddings(n, width, random_state=seed).XA
    X = X - X.mean(axis=0)
    return np.asarray(X @ np.linalg.svd(X, full_matrices=False)[2].T)


def _symmetric(
    paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator
) -> Spaces:
    """Spaces that a map other than the right one leaves as they are."""
    n = 2 * n_samples + N_TEST
    if data == "images":
        images = load_digits().images.astype(np.float32)
        images = images[rng.choice(len(images), n)] + rng.normal(0, 0.5, (n, 8, 8))
        flipped = rng.random(n) < 0.5
        images[flipped] = images[flipped][:, :, ::-1]
        return _halves(images.reshape(n, 64), n_samples, rng)
    if data == "clusters":
        clusters = _overlapping_clusters(n, rng)
        clusters[:, :3] *= rng.choice([-1, 1], size=(n, 1))
        return _halves(clusters, n_samples, rng)
    X = np.concatenate([_one_encoder(paths, "minilm").XA, _one_encoder(paths, "minilm").XB])
    # 64 leading directions make the fit quick.
    X = (X - X.mean(axis=0)) @ np.linalg.svd(X[:2000] - X.mean(axis=0))[2][:64].T
    X = X[rng.permutation(len(X))]
    if data == "swap":
        halves = np.stack([X[:n, :32], X[n : 2 * n, :32]], axis=1)
        swapped = rng.random(len(halves)) < 0.5
        halves[swapped] = halves[swapped][:, ::-1]
        return _halves(halves.reshape(len(halves), 64), n_samples, rng)
    signs = rng.choice([-1.0, 1.0], n)[:, None]
    X = X[:n].copy()
    if data == "sign":
        X *= signs
    else:
        X[:, :1] *= signs
    return _halves(X, n_samples, rng)


def _equal_features(
    paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator
) -> Spaces:
    """Independent features of one skewed distribution: every permutation is a symmetry."""
    width = int(rng.choice([8, 16, 24]))
    return _halves(rng.gamma(1, 1, (2 * n_samples + N_TEST, width)), n_samples, rng)


def _low_rank(
    paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator
) -> Spaces:
    """Equal features as above, few of which make all others."""
    n, rank = 2 * n_samples + N_TEST, int(data)
    axes = np.linalg.qr(rng.standard_normal((200, rank)))[0]
    return _halves(rng.gamma(1, 1, (n, rank)) @ axes.T, n_samples, rng)


def _narrow(paths: tuple[Path, ...], data: str, n_samples: int, rng: np.random.Generator) -> Spaces:
    """Mixtures of normal distributions: both sides of one of them, or of two unrelated ones."""
    if data == "text and digits":
        text = _one_encoder(paths, "minilm").draw(n_samples, int(rng.integers(1000)))
        digits = unrelated_spaces(text, "digits", int(rng.integers(1000)))
        A, B = (_leading(X, 12) for X in (text.XA, digits.XB[: len(text.XB)]))
        return Spaces(data, A, B, A, B)
    width = int(rng.integers(8, 17))

    def mixture(n: int) -> FloatArray:
        centres = 2 * rng.standard_normal((5, width))
        kinds = rng.choice(5, n, p=[0.35, 0.25, 0.2, 0.12, 0.08])
        scales = rng.uniform(0.5, 1.5, width)
        X = centres[kinds] + scales * rng.standard_normal((n, width))
        return np.asarray(X, dtype=np.float32)

    if data == "mixture":
        return _halves(mixture(2 * n_samples + N_TEST), n_samples, rng)
    A, B = mixture(n_samples + N_TEST), mixture(n_samples + N_TEST)
    return Spaces(data, A[N_TEST:], B[N_TEST:], A[:N_TEST], B[:N_TEST])


def _leading(X: FloatArray, n_components: int) -> FloatArray:
    """Scores of the leading principal components."""
    centred = unit(X - X.mean(axis=0))
    axes = np.linalg.svd(centred - centred.mean(axis=0), full_matrices=False)[2]
    return np.asarray(centred @ axes[:n_components].T, dtype=np.float32)


_Maker = Callable[[tuple[Path, ...], str, int, np.random.Generator], Spaces]
_GENERATED: dict[str, _Maker] = {
    "rotated, noise": _rotated,
    "permuted features": _permuted,
    "few samples": _few,
    "views of digits": _views,
    "symmetric": _symmetric,
    "overlapping clusters": _clusters,
    "equal features": _equal_features,
    "low rank": _low_rank,
    "narrow mixtures": _narrow,
}
