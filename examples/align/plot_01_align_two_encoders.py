"""
Align two encoders without pairs
================================

Two word2vec models were trained independently. The first model has embedded some sentences, and
the second model has embedded *other* sentences. There are no pairs, no dictionary and no labels.
The aligner finds the map between the spaces from these samples. For most held-out sentences, the
nearest neighbour after the mapping is the same sentence.
"""

# %%
# Data
# ----
# ``XA`` and ``XB`` are unpaired. ``XA_test`` and ``XB_test`` hold the same sentences and are used
# only for the evaluation.

from sklearn.callback import ProgressBar

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.plotting import AlignmentScatterDisplay, RetrievalDisplay

data = load_sentence_embeddings()
print(f"{data.XA.shape=}, {data.XB.shape=}, {data.XA_test.shape=}")

# %%
# Fit
# ---
# The convergence check needs no pairs: it estimates the accuracy of the map from the agreement with
# independent runs, the relative score and the number of samples.

aligner = MiniVec2Vec(random_state=0).set_callbacks(ProgressBar()).fit(data.XA, data.XB)
print(f"converged: {aligner.converged_}, agreement of independent maps: {aligner.agreement_:.3f}")

# %%
# Before and after
# ----------------
# The figure shows held-out sentences in two components of the second space. Each dot is a sentence
# embedded by the first model. The ring that is joined to it is the same sentence embedded by the
# second model. Only two of 300 dimensions are shown, so that dots are near their rings, but not
# inside them.

_ = AlignmentScatterDisplay.from_estimator(
    aligner, data.XA_test, data.XB_test, paired=True, n_samples=100, random_state=0
)

# %%
# Evaluation
# ----------
# The next figure uses all dimensions. It shows the share of held-out sentences whose counterpart
# is among the `k` nearest of 750 sentences. The oracle is a supervised map that is fitted on the
# other 750 pairs. The curves of the oracle and of the aligner are nearly the same.

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
# ``to_target`` returns vectors in the original coordinates of the second model. They can be added
# to an index of this model.

vectors = aligner.to_target(data.XA_test[:3])
print(vectors.shape, vectors.dtype)
