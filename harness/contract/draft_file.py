"""Training data read for a draft, with what a table doesn't show any more of the file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.contract.batch import Batch
from harness.contract.cells import Cells
from harness.contract.in_process import MOST_TRAINING_ROWS, read_rows
from harness.core.errors import DataInvalid, DataMissing
from harness.spec.nearest import did_you_mean

_LINES = 20_000
_MOST_READ = 300_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """Training rows without the targets, the targets, and remarks on the file."""

    rows: Batch
    targets: tuple[Cells, ...]
    remarks: tuple[str, ...] = ()


def read_training(path: Path, targets: Sequence[str]) -> Training:
    """Return the training data in a Parquet or CSV file, of which *targets* are predicted.

    Of a long file these are its first rows, which a check looks at too, and as many spread over the
    rest: files are often sorted by time. Nothing after 300,000 rows is read.

    Raises DataMissing, and DataInvalid for a file of which nothing can be drafted: without rows or
    the targets, with one row, with two columns of one name, or with another separator.
    """
    if not path.is_file():
        raise DataMissing(
            f"the training data are not there: {path}" + _neighbour(path),
            hint="--data names a Parquet or CSV file of training rows",
        )
    remarks: list[str] = []
    if path.suffix == ".csv":
        _refuse_header(path)
        remarks += _leading_zeros(path)
    table = _spread(read_rows(path, most=_MOST_READ))
    for target in targets:
        if target not in table.names:
            raise DataInvalid(
                f"{path.name} has no column {target}{did_you_mean(target, table.names)}",
                hint=f"it has {', '.join(table.names)}",
            )
    if table.rows < 2:
        rows = "one row" if table.rows else "no rows"
        raise DataInvalid(
            f"{path.name} has {rows}: nothing can be guessed from that",
            hint="give the rows that the model was trained on",
        )
    inputs = [name for name in table.names if name not in targets]
    if not inputs:
        raise DataInvalid(
            f"{path.name} has no column but {', '.join(targets)}",
            hint="the columns that the model gets belong into the same file",
        )
    return Training(
        rows=table.only(inputs),
        targets=tuple(table[name] for name in targets),
        remarks=tuple(remarks),
    )


def _spread(table: Batch) -> Batch:
    if table.rows <= MOST_TRAINING_ROWS:
        return table
    rest = np.linspace(MOST_TRAINING_ROWS, table.rows - 1, MOST_TRAINING_ROWS).astype(int)
    return table.take(np.concatenate([np.arange(MOST_TRAINING_ROWS), np.unique(rest)]))


def _neighbour(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    there = [file.name for file in path.parent.iterdir() if file.suffix in (".csv", ".parquet")]
    return did_you_mean(path.name, there)


def _refuse_header(path: Path) -> None:
    header = next(_lines(path), [])
    if not header:
        raise DataInvalid(
            f"{path.name} is empty", hint="give the rows that the model was trained on"
        )
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and mark in header[0]:
            raise DataInvalid(
                f"{path.name} is separated by {name}: it would be one single column",
                hint="write it with commas, or as Parquet",
            )
    double = sorted({name for name in header if header.count(name) > 1})
    if double:
        raise DataInvalid(
            f"{path.name} has two columns of one name: {', '.join(double)}",
            hint="give each column a name of its own: a column is known by its name",
        )


def _leading_zeros(path: Path) -> Iterator[str]:
    """Yield a remark on each column of digits whose leading zeros a reader of numbers drops."""
    lines = _lines(path)
    header = next(lines, [])
    digits, zeros = [True] * len(header), [False] * len(header)
    for line in lines:
        for place, cell in enumerate(line[: len(header)]):
            if digits[place] and cell:
                digits[place] = cell.isascii() and cell.isdigit()
                zeros[place] |= cell[0] == "0" and len(cell) > 1
    for name, plain, zero in zip(header, digits, zeros, strict=True):
        if plain and zero:
            yield (
                f"{name}: has leading zeros in {path.name}, which are lost when it is read as "
                "a number; if it is a code, store it as text (Parquet keeps it so)"
            )


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(csv.reader(file)):
                if number > _LINES:
                    return
                yield line
    except (UnicodeDecodeError, csv.Error) as wrong:
        raise DataInvalid(f"{path} can't be read: {wrong}", hint="write it as UTF-8") from wrong
