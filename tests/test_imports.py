"""What importing the package loads, and what a missing extra says."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sklearn_align

PACKAGE = Path(sklearn_align.__file__).parent
HEAVY = ["torch", "skorch", "matplotlib", "pandas", "polars", "dask", "pyarrow"]
HEAVY += ["safetensors", "onnx", "rich"]
LIGHT = [
    "import sklearn_align",
    "from sklearn_align import MiniVec2Vec",
    "from sklearn_align import pack_modalities",
    "import sklearn_align.alignment, sklearn_align.metrics, sklearn_align.datasets",
    "import sklearn_align.plotting",
    "import sklearn_align.io",
    "import sklearn_align._cli",
    "import sklearn_align; dir(sklearn_align); hasattr(sklearn_align, 'nothing')",
]
FIT = """
from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import make_rotated_embeddings
data = make_rotated_embeddings(800, 24, random_state=0)
aligner = MiniVec2Vec(n_init=1, random_state=0).fit(data.XA, data.XB)
aligner.score(data.XA_test, data.XB_test)
"""
WITHOUT_FUSION = [
    "from sklearn_align import AECFClassifier",
    "import sklearn_align.fusion",
    "import sklearn_align; sklearn_align.AECFRegressor",
]
WITHOUT_ARROW = {
    "sample_rows": "sample_rows([], 5, 'vector')",
    "map_batches": "map_batches(None, [], 'vector')",
    "vectors_to_arrow": "vectors_to_arrow([[1.0]])",
    "vectors_to_numpy": "vectors_to_numpy([[1.0]])",
}
# They follow the export to a file that needs no other package, in a folder named FOLDER.
EXPORT = """
from sklearn_align import MiniVec2Vec, load_map
from sklearn_align.alignment import to_torch
aligner = MiniVec2Vec.from_map([[0.0, 1.0], [1.0, 0.0]])
aligner.export(FOLDER + "/map.npz")
assert (load_map(FOLDER + "/map.npz").linear_map_ == aligner.linear_map_).all()
"""
WITHOUT_FORMATS = {
    "aligner.export(FOLDER + '/map.safetensors')": "export",
    "aligner.export(FOLDER + '/map.onnx')": "export",
    "load_map(FOLDER + '/written.safetensors')": "export",
    "to_torch(aligner)": "fusion",
}
DRAWING = """
import numpy as np
from sklearn_align.plotting import RetrievalDisplay
Z = np.eye(5)
RetrievalDisplay.from_predictions(Z, Z)
"""


def run(code: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=PACKAGE.parent,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


# Runs statements one after another in one process, because importing scikit-learn takes a second.
# Each finds the package as if it had not been imported, and prints a line of JSON: the heavy
# packages that are loaded after it, and its error.
EACH = """
import json, sys
import sklearn.base, sklearn.callback, sklearn.cluster, sklearn.metrics, sklearn.model_selection

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

statements, heavy, absent = json.loads(sys.argv[1])
sys.meta_path.insert(0, Absent())
# scipy and scikit-learn load some of them where they are installed; that is not ours to change.
before = [name for name in heavy if name in sys.modules]
print(json.dumps([before, None]))
for name in [one for one in sys.modules if one.partition(".")[0] in absent]:
    del sys.modules[name]
for statement in statements:
    for name in [one for one in sys.modules if one.partition(".")[0] == "sklearn_align"]:
        del sys.modules[name]
    error = None
    try:
        exec(statement, {})
    except ImportError as raised:
        error = str(raised)
    loaded = [name for name in heavy if name in sys.modules and name not in before]
    print(json.dumps([loaded, error]))
"""


def run_each(
    statements: list[str], absent: tuple[str, ...] = ()
) -> list[tuple[list[str], str | None]]:
    """Return what scikit-learn has loaded, then what each statement has loaded and its error.

    Importing the packages named in `absent` fails as if they were not there.
    """
    lines = run(EACH, json.dumps([statements, HEAVY, absent])).splitlines()
    return [tuple(json.loads(line)) for line in lines]


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """Return the heavy packages that are loaded after each statement, and by scikit-learn."""
    found = run_each([*LIGHT, FIT])
    assert [error for _, error in found] == [None] * len(found)
    return dict(zip(["scikit-learn", *LIGHT, FIT], [names for names, _ in found], strict=True))


@pytest.mark.parametrize("statement", LIGHT)
def test_nothing_heavy_is_loaded(loaded, statement):
    assert loaded[statement] == []


def test_fitting_an_aligner_loads_nothing_heavy(loaded):
    assert loaded[FIT] == []


@pytest.mark.parametrize("name", ["torch", "skorch", "matplotlib", "dask", "safetensors", "onnx"])
def test_scikit_learn_itself_loads_none_of_those_that_are_promised_absent(loaded, name):
    # Else the tests above could not see whether the package loads it.
    assert name not in loaded["scikit-learn"]


def test_importing_changes_no_global_setting():
    code = """
    import logging, warnings
    import numpy as np, sklearn, sklearn.callback
    before = (sklearn.get_config(), np.random.get_state()[1].tolist(), list(warnings.filters),
              logging.root.level, list(logging.root.handlers))
    import sklearn_align
    from sklearn_align import MiniVec2Vec
    import sklearn_align.metrics, sklearn_align.datasets, sklearn_align.plotting
    import sklearn_align.io
    after = (sklearn.get_config(), np.random.get_state()[1].tolist(), list(warnings.filters),
             logging.root.level, list(logging.root.handlers))
    print(before == after)
    """
    assert run(code) == "True"


@pytest.mark.parametrize("missing", ["torch", "skorch"])
def test_a_missing_extra_says_what_to_install(missing):
    _, *found = run_each(WITHOUT_FUSION, absent=(missing,))
    assert len(found) == len(WITHOUT_FUSION)
    for statement, (_, error) in zip(WITHOUT_FUSION, found, strict=True):
        assert "sklearn-align[fusion]" in error, statement


def test_the_aligner_works_and_a_display_says_what_to_install_without_the_extras():
    absent = ("torch", "skorch", "matplotlib")
    _, (_, fit), (_, drawing) = run_each([f"{FIT}\nassert aligner.converged_", DRAWING], absent)
    assert fit is None
    assert "sklearn-align[plot]" in drawing


def test_a_missing_pyarrow_says_what_to_install():
    statements = [f"from sklearn_align import io; io.{call}" for call in WITHOUT_ARROW.values()]
    _, *found = run_each(statements, absent=("pyarrow",))
    for name, (_, error) in zip(WITHOUT_ARROW, found, strict=True):
        assert error == f"{name} needs pyarrow: pip install 'sklearn-align[io]'."


def test_an_export_without_its_package_says_what_to_install(tmp_path):
    (tmp_path / "written.safetensors").write_bytes(bytes(9))
    setting = f"FOLDER = {str(tmp_path)!r}\n{EXPORT}\n"
    statements = [setting, *(setting + call for call in WITHOUT_FORMATS)]
    _, (_, without_formats), *found = run_each(statements, ("safetensors", "onnx", "torch"))
    assert without_formats is None
    for (call, extra), (_, error) in zip(WITHOUT_FORMATS.items(), found, strict=True):
        assert f"sklearn-align[{extra}]" in str(error), call


def test_unknown_names_raise_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'MaxiVec2Vec'"):
        _ = sklearn_align.MaxiVec2Vec


def test_every_public_name_is_listed_and_there():
    for name in sklearn_align.__all__:
        assert name in dir(sklearn_align)
        assert getattr(sklearn_align, name).__name__ == name


def imported_modules(path: Path, *, top_level_only: bool) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def module_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(("half", "other"), [("alignment", "fusion"), ("fusion", "alignment")])
def test_the_halves_never_import_each_other(half, other):
    files = list((PACKAGE / half).rglob("*.py"))
    assert files
    for path in files:
        imported = imported_modules(path, top_level_only=False)
        assert not [name for name in imported if name.startswith(f"sklearn_align.{other}")], path


@pytest.mark.parametrize("path", module_files(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_heavy_modules_are_imported_where_they_may_be(path):
    heavy = {name.partition(".")[0] for name in imported_modules(path, top_level_only=True)}
    heavy &= set(HEAVY)
    allowed = {"torch", "skorch"} if path.is_relative_to(PACKAGE / "fusion") else set()
    if path == PACKAGE / "alignment" / "_torch.py":  # which to_torch imports
        allowed = {"torch"}
    assert heavy <= allowed


@pytest.mark.parametrize("path", module_files(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_private_names_of_scikit_learn_stay_in_one_file(path):
    if path.name == "_sklearn.py":
        return
    private = [
        name
        for name in imported_modules(path, top_level_only=False)
        if name.startswith("sklearn.") and any(part.startswith("_") for part in name.split("."))
    ]
    assert not private
