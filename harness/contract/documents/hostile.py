"""Documents that the schema does not admit: one odd place in an ordinary document among others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.contract.batch import Batch, Broken, Refusal, Unsendable
from harness.contract.documents.rows import batch_of, list_of
from harness.contract.documents.schema import Schema
from harness.contract.documents.tree import Path, at, drop, places, pointer, put
from harness.contract.documents.trial import DocumentTrial
from harness.contract.hostile import (
    CONTEXT,
    FEWEST_CASES,
    MOST_CASES,
    Case,
    HostilePass,
    Oddity,
    oddities,
)

CHECKS = (
    "hostile-documents-are-answered-or-refused",
    "hostile-documents-get-no-silent-nonsense",
    "hostile-documents-spoil-no-other-document",
    "another-spelling-of-a-value-is-refused-or-answered-the-same",
)
_SHARE = 0.3  # of the seconds that are left
_INSTEAD: tuple[tuple[str, Any], ...] = (
    ("text", "many"),
    ("a number", 42),
    ("a fraction", 0.5),
    ("true", True),
    ("an object", {}),
    ("an array", []),
)


def hostile_pass(trial: DocumentTrial) -> HostilePass:
    """Return what the model makes of each oddity; run once a trial.

    Raises OutOfTime, and Skip when no ordinary document is answered.
    """
    if trial.hostile is None:
        context = trial.probe.rows.head(CONTEXT)
        clean = trial.answers(context)
        trial.hostile = HostilePass(
            clean=clean, cases=tuple(_ask(trial, case) for case in _chosen(trial, context))
        )
    return trial.hostile


def _ask(trial: DocumentTrial, case: Case) -> Case:
    try:
        return replace(case, answers=trial.answers(case.batch))
    except Refusal as refusal:
        return replace(case, refusal=refusal)
    except (Broken, Unsendable) as broken:
        return replace(case, broken=str(broken))


def _chosen(trial: DocumentTrial, context: Batch) -> Iterator[Case]:
    found = _cases(trial, list_of(context))
    a_call = trial.probe.rows.rows / trial.rate
    most = min(MOST_CASES, max(FEWEST_CASES, int(trial.left * _SHARE / a_call)))
    if len(found) > most:
        trial.notes.append(f"hostile documents: {most} of {len(found)} cases, to fit the time")
    step = max(1.0, len(found) / most)
    yield from (found[int(i * step)] for i in range(min(len(found), most)))


def _cases(trial: DocumentTrial, documents: list[Any]) -> list[Case]:
    kept = [list_of(odd)[0] for check in CHECKS for odd in trial.odd(check)]
    found = [_case(documents, 0, Oddity(column="", kind="kept document"), odd) for odd in kept]
    for kind, value in _INSTEAD[:4] + _INSTEAD[5:]:
        odd = Oddity(column="", kind=f"{kind} in place of a document")
        found.append(_case(documents, 0, odd, value))
    found.append(_case(documents, 0, Oddity(column="", kind="null in place of a document"), None))
    seen: set[tuple[Path, str]] = set()
    for position, document in enumerate(documents):
        for path in places(document, items=1):
            for kind, odd, spelling in _odd(trial.schema, document, path):
                if (path, kind) in seen:
                    continue
                seen.add((path, kind))
                oddity = Oddity(column=pointer(path), kind=kind, spelling=spelling)
                found.append(_case(documents, position, oddity, odd))
    return found


def _case(documents: list[Any], position: int, oddity: Oddity, odd: Any) -> Case:
    batch = batch_of([odd if i == position else d for i, d in enumerate(documents)])
    return Case(oddity=oddity, batch=batch, position=position, row={"document": odd})


def _odd(schema: Schema, document: Any, path: Path) -> Iterator[tuple[str, Any, bool]]:
    """Yield what kind of oddity, the odd document, and whether only the spelling is odd."""
    value, domain = at(document, path), schema.domain(path)
    tried: list[tuple[str, Any, bool]] = [("null", put(document, path, None), False)]
    if domain is not None and not isinstance(value, dict | list):
        for oddity in oddities(domain, value):
            odd = oddity.value
            if odd is None or (isinstance(odd, float) and not math.isfinite(odd)):
                continue  # told above; no JSON
            tried.append((oddity.kind, put(document, path, odd), oddity.spelling))
    else:
        tried += [
            (f"{kind} in place of {_word(value)}", put(document, path, odd), False)
            for kind, odd in _INSTEAD
        ]
    if isinstance(at(document, path[:-1]), dict):
        tried.append(("required key removed", drop(document, path), False))
        misspelt = put(drop(document, path), (*path[:-1], path[-1].upper() + "_"), value)
        tried.append(("required key misspelt", misspelt, False))
    for kind, odd, spelling in tried:
        if not schema.admits(odd):
            yield kind, odd, spelling


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "null" if value is None else f"a {type(value).__name__}"
