"""
Find a sample of one modality by another
========================================

``AECFEmbedder`` embeds samples with any subset of their modalities as unit vectors of one space. So
a stored sample is found by what the query happens to have: one description of a digit by another,
or a recording by an image.

.. code-block:: shell

    python3 -m venv .venv && . .venv/bin/activate
    # without a GPU: first the CPU build of torch, with the command of pytorch.org/get-started
    pip install ".[fusion,plot]"              # in a clone of the repository
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align import AECFEmbedder, pack_modalities
from sklearn_align.datasets import load_avmnist, load_mfeat
from sklearn_align.metrics import mean_rank, mean_reciprocal_rank, retrieval_accuracy

# %%
# Pixels by shape descriptors
# ---------------------------
# 1,000 digits with three descriptions each train the embedder, without labels: pixels, Fourier
# coefficients and Zernike moments. 700 others are stored by their pixels alone, and searched for by
# the other descriptions.

VIEWS = {"pix": 240, "fou": 76, "zer": 47}


def read(subset):
    """Return a dict of the blocks."""
    frame = load_mfeat(subset=subset, as_frame=True).data
    return {name: frame.filter(regex=f"^{name}").to_numpy(dtype=np.float32) for name in VIEWS}


train, test = read("train"), read("test")
embedder = AECFEmbedder(VIEWS, random_state=0).fit(pack_modalities(train, VIEWS))


def embed(*names):
    """Embed the test samples as if they had only some of the modalities."""
    blocks = {name: test[name] if name in names else None for name in VIEWS}
    return embedder.transform(pack_modalities(blocks, VIEWS))


# %%
# For comparison, canonical correlations of principal components, fitted to the same pairs, with one
# model for each combination of descriptions. Of six settings with 20 to 76
# components and 10 to 40 directions, this one does best on these queries, or nearly so.


def embed_by_cca(*names):
    """Return queries and stored samples in the space of canonical correlations."""
    query, stored = (
        [np.hstack([data[name] for name in of]) for data in (train, test)]
        for of in (names, ["pix"])
    )
    reduce = [
        make_pipeline(StandardScaler(), PCA(45, random_state=0)).fit(X) for X, _ in (query, stored)
    ]
    cca = CCA(10, max_iter=2000).fit(reduce[0].transform(query[0]), reduce[1].transform(stored[0]))
    return cca.transform(reduce[0].transform(query[1]), reduce[1].transform(stored[1]))


# %%
# Recall at k is the share of queries whose partner is among the k nearest, the reciprocal rank is 1
# over its position.

K = (1, 5, 10)
stored = embed("pix")
recall = {}
print(f"{'query':28}" + "".join(f"recall@{k:<4}" for k in K) + "MRR    mean rank")
for names in (("fou",), ("zer",), ("fou", "zer")):
    for method, (Q, T) in {
        "embedder": (embed(*names), stored),
        "CCA": embed_by_cca(*names),
    }.items():
        label = f"{' + '.join(names)}, {method}"
        recall[label] = [retrieval_accuracy(Q, T, k=k) for k in K]
        print(
            f"{label:28}"
            + "".join(f"{value:<11.3f}" for value in recall[label])
            + f"{mean_reciprocal_rank(Q, T):.3f}  {mean_rank(Q, T):6.1f}"
        )
print(f"{'chance':28}" + "".join(f"{k / len(stored):<11.3f}" for k in K))

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for i, (label, values) in enumerate(recall.items()):
    ax.plot(K, values, "--" if "CCA" in label else "-", color=f"C{i // 2}", marker="o", label=label)
ax.set(xlabel="k", ylabel="Recall at k", xticks=K, ylim=(0, None))
_ = fig.legend(loc="outside right upper", fontsize="small")

# %%
# The Fourier coefficients add nothing to the Zernike moments here, and CCA even loses by them: try
# queries with each modality alone before they are combined.
#
# Sounds by images
# ----------------
# In the second data set, an image and a recording belong together only by their digit: which of the
# recordings of a "3" stands beside an image of a 3 is arbitrary. Recall of the partner is low for
# every method then; what a search can find is a recording of the same digit.

pairs, unseen = load_avmnist(subset="train"), load_avmnist(subset="test")
multimodal = AECFEmbedder(pairs.modalities, max_epochs=30, random_state=0)
multimodal.fit(pairs.data[:3000])

split = multimodal.layout_.split(unseen.data)
images = multimodal.transform(pack_modalities({**split, "audio": None}, pairs.modalities))
sounds = multimodal.transform(pack_modalities({**split, "image": None}, pairs.modalities))
found = np.argsort(-images @ sounds.T, axis=1)[:, :10]
same = unseen.target[found] == unseen.target[:, np.newaxis]
print(f"partner among the first ten: {retrieval_accuracy(images, sounds, k=10):.3f}")
print(f"first has the same digit:    {same[:, 0].mean():.3f}")
print(f"of ten, with the same digit: {same.mean():.3f}")

# %%
# Data of your own
# ----------------
# Pack the blocks of each sample, with None or NaN for what is missing; samples with absent blocks
# take part in training. Store ``embedder.transform`` of the collection in a vector index for inner
# products, as the vectors have length one; see :ref:`vector-indexes`. If many stored samples fit a
# query, as the recordings do, count those that are relevant and not the partner alone.
