"""
Spaces of unequal width
=======================

The map between spaces of different width is semi-orthogonal: it maps the smaller space to a
subspace of the larger space, or projects the larger space to the smaller one. In this example,
space A has only its 200 leading principal components, and space B has its 300 columns.
"""

import numpy as np
from sklearn.callback import ProgressBar
from sklearn.decomposition import PCA

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.metrics import retrieval_accuracy
from sklearn_align.plotting import AlignmentScatterDisplay

data = load_sentence_embeddings()
pca = PCA(200, random_state=0).fit(data.XA)
XA, XA_test = pca.transform(data.XA), pca.transform(data.XA_test)

aligner = MiniVec2Vec(random_state=0).set_callbacks(ProgressBar()).fit(XA, data.XB)
print(f"{aligner.map_.shape=}, converged: {aligner.converged_}")

# %%
# The rows of the map are orthonormal, so that the transpose is the inverse map. The length of a
# sample is not restored, because ``transform`` keeps only directions.

print(f"{np.abs(aligner.map_ @ aligner.map_.T - np.eye(200)).max():.0e} from orthonormal samples")
back = aligner.inverse_transform(aligner.transform(XA_test))


def direction(samples):
    centred = samples - aligner.source_mean_
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


cosines = (direction(back) * direction(XA_test)).sum(axis=1)
print(f"smallest cosine between a sample and what came back: {cosines.min():.6f}")

# %%
# Before alignment, the samples cannot be compared because their widths differ: the left panel
# shows each space in two of its own components. After alignment, held-out sentences are near their
# counterparts.

accuracy = retrieval_accuracy(aligner.transform(XA_test), aligner.transform_target(data.XB_test))
print(f"found first among 1500 held-out sentences: {accuracy:.3f}")
_ = AlignmentScatterDisplay.from_estimator(
    aligner, XA_test, data.XB_test, paired=True, n_samples=100, random_state=0
)
