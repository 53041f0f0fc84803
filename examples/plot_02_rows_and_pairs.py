"""
How many samples, and what a few pairs do
=========================================

The fewer samples, the harder the alignment. ``converged_`` says when there were too few, and known
pairs then take the place of thousands of unpaired samples.
"""

import warnings

import matplotlib.pyplot as plt

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.exceptions import AlignmentWarning
from sklearn_align.metrics import retrieval_accuracy

data = load_sentence_embeddings()
held_out = slice(0, 1000)


def fit_and_evaluate(n_samples, pairs=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)  # a failure is what we look for
        aligner = MiniVec2Vec(random_state=0)
        aligner.fit(data.XA[:n_samples], data.XB[:n_samples], pairs=pairs)
    Z = aligner.transform(data.XA_test[held_out])
    T = aligner.transform_target(data.XB_test[held_out])
    return retrieval_accuracy(Z, T), aligner.converged_


# %%
# Rows without pairs
# ------------------

by_size = {n_samples: fit_and_evaluate(n_samples) for n_samples in (300, 600, 1500)}
for n_samples, (accuracy, converged) in by_size.items():
    print(f"{n_samples:5} samples a side: top-1 {accuracy:.3f}, converged: {converged}")

# %%
# Few samples with pairs
# ----------------------
# 300 samples of each side, and pairs of sentences that are not used for the evaluation. Thirty are
# not enough to hold a map between spaces of 300 dimensions; a hundred are.

by_pairs = {0: by_size[300]}
for n_pairs in (30, 100, 300):
    known = slice(1000, 1000 + n_pairs)
    by_pairs[n_pairs] = fit_and_evaluate(300, (data.XA_test[known], data.XB_test[known]))
for n_pairs, (accuracy, converged) in by_pairs.items():
    print(f"300 samples a side, {n_pairs:3} pairs: top-1 {accuracy:.3f}, converged: {converged}")

# %%
# Red bars are alignments of which the aligner itself says that they failed. It errs on the side of
# caution: where no map that was found independently comes near, a good map is rejected, too.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for ax, results, label in (
    (axes[0], by_size, "Samples of each side, no pairs"),
    (axes[1], by_pairs, "Pairs, with 300 samples of each side"),
):
    bars = ax.bar(
        [str(number) for number in results],
        [accuracy for accuracy, _ in results.values()],
        color=["tab:blue" if converged else "tab:red" for _, converged in results.values()],
    )
    ax.bar_label(bars, fmt="%.2f")
    ax.set(xlabel=label, ylim=(0, 1.1))
_ = axes[0].set_ylabel("Top-1 among 1000 held-out sentences")
