"""Results of single fits and tables of the documentation, both as csv.

A benchmark appends the figures of every fit to ``runs/NAME.csv`` below its output folder. A fit
whose keys (data, method, seed and so on) are already there is skipped, so that an interrupted
benchmark goes on where it stopped, and more seeds are added to those that are there. From all of
them it writes ``NAME.csv``, the table that ``docs/benchmarks.rst`` includes.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed

if TYPE_CHECKING:
    import pandas as pd

TABLES = Path(__file__).parents[2] / "docs" / "tables"
Figures = dict[str, Any]


def add_output_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of the tables."""
    parser.add_argument("--out", type=Path, default=TABLES, help="folder of the tables")


def formatted(value: Any, decimals: int = 3) -> str:
    """Text of a cell: floats with a fixed number of decimals, everything else as it is."""
    return f"{value:.{decimals}f}" if isinstance(value, float) else str(value)


def write_table(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Write a table whose floats are shown with three decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([formatted(value) for value in line] for line in lines)
    print(f"wrote {path}", flush=True)


def read_table(path: Path) -> list[list[str]]:
    """Read a table, its header first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


class Runs:
    """The fits recorded in one file, by the values of some key columns."""

    def __init__(self, folder: Path, name: str, keys: Sequence[str]) -> None:
        self.path = folder / "runs" / f"{name}.csv"
        self.keys = list(keys)

    def frame(self) -> pd.DataFrame:
        """All fits, in the order of their keys."""
        import pandas as pd

        if not self.path.exists():
            return pd.DataFrame(columns=self.keys)
        frame = pd.read_csv(self.path)
        return frame.sort_values(self.keys, kind="stable", ignore_index=True)

    def fill(
        self,
        fit: Callable[..., Figures],
        wanted: Iterable[Mapping[str, Any]],
        n_jobs: int = 1,
    ) -> None:
        """Call `fit` with every wanted combination of keys that is not recorded yet."""
        done = self._recorded()
        open_keys = [dict(keys) for keys in wanted if self._identify(keys) not in done]
        results = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_timed)(fit, keys) for keys in open_keys
        )
        for keys, (figures, seconds) in zip(open_keys, results, strict=True):
            self._append({**keys, **figures})
            label = ", ".join(f"{name} {value}" for name, value in keys.items())
            shown = ", ".join(f"{name} {formatted(value)}" for name, value in figures.items())
            print(f"{label}: {shown} ({seconds:.0f} s)", flush=True)

    def _identify(self, keys: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(keys[name]) for name in self.keys)

    def _recorded(self) -> set[tuple[str, ...]]:
        if not self.path.exists():
            return set()
        with self.path.open(encoding="utf-8", newline="") as file:
            return {self._identify(line) for line in csv.DictReader(file)}

    def _append(self, line: Figures) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        columns = read_table(self.path)[0] if self.path.exists() else None
        with self.path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns or list(line), lineterminator="\n")
            if columns is None:
                writer.writeheader()
            writer.writerow(line)


def _timed(fit: Callable[..., Figures], keys: Mapping[str, Any]) -> tuple[Figures, float]:
    start = time.perf_counter()
    figures = fit(**keys)
    return figures, time.perf_counter() - start
