"""
Alignment inside a classification pipeline
==========================================

A classifier was trained on embeddings by model B. New texts are embedded by model A. With the
aligner, the classifier can be used without encoding any text again. As a step of a pipeline, the
aligner makes one model usable for both kinds of embeddings. The classes are kinds of text: reviews
and plots of films, questions, reviews of products, and phrases.
"""

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import Pipeline

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import load_sentence_embeddings

data = load_sentence_embeddings()
print(data.label_names)

# %%
# The classifier of space B, used in space A
# ------------------------------------------
# No labels of samples of A are used.

aligner = MiniVec2Vec(random_state=0).fit(data.XA[:2000], data.XB[:2000])
old = LogisticRegression(max_iter=1000).fit(aligner.transform_target(data.XB), data.labels_B)
scores = {
    "samples of B, as trained": old.score(aligner.transform_target(data.XB_test), data.labels_test),
    "samples of A, not aligned": old.score(data.XA_test - aligner.source_mean_, data.labels_test),
    "samples of A, aligned": old.score(aligner.transform(data.XA_test), data.labels_test),
}
for name, score in scores.items():
    print(f"{name:24} accuracy {score:.3f}")

fig, ax = plt.subplots(figsize=(6.4, 2.4), layout="constrained")
bars = ax.barh(list(scores), list(scores.values()))
bars[1].set_color("0.6")
ax.bar_label(bars, fmt="%.2f", padding=4)
ax.set(xlabel="Accuracy of the classifier of space B", xlim=(0, 1))
ax.invert_yaxis()

# %%
# As a step of a pipeline
# -----------------------
# ``y`` holds the labels, and the target samples are passed to the aligner as ``align__XB``. With
# ``memory``, the training samples of each split are aligned only once, whatever the number of
# candidates for the next step.

with TemporaryDirectory() as folder:
    pipeline = Pipeline(
        [
            ("align", MiniVec2Vec(random_state=0)),
            ("clf", LogisticRegression(max_iter=1000)),
        ],
        memory=folder,
    )
    split = ShuffleSplit(1, test_size=0.5, random_state=0)
    search = GridSearchCV(pipeline, {"clf__C": [1, 10, 100]}, cv=split)
    search.fit(data.XA[:2000], data.labels_A[:2000], align__XB=data.XB[:1500])
print(search.best_params_, f"accuracy on A {search.score(data.XA_test, data.labels_test):.3f}")

# %%
# The last step was trained on samples of A, and can also be used for samples of B.

in_B = search.best_estimator_[-1].score(
    search.best_estimator_["align"].transform_target(data.XB_test), data.labels_test
)
print(f"accuracy on B {in_B:.3f}")
