"""
Align two encoders without pairs
================================

Two word2vec models were trained apart from one another. We have sentences embedded by the first
and *other* sentences embedded by the second: no pair, no dictionary, no label. The map between
the spaces is found all the same, and held-out sentences find themselves.
"""

# %%
# Data
# ----
# ``XA`` and ``XB`` are unpaired. ``XA_test`` and ``XB_test`` hold the same sentences and are used
# for nothing but the evaluation.

from sklearn.callback import ProgressBar

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.plotting import AlignmentScatterDisplay, RetrievalDisplay

data = load_sentence_embeddings()
print(f"{data.XA.shape=}, {data.XB.shape=}, {data.XA_test.shape=}")

# %%
# Fit
# ---
# The convergence check needs no pairs either: independent runs lead to the same map.

aligner = MiniVec2Vec(random_state=0).set_callbacks(ProgressBar()).fit(data.XA, data.XB)
print(f"converged: {aligner.converged_}, agreement of independent maps: {aligner.agreement_:.3f}")

# %%
# Before and after
# ----------------
# Held-out sentences in two components of the second space. Each dot is a sentence embedded by the
# first model, its ring is the same sentence embedded by the second. Two of 300 dimensions are
# shown, so that the dots come near their rings and not into them.

_ = AlignmentScatterDisplay.from_estimator(
    aligner, data.XA_test, data.XB_test, paired=True, n_samples=100, random_state=0
)

# %%
# Evaluation
# ----------
# In all dimensions: for each held-out sentence, is its own counterpart among the `k` nearest of
# 750? The oracle is a supervised map, fitted on the other 750 pairs. Its curve and that of the
# aligner lie on one another.

display = RetrievalDisplay.from_estimator(
    aligner,
    data.XA_test[:750],
    data.XB_test[:750],
    pairs=(data.XA_test[750:], data.XB_test[750:]),
)
for name, accuracy in display.accuracies.items():
    print(f"{name:18} top-1 {accuracy[0]:.3f}")

# %%
# Use
# ---
# ``to_target`` gives vectors in the second model's own coordinates, so that they can be put into
# an index of that model as they are.

vectors = aligner.to_target(data.XA_test[:3])
print(vectors.shape, vectors.dtype)
