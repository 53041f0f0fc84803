"""Initializations: each makes a first map from which refinements continue."""

from sklearn_align.alignment.starts._anchors import AnchorStart
from sklearn_align.alignment.starts._components import ComponentStart
from sklearn_align.alignment.starts._pairs import PairStart
from sklearn_align.alignment.starts._protocol import Start

__all__ = ["AnchorStart", "ComponentStart", "PairStart", "Start"]
