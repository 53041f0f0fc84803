"""
Changing the encoder of a vector index
======================================

An index has vectors by an old encoder, and queries will be encoded by a new encoder. There are two
ways without encoding the documents again: map the stored vectors to the space of the new encoder,
or map every query to the space of the old encoder and do not change the index. Both ways use the
same map, which is learned from samples of different texts. This example measures the recall of
both ways.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.neighbors import NearestNeighbors

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.metrics import neighbor_recall

# Old encoder: all-MiniLM-L6-v2 (384 features). New encoder: all-mpnet-base-v2 (768 features).
data = load_sentence_embeddings(pair="minilm_mpnet")
aligner = MiniVec2Vec(random_state=0).set_callbacks(ProgressBar())
aligner.fit(data.XA[:4500], data.XB[:4500])
print(f"converged: {aligner.converged_}, relative score: {aligner.relative_score_:.2f}")

# %%
# Both encoders have embedded the held-out texts. The first 1,200 are documents, the others are
# queries.
old_documents, native_documents = data.XA_test[:1200], data.XB_test[:1200]
old_queries, queries = data.XA_test[1200:], data.XB_test[1200:]

mapped_documents = aligner.to_target(old_documents)
mapped_queries = aligner.inverse_transform(aligner.transform_target(queries))

# %%
# Three searches are compared with a search in a native index (new queries, and documents that were
# encoded again by the new encoder):
#
# * new queries in the mapped index,
# * mapped queries in the old index,
# * old queries in the old index, which is the search before the change. The two encoders have
#   different nearest documents, and no map can change this.


def nearest(documents, queries, k):
    """Return the indices of the k nearest documents of every query, by cosine."""
    search = NearestNeighbors(n_neighbors=k, metric="cosine").fit(documents)
    return search.kneighbors(queries, return_distance=False)


def recall(found, expected):
    """Return the share of the expected documents that were found, and its standard error."""
    shares = [len(set(a) & set(b)) / len(b) for a, b in zip(found, expected, strict=True)]
    return np.mean(shares), np.std(shares) / np.sqrt(len(shares))


ways = {
    "new queries, mapped index": (mapped_documents, queries),
    "mapped queries, old index": (old_documents, mapped_queries),
    "old queries, old index": (old_documents, old_queries),
}
ks = [1, 3, 10, 30, 100]
curves = {
    name: np.array([recall(nearest(X, Q, k), nearest(native_documents, queries, k)) for k in ks])
    for name, (X, Q) in ways.items()
}
for name, curve in curves.items():
    print(f"{name:27} recall@10 {curve[ks.index(10), 0]:.3f}")
print(f"neighbor_recall: {neighbor_recall(mapped_documents, native_documents, queries):.3f}")

# %%
# Both ways find more of the documents that a native index finds than the search before the change.
# The two ways have nearly the same recall. The error bars are two standard errors over 300
# queries; at ``k=1``, the differences are not larger than the error.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
styles = (
    {"color": "#0072B2", "marker": "o", "markersize": 11, "markerfacecolor": "none"},
    {"color": "#D55E00", "marker": "x", "linestyle": "--"},
    {"color": "0.5", "marker": "s", "markersize": 4},
)
for (name, curve), style in zip(curves.items(), styles, strict=True):
    ax.errorbar(ks, curve[:, 0], yerr=2 * curve[:, 1], capsize=3, label=name, **style)
ax.set(xscale="log", xlabel="k", ylabel="recall@k against a native index", ylim=(0, 1))
ax.set_xticks(ks, [str(k) for k in ks])
_ = ax.legend(loc="upper left")

# %%
# :doc:`/user_guide/change_encoder` explains when to use which way, and when to encode the texts
# again.
