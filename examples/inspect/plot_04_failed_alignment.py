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
from sklearn_align.plotting import AlignmentScatterDisplay

data = load_sentence_embeddings()
XA, XB = data.XA[:1000], data.XB[:1000]
rng = np.random.default_rng(0)
noise = rng.multivariate_normal(XB.mean(axis=0), np.cov(XB.T), size=len(XB)).astype(np.float32)


def fit(target, random_state):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AlignmentWarning)
        aligner = MiniVec2Vec(n_init=2, random_state=random_state).fit(XA, target)
    return aligner, [str(warning.message) for warning in caught]


targets = {"real": XB, "noise": noise}
aligners = {}
for name, target in targets.items():
    aligners[name], messages = fit(target, random_state=0)
    print(f"{name}: converged_={aligners[name].converged_}")
    print(f"  alignment_score_={aligners[name].alignment_score_:.4f}")
    print(f"  agreement_={aligners[name].agreement_:.4f}")
    print(f"  relative_score_={aligners[name].relative_score_:.4f}")
    for message in messages:
        print(f"  AlignmentWarning: {message}")

# %%
# The level of the label-free score depends on the spaces: here it is higher after the failure than
# after the success. It serves to compare maps between the same samples.
#
# ``relative_score_``, which must be at least 0.4 in spaces of this width, is 0 for arbitrary maps
# and 1 for two halves of one space. Noise scores with itself hardly higher than arbitrary maps do,
# so that any fitted map lies far above 1: a high value alone proves nothing.
#
# What decides is ``agreement_``: maps of independent runs send the same sample to the same place
# after a success, and to unrelated places after a failure. To see it, both alignments are made once
# more with another seed. A dot is a sample mapped by the first fit, its ring is the same sample
# mapped by the second. Both clouds cover the target space in both panels; only the lines tell a
# success from a failure, and they need no pairs.

fig, axes = plt.subplots(1, 2, figsize=(9.2, 4.8), layout="constrained")
for ax, (name, target) in zip(axes, targets.items(), strict=True):
    again, _ = fit(target, random_state=1)
    AlignmentScatterDisplay.from_predictions(
        aligners[name].transform(XA),
        again.transform(XA),
        paired=True,
        n_samples=100,
        random_state=0,
        names=("first fit", "second fit"),
        line_kw={"label": "same sample"},
        ax=ax,
    )
    ax.set_title(f"{name}: agreement_ = {aligners[name].agreement_:.2f}")
