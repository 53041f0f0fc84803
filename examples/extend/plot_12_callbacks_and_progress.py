"""
Callbacks and progress
======================

All estimators report what they do to the callbacks of scikit-learn, the aligner its stages and
iterations, AECF estimators their epochs. ``sklearn.callback.ProgressBar`` works, and so does a
callback of your own: one that records what happens, or one that ends a stage early. AECF estimators
take the callbacks of skorch as well.
"""

import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar, ScoringMonitor
from skorch.callbacks import EpochScoring

from sklearn_align import AECFClassifier, MiniVec2Vec
from sklearn_align.datasets import load_avmnist, load_sentence_embeddings
from sklearn_align.metrics import retrieval_accuracy

# %%
# Progress
# --------
# In a terminal or a notebook the bars move; what is left at the end is shown here.

data = load_sentence_embeddings()
XA, XB = data.XA[:2000], data.XB[:2000]

aligner = MiniVec2Vec(random_state=0).set_callbacks(ProgressBar()).fit(XA, XB)

# %%
# A callback of your own
# ----------------------
# It sees every task of a fit: stages and, below them, iterations. ``history_`` has their scores
# while the fit goes on. A true return value ends the level of tasks it was called on, here the
# iterations of a stage.


class StopWhenFlat:
    """End a refinement once an iteration no longer raises the label-free score by `tol`."""

    def __init__(self, tol):
        self.tol = tol

    def setup(self, estimator, context):
        self.seen = []

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        stage = estimator.history_[-1]
        if context.task_name != "iteration" or stage["stage"] == "start":
            return False
        scores = stage["score"]
        self.seen.append((stage["stage"], context.task_id, scores[-1]))
        return len(scores) > 1 and scores[-1] - scores[-2] < self.tol


callback = StopWhenFlat(tol=1e-4)
early = MiniVec2Vec(random_state=0).set_callbacks(callback).fit(XA, XB)
for stage, iteration, score in callback.seen:
    print(f"{stage}, iteration {iteration}: {score:.4f}")

for name, fitted in (("without", aligner), ("with", early)):
    accuracy = retrieval_accuracy(
        fitted.transform(data.XA_test), fitted.transform_target(data.XB_test)
    )
    print(
        f"{name} the callback: {fitted.n_iter_} iterations, top-1 of held-out pairs {accuracy:.3f}"
    )

# %%
# Epochs of an AECF estimator
# ---------------------------
# The same callbacks work on AECF estimators, whose tasks are epochs. ``ScoringMonitor`` scores the
# training samples after each of them, as it does after each iteration of an aligner.
#
# A callback of skorch goes into the parameter ``callbacks`` and writes a column of ``history_``,
# next to the components of the loss. ``verbose=1`` prints a line per epoch.

train = load_avmnist(subset="train")
clf = AECFClassifier(
    modalities=train.modalities,
    max_epochs=8,
    callbacks=[EpochScoring("accuracy", lower_is_better=False, name="valid_acc")],
    random_state=0,
)
monitor = ScoringMonitor(scoring="accuracy")
clf.set_callbacks(ProgressBar(), monitor).fit(train.data[:2000], train.target[:2000])

epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
ax.plot(range(1, 9), [row["accuracy"] for row in epochs], marker="o", label="all, scikit-learn")
ax.plot(range(1, 9), clf.history_[:, "valid_acc"], marker="o", label="validation, skorch")
ax.set(xlabel="Epoch", ylabel="Accuracy", ylim=(0, 1))
_ = ax.legend(title="Samples and callback")
