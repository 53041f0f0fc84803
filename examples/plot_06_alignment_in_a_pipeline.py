"""
Alignment inside a classification pipeline
==========================================

A classifier was trained on embeddings of model B. The texts of today are embedded by model A.
The aligner makes the old classifier usable without encoding anything again; and as a step of a
pipeline it lets one model serve both.
"""

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import make_rotated_embeddings

data = make_rotated_embeddings(1600, 16, n_clusters=12, cluster_std=0.8, noise=0.3, random_state=0)

# %%
# The classifier of space B, used in space A
# ------------------------------------------

aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
old = LogisticRegression(max_iter=1000).fit(aligner.transform_target(data.XB), data.labels_B)
scores = {
    "B, as trained": old.score(aligner.transform_target(data.XB_test), data.labels_test),
    "A, not aligned": old.score(data.XA_test - aligner.source_mean_, data.labels_test),
    "A, aligned": old.score(aligner.transform(data.XA_test), data.labels_test),
}
for name, score in scores.items():
    print(f"{name:16} accuracy {score:.3f}")

# %%
# As a step of a pipeline
# -----------------------
# Labels take the place of ``y``, the rows of the target space go to the aligner by name. Within a
# fold there are half as many rows, which may be too few for the aligner to vouch for its map; it
# says so then. The final fit has all of them.

pipeline = Pipeline(
    [("align", MiniVec2Vec(n_init=3, random_state=0)), ("clf", LogisticRegression(max_iter=1000))]
)
search = GridSearchCV(pipeline, {"clf__C": [0.1, 10]}, cv=2)
search.fit(data.XA, data.labels_A, align__XB=data.XB)
print(search.best_params_, f"accuracy on A {search.score(data.XA_test, data.labels_test):.3f}")

# %%
# The last step understands both spaces.

in_B = search.best_estimator_[-1].score(
    search.best_estimator_["align"].transform_target(data.XB_test), data.labels_test
)
print(f"accuracy on B {in_B:.3f}")

fig, ax = plt.subplots(layout="constrained")
ax.barh(list(scores), list(scores.values()))
ax.set(xlabel="Accuracy", xlim=(0, 1))
_ = ax.invert_yaxis()
