"""What a notebook shows of an estimator."""

import pytest

from sklearn_align import AECFClassifier, AECFEmbedder, AECFRegressor, MiniVec2Vec
from sklearn_align.datasets import make_multimodal_classification, make_rotated_embeddings


@pytest.mark.parametrize("cls", [MiniVec2Vec, AECFClassifier, AECFRegressor, AECFEmbedder])
def test_parameters_are_shown_before_fit(cls):
    page = cls(random_state=3)._repr_html_()
    assert "Not fitted" in page
    for parameter in cls().get_params(deep=False):
        assert parameter in page


def test_fitted_alignment():
    data = make_rotated_embeddings(2000, 24, n_test=5, random_state=0)
    aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
    page = aligner._repr_html_()
    assert "Not fitted" not in page
    for attribute in ("alignment_score_", "converged_", "map_"):
        assert attribute in page


@pytest.mark.parametrize("cls", [AECFClassifier, AECFRegressor, AECFEmbedder])
def test_fitted_fusion(cls):
    data = make_multimodal_classification(80, random_state=0)
    model = cls(modalities=data.modalities, max_epochs=1, random_state=0)
    page = model.fit(data.data, data.target)._repr_html_()
    assert "Not fitted" not in page
    assert "modality_names_" in page
    # nothing that only skorch has a use for
    for name in ("callbacks__", "virtual_params_", "cuda_dependent_attributes_"):
        assert name not in page
