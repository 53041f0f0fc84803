"""Figures of the AECF estimators on the data sets of the package.

``python tests/benchmarks/bench_fusion.py table --data avmnist --seeds 5``
    AECF and what it is compared with, on test rows: mAP, NLL, ECE at drop rates 0 to 75% and the
    accuracy of each modality alone.
``python tests/benchmarks/bench_fusion.py missing --seeds 5``
    the same with a quarter or half of the training blocks missing, or one modality rare.
``python tests/benchmarks/bench_fusion.py ablation --seeds 3``
    AECF with one setting changed at a time, on validation rows.
``python tests/benchmarks/bench_fusion.py calibration --seeds 5``
    where the temperature is fitted: nowhere, on held-out rows, by cross-fitting.
``python tests/benchmarks/bench_fusion.py embedder --seeds 5``
    logistic regression on embeddings and on principal components, and retrieval across modalities.
``python tests/benchmarks/bench_fusion.py collapse --encoders linear --seeds 20``
    in how many seeds every modality alone has an accuracy above one half.
``python tests/benchmarks/bench_fusion.py speed``
    a batch of 256 against mean fusion, fit and predict time against a plain skorch MLP.

Every method in ``table`` and ``missing`` holds out the same tenth of its training rows and scales
its probabilities by a temperature fitted there. Every method is scored on the same rows with the
same blocks missing, in three draws per seed.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

try:  # as a script, and as a module
    from fusion_baselines import BASELINES, mlp, width_of_equal_size
except ImportError:
    from tests.benchmarks.fusion_baselines import BASELINES, mlp, width_of_equal_size

from sklearn_align.datasets import drop_modalities, load_avmnist, load_mfeat
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFModule
from sklearn_align.metrics import (
    confidence_violation_rate,
    expected_calibration_error,
    retrieval_accuracy,
)

RATES = (0.0, 0.25, 0.5, 0.75)
DRAWS = 3
HEAD = nn.Linear(128, 10)
Array = NDArray[Any]


def load(name: str, seed: int) -> Any:
    """Load a data set; mfeat has another split for each of five seeds."""
    return load_avmnist() if name == "avmnist" else load_mfeat(split=seed % 5)


def alone(X: Array, modalities: dict[str, int]) -> list[Array]:
    """Copies of X in which one modality is left."""
    edges = np.cumsum([0, *modalities.values()])
    copies = []
    for first, last in itertools.pairwise(edges):
        copy = np.full_like(X, np.nan)
        copy[:, first:last] = X[:, first:last]
        copies.append(copy)
    return copies


def figures(
    predict: Callable[[Array], Array], X: Array, y: Array, modalities: Any, seed: int
) -> Array:
    """Score at every rate: rows of mAP, NLL and ECE, means over draws of the missing blocks."""
    one_hot = np.eye(int(y.max()) + 1)[y]
    rows = []
    for rate in RATES:
        draws = []
        for draw in range(DRAWS if rate > 0 else 1):
            hidden = drop_modalities(X, modalities, rate, random_state=1000 + seed + 100 * draw)
            proba = predict(hidden)
            draws.append(
                [
                    average_precision_score(one_hot, proba, average="macro"),
                    log_loss(y, proba),
                    expected_calibration_error(y, proba),
                ]
            )
        rows.append(np.mean(draws, axis=0))
    return np.array(rows)


def accuracies_alone(
    predict: Callable[[Array], Array], X: Array, y: Array, modalities: Any
) -> Array:
    """Accuracy of each modality alone."""
    hits = [(predict(one).argmax(axis=1) == y).mean() for one in alone(X, modalities)]
    return np.array(hits)


def run_seed(
    name: str, seed: int, train_rate: float | Mapping[str, float], methods: list[str]
) -> dict[str, tuple[Array, Array]]:
    """Fit and score all methods with one seed."""
    torch.set_num_threads(1)
    data = load(name, seed)
    X = drop_modalities(data.data, data.modalities, train_rate, random_state=seed)
    train, test = np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)
    y = data.target.astype(np.int64)
    train, held_out = train_test_split(train, test_size=0.1, random_state=seed, stratify=y[train])
    rows, held_out_rows = (X[train], y[train]), (X[held_out], y[held_out])
    results = {}
    for method in methods:
        start = time.perf_counter()
        if method == "AECF":
            clf = AECFClassifier(modalities=data.modalities, random_state=seed, train_split=None)
            clf.fit(*rows).calibrate(*held_out_rows)
            predict: Callable[[Array], Array] = clf.predict_proba
        else:
            predict = BASELINES[method](rows, held_out_rows, data.modalities, seed)
        X_test, y_test = data.data[test], y[test]
        results[method] = (
            figures(predict, X_test, y_test, data.modalities, seed),
            accuracies_alone(predict, X_test, y_test, data.modalities),
        )
        seconds = time.perf_counter() - start
        map_at_rates = results[method][0][:, 0].round(3)
        print(f"seed {seed}: {method}: mAP {map_at_rates}, {seconds:.0f} s", flush=True)
    return results


def print_comparison(
    title: str, runs: list[dict[str, tuple[Array, Array]]], names: list[str]
) -> None:
    """Print the means over seeds, one line per method."""
    print(f"\n{title}: test rows, means of {len(runs)} seeds")
    header = "".join(f"{rate:>7.0%}" for rate in RATES)
    print(f"{'':36}" + "".join(f"{figure:>7}{header[7:]}" for figure in ("mAP", "NLL", "ECE")))
    for method in runs[0]:
        mean = np.mean([run[method][0] for run in runs], axis=0)
        print(f"{method:36}" + "".join(f"{value:7.3f}" for value in mean.T.ravel()))
    print("\nAccuracy of each modality alone\n" + f"{'':36}" + "".join(f"{n:>8}" for n in names))
    for method in runs[0]:
        mean = np.mean([run[method][1] for run in runs], axis=0)
        print(f"{method:36}" + "".join(f"{value:8.3f}" for value in mean), flush=True)


def compare(args: argparse.Namespace, train_rate: Any, methods: list[str], title: str) -> None:
    """Run all seeds and print the comparison."""
    runs = Parallel(n_jobs=args.jobs)(
        delayed(run_seed)(args.data, seed, train_rate, methods) for seed in range(args.seeds)
    )
    print_comparison(f"{args.data}, {title}", runs, list(load(args.data, 0).modalities))


def table(args: argparse.Namespace) -> None:
    """Compare AECF with the other methods."""
    compare(args, 0.0, args.methods or ["AECF", *BASELINES], "complete training rows")


def missing(args: argparse.Namespace) -> None:
    """Compare when blocks are missing from the training rows, too."""
    methods = args.methods or ["AECF", "concat + modality dropout", "gradient boosting"]
    for rate in args.train_rates:
        if rate == "rare":
            name = list(load(args.data, 0).modalities)[-1]
            compare(args, {name: 0.95}, methods, f"{name!r} in 5% of the training rows")
        else:
            title = f"{float(rate):.0%} of the training blocks dropped"
            compare(args, float(rate), methods, title)


ABLATIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "masking='none'": {"masking": "none"},
    "masking='random', 0.5": {"masking": "random", "masking_prob": 0.5},
    "masking='random', 0.9": {"masking": "random"},
    "masking='weighted_random', 0.5": {"masking": "weighted_random", "masking_prob": 0.5},
    "masking='entropy_min', 0.5": {"masking": "entropy_min", "masking_prob": 0.5},
    "masking='entropy_max', 0.5": {"masking": "entropy_max", "masking_prob": 0.5},
    "masking_prob=0.3": {"masking_prob": 0.3},
    "entropy_weight=0": {"entropy_weight": 0.0},
    "consistency='monotone'": {"consistency": "monotone"},
    "consistency_weight=0": {"consistency_weight": 0.0},
    "ece_weight=0.5": {"ece_weight": 0.5},
    "label_smoothing=0.05": {"label_smoothing": 0.05},
    "fusion='mean'": {"fusion": "mean"},
    "encoders='linear'": {"encoders": "linear"},
    "gate_hidden=32": {"gate_hidden": 32},
    "gate_activation='sigmoid'": {"gate_activation": "sigmoid"},
    "calibration=False": {"calibration": False},
}


def ablation_seed(name: str, seed: int, params: dict[str, Any]) -> list[float]:
    """Fit on training rows and score on validation rows."""
    torch.set_num_threads(1)
    data = load(name, seed)
    train, valid = np.flatnonzero(data.split == 0), np.flatnonzero(data.split == 1)
    clf = AECFClassifier(modalities=data.modalities, random_state=seed, **params)
    clf.fit(data.data[train], data.target[train])
    X, y = data.data[valid], data.target[valid].astype(np.int64)
    at_rates = figures(clf.predict_proba, X, y, data.modalities, seed)
    hidden = drop_modalities(X, data.modalities, 0.5, random_state=seed)
    lost = np.isnan(hidden).any(axis=1)
    violations = confidence_violation_rate(
        clf.predict_proba(hidden[lost]), clf.predict_proba(X[lost]), tolerance=0.01
    )
    worst = accuracies_alone(clf.predict_proba, X, y, data.modalities).min()
    entropy = float(clf.gate_entropy(X).mean())
    return [
        *at_rates[:, 0],
        at_rates[2, 1],
        at_rates[0, 2],
        at_rates[2, 2],
        violations,
        worst,
        entropy,
    ]


def ablation(args: argparse.Namespace) -> None:
    """Change one setting at a time."""
    chosen = {name: ABLATIONS[name] for name in args.methods or ABLATIONS}
    columns = [f"mAP{rate:.0%}" for rate in RATES]
    columns += ["NLL50%", "ECE0%", "ECE50%", "viol.", "worst", "entropy"]
    print(
        f"{args.data}: validation rows, means of {args.seeds} seeds\n"
        "viol.: share of rows surer by more than 0.01 with half of the blocks dropped than with "
        "all\nworst: accuracy of the worst modality alone; entropy: of the gate, nothing missing"
    )
    print(f"{'':34}" + "".join(f"{column:>8}" for column in columns), flush=True)
    for name, params in chosen.items():
        runs = Parallel(n_jobs=args.jobs)(
            delayed(ablation_seed)(args.data, seed, params) for seed in range(args.seeds)
        )
        print(f"{name:34}" + "".join(f"{v:8.3f}" for v in np.mean(runs, axis=0)), flush=True)


def calibration(args: argparse.Namespace) -> None:
    """Compare ways to fit the temperature, on test rows."""
    ways: dict[str, dict[str, Any]] = {
        "none": {"calibration": False, "train_split": None},
        "held-out tenth": {},
        "cross-fitting": {"calibration": "cross_fit"},
    }
    for name, params in ways.items():
        runs, seconds = [], []
        for seed in range(args.seeds):
            data = load(args.data, seed)
            train, test = np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)
            clf = AECFClassifier(modalities=data.modalities, random_state=seed, **params)
            start = time.process_time()
            clf.fit(data.data[train], data.target[train])
            seconds.append(time.process_time() - start)
            y = data.target[test].astype(np.int64)
            runs.append(figures(clf.predict_proba, data.data[test], y, data.modalities, seed))
        mean = np.mean(runs, axis=0)
        print(f"{args.data}, {name}, {np.mean(seconds):.0f} s of computing time per fit")
        for column, figure in enumerate(("mAP", "NLL", "ECE")):
            print(f"  {figure}" + "".join(f"{v:8.4f}" for v in mean[:, column]), flush=True)


def components(X: Array, widths: list[int], per_block: int) -> Callable[[Array], Array]:
    """Fit principal components of every mean-imputed block; they go side by side."""
    edges = np.cumsum([0, *widths])
    blocks = [slice(first, last) for first, last in itertools.pairwise(edges)]
    steps = [
        make_pipeline(
            StandardScaler(), SimpleImputer(), PCA(min(per_block, block.stop - block.start))
        ).fit(X[:, block])
        for block in blocks
    ]
    return lambda rows: np.hstack(
        [step.transform(rows[:, block]) for step, block in zip(steps, blocks, strict=True)]
    )


def embedder(args: argparse.Namespace) -> None:
    """Compare embeddings with principal components at half of the blocks missing."""
    results, retrieval = [], []
    for seed in range(args.seeds):
        data = load(args.data, seed)
        train, test = np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)
        hidden = drop_modalities(data.data, data.modalities, 0.5, random_state=seed)
        y, one_hot = data.target, np.eye(10)[data.target[test]]
        model = AECFEmbedder(modalities=data.modalities, random_state=seed).fit(data.data[train])
        widths = list(data.modalities.values())
        few = components(data.data[train], widths, 64 // len(widths))
        many = components(data.data[train], widths, 64)
        row = []
        for features in (model.transform, few, many):
            for fitted_on in (data.data, hidden):
                clf = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
                clf.fit(features(fitted_on[train]), y[train])
                proba = clf.predict_proba(features(hidden[test]))
                row.append(average_precision_score(one_hot, proba, average="macro"))
        results.append(row)
        one_each = [model.transform(X) for X in alone(data.data[test], data.modalities)]
        retrieval.append(
            [retrieval_accuracy(one_each[0], one_each[1], k=k) for k in (1, 10)]
            + [(y[test][(one_each[0] @ one_each[1].T).argmax(axis=1)] == y[test]).mean()]
        )
        print(f"seed {seed}: {np.round(row, 3)} {np.round(retrieval[-1], 3)}", flush=True)
    mean, names = np.mean(results, axis=0), list(data.modalities)
    print(f"{args.data}: logistic regression, mAP at 50% missing, means of {args.seeds} seeds")
    print(f"{'trained on':36}{'complete':>10}{'50% missing':>13}")
    print(f"{'AECFEmbedder, 64 columns':36}{mean[0]:10.3f}{mean[1]:13.3f}")
    print(f"{'principal components, 64 in all':36}{mean[2]:10.3f}{mean[3]:13.3f}")
    print(f"{'principal components, 64 per block':36}{mean[4]:10.3f}{mean[5]:13.3f}")
    found = np.mean(retrieval, axis=0)
    print(
        f"{names[0]} -> {names[1]} among {len(test)} test rows: own partner first {found[0]:.3f}, "
        f"among the first ten {found[1]:.3f}; nearest has the same class {found[2]:.3f}"
    )


def collapse(args: argparse.Namespace) -> None:
    """Count the seeds in which every modality works alone."""
    good = 0
    for seed in range(args.seeds):
        data = load(args.data, seed)
        train, test = np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)
        clf = AECFClassifier(modalities=data.modalities, encoders=args.encoders, random_state=seed)
        clf.fit(data.data[train], data.target[train])
        scores = accuracies_alone(
            clf.predict_proba, data.data[test], data.target[test], data.modalities
        )
        good += min(scores) > 0.5
        print(f"seed {seed}: {np.round(scores, 3)}", flush=True)
    print(f"{good} of {args.seeds} seeds above 0.5 with every modality alone")


def best_times(functions: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Shortest of several runs of each function, taken in turns, in seconds of computing time."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, own in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            own.append(time.process_time() - start)
    return [min(own) for own in times]


def speed(args: argparse.Namespace) -> None:
    """Print the cost of the gate, of a fit and of a prediction, all on one thread."""
    torch.set_num_threads(1)
    for widths in ((50, 50), (216, 76, 64, 240, 47, 6)):
        presence = torch.rand(256, len(widths)) < 0.7
        presence[:, 0] = True
        X = torch.randn(256, sum(widths))
        for fusion in ("mean", "expert"):
            module = AECFModule(widths, 10, fusion=fusion).eval()

            def mean_fusion(module: Any = module, X: Any = X, presence: Any = presence) -> Any:
                flags = presence.float()
                fused = (module.encode(X) * flags.unsqueeze(-1)).sum(1)
                return HEAD(fused / flags.sum(1, keepdim=True))

            with torch.no_grad():
                ours, theirs = best_times(
                    [lambda m=module, X=X, p=presence: m(X, p), mean_fusion], 1000
                )
            print(
                f"batch of 256, {len(widths)} modalities, {fusion}: {1e6 * ours:.0f} us, mean "
                f"fusion {1e6 * theirs:.0f} us, ratio {ours / theirs:.2f}",
                flush=True,
            )
    data = load("avmnist", 0)
    train = data.split < 2
    X, y = data.data[train], data.target[train]
    clf = AECFClassifier(
        modalities=data.modalities, max_epochs=args.epochs, train_split=None, random_state=0
    )
    size = sum(p.numel() for p in clf.partial_fit(X, y, epochs=0).module_.parameters())
    net = NeuralNetClassifier(
        mlp(100, width_of_equal_size(100, 10, size), 10),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        max_epochs=args.epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    ours, theirs = best_times([lambda: clf.fit(X, y), lambda: net.fit(X, y)], 3)
    print(
        f"fit of {size} parameters, {args.epochs} epochs: {ours:.2f} s, plain skorch MLP "
        f"{theirs:.2f} s, ratio {ours / theirs:.2f}"
    )
    ours, theirs = best_times([lambda: clf.predict_proba(X), lambda: net.predict_proba(X)], 10)
    print(
        f"predict_proba of {len(X)} rows: {1e3 * ours:.0f} ms, plain skorch MLP "
        f"{1e3 * theirs:.0f} ms, ratio {ours / theirs:.2f}"
    )


COMMANDS = {
    "table": table,
    "missing": missing,
    "ablation": ablation,
    "calibration": calibration,
    "embedder": embedder,
    "collapse": collapse,
    "speed": speed,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=list(COMMANDS))
    parser.add_argument("--data", choices=["avmnist", "mfeat"], default="avmnist")
    parser.add_argument("--methods", nargs="*", help="only these methods, or rows of the ablation")
    parser.add_argument(
        "--train-rates", nargs="*", default=["0.25", "0.5", "rare"], help="what `missing` runs"
    )
    parser.add_argument("--encoders", default="mlp")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10, help="epochs of the timed fits")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at the same time")
    options = parser.parse_args()
    COMMANDS[options.what](options)
