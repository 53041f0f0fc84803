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
of the selection reaches count as not noticed.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.tables import add_output_option, write_table

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


def count(results: Results) -> list[float]:
    """Count the changes that were tried, by outcome, from mutmut's exit codes."""
    codes = Counter(code for code in results.values() if code is not None)
    tried = codes.total()
    noticed = tried - codes[SURVIVED] - codes[NOT_REACHED]
    return [
        len(results),
        tried,
        noticed,
        codes[SURVIVED],
        codes[NOT_REACHED],
        noticed / max(tried, 1),
    ]


def main(args: argparse.Namespace) -> None:
    """Print a sample of changes, or write the table."""
    by_module = read_results(args.mutants)
    if args.sample is not None:
        print(*draw(by_module, args.sample, args.seed), sep="\n")
        return
    lines = [[name, *count(results)] for name, results in by_module.items()]
    everything = {key: code for results in by_module.values() for key, code in results.items()}
    lines.append(["all", *count(everything)])
    for line in lines:
        print(*line)
    write_table(args.out / "mutation.csv", HEADER, lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=Path, default=Path("mutants"), help="folder of mutmut")
    parser.add_argument("--sample", type=int, help="print the names of so many changes by module")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    add_output_option(parser)
    main(parser.parse_args())
