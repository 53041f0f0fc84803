"""Share of small changes of the code that the tests notice, by module.

python -m pip install mutmut
export OMP_NUM_THREADS=1
mutmut run --max-children 1 "sklearn_align._linalg*"
mutmut run --max-children 1 $(python -m tests.benchmarks.mutation_table --sample 40)
python -m tests.benchmarks.mutation_table

mutmut changes one operator, number, argument or text at a time, runs the tests that reach the
changed function, and keeps what it found in ``mutants/``. Settings are in ``setup.cfg``. The first
run lists the changes of all modules. With ``--sample``, this module prints the names of that many
changes of each module, drawn at random, or of all of them where there are fewer; the modules in
``WHOLE`` are tried as a whole. Without it, it writes the table. Changes in functions that no test
of the selection reaches count as not noticed. Modules of which this run tried no change keep their
lines in the table, so that one module can be tried alone; lines of modules that are gone are left
out.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.tables import add_output_option, read_table, write_table

HEADER = (
    "module",
    "changes",
    "tried",
    "noticed",
    "not noticed",
    "not reached",
    "share noticed",
)
SURVIVED, NOT_REACHED = 0, 33
# Small or fast modules of which every change is tried.
WHOLE = ("_linalg.py", "_similarity.py", "fusion/")

Results = Mapping[str, int | None]


def read_results(mutants: Path) -> dict[str, Results]:
    """Exit codes of the changes of every module that has any; None where not tried."""
    by_module = {
        path.relative_to(mutants).as_posix().removesuffix(".meta"): json.loads(path.read_text())[
            "exit_code_by_key"
        ]
        for path in sorted(mutants.rglob("*.meta"))
    }
    return {name: results for name, results in by_module.items() if results}


def draw(by_module: Mapping[str, Results], size: int, seed: int) -> list[str]:
    """Names of `size` changes of each module, the same for the same code and seed."""
    names = []
    for module, results in by_module.items():
        changes = sorted(results)
        is_whole = module.removeprefix("sklearn_align/").startswith(WHOLE)
        if is_whole or len(changes) <= size:
            names += changes
        else:
            names += sorted(random.Random(f"{seed} {module}").sample(changes, size))
    return names


def count(results: Results) -> list[int]:
    """Count the changes that were tried, by outcome, from mutmut's exit codes."""
    codes = Counter(code for code in results.values() if code is not None)
    tried = codes.total()
    noticed = tried - codes[SURVIVED] - codes[NOT_REACHED]
    return [len(results), tried, noticed, codes[SURVIVED], codes[NOT_REACHED]]


def read_counts(path: Path, root: Path) -> dict[str, list[int]]:
    """Counts of the modules below `root` in a table that was written before."""
    if not path.exists():
        return {}
    lines = read_table(path)[1:]
    return {name: [int(n) for n in counts] for name, *counts, _ in lines if (root / name).is_file()}


def table_of(counts: Mapping[str, Sequence[int]]) -> list[list[str | float]]:
    """Lines of the table, by name, and one for all modules, with the shares noticed."""
    sums = [sum(column) for column in zip(*counts.values(), strict=True)]
    return [
        [name, *numbers, numbers[2] / max(numbers[1], 1)]
        for name, numbers in [*sorted(counts.items()), ("all", sums)]
    ]


def main(args: argparse.Namespace) -> None:
    """Print a sample of changes, or write the table."""
    by_module = read_results(args.mutants)
    if args.sample is not None:
        print(*draw(by_module, args.sample, args.seed), sep="\n")
        return
    path = args.out / "mutation.csv"
    counts = read_counts(path, Path())
    for name, results in by_module.items():
        numbers = count(results)
        if numbers[1] or name not in counts:
            counts[name] = numbers
    lines = table_of(counts)
    for line in lines:
        print(*line)
    write_table(path, HEADER, lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=Path, default=Path("mutants"), help="folder of mutmut")
    parser.add_argument("--sample", type=int, help="print the names of so many changes by module")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    add_output_option(parser)
    main(parser.parse_args())
