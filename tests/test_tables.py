"""The csv files of the benchmarks."""

import pytest

pytest.importorskip("pandas")

from tests.benchmarks.tables import Runs, read_table, write_table


def test_recorded_fits_are_not_repeated(tmp_path):
    fitted = []

    def fit(method, seed):
        fitted.append((method, seed))
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return {"top1": seed / 3}

    wanted = [{"method": "ours, fast", "seed": seed} for seed in range(3)]
    runs = Runs(tmp_path, "bench", ["method", "seed"])
    with pytest.raises(KeyboardInterrupt):
        runs.fill(fit, wanted)
    assert len(runs.frame()) == 1
    for _ in range(2):
        Runs(tmp_path, "bench", ["method", "seed"]).fill(fit, wanted)
    assert fitted == [("ours, fast", seed) for seed in (0, 1, 1, 2)]
    assert runs.frame()["top1"].tolist() == pytest.approx([0.0, 1 / 3, 2 / 3])


def test_a_table_shows_three_decimals(tmp_path):
    path = tmp_path / "tables" / "one.csv"
    write_table(path, ["method", "top-1", "seeds"], [["a, b", 0.12345, 3]])
    assert read_table(path) == [["method", "top-1", "seeds"], ["a, b", "0.123", "3"]]
