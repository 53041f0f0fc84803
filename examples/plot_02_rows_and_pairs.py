"""
How many rows, and what a few pairs do
======================================

The fewer rows, the harder the alignment. ``converged_`` says when there were too few, and a
handful of known pairs then takes the place of thousands of unpaired rows.
"""

import time
import warnings

import matplotlib.pyplot as plt

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
# Rows without pairs, and few rows with pairs
# -------------------------------------------
# The pairs come from sentences that are not used for the evaluation. Three starts instead of up
# to nine keep this page short.

settings = [(300, 0), (300, 10), (300, 100), (1500, 0)]
accuracies, verdicts = [], []
for n_rows, n_pairs in settings:
    known = slice(1000, 1000 + n_pairs)
    pairs = (data.XA_test[known], data.XB_test[known]) if n_pairs else None
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)  # a failure is what we look for
        aligner = MiniVec2Vec(n_init=3, random_state=0)
        aligner.fit(data.XA[:n_rows], data.XB[:n_rows], pairs=pairs)
    accuracies.append(evaluate(aligner))
    verdicts.append(aligner.converged_)
    print(
        f"{n_rows:5} rows a side, {n_pairs:3} pairs: top-1 {accuracies[-1]:.3f}, "
        f"converged {verdicts[-1]}, {time.perf_counter() - start:.1f} s"
    )

# %%
fig, ax = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
bars = ax.barh([f"{n_rows} rows, {n_pairs} pairs" for n_rows, n_pairs in settings], accuracies)
ax.bar_label(bars, ["converged" if ok else "not converged" for ok in verdicts], padding=4)
ax.set(xlabel="Top-1 among 1000 held-out sentences", xlim=(0, 1.25))
_ = ax.invert_yaxis()
