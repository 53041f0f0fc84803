"""``python -m sklearn_align``: results, exit codes, files that appear as a whole, errors."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

import sklearn_align  # noqa: E402
from sklearn_align import MiniVec2Vec, load_map  # noqa: E402
from sklearn_align._cli import _migrate, _progress, main  # noqa: E402
from sklearn_align._cli._common import _vectors_at  # noqa: E402
from sklearn_align.alignment import TransportRefinement, alignment_report  # noqa: E402
from sklearn_align.datasets import make_rotated_embeddings  # noqa: E402
from sklearn_align.io import sample_rows, vectors_to_arrow, vectors_to_numpy  # noqa: E402

WIDTH = 12


def write(path, **columns):
    arrays = {
        name: vectors_to_arrow(values) if isinstance(values, np.ndarray) else values
        for name, values in columns.items()
    }
    parquet.write_table(pa.table(arrays), path, row_group_size=500)


def writes_null_vectors():
    """Whether parquet files may hold nulls among lists of one length: old releases cannot."""
    vectors = pa.array([[1.0], None, [1.0]], pa.list_(pa.float32(), 1))
    try:
        parquet.write_table(pa.table({"vector": vectors}), pa.BufferOutputStream())
    except pa.ArrowNotImplementedError:
        return False
    return True


NULL_VECTORS = pytest.mark.skipif(
    not writes_null_vectors(), reason="this pyarrow writes no nulls among lists of one length"
)


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(1500, WIDTH, n_test=100, random_state=0)


@pytest.fixture(scope="module")
def files(data, tmp_path_factory):
    """Folder of files of an old and a new model, of noise, of pairs, and of a map between them."""
    folder = tmp_path_factory.mktemp("files")
    old, new = (X.astype(np.float32) for X in (data.XA, data.XB))
    ids = list(range(len(old)))
    write(folder / "old.parquet", id=ids, vector=old, text=[f"text {i}" for i in ids])
    write(folder / "new.parquet", embedding=new)
    noise = np.random.default_rng(0).standard_normal((300, WIDTH)).astype(np.float32)
    write(folder / "noise.parquet", vector=noise)
    tests = {"old": data.XA_test, "new": data.XB_test}
    write(folder / "pairs.parquet", **{k: X.astype(np.float32) for k, X in tests.items()})
    holes = old.copy()
    holes[7, 3] = np.nan
    write(folder / "holes.parquet", vector=holes)
    write(folder / "twice.parquet", id=[1, 1, 2], vector=old[:3])
    write(folder / "text.parquet", id=["1", "2", "3"], vector=old[:3])
    write(folder / "other.parquet", id=[-1, -2, -3], vector=old[:3])
    MiniVec2Vec(random_state=0).fit(old, new).export(folder / "map.npz")
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch):
    """Return a working folder with links to the files."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command):
    return main(command.split())


MIGRATE = "migrate old.parquet new.parquet --column vector --new-column embedding"
REUSE = "migrate old.parquet --map map.npz --column vector"


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_migrate_gives_the_bits_of_the_library(folder, data, capsys):
    assert run(f"{MIGRATE} --out mapped.parquet --save-map saved.npz") == 0
    # A fit on all samples of the two files, which are fewer than are drawn.
    aligner = load_map("map.npz")
    table = parquet.read_table("mapped.parquet")
    before = parquet.read_table("old.parquet")
    assert table.column_names == ["id", "vector", "text"]
    assert table["id"].equals(before["id"])
    assert table["text"].equals(before["text"])
    found = vectors_to_numpy(table["vector"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, aligner.to_target(data.XA.astype(np.float32)))
    np.testing.assert_array_equal(load_map("saved.npz").linear_map_, aligner.linear_map_)
    out, err = capsys.readouterr()
    assert out.startswith("Verdict: PASS")
    assert "1500 rows were written to mapped.parquet." in out
    assert "XA_fit" not in out
    for line in ("read old.parquet", "fit: ", "write mapped.parquet: 1500 of 1500"):
        assert line in err


def test_a_saved_map_is_used_again_and_written_beside_the_vectors(folder, data):
    options = "--out mapped.parquet --out-column mapped --dtype float64 --quiet"
    assert run(f"{REUSE} {options}") == 0
    table = parquet.read_table("mapped.parquet")
    assert table.column_names == ["id", "vector", "text", "mapped"]
    X = data.XA.astype(np.float32)
    np.testing.assert_array_equal(vectors_to_numpy(table["vector"]), X)
    expected = load_map("map.npz").to_target(X).astype(np.float64)
    np.testing.assert_array_equal(vectors_to_numpy(table["mapped"]), expected)


def test_quiet_shows_no_progress(folder, capsys):
    assert run(f"{REUSE} --out mapped.parquet --quiet") == 0
    assert capsys.readouterr().err == ""


def test_row_groups_hold_several_batches(folder, data, monkeypatch):
    X = np.tile(data.XA.astype(np.float32), (6, 1))
    write("long.parquet", vector=X)
    command = REUSE.replace("old.", "long.") + " --quiet --out"
    assert run(f"{command} few.parquet") == 0
    monkeypatch.setattr(_migrate, "_ROW_GROUP_BYTES", 1)
    assert run(f"{command} many.parquet") == 0
    few, many = (parquet.ParquetFile(f"{name}.parquet") for name in ("few", "many"))
    assert few.num_row_groups == 1 < many.num_row_groups
    assert few.read().equals(many.read())
    found = vectors_to_numpy(few.read()["vector"])
    np.testing.assert_allclose(found, load_map("map.npz").to_target(X), rtol=1e-5, atol=1e-6)


def test_what_is_drawn_and_the_fit_depend_on_the_seed(folder, monkeypatch):
    fitted = []

    def quick(random_state):
        fitted.append(MiniVec2Vec(n_init=1, refinements=[], random_state=random_state))
        return fitted[0]

    monkeypatch.setattr(_migrate, "MiniVec2Vec", quick)
    run(f"{MIGRATE} --n-samples 200 --random-state 3 --out mapped.parquet --force --quiet")
    drawn = [
        sample_rows(f"{name}.parquet", 200, column, random_state=3)
        for name, column in (("old", "vector"), ("new", "embedding"))
    ]
    aligner = fitted[0]
    assert aligner.random_state == 3
    for mean, X in zip((aligner.source_mean_, aligner.target_mean_), drawn, strict=True):
        np.testing.assert_allclose(mean, X.mean(axis=0, dtype=float), rtol=1e-6)


@pytest.fixture
def quick(monkeypatch):
    """Let the command fit an aligner that needs a second; what `fit` was given as pairs."""
    seen = []

    class Quick(MiniVec2Vec):
        def __init__(self, random_state=None):
            step = TransportRefinement(max_iter=10)
            super().__init__(n_init=1, refinements=[step], random_state=random_state)

        def fit(self, X, y=None, *, XB=None, pairs=None):
            seen.append(pairs)
            return super().fit(X, XB=XB, pairs=pairs)

    monkeypatch.setattr(_migrate, "MiniVec2Vec", Quick)
    return seen


def test_known_pairs_measure_the_accuracy(folder, quick, capsys):
    assert run(f"{MIGRATE} --pairs pairs.parquet --out mapped.parquet --quiet") == 0
    assert "expected accuracy" in capsys.readouterr().out


def test_rows_with_the_same_key_are_pairs(folder, data, capsys):
    # Of the rows of the new file, in another order, 250 are valid and have a counterpart.
    rows = np.random.default_rng(0).permutation(1500)[:260]
    new = aligned(data)[rows]
    new[5] = np.nan
    keys = [None if i == 7 else int(row) if i < 252 else 10_000 + i for i, row in enumerate(rows)]
    write("sample.parquet", id=pa.array(keys, pa.int64()), vector=new)
    arguments = "map.npz old.parquet sample.parquet --column vector --key id --format json --quiet"
    assert run(f"report {arguments}") == 0
    section = json.loads(capsys.readouterr().out)["before_after"]
    assert section["n_pairs"] == 250
    assert section["accuracy"]["mapped"] == 1


@pytest.mark.parametrize(
    "type_",
    [pytest.param(pa.list_(pa.float32(), 3), marks=NULL_VECTORS), pa.list_(pa.float32())],
)
def test_vectors_at_rows_in_any_order(tmp_path, type_):
    X = np.random.default_rng(0).standard_normal((9000, 3)).astype(np.float32)
    null = np.random.default_rng(1).random(9000) < 0.3
    lists = [None if absent else x.tolist() for x, absent in zip(X, null, strict=True)]
    X[5000, 1] = np.nan
    lists[5000] = X[5000].tolist()
    null[5000] = False
    path = str(tmp_path / "nulls.parquet")
    parquet.write_table(pa.table({"v": pa.array(lists, type_)}), path)
    rows = np.append(np.random.default_rng(2).permutation(9000)[:700], 5000)
    found, valid = _vectors_at(path, "v", rows)
    np.testing.assert_array_equal(valid, ~null[rows] & (rows != 5000))
    np.testing.assert_array_equal(found[valid], X[rows][valid])


def aligned(data):
    """Samples of the new model for all rows of the old file, by the map of the tests."""
    return load_map("map.npz").to_target(data.XA.astype(np.float32))


def test_a_fifth_of_many_pairs_is_kept_for_the_report(folder, data, quick, capsys):
    write("sample.parquet", id=list(range(130)), vector=aligned(data)[:130])
    command = "migrate old.parquet sample.parquet --column vector --key id --out mapped.parquet"
    assert run(f"{command} --quiet") == 0
    assert "26 pairs" in capsys.readouterr().out
    old, new = quick[0]
    assert len(old) == len(new) == 104
    np.testing.assert_allclose(load_map("map.npz").to_target(old), new, rtol=1e-4, atol=1e-5)
    # A hundred are all needed for the fit.
    write("sample.parquet", id=list(range(100)), vector=aligned(data)[:100])
    run(f"{command} --quiet")
    assert len(quick[1][0]) == 100


def test_unrelated_spaces_fail_and_write_nothing_unless_forced(folder, quick, capsys):
    before = names(folder)
    command = "migrate noise.parquet new.parquet --column vector --new-column embedding --quiet"
    command += " --out mapped.parquet --save-map saved.npz"
    assert run(command) == 1
    out, err = capsys.readouterr()
    assert "Verdict: FAIL" in out
    assert "Nothing was written" in out
    assert err == ""
    assert names(folder) == before
    assert run(f"{command} --force") == 1
    assert names(folder) == {*before, "mapped.parquet", "saved.npz"}
    assert parquet.read_metadata("mapped.parquet").num_rows == 300


def test_wrong_pairs_fail_for_a_map_that_is_used_again(folder, data):
    wrong = np.roll(data.XB_test, 1, axis=0)
    write("wrong.parquet", a=data.XA_test, b=wrong)
    command = f"{REUSE} --out mapped.parquet --quiet --pairs wrong.parquet --pairs-columns a b"
    assert run(command) == 1
    assert not Path("mapped.parquet").exists()


@NULL_VECTORS
def test_invalid_vectors_are_an_error_before_the_fit_or_null(folder, capsys):
    command = REUSE.replace("old.", "holes.") + " --out mapped.parquet --quiet"
    assert run(command) == 2
    assert "1 hold NaN" in capsys.readouterr().err
    assert run(f"{command} --on-invalid null") == 0
    assert parquet.read_table("mapped.parquet")["vector"].is_null().to_numpy().nonzero()[0] == [7]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the disk is full"), RuntimeError])
def test_a_run_that_ends_half_way_leaves_what_was_there(folder, monkeypatch, error):
    Path("mapped.parquet").write_text("before")
    before = names(folder)
    seen = []

    def failing(*_, **__):
        for batch in real(*_, **__):
            yield batch
            seen.append(names(folder) - before)
            raise error

    real = _migrate.map_batches
    monkeypatch.setattr(_migrate, "map_batches", failing)
    monkeypatch.setattr(_migrate, "_ROW_GROUP_BYTES", 1)
    command = f"{REUSE} --out mapped.parquet --quiet"
    if error is RuntimeError:  # an error of the program keeps its traceback
        with pytest.raises(RuntimeError):
            run(command)
    else:
        assert run(command) == (130 if error is KeyboardInterrupt else 2)
    # The other file was there.
    assert len(seen[0]) == 1
    assert names(folder) == before
    assert Path("mapped.parquet").read_text() == "before"


def test_a_run_that_is_terminated_leaves_no_file(folder, monkeypatch):
    def terminated(*arguments, **options):
        yield from real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    real = _migrate.map_batches
    before = names(folder), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(_migrate, "map_batches", terminated)
    monkeypatch.setattr(_migrate, "_ROW_GROUP_BYTES", 1)
    with pytest.raises(SystemExit) as exit_:
        run(f"{REUSE} --out mapped.parquet --quiet")
    assert exit_.value.code == 128 + signal.SIGTERM
    assert (names(folder), signal.getsignal(signal.SIGTERM)) == before


def test_commands_run_in_threads(folder):
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(run, "report map.npz --quiet").result() == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "migrate nothing.parquet new.parquet --column v",
            "nothing.parquet: there is no such file",
        ),
        ("migrate old.parquet new.parquet --column v", "old.parquet: there is no column 'v'"),
        ("migrate old.parquet new.parquet --column vector", "new.parquet: there is no column"),
        (
            "migrate old.parquet new.parquet --column id --new-column embedding",
            "has the type int64",
        ),
        ("migrate old.parquet --column vector", "NEW is missing"),
        ("migrate . new.parquet --column v", ". is a folder"),
        ("migrate map.npz new.parquet --column v", "map.npz: Parquet magic bytes not found"),
        (f"{MIGRATE} --out no/where.parquet", "--out no/where.parquet: there is no such folder"),
        (f"{MIGRATE} --out old.parquet", "--out old.parquet is an input as well"),
        (f"{MIGRATE} --out .", "--out . is a folder"),
        (f"{MIGRATE} --save-map map.txt", "--save-map map.txt: the name must end in one of .npz"),
        (f"{MIGRATE} --out-column id", "--out-column id: old.parquet has such a column already"),
        (
            f"{MIGRATE} --pairs pairs.parquet --pairs-columns a b",
            "pairs.parquet: there is no column",
        ),
        (f"{REUSE} --save-map b.npz", "--save-map cannot be used with --map"),
        (f"{REUSE.replace('map.npz', 'old.parquet')}", "old.parquet: old.parquet cannot be loaded"),
        (f"{REUSE.replace('vector', 'id')}", "has the type int64"),
        (f"{MIGRATE} --key id", "new.parquet: there is no column 'id'"),
        (f"{MIGRATE} --key id --pairs pairs.parquet", "--key and --pairs are two ways"),
        (f"{REUSE} --key id", "--key needs OLD and NEW"),
        ("migrate twice.parquet twice.parquet --column vector --key id", "occur in several rows"),
        ("migrate old.parquet twice.parquet --column vector --key name", "no column 'name'"),
        ("migrate old.parquet text.parquet --column vector --key id", "has the type int64 in old"),
        ("migrate old.parquet other.parquet --column vector --key id", "no value occurs in both"),
        ("report nothing.npz", "nothing.npz: there is no such file"),
        ("report map.npz old.parquet", "--column is missing"),
        ("report map.npz old.parquet --column v", "old.parquet: there is no column 'v'"),
        ("report map.npz --pairs pairs.parquet --pairs-columns old b", "no column 'b'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(folder, capsys, command, message):
    before = names(folder)
    if command.startswith("migrate") and "--out " not in command:
        command += " --out mapped.parquet"
    assert run(f"{command} --quiet") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith(f"sklearn_align {command.split()[0]}: error: ")
    assert err.count("\n") == 1
    assert names(folder) == before


@pytest.mark.parametrize(
    "command", ["", "move", "migrate old.parquet", f"{MIGRATE} --out m --n-samples 0", "report"]
)
def test_wrong_usage_is_exit_code_2(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        run(command)
    assert exit_.value.code == 2
    assert "usage: sklearn_align" in capsys.readouterr().err


def test_a_report_is_that_of_the_library(folder, data, capsys):
    options = "--column vector --new-column embedding --pairs pairs.parquet -k 5 --quiet"
    options += " --fit-source noise.parquet"
    command = f"report map.npz old.parquet new.parquet {options}"
    order = np.random.RandomState(0).permutation(100)  # that of the queries among the pairs
    expected = alignment_report(
        load_map("map.npz"),
        data.XA.astype(np.float32),
        data.XB.astype(np.float32),
        XA_fit=vectors_to_numpy(parquet.read_table("noise.parquet")["vector"]),
        pairs=tuple(X[order].astype(np.float32) for X in (data.XA_test, data.XB_test)),
        k=5,
    )
    assert run(command) == 0
    assert capsys.readouterr().out == f"{expected}\n"
    assert run(f"{command} --format json") == 0
    assert json.loads(capsys.readouterr().out) == expected.to_dict()
    assert run(f"{command} --format html --out report.html") == 0
    assert Path("report.html").read_text() == f"{expected.to_html()}\n"
    assert capsys.readouterr().out == ""


def test_a_report_says_which_options_are_missing(folder, capsys):
    assert run("report map.npz --quiet") == 0
    out = capsys.readouterr().out
    for remedy in (
        "pass pairs that were not used in fit (--pairs or --key)",
        "pass the samples that will be mapped (OLD)",
        "lengths of target samples now: pass NEW",
    ):
        assert remedy in out
    assert run("report map.npz old.parquet --column vector --format json --quiet") == 0
    remedies = json.loads(capsys.readouterr().out)["not_shown"]
    assert remedies["share of source samples outside"] == (
        "pass source samples of fit (report --fit-source)"
    )


def test_a_report_names_queries_and_invalid_vectors(folder, data, capsys):
    write("queries.parquet", vector=data.XB[:9])
    command = "report map.npz holes.parquet --column vector --queries queries.parquet"
    assert run(f"{command} --pairs pairs.parquet --quiet") == 0
    out, err = capsys.readouterr()
    assert "9 queries" in out
    assert "holes.parquet: 0 vectors are null and 1 hold NaN" in err


def test_a_report_on_a_failed_map_is_exit_code_1(folder, data):
    with pytest.warns(match="did not converge"):
        failed = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(
            np.random.default_rng(0).standard_normal((200, WIDTH)), data.XB[:200]
        )
    failed.export("failed.npz")
    assert run("report failed.npz") == 1


def test_warnings_are_one_line(folder, capsys, monkeypatch):
    def warns(arguments):
        import warnings

        warnings.warn("look out", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("sklearn_align._cli._report._report", warns)
    assert run("report map.npz") == 0
    assert capsys.readouterr().err == "sklearn_align: warning: look out\n"


def test_bars_are_shown_in_a_terminal(capsys, monkeypatch):
    rich = pytest.importorskip("rich.console")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(rich.Console, "is_terminal", True)
    with _progress.show_progress(quiet=False) as progress:
        assert isinstance(progress, _progress.Bars)
        progress.begin("read [a].parquet", 10)
        progress.advance(10)
        progress.end()
        progress.begin("fit")
        progress.advance(1, "start, iteration 1")
        progress.end()
    out, err = capsys.readouterr()
    assert out == ""
    assert "[a].parquet" in err
    assert "100%" in err


def test_lines_are_shown_without_rich(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with _progress.show_progress(quiet=False) as progress:
        progress.begin("read", 10)
        for _ in range(10):
            progress.advance()
        progress.end()
    lines = ["read", "read: 3 of 10", "read: 5 of 10", "read: 8 of 10", "read: 10 of 10"]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_missing_pyarrow_says_what_to_install(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(f"{MIGRATE} --out mapped.parquet") == 2
    assert "sklearn-align[io]" in capsys.readouterr().err


def test_the_script_is_the_same_function():
    project = Path(sklearn_align.__file__).parents[1] / "pyproject.toml"
    scripts = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, name = scripts["sklearn-align"].partition(":")
    assert getattr(importlib.import_module(module), name) is main


def test_help_has_the_exit_codes(capsys):
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    assert "exit codes" in capsys.readouterr().out


def test_the_module_runs(folder):
    root = Path(sklearn_align.__file__).parents[1]
    code = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    code += "runpy.run_module('sklearn_align', run_name='__main__', alter_sys=True)"
    for out, expected in (("mapped.parquet", 0), ("no/mapped.parquet", 2)):
        result = subprocess.run(
            [sys.executable, "-c", code, str(root), *f"{REUSE} --out {out}".split()],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == expected, result.stderr
        assert "Traceback" not in result.stderr
    assert parquet.read_metadata("mapped.parquet").num_rows == 1500


def test_a_map_that_was_not_checked_is_not_said_to_have_converged(folder, capsys):
    MiniVec2Vec.from_map(np.eye(WIDTH)).export("given.npz")
    assert run("report given.npz") == 0
    out = capsys.readouterr().out
    assert "converged was not checked" in out
    assert "known pairs" in out
    assert run("migrate old.parquet --map given.npz --column vector --out given.parquet") == 0
    out = capsys.readouterr().out
    assert "converged was not checked" in out
    # Arguments of the function are named as on the command line.
    assert "pass NEW" in out
    assert "--pairs or --key" in out
    assert "XB)" not in out.partition("Map\n")[2]
