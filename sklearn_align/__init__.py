"""Alignment of embedding spaces and fusion of incomplete modalities for scikit-learn.

Names are imported on first use, so ``import sklearn_align`` loads neither torch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn_align._keep_absent import KeepAbsent
    from sklearn_align._modalities import ModalityLayout, pack_modalities
    from sklearn_align.alignment import MiniVec2Vec, load_map
    from sklearn_align.fusion import AECFClassifier, AECFConfig, AECFEmbedder, AECFRegressor

try:
    __version__ = version("sklearn-align")
except PackageNotFoundError:  # a source tree that was not installed
    __version__ = "0+unknown"

_LAZY_NAMES = {
    "AECFClassifier": "sklearn_align.fusion",
    "AECFConfig": "sklearn_align.fusion",
    "AECFEmbedder": "sklearn_align.fusion",
    "AECFRegressor": "sklearn_align.fusion",
    "KeepAbsent": "sklearn_align._keep_absent",
    "MiniVec2Vec": "sklearn_align.alignment",
    "ModalityLayout": "sklearn_align._modalities",
    "load_map": "sklearn_align.alignment",
    "pack_modalities": "sklearn_align._modalities",
}
_SUBPACKAGES = ("alignment", "datasets", "exceptions", "fusion", "io", "metrics", "plotting")

__all__ = [
    "AECFClassifier",
    "AECFConfig",
    "AECFEmbedder",
    "AECFRegressor",
    "KeepAbsent",
    "MiniVec2Vec",
    "ModalityLayout",
    "load_map",
    "pack_modalities",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY_NAMES:
        value = getattr(import_module(_LAZY_NAMES[name]), name)
    elif name in _SUBPACKAGES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
