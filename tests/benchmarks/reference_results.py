"""Results of fixed settings, to show that a change of the code leaves them equal to the bit.

OMP_NUM_THREADS=1 python -m tests.benchmarks.reference_results write before.npz
OMP_NUM_THREADS=1 python -m tests.benchmarks.reference_results compare before.npz

Write on the code before the change, compare on the code after it, on the same machine with the same
libraries and the same number of threads.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_align import AECFClassifier, AECFEmbedder, AECFRegressor, MiniVec2Vec
from sklearn_align.alignment import (
    ClusterRefinement,
    MutualNeighborRefinement,
    NeighborRefinement,
    TransportRefinement,
)
from sklearn_align.datasets import (
    drop_modalities,
    load_mfeat,
    load_sentence_embeddings,
    make_multimodal_classification,
    make_rotated_embeddings,
)

Results = dict[str, Any]


def paper_aligner(**parameters: Any) -> MiniVec2Vec:
    """Make an aligner with the published recipe."""
    if hasattr(MiniVec2Vec, "from_paper"):
        return MiniVec2Vec.from_paper(**parameters)
    return MiniVec2Vec(refinements="paper", **parameters)


def of_aligner(aligner: MiniVec2Vec, data: Any, dtype: str, pairs: Any = None) -> Results:
    """Fit an aligner and collect what it returns."""
    XA, XB = data.XA.astype(dtype), data.XB.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligner.fit(XA, XB, pairs=pairs)
    Z = aligner.transform(data.XA_test.astype(dtype))
    return {
        "map_": aligner.map_,
        "transform": Z,
        "transform_target": aligner.transform_target(data.XB_test.astype(dtype)),
        "to_target": aligner.to_target(data.XA_test.astype(dtype)),
        "inverse_transform": aligner.inverse_transform(Z),
        "alignment_score_": aligner.alignment_score_,
        "agreement_": aligner.agreement_,
        "relative_score_": aligner.relative_score_,
        "target_sample_": aligner.target_sample_,
        "history": np.concatenate([record["score"] for record in aligner.history_]),
    }


def alignment_settings() -> Iterator[tuple[str, Results]]:
    """Yield the results of every alignment setting."""
    unequal = make_rotated_embeddings(
        1500, 32, n_samples_target=1300, n_features_target=40, random_state=0
    )
    equal = make_rotated_embeddings(1200, 24, random_state=1)
    yield (
        "robust, float32, unequal widths, seed 0",
        of_aligner(MiniVec2Vec(random_state=0), unequal, "float32"),
    )
    yield (
        "robust, float64, unequal widths, seed 1",
        of_aligner(MiniVec2Vec(random_state=1), unequal, "float64"),
    )
    yield (
        "robust, float32, seed 2, capped samples",
        of_aligner(MiniVec2Vec(max_samples=1000, random_state=2), equal, "float32"),
    )
    rows = np.arange(40)
    pairs = (equal.XA_test[rows].astype("float32"), equal.XB_test[rows].astype("float32"))
    yield (
        "robust, float32, pairs",
        of_aligner(MiniVec2Vec(pair_weight=2.0, random_state=0), equal, "float32", pairs),
    )
    sentences = load_sentence_embeddings()
    sentences.XA, sentences.XB = sentences.XA[:4000], sentences.XB[:3500]
    yield (
        "robust, word2vec, seed 0",
        of_aligner(MiniVec2Vec(random_state=0), sentences, "float32"),
    )
    yield (
        "robust, word2vec, n_init=1, 30 pairs",
        of_aligner(
            MiniVec2Vec(n_init=1, random_state=1),
            sentences,
            "float32",
            (sentences.XA_test[:30], sentences.XB_test[:30]),
        ),
    )
    yield (
        "anchors, robust",
        of_aligner(MiniVec2Vec(init="anchors", n_init=2, random_state=0), equal, "float64"),
    )
    yield (
        "paper",
        of_aligner(
            paper_aligner(n_clusters=12, n_runs=5, n_neighbors=30, max_iter=10, random_state=0),
            equal,
            "float32",
        ),
    )
    yield (
        "all refinements",
        of_aligner(
            MiniVec2Vec(
                n_init=2,
                refinements=[
                    TransportRefinement(max_iter=12, whitening=(-0.2, 0.3), momentum=0.4),
                    NeighborRefinement(max_iter=3, n_neighbors=20),
                    ClusterRefinement(60),
                    MutualNeighborRefinement(max_iter=4),
                ],
                random_state=0,
            ),
            unequal,
            "float32",
        ),
    )


def of_net(net: Any, X: Any) -> Results:
    """Collect what a fitted net returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = {
            "transform": net.transform(X),
            "modality_weights": net.modality_weights(X),
            "gate_entropy": net.gate_entropy(X),
        }
        for name in ("predict", "predict_proba"):
            if hasattr(net, name):
                results[name] = getattr(net, name)(X)
    last = net.history_[-1]
    names = ("train_loss", "valid_loss", "train_task", "valid_task", "entropy_lambda")
    results["history"] = np.array([last[name] for name in names if name in last])
    return results


def fusion_settings() -> Iterator[tuple[str, Results]]:
    """Yield the results of every fusion setting."""
    data = make_multimodal_classification(400, widths=(6, 4, 5), missing_rate=0.3, random_state=0)
    X, y, modalities = data.data, data.target, data.modalities
    X_absent = X.copy()
    X_absent[:5] = np.nan
    labels = np.column_stack([y == 0, y > 0, y == 2]).astype(int)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    small = {"modalities": modalities, "max_epochs": 8}
    for seed in range(3):
        dtype = np.float32 if seed else np.float64
        net = AECFClassifier(**small, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net.fit(X_absent.astype(dtype), np.array(["a", "b", "c"])[y])
        yield f"classifier, seed {seed}", of_net(net, X_absent.astype(dtype))
    net = AECFClassifier(
        **small, calibration="cross_fit", pos_weight="balanced", focal_gamma=1.0, random_state=0
    )
    yield "classifier, labels, cross-fit", of_net(net.fit(X, labels), X)
    net = AECFClassifier(
        **small,
        fusion="mean",
        head="mlp",
        masking="entropy_min",
        consistency="monotone",
        ece_weight=0.3,
        class_weight="balanced",
        early_stopping=True,
        patience=3,
        random_state=1,
    ).fit(X, y, sample_weight=weight)
    yield "classifier, mean, early stopping, weights", of_net(net, X)
    net = AECFClassifier(**small, train_split=None, batch_size="auto", random_state=2).fit(X, y)
    net.calibrate(X[:100], y[:100]).partial_fit(X[100:300], y[100:300], epochs=2)
    yield "classifier, calibrate, partial_fit", of_net(net, X)
    mfeat = load_mfeat(subset="train")
    X_mfeat = drop_modalities(mfeat.data, mfeat.modalities, 0.3, random_state=0)
    net = AECFClassifier(modalities=mfeat.modalities, max_epochs=3, random_state=0)
    yield "classifier, six views", of_net(net.fit(X_mfeat, mfeat.target), X_mfeat)
    targets = np.column_stack([y + np.nan_to_num(X[:, 0]), 100.0 * y])
    net = AECFRegressor(**small, random_state=0).fit(X, targets)
    yield "regressor, two targets", of_net(net, X)
    net = AECFRegressor(**small, fusion="mean", random_state=1).fit(X.astype(np.float32), y)
    yield "regressor, one target", of_net(net, X.astype(np.float32))
    for contrast in ("views", "modalities"):
        net = AECFEmbedder(**small, n_components=8, contrast=contrast, random_state=0).fit(X)
        yield f"embedder, {contrast}", of_net(net, X)


def main(args: argparse.Namespace) -> None:
    """Write or compare."""
    results: Results = {}
    parts = {"alignment": alignment_settings, "fusion": fusion_settings}
    for name in args.parts:
        for setting, values in parts[name]():
            results |= {f"{setting}: {key}": np.asarray(value) for key, value in values.items()}
            print(setting, flush=True)
    if args.action == "write":
        np.savez(args.file, **results)
        return
    n_different = 0
    with np.load(args.file) as stored:
        for name, value in results.items():
            before = stored[name]
            if before.dtype != value.dtype or before.tobytes() != value.tobytes():
                n_different += 1
                print(f"DIFFERENT: {name}")
    print(f"{len(results) - n_different} of {len(results)} arrays equal to the bit")
    if n_different:
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--parts", nargs="+", default=["alignment", "fusion"])
    main(parser.parse_args())
