"""
Number of samples and effect of known pairs
===========================================

With fewer samples, the alignment is harder. ``converged_`` is False if there were too few samples.
A hundred known pairs can then replace about a thousand unpaired samples.
"""

import warnings

import matplotlib.pyplot as plt

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.exceptions import AlignmentWarning
from sklearn_align.metrics import retrieval_accuracy

data = load_sentence_embeddings()
held_out = slice(0, 1000)


def fit_and_evaluate(n_samples, pairs=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)  # failures are expected here
        aligner = MiniVec2Vec(random_state=0)
        aligner.fit(data.XA[:n_samples], data.XB[:n_samples], pairs=pairs)
    Z = aligner.transform(data.XA_test[held_out])
    T = aligner.transform_target(data.XB_test[held_out])
    return retrieval_accuracy(Z, T), aligner.converged_


# %%
# Samples without pairs
# ---------------------

results = {}
for n_samples in (300, 600, 1500):
    results[f"{n_samples} samples"] = fit_and_evaluate(n_samples)

# %%
# Few samples with pairs
# ----------------------
# This fit has 300 samples of each side, and a hundred pairs of sentences that are not used for the
# evaluation.

known = slice(1000, 1100)
pairs = (data.XA_test[known], data.XB_test[known])
results["300 samples, 100 pairs"] = fit_and_evaluate(300, pairs)
for name, (accuracy, converged) in results.items():
    print(f"{name:22} top-1 {accuracy:.3f}, converged: {converged}")

# %%
# A hundred pairs have nearly the same effect as 1,200 more samples of each side. The hatched bar is
# a map for which ``converged_`` is False. Without pairs, ``converged_`` is True if the estimate of
# the accuracy is at least .5. Such a map is not a result of chance, but it may be inaccurate. With
# 600 samples of each side, the counterpart is the nearest neighbour for more than half of the
# sentences. By chance, this would be one sentence of a thousand. With more samples, the map is more
# accurate.

fig, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
for converged, style in (
    (True, {"color": "#0072B2"}),
    (False, {"facecolor": "white", "edgecolor": "#D55E00", "hatch": "////"}),
):
    part = {name: value for name, (value, verdict) in results.items() if verdict == converged}
    places = [list(results).index(name) for name in part]
    bars = ax.barh(places, list(part.values()), label=f"converged_ is {converged}", **style)
    ax.bar_label(bars, fmt="%.2f", padding=4)
ax.set_yticks(range(len(results)), list(results))
ax.invert_yaxis()
ax.set(xlabel="Found first among 1000 held-out sentences", xlim=(0, 1.1))
_ = ax.legend(loc="upper right")
