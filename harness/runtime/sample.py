"""Writes a few rows of a data file, evenly spaced, as a smaller file of the same kind.

Run in an image as ``sample.py SOURCE TARGET ROWS``; standard library and the environment's own
pyarrow or pandas.
"""

from __future__ import annotations

import sys


def spaced(total: int, rows: int) -> list[int]:
    """Return at most *rows* row numbers below *total*, evenly spaced, the first one 0."""
    if total <= rows:
        return list(range(total))
    return [i * total // rows for i in range(rows)]


def write(source: str, target: str, rows: int) -> None:
    """Write *rows* rows of *source* to *target*; both Parquet, or both CSV with a header."""
    if source.endswith(".csv"):
        with open(source, encoding="utf-8", newline="") as file:
            header, *lines = file.read().splitlines(keepends=True)
        with open(target, "w", encoding="utf-8", newline="") as file:
            file.write(header + "".join(lines[i] for i in spaced(len(lines), rows)))
        return
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        import pandas

        frame = pandas.read_parquet(source)
        frame.iloc[spaced(len(frame), rows)].to_parquet(target)
        return
    table = parquet.read_table(source)
    parquet.write_table(table.take(spaced(table.num_rows, rows)), target)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
