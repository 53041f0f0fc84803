"""
Reading the diagnostics of a failed alignment
=============================================

Every pair of clouds has some best rotation, also two that have nothing to do with one another.
An unsupervised alignment must therefore be able to say that it failed. Here the target space is
noise with the covariance of real embeddings: all second moments agree, and nothing else.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.exceptions import AlignmentWarning
from sklearn_align.plotting import AlignmentHistoryDisplay

data = load_sentence_embeddings()
XA, XB = data.XA[:1200], data.XB[:1200]
rng = np.random.default_rng(0)
noise = rng.multivariate_normal(XB.mean(axis=0), np.cov(XB.T), size=len(XB)).astype(np.float32)

aligners = {}
for name, target in (("real", XB), ("noise", noise)):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AlignmentWarning)
        aligners[name] = MiniVec2Vec(n_init=3, random_state=0).fit(XA, target)
    print(f"{name}: converged_={aligners[name].converged_}")
    print(f"  alignment_score_={aligners[name].alignment_score_:.4f}")
    print(f"  agreement_={aligners[name].agreement_:.4f}")
    print(f"  relative_score_={aligners[name].relative_score_:.4f}")
    for warning in caught:
        print(f"  {warning.category.__name__}: {warning.message}")

# %%
# The level of the label-free score depends on the spaces: it may well be higher after a failure
# than after a success with other data. It serves to compare maps between the same samples.
#
# The convergence check uses two kinds of evidence. Here ``agreement_`` decides: maps of independent
# runs send the same sample to the same place after a success, and to unrelated places after a
# failure. As soon as two candidates agree, no more are made; on noise none do.
#
# ``relative_score_``, which must be at least 0.4 in spaces of this width, is 0 for arbitrary maps
# and 1 for two halves of one space. Noise scores with itself hardly higher than arbitrary maps do,
# so that any fitted map lies far above 1: a high value alone proves nothing.

fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for ax, (name, aligner) in zip(axes, aligners.items(), strict=True):
    AlignmentHistoryDisplay.from_estimator(aligner, ax=ax)
    ax.set_title(f"{name}: {ax.get_title()}")
