"""
Grid search without pairs
=========================

``MiniVec2Vec`` has a label-free ``score``, so that a search can choose its parameters although
no counterparts are known. The target rows are passed by name, since their number may differ from
that of the source rows.
"""

import pandas as pd
from sklearn.model_selection import GridSearchCV

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import MutualNeighborRefinement, TransportRefinement
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import retrieval_accuracy

data = make_rotated_embeddings(800, 16, n_samples_target=700, noise=0.3, n_test=500, random_state=0)

transport, mutual = TransportRefinement(max_iter=20), MutualNeighborRefinement()
search = GridSearchCV(
    MiniVec2Vec(random_state=0),
    {"refinements": [[mutual], [transport], [transport, mutual]]},
    cv=2,
).fit(data.XA, XB=data.XB)

table = pd.DataFrame(search.cv_results_)[["params", "mean_test_score", "rank_test_score"]]
table["params"] = [
    " + ".join(type(step).__name__ for step in params["refinements"]) for params in table["params"]
]
print(table.to_string(index=False))

# %%
# For comparison, the held-out pairs, which the search has not seen.

for index, params in enumerate(search.cv_results_["params"]):
    aligner = MiniVec2Vec(random_state=0, **params).fit(data.XA, data.XB)
    accuracy = retrieval_accuracy(
        aligner.transform(data.XA_test), aligner.transform_target(data.XB_test)
    )
    print(f"{table['params'][index]:50} top-1 {accuracy:.3f}")
