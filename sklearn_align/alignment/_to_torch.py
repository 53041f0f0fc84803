"""Conversion of a fitted aligner to a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.utils.validation import check_is_fitted

from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec

if TYPE_CHECKING:
    from torch import nn


def to_torch(aligner: MiniVec2Vec) -> nn.Module:
    """Make a torch module that computes :meth:`~sklearn_align.MiniVec2Vec.to_target`.

    Parameters
    ----------
    aligner : MiniVec2Vec
        Aligner that was fitted, or loaded by :func:`~sklearn_align.load_map`.

    Returns
    -------
    module : torch.nn.Module
        Its ``forward`` takes a floating-point tensor of shape (..., n_features) and returns a
        tensor of shape (..., n_features_target) and the same type. Half precision is computed in
        float32. As the last module of a sentence-transformers model, it takes a dict and returns a
        dict in which the entry ``"sentence_embedding"`` is mapped. The map and the means are
        buffers: ``module.to`` changes their device and type, and optimizers do not change them. A
        sentence-transformers model with this module can be stored and loaded; the map is then an
        npz file in a separate folder.

    Raises
    ------
    ImportError
        If torch is not installed.

    See Also
    --------
    sklearn_align.MiniVec2Vec.export : Writes the map to a file.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.alignment import to_torch
    >>> from sklearn_align.datasets import make_rotated_embeddings
    >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
    >>> aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
    >>> module = to_torch(aligner)
    >>> mapped = module(torch.from_numpy(data.XA_test))
    >>> bool(abs(mapped.numpy() - aligner.to_target(data.XA_test)).max() < 1e-4)
    True
    """
    check_is_fitted(aligner)
    try:
        from sklearn_align.alignment._torch import AlignmentModule
    except ImportError as error:
        raise ImportError("to_torch needs torch: pip install 'sklearn-align[fusion]'.") from error
    return AlignmentModule(aligner)
