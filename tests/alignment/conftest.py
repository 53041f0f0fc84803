from __future__ import annotations

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import TransportRefinement, _pair_evidence, _selection
from sklearn_align.datasets import load_sentence_embeddings, make_rotated_embeddings
from tests.alignment.counting import FIRST, SECOND, Counting


def quick_aligner(**params):
    """Return an aligner that needs a third of a second on the synthetic spaces."""
    return MiniVec2Vec(
        **{
            "n_init": 1,
            "refinements": [TransportRefinement(max_iter=10)],
            "score_sample_size": 500,
            "random_state": 0,
            **params,
        }
    )


@pytest.fixture(scope="session")
def quick():
    return quick_aligner


@pytest.fixture(scope="session")
def spaces():
    """Return 800 unpaired samples on each side, 24 wide, which align with a few iterations."""
    return make_rotated_embeddings(800, 24, random_state=0)


@pytest.fixture(scope="session")
def fitted(spaces):
    """Return an aligner of the synthetic spaces that must not be refitted."""
    return quick_aligner().fit(spaces.XA, spaces.XB)


@pytest.fixture(scope="session")
def sentences():
    return load_sentence_embeddings()


@pytest.fixture(scope="session")
def twins():
    """Return the same samples on both sides, in another order, rotated: only rounding is left."""
    # One quick candidate finds the map of these samples with any seed. Independent components of
    # one shape are found with nine seeds of ten, and rounding decides with which.
    X = make_rotated_embeddings(800, 24, random_state=1).XA
    rng = np.random.default_rng(0)
    R = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    return X, R, rng.permutation(800)


@pytest.fixture
def counters(monkeypatch):
    """A selection of candidates that differ and whose iterations are counted."""
    monkeypatch.setattr(_selection, "candidate_refinements", lambda: [Counting()])
    monkeypatch.setattr(_selection, "map_agreement", lambda probe, W, V: 0.0)
    monkeypatch.setattr(_selection, "consensus", lambda maps: np.array([[50.0 + len(maps), 0.0]]))


@pytest.fixture
def shares(monkeypatch):
    """Fractions of pairs that maps of a given quality retrieve."""
    found = {}

    def retrieval_of_pairs(W, pairs, B, random_state):
        assert isinstance(random_state, np.random.RandomState)
        return found.get((W[0, 0], pairs), found.get(W[0, 0], 0.0))

    monkeypatch.setattr(_pair_evidence, "retrieval_of_pairs", retrieval_of_pairs)
    monkeypatch.setattr(_selection, "halves_of_pairs", lambda pairs, stream: (FIRST, SECOND))
    monkeypatch.setattr(_selection, "some_of", lambda pairs: pairs)
    return found
