"""Logistic regression on embeddings and on principal components; retrieval across modalities.

python -m tests.benchmarks.bench_fusion_embedder --data avmnist --seeds 5

The embedder and the principal components are fitted on complete training samples without labels.
The regression is fitted on complete samples or on samples with half of their blocks missing, and
scored on test samples with half of their blocks missing. Retrieval looks for the partner of each
test sample of the first modality among those of the second.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align import AECFEmbedder
from sklearn_align.datasets import drop_modalities
from sklearn_align.metrics import retrieval_accuracy
from tests.benchmarks.fusion_data import Array, Predict, alone, load, make_parser
from tests.benchmarks.tables import Figures, Runs, write_table

KEYS = ("seed",)
WIDTH = 64
FEATURES = {
    "embedder": f"AECFEmbedder, {WIDTH} columns",
    "few_components": f"principal components, {WIDTH} in all",
    "many_components": f"principal components, {WIDTH} per modality",
}
TRAINED_ON = {"complete": "complete samples", "half": "50% missing"}
RETRIEVAL = {
    "partner_first": "partner first",
    "partner_in_ten": "partner among the first ten",
    "same_class_first": "nearest has the same class",
}


def principal_components(X: Array, widths: list[int], per_block: int) -> Predict:
    """Fit principal components of every mean-imputed block; they go side by side."""
    edges = np.cumsum([0, *widths])
    blocks = [slice(first, last) for first, last in itertools.pairwise(edges)]
    steps = [
        make_pipeline(
            StandardScaler(), SimpleImputer(), PCA(min(per_block, block.stop - block.start))
        ).fit(X[:, block])
        for block in blocks
    ]
    return lambda X: np.hstack(
        [step.transform(X[:, block]) for step, block in zip(steps, blocks, strict=True)]
    )


def fit_embedder(name: str, seed: int) -> Figures:
    """Fit the embedder and score everything."""
    torch.set_num_threads(1)
    data = load(name, seed)
    train, test = np.flatnonzero(data.split < 2), np.flatnonzero(data.split == 2)
    hidden = drop_modalities(data.data, data.modalities, 0.5, random_state=seed)
    y, one_hot = data.target, np.eye(10)[data.target[test]]
    model = AECFEmbedder(modalities=data.modalities, random_state=seed).fit(data.data[train])
    widths = list(data.modalities.values())
    transforms = {
        "embedder": model.transform,
        "few_components": principal_components(data.data[train], widths, WIDTH // len(widths)),
        "many_components": principal_components(data.data[train], widths, WIDTH),
    }
    figures = {}
    for features, transform in transforms.items():
        for trained_on, X in (("complete", data.data), ("half", hidden)):
            clf = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            clf.fit(transform(X[train]), y[train])
            proba = clf.predict_proba(transform(hidden[test]))
            figures[f"{features}_{trained_on}"] = float(
                average_precision_score(one_hot, proba, average="macro")
            )
    first, second = (model.transform(X) for X in alone(data.data[test], data.modalities)[:2])
    nearest = (first @ second.T).argmax(axis=1)
    figures["partner_first"] = float(retrieval_accuracy(first, second))
    figures["partner_in_ten"] = float(retrieval_accuracy(first, second, k=10))
    figures["same_class_first"] = float((y[test][nearest] == y[test]).mean())
    return figures


def write_tables(runs: Runs, folder: Path, name: str) -> None:
    """Write means over seeds."""
    frame = runs.frame()
    lines = [
        [label, *[float(frame[f"{features}_{key}"].mean()) for key in TRAINED_ON], len(frame)]
        for features, label in FEATURES.items()
    ]
    header = ["features", *[f"trained on {label}" for label in TRAINED_ON.values()], "seeds"]
    write_table(folder / f"fusion_embedder_{name}.csv", header, lines)
    data = load(name, 0)
    source, target = list(data.modalities)[:2]
    figures = [float(frame[column].mean()) for column in RETRIEVAL]
    line = [f"{source} to {target}", int((data.split == 2).sum()), *figures, len(frame)]
    header = ["retrieval", "test samples", *RETRIEVAL.values(), "seeds"]
    write_table(folder / f"fusion_retrieval_{name}.csv", header, [line])


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the tables."""
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = Runs(args.out, f"fusion_embedder_{args.data}", KEYS)
    runs.fill(partial(fit_embedder, args.data), [{"seed": s} for s in seeds], args.n_jobs)
    write_tables(runs, args.out, args.data)


if __name__ == "__main__":
    main(make_parser(__doc__).parse_args())
