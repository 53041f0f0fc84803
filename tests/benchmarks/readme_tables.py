"""Write the figures of docs/tables into README.md, between markers.

python -m tests.benchmarks.readme_tables

Every block of README.md between ``<!-- table: NAME -->`` and ``<!-- end of table -->`` is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.bench_alignment_success import ENCODER_PAIRS
from tests.benchmarks.tables import TABLES, read_table

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)


def alignment(tables: Path) -> str:
    """Output of examples/align_embeddings.py."""
    header, *lines = read_table(tables / "readme_alignment.csv")
    (_, (converged, agreement)) = read_table(tables / "readme_convergence.csv")
    widths = [24, *[max(8, len(name) + 3) for name in header[1:]]]
    printed = [
        line[0].ljust(widths[0])
        + "".join(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in (header, *lines)
    ]
    check = f"converged_: {converged}, agreement_: {agreement}"
    return "\n".join(["```text", *printed, "", check, "```", ""])


def encoders(tables: Path) -> str:
    """Table of bench_alignment_success --encoders."""
    header, *lines = read_table(tables / "alignment_encoders.csv")
    # One direction of each pair, which comes before the others.
    lines = lines[: len(ENCODER_PAIRS)]
    # Without whether the check is correct, which the page of benchmarks explains.
    columns = [number for number, name in enumerate(header) if name != "check correct"]
    rows = [[line[number] for number in columns] for line in (header, *lines)]
    rows.insert(1, ["---"] * len(columns))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def fusion(tables: Path) -> str:
    """Table of examples/fuse_modalities.py."""
    header, *lines = read_table(tables / "readme_fusion.csv")
    rows = [header[:-1], ["---"] * (len(header) - 1), *[line[:-1] for line in lines]]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    seeds = lines[0][-1]
    return (
        "Macro mean average precision on test samples by the share of blocks that are missing, "
        f"mean of {seeds} seeds (`--seeds {seeds}`):\n\n{table}"
    )


TABLES_OF_README: dict[str, Callable[[Path], str]] = {
    "alignment": alignment,
    "encoders": encoders,
    "fusion": fusion,
}


def with_tables(text: str, tables: Path = TABLES) -> str:
    """Return the text of README.md with every block made anew."""

    def block(match: re.Match[str]) -> str:
        return match[1] + TABLES_OF_README[match[2]](tables) + match[4]

    return BLOCK.sub(block, text)


def main() -> None:
    """Rewrite README.md."""
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
