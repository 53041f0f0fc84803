"""
A classifier for the vectors of another encoder
===============================================

A classifier was trained on labelled vectors of an old encoder, all-MiniLM-L6-v2 with 384 features.
New sentences are encoded by all-mpnet-base-v2 with 768 features and have no labels. No sentence was
encoded by both encoders. The aligner maps the new vectors to the old space, so that the classifier
can be applied to them.

.. code-block:: shell

    python3 -m venv .venv && . .venv/bin/activate
    pip install ".[plot]"                     # in a clone of the repository; torch is not needed

The labels are the kind of text: film reviews, film plots, questions, reviews of products, opinion
phrases. They follow from the collection that a sentence was taken from, so that the classifier
recognises the style of a collection as well as its subject.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings

data = load_sentence_embeddings(pair="minilm_mpnet")
X_old, y_old = data.XA, data.labels_A  # 5,000 labelled vectors of the old encoder
X_new = data.XB  # 5,000 other sentences by the new encoder, not labelled
X_test_old, X_test_new, y_test = data.XA_test, data.XB_test, data.labels_test

# %%
# The classifier
# --------------
# The classifier is trained on vectors of the old encoder and does not change afterwards.

classifier = LogisticRegression(max_iter=1000).fit(X_old, y_old)

# %%
# The map from the new space to the old one
# -----------------------------------------
# The new encoder is the source and the old encoder is the target: only vectors of the new encoder
# are mapped. The fit uses no labels and no pairs. 4,000 vectors of each side are sufficient for
# these two encoders. Use the map only if ``converged_`` is True.

aligner = MiniVec2Vec(random_state=0).fit(X_new[:4000], X_old[:4000])
print(f"converged: {aligner.converged_}, expected top-1: {aligner.expected_accuracy_:.2f}")

# %%
# ``to_target`` returns vectors in the coordinates and lengths of the old space, so that the
# classifier needs neither a change nor a scaler of its own.

X_mapped = aligner.to_target(X_test_new)
print(X_test_new.shape, "->", X_mapped.shape)

# %%
# Accuracy
# --------
# All accuracies are measured on the same 1,500 held-out sentences. Vectors that are not aligned
# have another width than the old space. For comparison, five random projections map them to the old
# space. The last line is the accuracy of a classifier that is trained on 5,000 labelled vectors of
# the new encoder.

rng = np.random.RandomState(0)
not_aligned = []
for _ in range(5):
    projection = ortho_group.rvs(X_new.shape[1], random_state=rng)[:, : X_old.shape[1]]
    not_aligned.append(classifier.score(X_test_new @ projection, y_test))
retrained = LogisticRegression(max_iter=1000).fit(X_new, data.labels_B)

accuracies = {
    "most frequent class": np.mean(y_test == np.bincount(y_old).argmax()),
    "new vectors, not aligned": np.mean(not_aligned),
    "new vectors, mapped": classifier.score(X_mapped, y_test),
    "old vectors": classifier.score(X_test_old, y_test),
    "trained on labels of the new": retrained.score(X_test_new, y_test),
}
for name, accuracy in accuracies.items():
    print(f"{name:30} accuracy {accuracy:.3f}")

# %%
# The error bars are two standard errors of an accuracy on 1,500 sentences.

fig, ax = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
values = np.array(list(accuracies.values()))
ax.barh(
    list(accuracies),
    values,
    xerr=2 * np.sqrt(values * (1 - values) / len(y_test)),
    color=["0.7", "0.7", "#0072B2", "#56B4E9", "#56B4E9"],
)
ax.set(xlabel="Accuracy on held-out sentences", xlim=(0, 1))
ax.invert_yaxis()

# %%
# Accuracy by class
# -----------------
# The map is not equally accurate for all classes: compare the accuracies by class before you use
# the classifier for new vectors. With 50 sentences or more that are encoded by both encoders and
# passed as ``pairs=``, the map is more accurate, and ``expected_accuracy_`` is measured.

print(f"{'':16}old vectors  mapped")
for label, name in enumerate(data.label_names):
    rows = y_test == label
    of_old, of_mapped = (classifier.score(X[rows], y_test[rows]) for X in (X_test_old, X_mapped))
    print(f"{name:16}      {of_old:.3f}   {of_mapped:.3f}")

# %%
# Store map and classifier
# ------------------------
# ``aligner.export("new_to_old.npz")`` writes the map to a file without code, which holds no sample.
# :ref:`use-case-serve` explains how to store the map and the classifier, and how to predict for
# single vectors.
