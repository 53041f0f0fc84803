"""Share of small changes of the code that the tests notice, by module.

python -m pip install mutmut
OMP_NUM_THREADS=1 mutmut run
python -m tests.benchmarks.mutation_table

mutmut changes one operator, number, argument or text at a time, runs the tests that reach the
changed function, and keeps what it found in ``mutants/``; an interrupted run goes on where it
stopped. Settings are in ``setup.cfg``. Changes in functions that no test of the selection reaches
count as not noticed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from tests.benchmarks.tables import add_output_option, write_table

HEADER = ("module", "changes", "noticed", "not noticed", "not reached", "share noticed")
SURVIVED, NOT_REACHED = 0, 33


def count(results: dict[str, int | None]) -> list[float]:
    """Count the changes that were tried, by outcome, from mutmut's exit codes."""
    codes = Counter(code for code in results.values() if code is not None)
    tried = codes.total()
    noticed = tried - codes[SURVIVED] - codes[NOT_REACHED]
    return [tried, noticed, codes[SURVIVED], codes[NOT_REACHED], noticed / max(tried, 1)]


def main(args: argparse.Namespace) -> None:
    """Write the table."""
    by_module = {
        str(path.relative_to(args.mutants)).removesuffix(".meta"): json.loads(path.read_text())[
            "exit_code_by_key"
        ]
        for path in sorted(args.mutants.rglob("*.meta"))
    }
    lines = [[name, *count(results)] for name, results in by_module.items()]
    lines = [line for line in lines if line[1]]
    everything = {key: code for results in by_module.values() for key, code in results.items()}
    lines.append(["all", *count(everything)])
    for line in lines:
        print(*line)
    write_table(args.out / "mutation.csv", HEADER, lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=Path, default=Path("mutants"), help="folder of mutmut")
    add_output_option(parser)
    main(parser.parse_args())
