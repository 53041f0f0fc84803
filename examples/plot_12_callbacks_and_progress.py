"""
Callbacks and progress
======================

The aligner reports its stages and iterations to the callbacks of scikit-learn, so that
``sklearn.callback.ProgressBar`` works, and so does a callback of your own: one that records what
happens, or one that ends a stage early. AECF estimators take the callbacks of skorch.
"""

import matplotlib.pyplot as plt
from skorch.callbacks import EpochScoring

from sklearn_align import AECFClassifier, MiniVec2Vec
from sklearn_align.datasets import load_avmnist, make_rotated_embeddings

# %%
# A callback of scikit-learn
# --------------------------
# It sees every task of a fit: stages and, below them, iterations. A true return value ends the
# level of tasks it was called on, here the iterations of a stage.


class GoodEnough:
    """End a stage once the label-free score has reached a level."""

    def __init__(self, level):
        self.level = level

    def setup(self, estimator, context):
        self.seen = []

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        pass

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        if not metadata or "iteration" not in metadata:
            return False
        self.seen.append((metadata["stage"], float(metadata["score"])))
        return metadata["score"] >= self.level


data = make_rotated_embeddings(800, 16, noise=0.3, random_state=0)
aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
level = 0.9 * aligner.alignment_score_

callback = GoodEnough(level)
early = MiniVec2Vec(random_state=0).set_callbacks(callback).fit(data.XA, data.XB)
print(f"{aligner.n_iter_} iterations without the callback, {early.n_iter_} with it")
for stage, score in callback.seen:
    print(f"  {stage}: {score:.3f}")

# %%
# A callback of skorch
# --------------------

train = load_avmnist(subset="train")
clf = AECFClassifier(
    modalities=train.modalities,
    max_epochs=8,
    callbacks=[EpochScoring("accuracy", lower_is_better=False, name="valid_acc")],
    random_state=0,
).fit(train.data[:2000], train.target[:2000])

fig, ax = plt.subplots(layout="constrained")
ax.plot(clf.history_[:, "valid_acc"], marker="o")
_ = ax.set(xlabel="Epoch", ylabel="Accuracy on validation rows")
