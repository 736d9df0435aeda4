"""Reading documents from a file of JSON Lines: one object a line (https://jsonlines.org)."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from harness.contract.documents.rows import Documents, batch_of
from harness.core.errors import DataInvalid, DataMissing

SUFFIXES = (".jsonl", ".ndjson")


def read(path: Path, *, without: str | None = None, most: int | None = None) -> Documents:
    """Return the first *most* documents of *path*, without the top-level key *without*.

    Raises DataMissing, and DataInvalid naming the line that can't be read.
    """
    if path.suffix not in SUFFIXES:
        raise DataInvalid(
            f"{path.name} is no file of documents by its name",
            hint=f"one JSON object a line, in a file that ends with {' or '.join(SUFFIXES)}",
        )
    if not path.exists():
        raise DataMissing(f"the training data are not there: {path}")
    found = []
    with path.open(encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(islice(file, most), 1):
                if line.strip():
                    found.append(_document(line, path, number, without))
        except UnicodeDecodeError as wrong:
            raise DataInvalid(f"{path.name} is not UTF-8") from wrong
    return batch_of(found)


def _document(line: str, path: Path, number: int, without: str | None) -> dict[str, Any]:
    try:
        document = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        raise DataInvalid(f"{path.name}, line {number}: not JSON") from wrong
    if not isinstance(document, dict):
        raise DataInvalid(f"{path.name}, line {number}: not a JSON object")
    return {key: value for key, value in document.items() if key != without}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
