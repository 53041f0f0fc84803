"""
Grid search without pairs
=========================

``MiniVec2Vec`` has a label-free ``score``, so that a search can select its parameters without
known counterparts. In this example, the search selects the refinement. The target samples are
passed as ``XB``, because their number may differ from the number of source samples.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, ShuffleSplit

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import (
    MutualNeighborRefinement,
    NeighborRefinement,
    TransportRefinement,
)
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.metrics import retrieval_accuracy

data = load_sentence_embeddings()
XA, XB = data.XA[:2000], data.XB[:1500]

transport = TransportRefinement(max_iter=20)
candidates = {
    "neighbours": [NeighborRefinement(max_iter=10)],
    "mutual neighbours": [MutualNeighborRefinement(max_iter=5)],
    "transport": [transport],
    "transport, then whitened": [
        transport,
        TransportRefinement(max_iter=5, whitening=(0.5, 0.5)),
    ],
}


def evaluate(aligner, X, y=None):
    """Return the label-free score and, for comparison, the accuracy on pairs."""
    Z, T = aligner.transform(data.XA_test), aligner.transform_target(data.XB_test)
    return {"label_free": aligner.score(X), "top_1": retrieval_accuracy(Z, T)}


search = GridSearchCV(
    MiniVec2Vec(random_state=0),
    {"refinements": list(candidates.values())},
    scoring=evaluate,
    cv=ShuffleSplit(1, test_size=0.25, random_state=0),
    refit=False,  # "label_free" would fit the candidate with the best label-free score again
)
search.set_callbacks(ProgressBar()).fit(XA, XB=XB)

# %%
# For comparison, the function also computes the share of held-out pairs that each candidate
# retrieves. The label-free score does not use these pairs. Without the function, a search uses
# ``score``, which is label-free.

scores = search.cv_results_["mean_test_label_free"]
accuracies = search.cv_results_["mean_test_top_1"]
for name, score, accuracy in zip(candidates, scores, accuracies, strict=True):
    print(f"{name:26} label-free score {score:.4f}, top-1 of held-out pairs {accuracy:.3f}")
print("chosen:", list(candidates)[np.argmax(scores)])

# %%
# Without pairs, the score selects the same candidate as the accuracy on pairs. The error bars are
# two standard errors of an accuracy on 1500 sentences. Of the other candidates, only the mutual
# neighbours differ from it by more than this.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
error = 2 * np.sqrt(np.multiply(accuracies, np.subtract(1, accuracies)) / len(data.XA_test))
ax.errorbar(scores, accuracies, yerr=error, fmt="o", color="#0072B2", capsize=3)
for name, score, accuracy in zip(candidates, scores, accuracies, strict=True):
    ax.annotate(name, (score, accuracy), xytext=(7, 5), textcoords="offset points")
ax.set_xlim(right=max(scores) + 0.6 * np.ptp(scores))  # room for the last name
_ = ax.set(xlabel="Label-free score in the search", ylabel="Top-1 of held-out pairs")
