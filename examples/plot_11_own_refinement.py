"""
A refinement step of your own
=============================

The alignment is a start followed by refinements. A refinement is any object with a method
``iterate(problem, W, random_state)`` that yields better and better maps. The estimator scores,
records and reports each of them. No subclass is needed.
"""

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import MutualNeighborRefinement
from sklearn_align.datasets import load_sentence_embeddings
from sklearn_align.metrics import retrieval_accuracy
from sklearn_align.plotting import AlignmentHistoryDisplay


class MedianRows:
    """Pair each mapped row with the median of its nearest target rows, not with their mean."""

    def __init__(self, max_iter=10, n_neighbors=5, sample_size=1000):
        self.max_iter = max_iter
        self.n_neighbors = n_neighbors
        self.sample_size = sample_size

    def iterate(self, problem, W, random_state):
        import numpy as np

        for _ in range(self.max_iter):
            X = problem.sample("A", self.sample_size, random_state)
            similarity = X @ W @ problem.B.T
            nearest = np.argpartition(-similarity, self.n_neighbors, axis=1)[:, : self.n_neighbors]
            W = problem.solve(X, np.median(problem.B[nearest], axis=1))
            yield W


data = load_sentence_embeddings()
aligner = MiniVec2Vec(refinements=[MedianRows(), MutualNeighborRefinement()], random_state=0)
aligner.fit(data.XA, data.XB)
accuracy = retrieval_accuracy(
    aligner.transform(data.XA_test), aligner.transform_target(data.XB_test)
)
print(f"converged {aligner.converged_}, top-1 of held-out pairs {accuracy:.3f}")

# %%
# The steps appear in the history by the names of their classes, and the score shows what each is
# worth: medians of a few rows lose what the start had found, mutual neighbours bring it back.

_ = AlignmentHistoryDisplay.from_estimator(aligner)
