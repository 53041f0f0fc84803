"""
Reading the diagnostics of a failed alignment
=============================================

For any two sets of samples, there is a best rotation, also if the sets are unrelated. An
unsupervised alignment therefore needs a check that detects failures. In this example, the target
space is noise with the covariance of real embeddings: the second moments of both spaces agree, but
nothing else.
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
# The level of the label-free score depends on the spaces: here it is higher for the failed
# alignment than for the successful one. Use this score only to compare maps between the same
# samples.
#
# ``relative_score_`` must be at least ``min_relative_score_``. It is 0 for arbitrary maps and
# 1 for two halves of one space. For noise, the score of a space with itself is hardly higher than
# the score of arbitrary maps, so that ``relative_score_`` of any fitted map is far above 1. A high
# value alone is therefore not sufficient.
#
# ``agreement_`` detects this failure: after a success, maps of independent runs send the same
# sample to the same place; after a failure, they send it to unrelated places. To show this, both
# alignments are fitted again with another seed. A dot is a sample mapped by the first fit. The
# ring that is joined to it is the same sample mapped by the second fit. In both panels, dots and
# rings cover the whole target space. Only the lines show the difference between success and
# failure, and they need no pairs.

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
