"""Loading of exported maps."""

from __future__ import annotations

import os
from pathlib import Path

from sklearn_align.alignment._map_files import decode_npz, decode_safetensors
from sklearn_align.alignment._map_state import fitted_attributes
from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec

# The first bytes of an archive, and of one without members.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def load_map(path: str | os.PathLike[str]) -> MiniVec2Vec:
    """Load a map that :meth:`MiniVec2Vec.export` has written to an npz or safetensors file.

    No code from the file is executed: the file contains only numbers and text, and all of them are
    checked.

    Parameters
    ----------
    path : str or path-like
        The file. Its format is detected from its content.

    Returns
    -------
    aligner : MiniVec2Vec
        Fitted aligner with exactly the same results of
        :meth:`~sklearn_align.MiniVec2Vec.transform`, :meth:`~sklearn_align.MiniVec2Vec.to_target`,
        :meth:`~sklearn_align.MiniVec2Vec.transform_target`,
        :meth:`~sklearn_align.MiniVec2Vec.inverse_transform` and, with target samples,
        :meth:`~sklearn_align.MiniVec2Vec.score`. Its parameters are the defaults. `history_` is
        absent, and `target_sample_` is absent because the file contains no samples. If the map is
        from :meth:`~sklearn_align.MiniVec2Vec.from_map` and was exported without a convergence
        check, the results of the check are absent; :meth:`~sklearn_align.MiniVec2Vec.assess`
        computes them on samples. `metadata_` has the metadata that were passed to ``export``.

    Raises
    ------
    ValueError
        If the file has another format, is truncated or has a newer format, or if its contents
        cannot be a fitted map. The message names the file and the fault.
    ImportError
        If a safetensors file is read and the package safetensors is not installed.

    See Also
    --------
    sklearn_align.MiniVec2Vec.export : Writes the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_align import MiniVec2Vec, load_map
    >>> from sklearn_align.datasets import make_rotated_embeddings
    >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
    >>> aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     aligner.export(Path(folder, "map.npz"), metadata={"source": "encoder-a"})
    ...     loaded = load_map(Path(folder, "map.npz"))
    >>> bool((loaded.transform(data.XA_test) == aligner.transform(data.XA_test)).all())
    True
    >>> loaded.converged_, loaded.metadata_
    (True, {'source': 'encoder-a'})
    """
    file = Path(path)
    with file.open("rb") as stream:
        is_zip = stream.read(4) in _ZIP
    suffix = file.suffix.lower()
    try:
        if suffix == ".onnx":
            raise ValueError("only an ONNX runtime reads an ONNX graph: export the map to npz, too")
        if suffix == ".npz" and not is_zip:
            raise ValueError("it is not an npz file (a zip archive)")
        state = decode_npz(file) if is_zip else decode_safetensors(file)
        attributes = fitted_attributes(state)
    except ValueError as error:
        raise ValueError(f"{file} cannot be loaded as a map: {error}.") from None
    aligner = MiniVec2Vec()
    for name, value in attributes.items():
        setattr(aligner, name, value)
    return aligner
