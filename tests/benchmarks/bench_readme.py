"""Figures of README.md: what the two scripts it names print.

python -m tests.benchmarks.bench_readme

``python -m tests.benchmarks.readme_tables`` then writes the figures into README.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.tables import add_output_option, write_table

EXAMPLES = Path(__file__).parents[2] / "examples"
ALIGNMENT_METHODS = (
    "before alignment",
    "aligned, no pairs",
    "Procrustes, 1,000 pairs",
    "ridge, 1,000 pairs",
    "supervised oracle",
)
FUSION_METHODS = ("AECF", "concat + modality dropout", "gradient boosting")


def printed_by(script: str, *arguments: str) -> str:
    """Run a script of the examples in an empty folder and return what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(EXAMPLES / script), *arguments]
        finished = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
    print(finished.stdout, flush=True)
    return finished.stdout


def numbers_after(label: str, text: str) -> list[str]:
    """Numbers in the line that begins with a label."""
    line = re.search(rf"^{re.escape(label)}((?:\s+-?\d+\.\d+)+)\s*$", text, re.MULTILINE)
    if line is None:
        raise ValueError(f"No line of figures begins with {label!r}.")
    return line.group(1).split()


def write_alignment(folder: Path) -> None:
    """Write the table and the result of the convergence check that align_embeddings.py prints."""
    text = printed_by("align_embeddings.py")
    header = re.search(r"^\s+(top-1\s.*)$", text, re.MULTILINE)
    check = re.search(r"^converged_: (\w+), agreement_: ([\d.]+)$", text, re.MULTILINE)
    if header is None or check is None:
        raise ValueError("The example prints another table than the one expected.")
    lines = [[name, *numbers_after(name, text)] for name in ALIGNMENT_METHODS]
    columns = re.split(r"\s{2,}", header.group(1).strip())
    write_table(folder / "readme_alignment.csv", ["", *columns], lines)
    path = folder / "readme_convergence.csv"
    write_table(path, ["converged_", "agreement_"], [check.groups()])


def write_fusion(folder: Path, n_seeds: int) -> None:
    """Write the table that fuse_modalities.py prints."""
    text = printed_by("fuse_modalities.py", "--seeds", str(n_seeds))
    header = re.search(r"^\s+((?:\d+%\s*)+)$", text, re.MULTILINE)
    if header is None:
        raise ValueError("The example prints another table than the one expected.")
    lines = [[name, *numbers_after(f"{name:28}mAP", text), n_seeds] for name in FUSION_METHODS]
    write_table(folder / "readme_fusion.csv", ["blocks missing", *header.group(1).split(), "seeds"],
                lines)  # fmt: skip


def main(args: argparse.Namespace) -> None:
    """Write the tables."""
    if "align" in args.examples:
        write_alignment(args.out)
    if "fuse" in args.examples:
        write_fusion(args.out, args.seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds of fuse_modalities.py")
    parser.add_argument("--examples", nargs="+", choices=["align", "fuse"],
                        default=["align", "fuse"])  # fmt: skip
    add_output_option(parser)
    main(parser.parse_args())
