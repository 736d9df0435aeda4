"""The data, looked at before anything is trained on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract.batch import Batch, Cells
from harness.contract.draft_suspect import personal
from harness.contract.schema import Domain, admits, domains
from harness.core import canonical
from harness.core.digest import Digest
from harness.core.errors import DataInvalid
from harness.spec.project import Project
from harness.stages.stage import Problem, StageResult

_NUMBER = re.compile(r"[+-]?\d{1,3}([. ]\d{3})*,\d+|[+-]?\d+([.]\d+)?")
LOOKED_AT = 2000
"""Cells of a text column that are looked at for numbers as text."""


def check(project: Project, tables: Mapping[str, Batch]) -> StageResult:
    """Return whether train, dev and holdout (by those names) are fit to train on and to judge by.

    No row of the holdout or of dev may be in train; the target is there and holds declared labels;
    features are what the schema admits; personal data are as declared. Counts that are no failure
    (duplicates, missing values) are in the details.
    """
    assert project.data is not None and project.contract is not None
    data = project.data
    problems: list[Problem] = []
    columns = domains(project.contract.inputs)
    labels = project.contract.outputs.labels
    for name, table in tables.items():
        problems += _target(name, table, data.target, labels)
        for domain in columns:
            problems += _column(name, table, domain)
    problems += _overlaps(tables, data.key)
    if data.described is not None and not data.described.personal_data:
        problems += _personal(tables["train"])
    train = tables["train"]
    identities = identify(train, data.key)
    duplicates = train.rows - len(set(identities))
    details = {
        "rows": {name: table.rows for name, table in tables.items()},
        "duplicates": duplicates,
        "missing": {
            column.name: int(column.absent.sum()) for column in train.columns if column.absent.any()
        },
    }
    documented = "documented" if data.described is not None else "not documented"
    return StageResult(
        stage="data",
        passed=not problems,
        summary=f"no overlap, {documented}, {train.rows:,} rows to train on"
        if not problems
        else f"{len(problems)} problems",
        problems=tuple(problems),
        details=details,
    )


def target_of(table: Batch, name: str, file: str) -> Cells:
    """Return the target column; raises DataInvalid when the table has none."""
    if name not in table.names:
        raise DataInvalid(
            f"{file} has no column {name!r}, which harness.toml names as the target; "
            f"it has: {', '.join(table.names)}",
            hint="correct data.target, or the file",
        )
    return table[name]


def codes(target: Cells, labels: tuple[Any, ...], file: str) -> NDArray[np.int64]:
    """Return the target as positions in *labels*; raises DataInvalid for a value not among them."""
    values = target.values.tolist()
    places = {str(label): i for i, label in enumerate(labels)}
    found = np.array([places.get(_label(v), -1) for v in values], dtype=np.int64)
    found[target.absent] = -1
    if (found < 0).any():
        row = int(np.flatnonzero(found < 0)[0])
        raise DataInvalid(
            f"{file}: row {row} of the target {target.name!r} holds no declared label",
            hint="declare every label in contract.outputs.labels, or drop such rows",
        )
    return found


def _label(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def features(table: Batch, schema: Mapping[str, Any]) -> Batch:
    """Return the columns that the model receives, in the schema's order; never the target."""
    return table.only([name for name in schema["properties"] if name in table.names])


def identify(table: Batch, key: Iterable[str] = ()) -> list[tuple[Any, ...]]:
    """Return what makes each row itself: its cells in *key*, or in every column by name."""
    names = sorted(key) or sorted(table.names)
    columns = []
    for name in names:
        column = table[name]
        listed = column.values.tolist()
        if column.kind == "mixed":
            listed = [canonical.dumps(value) for value in listed]
        if column.kind == "number":  # 1 and 1.0 are the same number, and missing equals missing
            listed = [None if value != value else value for value in listed]
        if column.missing is not None:
            gone = column.missing.tolist()
            listed = [None if g else v for v, g in zip(listed, gone, strict=True)]
        columns.append(listed)
    return list(zip(*columns, strict=True))


def rows_digest(table: Batch) -> Digest:
    """Return a digest of the table's rows: the same for other files, orders and formats of them."""
    names = sorted(table.names)
    rows = sorted(repr(row) for row in identify(table))
    return canonical.digest([names, rows])


def _target(name: str, table: Batch, target: str, labels: tuple[Any, ...]) -> list[Problem]:
    try:
        column = target_of(table, target, name)
        if labels:
            codes(column, labels, name)
        elif column.absent.any() or column.kind not in ("number", "integer"):
            raise DataInvalid(
                f"{name}: the target {target!r} is missing or no number in some rows",
                hint="drop such rows, or name another column as data.target",
            )
    except DataInvalid as wrong:
        return [
            Problem(
                promise="the target is there, and holds what is declared",
                lines=(("found", wrong.message), ("hint", wrong.hint)),
            )
        ]
    return []


def _column(name: str, table: Batch, domain: Domain) -> list[Problem]:
    if domain.name not in table.names:
        return [
            Problem(
                promise="every declared input is in the data",
                lines=(
                    ("file", name),
                    ("missing", domain.name),
                    ("hint", "add the column, or take it out of contract.inputs"),
                ),
            )
        ]
    column = table[domain.name]
    good = admits(domain, column) | _open(domain, column)
    if good.all():
        return []
    rows = np.flatnonzero(~good)
    lines = [("file", name), ("column", domain.name), ("row", str(int(rows[0])))]
    if domain.kind in ("number", "integer") and column.kind in ("string", "mixed"):
        lines.append(("found", _as_text(column, rows)))
    elif column.absent[rows[0]]:
        lines.append(("found", "nothing, where the schema allows no null"))
    else:
        lines.append(("found", f"{column.at(int(rows[0]))!r}, which the schema does not admit"))
    lines.append(("rows", f"{len(rows):,} of {table.rows:,}"))
    lines.append(("hint", "mend the file, or let contract.inputs admit such values"))
    return [Problem(promise="the data are what the schema says", lines=tuple(lines))]


def _open(domain: Domain, column: Cells) -> NDArray[np.bool_]:
    present: NDArray[np.bool_] = ~column.absent & (domain.open and column.kind == "string")
    return present


def _as_text(column: Cells, rows: NDArray[Any]) -> str:
    texts = [v for v in column.values[rows[:LOOKED_AT]].tolist() if isinstance(v, str)]
    if any("," in text and _NUMBER.fullmatch(text.strip()) for text in texts):
        return "numbers as text with decimal commas"
    if any(_NUMBER.fullmatch(text.strip()) for text in texts):
        return "numbers as text"
    return "text where the schema says a number"


def _overlaps(tables: Mapping[str, Batch], key: tuple[str, ...]) -> list[Problem]:
    problems = []
    unknown = [name for name in key if any(name not in t.names for t in tables.values())]
    if unknown:
        return [
            Problem(
                promise="the key's columns are in the data",
                lines=(("missing", ", ".join(unknown)), ("hint", "correct data.key")),
            )
        ]
    train = set(identify(tables["train"], key))
    by = f"equal in {', '.join(key)}" if key else "equal in every column"
    hint = "drop them from train"
    if not key:
        hint += "; if equal rows may be different things, name what tells them apart in data.key"
    for name, table in tables.items():
        if name == "train":
            continue
        rows = [i for i, row in enumerate(identify(table, key)) if row in train]
        if rows:
            problems.append(
                Problem(
                    promise=f"no row of {name} is in train",
                    lines=(
                        ("rows", f"{len(rows):,} of {table.rows:,}, {by}"),
                        ("first", f"row {rows[0]} of {name}"),
                        ("hint", hint),
                    ),
                )
            )
    return problems


def _personal(train: Batch) -> list[Problem]:
    suspects = [column.name for column in train.columns if personal(column)]
    if not suspects:
        return []
    return [
        Problem(
            promise="personal data are as declared",
            lines=(
                ("declared", "personal_data = false"),
                ("found", "columns that look personal: " + ", ".join(suspects)),
                ("hint", "drop or rename them, or declare personal_data = true"),
            ),
        )
    ]
