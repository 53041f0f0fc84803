"""
Callbacks and progress
======================

All estimators call the callbacks of scikit-learn: the aligner for its stages and iterations, and
AECF estimators for their epochs. You can use ``sklearn.callback.ProgressBar``, or write a callback
of your own that records the iterations or ends a stage early. AECF estimators also take callbacks
of skorch.
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
# In a terminal or a notebook, the bars show the progress. This page shows only their final state.

data = load_sentence_embeddings()
XA, XB = data.XA[:2000], data.XB[:2000]

aligner = MiniVec2Vec(random_state=0).set_callbacks(ProgressBar()).fit(XA, XB)

# %%
# A callback of your own
# ----------------------
# The callback is called for every task of a fit: stages, and the iterations of each stage. During
# the fit, ``history_`` has their scores. If the callback returns a true value for a task, no
# further tasks of the same level are run. In this example, this ends the iterations of a stage.


class StopWhenFlat:
    """End a refinement if an iteration increases the label-free score by less than `tol`."""

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
# The same callbacks work with AECF estimators, whose tasks are epochs. ``ScoringMonitor`` scores
# the training samples after each epoch, as it does after each iteration of an aligner.
#
# Callbacks of skorch are passed to the parameter ``callbacks``. ``EpochScoring`` adds a column to
# ``history_``, in addition to the components of the loss. ``verbose=1`` prints a line per epoch.

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
