"""Fusion of modalities that may be missing, as skorch nets with scikit-learn's contract."""

from __future__ import annotations

try:
    import skorch  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "sklearn_align.fusion needs torch and skorch: pip install 'sklearn-align[fusion]'."
    ) from error

from sklearn_align.fusion._classifier import AECFClassifier
from sklearn_align.fusion._config import AECFConfig
from sklearn_align.fusion._criteria import AECFLoss, ContrastiveLoss
from sklearn_align.fusion._data import TensorBatches
from sklearn_align.fusion._embedder import AECFEmbedder
from sklearn_align.fusion._own_loop import calibrate_module, parameter_groups, set_epoch
from sklearn_align.fusion._regressor import AECFRegressor
from sklearn_align.fusion.nn._contrastive import ContrastiveModule
from sklearn_align.fusion.nn._encoders import (
    IdentityEncoder,
    LinearEncoder,
    MLPEncoder,
    available_encoders,
    register_encoder,
)
from sklearn_align.fusion.nn._gate import ModalityGate
from sklearn_align.fusion.nn._heads import (
    EmbeddingHead,
    ExpertHeads,
    LinearHead,
    MLPHead,
)
from sklearn_align.fusion.nn._masker import ModalityMasker
from sklearn_align.fusion.nn._module import AECFModule

__all__ = [
    "AECFClassifier",
    "AECFConfig",
    "AECFEmbedder",
    "AECFLoss",
    "AECFModule",
    "AECFRegressor",
    "ContrastiveLoss",
    "ContrastiveModule",
    "EmbeddingHead",
    "ExpertHeads",
    "IdentityEncoder",
    "LinearEncoder",
    "LinearHead",
    "MLPEncoder",
    "MLPHead",
    "ModalityGate",
    "ModalityMasker",
    "TensorBatches",
    "available_encoders",
    "calibrate_module",
    "parameter_groups",
    "register_encoder",
    "set_epoch",
]
