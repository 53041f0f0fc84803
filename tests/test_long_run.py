"""Many fits in one process."""

from __future__ import annotations

import gc

import psutil
import pytest

from sklearn_align import AECFClassifier, AECFEmbedder, AECFRegressor, MiniVec2Vec
from sklearn_align.alignment import AnchorStart, NeighborRefinement
from sklearn_align.datasets import make_multimodal_classification, make_rotated_embeddings
from tests.repetitions import repetitions

N_FITS = repetitions(100, 200)
N_WARM_UP = 40


@pytest.fixture
def only_new_objects():
    """Leave the objects that are there before to themselves: collecting takes as long as fits."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.usefixtures("only_new_objects")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
def test_resident_memory_of_many_fits_is_flat():
    spaces = make_rotated_embeddings(300, 8, random_state=0)
    data = make_multimodal_classification(n_samples=120, random_state=0)
    aligner = MiniVec2Vec(
        AnchorStart(n_runs=1),
        n_init=1,
        selection=None,
        refinements=[NeighborRefinement(2)],
        random_state=0,
    )
    targets = {
        AECFClassifier(max_epochs=1, random_state=0): data.target,
        AECFRegressor(max_epochs=1, random_state=0): data.target.astype(float),
        AECFEmbedder(max_epochs=1, random_state=0): None,
    }
    process = psutil.Process()
    sizes = []
    for i in range(N_FITS // 4):
        aligner.fit(spaces.XA, spaces.XB).transform(spaces.XA_test)
        for estimator, y in targets.items():
            estimator.fit(data.data, y).transform(data.data)
        gc.collect()
        if 4 * (i + 1) >= N_WARM_UP:
            sizes.append(process.memory_info().rss)
    assert max(sizes) <= 1.05 * sizes[0]
