"""examples/migrate_vector_index.py: restarts after kills, the verdict, the measured recall."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.preprocessing import normalize

from sklearn_align import MiniVec2Vec, load_map
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import neighbor_recall

pa = pytest.importorskip("pyarrow", minversion="16")  # LanceDB calls methods of it
lancedb = pytest.importorskip("lancedb")
pytest.importorskip("tqdm")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "migrate_vector_index.py"
TABLES = ("old", "mapped", "native")
# 100 of 150 held-out samples are documents, so a copy is a commit of 1,000 rows of the old table.
N_ROWS = 2_300
OPTIONS = {"n_samples": N_ROWS, "fit_samples": 800, "batch_size": 150, "random_state": 0}


def load_example():
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load_example()


def make_spaces():
    """Two spaces of unit vectors whose map is found in a second."""
    data = make_rotated_embeddings(900, 24, n_samples_target=800, n_test=150, random_state=0)
    for name in ("XA", "XB", "XA_test", "XB_test"):
        data[name] = normalize(data[name]).astype(np.float32)
    return data


def contents(folder, name):
    """Return ids and vectors of a table in the order of the ids."""
    table = lancedb.connect(folder / "tables").open_table(name).to_arrow().sort_by("id")
    vectors = table["vector"].combine_chunks()
    return table["id"].to_numpy(), vectors.flatten().to_numpy().reshape(len(table), -1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a run that nothing interrupted, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    with redirect_stdout(StringIO()) as out:
        example.run(make_spaces(), folder, **OPTIONS)
    return SimpleNamespace(folder=folder, out=out.getvalue())


def test_all_rows_are_mapped_by_the_stored_map(finished):
    ids, vectors = contents(finished.folder, "old")
    np.testing.assert_array_equal(ids, np.arange(N_ROWS))
    mapped_ids, mapped = contents(finished.folder, "mapped")
    np.testing.assert_array_equal(mapped_ids, np.arange(N_ROWS))
    aligner = load_map(finished.folder / "map.npz")
    assert aligner.converged_
    np.testing.assert_allclose(mapped, aligner.to_target(vectors), rtol=1e-5, atol=1e-6)


def test_the_old_table_repeats_the_documents_nearby(finished):
    data = make_spaces()
    _, vectors = contents(finished.folder, "old")
    documents = np.concatenate([data.XA_test[:100], data.XA])
    np.testing.assert_array_equal(vectors[:1000], documents)
    cosines = (vectors[1000:] * np.resize(documents, (N_ROWS - 1000, 24))).sum(axis=1)
    assert 0.98 < cosines.min() < cosines.max() < 1 - 1e-4
    assert len(np.unique(vectors, axis=0)) == N_ROWS
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_the_printed_recall_is_that_of_the_metric(finished):
    printed = dict(re.findall(r"^(queries.*?)  +(\d\.\d+) +\d\.\d+$", finished.out, re.MULTILINE))
    data, aligner = make_spaces(), load_map(finished.folder / "map.npz")
    documents_A, documents_B = data.XA_test[:100], data.XB_test[:100]
    queries_A, queries_B = data.XA_test[100:], data.XB_test[100:]
    recall = neighbor_recall(aligner.to_target(documents_A), documents_B, queries_B)
    assert float(printed["queries of B, mapped table"]) == pytest.approx(recall, abs=0.002)
    assert recall > 0.5
    # The other direction has queries of A for the same samples.
    forth = aligner.to_target(queries_A)
    hits = [
        np.intersect1d(np.argsort(-documents_B @ q)[:10], np.argsort(-documents_B @ p)[:10])
        for q, p in zip(queries_B, forth, strict=True)
    ]
    recall = np.mean([len(found) for found in hits]) / 10
    assert float(printed["queries of A mapped, native table"]) == pytest.approx(recall, abs=0.002)
    assert float(printed["queries of B, native table"]) == 1.0
    assert float(printed["queries of B mapped back, old table"]) > 0.5


@pytest.fixture
def copy(finished, tmp_path):
    """Return the folder of a finished run that a test may change."""
    return shutil.copytree(finished.folder, tmp_path / "copy")


@pytest.fixture
def no_fit(monkeypatch):
    """Make a fit an error."""
    monkeypatch.setattr(example, "MiniVec2Vec", None)


def test_a_finished_run_is_not_repeated(finished, no_fit, capsys):
    database = lancedb.connect(finished.folder / "tables")
    versions = [database.open_table(name).version for name in TABLES]
    example.run(make_spaces(), finished.folder, **OPTIONS)
    assert [database.open_table(name).version for name in TABLES] == versions
    assert "every id of the old table once" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", [70, 5000])
def test_rows_that_are_missing_are_mapped_and_no_others(finished, copy, no_fit, batch_size):
    table = lancedb.connect(copy / "tables").open_table("mapped")
    # None of these is the end of a batch.
    table.delete("id IN (0, 149, 777, 1000, 2299) OR (id > 1010 AND id < 1400)")
    example.run(make_spaces(), copy, **OPTIONS | {"batch_size": batch_size})
    ids, vectors = contents(copy, "mapped")
    np.testing.assert_array_equal(ids, np.arange(N_ROWS))
    np.testing.assert_allclose(
        vectors, contents(finished.folder, "mapped")[1], rtol=1e-5, atol=1e-6
    )


def test_a_table_that_has_grown_is_mapped_on(finished, copy, no_fit):
    example.run(make_spaces(), copy, **OPTIONS | {"n_samples": 3_100})
    for name in ("old", "mapped"):
        ids, vectors = contents(copy, name)
        np.testing.assert_array_equal(ids, np.arange(3_100))
        np.testing.assert_array_equal(vectors[:N_ROWS], contents(finished.folder, name)[1])


def test_rows_that_are_there_twice_are_noticed(copy, no_fit):
    table = lancedb.connect(copy / "tables").open_table("mapped")
    table.add(table.to_arrow().slice(5, 1))
    with pytest.raises(SystemExit, match="two processes"):
        example.run(make_spaces(), copy, **OPTIONS)


def test_vectors_of_two_maps_are_not_mixed(copy):
    data = make_spaces()
    (copy / "map.npz").unlink()
    MiniVec2Vec(random_state=0).fit(data.XA, data.XB).export(copy / "map.npz")
    with pytest.raises(SystemExit, match="another map"):
        example.run(data, copy, **OPTIONS)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_a_map_that_has_not_converged_is_used_by_force_only(tmp_path, monkeypatch, capsys):
    data = make_spaces()
    data.XB = normalize(np.random.default_rng(0).standard_normal((300, 24))).astype(np.float32)
    quick = partial(MiniVec2Vec, n_init=1, refinements=[])
    monkeypatch.setattr(example, "MiniVec2Vec", lambda **options: quick(random_state=0))
    options = OPTIONS | {"n_samples": 300, "fit_samples": 300}
    with pytest.raises(SystemExit, match="--force"):
        example.run(data, tmp_path, **options)
    assert "converged_: False" in capsys.readouterr().out
    assert not (tmp_path / "map.npz").exists()
    assert lancedb.connect(tmp_path / "tables").list_tables().tables == ["old"]
    example.run(data, tmp_path, **options, force=True)
    assert len(contents(tmp_path, "mapped")[0]) == 300


def test_sizes_are_checked(tmp_path, capsys):
    for arguments in (["--batch-size", "0"], ["--n-samples", "-3"]):
        with pytest.raises(SystemExit):
            example.main([*arguments, "--directory", str(tmp_path)])
        assert "at least 1" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="at least 1000, the documents"):
        example.main(["--n-samples", "999", "--directory", str(tmp_path)])


# Processes of their own begin as copies of one that has imported what takes long to import. LanceDB
# itself starts a thread and is imported in each copy.
PRELOADED = ["lance_namespace", "pandas", "pyarrow", "pytest", "sklearn_align.alignment", "tqdm"]


def run_and_kill(folder, event, number, connection):
    """Send b"commit" when a commit begins; be killed before a statement or after a commit.

    `event` is "statement" or "commit", `number` the number of the one in question.
    """
    table = lancedb.table.LanceTable
    add = table.add
    numbers = {"statement": 0, "commit": 0}

    def count(what):
        numbers[what] += 1
        if event == what and numbers[what] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def announced(self, *args, **kwargs):
        connection.send_bytes(b"commit")
        add(self, *args, **kwargs)
        count("commit")

    def trace(frame, what, argument):
        if frame.f_code.co_filename != str(EXAMPLE):
            return None
        if what == "line":
            count("statement")
        return trace

    table.add = announced
    data = make_spaces()
    if event == "statement":
        sys.settrace(trace)
    example.run(data, folder, **OPTIONS)


def start(folder, event="none", number=0):
    """Return a process, and the connection that receives a message for each commit."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run_and_kill, args=(folder, event, number, sender))
    process.start()
    sender.close()
    return process, receiver


def is_finished(process, receiver):
    """Wait for the end of a process; return whether it reached its end, False if it was killed."""
    process.join()
    receiver.close()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def finish(folder):
    assert is_finished(*start(folder))


def assert_same_tables(folder, expected):
    for name in TABLES:
        for values, expected_values in zip(
            contents(folder, name), contents(expected, name), strict=True
        ):
            np.testing.assert_array_equal(values, expected_values)


needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")


@pytest.mark.slow
@needs_kill
def test_killed_before_statements(finished, tmp_path):
    # Each run continues what the ones before it have left, and comes further.
    number, n_kills = 30, 0
    while not is_finished(*start(tmp_path, "statement", number)):
        number += 90
        n_kills += 1
    assert n_kills >= 3
    assert_same_tables(tmp_path, finished.folder)


@pytest.mark.slow
@needs_kill
def test_killed_after_commits(finished, tmp_path):
    for number in (1, 5):
        assert not is_finished(*start(tmp_path, "commit", number))
    finish(tmp_path)
    assert_same_tables(tmp_path, finished.folder)


@pytest.mark.slow
@needs_kill
def test_killed_within_commits(finished, tmp_path):
    # Which step of the commit is hit depends on the machine; the result must not.
    for number, delay in ((2, 0.001), (4, 0.006)):
        process, receiver = start(tmp_path)
        for _ in range(number):
            receiver.recv_bytes()
        time.sleep(delay)
        process.kill()
        assert not is_finished(process, receiver)
    finish(tmp_path)
    assert_same_tables(tmp_path, finished.folder)
