"""
How many rows, and what a few pairs do
======================================

The fewer rows, the harder the alignment. ``converged_`` says when there were too few, and a
handful of known pairs then takes the place of thousands of unpaired rows.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.exceptions import AlignmentWarning
from sklearn_align.metrics import retrieval_accuracy

data = load_sentence_embeddings()
held_out = slice(0, 1000)


def evaluate(aligner):
    Z = aligner.transform(data.XA_test[held_out])
    T = aligner.transform_target(data.XB_test[held_out])
    return retrieval_accuracy(Z, T)


# %%
# Rows without pairs
# ------------------
# Three starts instead of up to nine keep this page short.

row_counts = [300, 1500]
accuracies, verdicts = [], []
for n_rows in row_counts:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)  # a failure is what we look for
        aligner = MiniVec2Vec(n_init=3, random_state=0).fit(data.XA[:n_rows], data.XB[:n_rows])
    accuracies.append(evaluate(aligner))
    verdicts.append(aligner.converged_)
    print(
        f"{n_rows:5} rows a side: top-1 {accuracies[-1]:.3f}, converged {verdicts[-1]}, "
        f"{time.perf_counter() - start:.1f} s"
    )

# %%
# The fewest rows again, with pairs
# ---------------------------------
# The pairs come from sentences that are not used for the evaluation.

n_rows = row_counts[0]
with_pairs = {}
for n_pairs in (10, 100):
    rows = slice(1000, 1000 + n_pairs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner = MiniVec2Vec(n_init=3, random_state=0).fit(
            data.XA[:n_rows], data.XB[:n_rows], pairs=(data.XA_test[rows], data.XB_test[rows])
        )
    with_pairs[n_pairs] = evaluate(aligner)
    print(f"{n_pairs:3} pairs: top-1 {with_pairs[n_pairs]:.3f}, converged {aligner.converged_}")

# %%
fig, ax = plt.subplots(layout="constrained")
colors = ["tab:green" if verdict else "tab:red" for verdict in verdicts]
ax.plot(row_counts, accuracies, color="0.7", zorder=0)
ax.scatter(row_counts, accuracies, c=colors, s=60, label="no pairs (red: not converged)")
ax.scatter(
    np.full(len(with_pairs), n_rows), list(with_pairs.values()), marker="x", color="k",
    label=f"{n_rows} rows and " + ", ".join(map(str, with_pairs)) + " pairs",
)  # fmt: skip
ax.set(xscale="log", xlabel="Rows of each side", ylabel="Top-1 among 1000", ylim=(-0.02, 1.02))
_ = ax.legend()
