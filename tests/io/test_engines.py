"""Engines give what one process gives, also when a worker is killed on the way."""

import builtins
import os
import signal
from contextlib import suppress

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from sklearn_align import MiniVec2Vec  # noqa: E402
from sklearn_align.datasets import make_rotated_embeddings  # noqa: E402
from sklearn_align.io import map_batches, vectors_to_arrow, vectors_to_numpy  # noqa: E402
from tests.repetitions import repetitions  # noqa: E402
from tests.test_documented_code import ROOT, blocks  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    # Ray warns of its own settings.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
]

_, _, RAY, _, DASK = blocks(ROOT / "docs" / "user_guide" / "io.rst")
N_SAMPLES, N_FILES = 2000, 4


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(N_SAMPLES, 12, random_state=0)


@pytest.fixture(scope="module")
def X(data):
    return data.XA.astype(np.float32)


@pytest.fixture(scope="module")
def aligner(data, X, unjudged_module):
    return MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(X, data.XB.astype(np.float32))


@pytest.fixture
def die_once(tmp_path):
    """Return a function that kills the process that calls it first, and does nothing later on."""
    marker = tmp_path / "killed"

    def die():
        with suppress(FileExistsError):
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            os.kill(os.getpid(), signal.SIGKILL)

    die.marker = marker
    return die


@pytest.fixture
def old(X, tmp_path):
    """Write the samples to several parquet files and return their folder."""
    folder = tmp_path / "old"
    folder.mkdir()
    for number, ids in enumerate(np.array_split(np.arange(N_SAMPLES), N_FILES)):
        table = pa.table({"id": ids, "vector": vectors_to_arrow(X[ids])})
        parquet.write_table(table, folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def ray():
    """Start a Ray of one processor on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray replaces `print` of the whole process, which cannot be pickled any more then.
        patch.setenv("RAY_TQDM_PATCH_PRINT", "0")
        patch.setattr(builtins, "print", print)
        ray = pytest.importorskip("ray")
        pytest.importorskip("ray.data")
        try:
            ray.init(
                num_cpus=1,
                include_dashboard=False,
                object_store_memory=100 * 2**20,
                logging_level="ERROR",
                log_to_driver=False,
            )
        except (ConnectionError, OSError, RuntimeError, TimeoutError) as error:
            pytest.skip(f"Ray does not start on this machine: {error}")
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()


# Engines take long: runs without a kill, which show less, are part of the long run only.
KILLED = [True, False][: repetitions(1, 2)]


def assert_mapped(found, aligner, X):
    """Compare with all samples mapped at once, whose products some processors round otherwise."""
    np.testing.assert_allclose(found, aligner.to_target(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("killed", KILLED)
def test_ray_data(ray, aligner, X, old, tmp_path, die_once, killed):
    def map_or_die(aligner, table, column):
        if killed and N_SAMPLES // 2 in table["id"].to_pylist():
            die_once()
        return map_batches(aligner, table, column)

    dataset = ray.data.read_parquet(str(old), override_num_blocks=N_FILES)
    names = {"aligner": aligner, "dataset": dataset, "map_batches": map_or_die, "pa": pa}
    exec(RAY, names)
    names["mapped"].write_parquet(str(tmp_path / "new"))
    assert die_once.marker.exists() == killed
    table = parquet.read_table(tmp_path / "new").sort_by("id")
    assert table["id"].to_pylist() == list(range(N_SAMPLES))
    assert_mapped(vectors_to_numpy(table["vector"]), aligner, X)


@pytest.mark.parametrize("killed", KILLED)
def test_dask_cluster(aligner, X, die_once, killed):
    array = pytest.importorskip("dask.array")
    distributed = pytest.importorskip("distributed")
    middle = X[N_SAMPLES // 2]

    class Mortal:
        n_features_target_ = aligner.n_features_target_

        def to_target(self, block):
            if killed and (block == middle).all(axis=1).any():
                die_once()
            return aligner.to_target(block)

    names = {"aligner": Mortal(), "X": array.from_array(X, chunks=(100, 5)), "np": np}
    exec(DASK, names)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        # What the worker has finished dies with it and is computed again.
        computed = client.compute(names["mapped"]).result(timeout=120)
    assert die_once.marker.exists() == killed
    assert_mapped(computed, aligner, X)
