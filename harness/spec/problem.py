"""What is wrong with a specification: problems with dotted paths, reported together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.core.errors import NotBuiltYet, SpecInvalid
from harness.spec.nearest import did_you_mean, nearest

Place = tuple[str | int, ...]


class NotYet(ValueError):
    """Raised by a form's validator for a setting of the design that nothing enforces yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong. *kind* is wrong, missing or later (a setting not built yet).

    *meant* is the place that a misspelt key was probably meant to be; *file* is set when the
    problem lies in another file than the one that is parsed.
    """

    place: Place
    text: str
    kind: str = "wrong"
    meant: Place = ()
    file: str = ""

    @property
    def line(self) -> str:
        """What a person reads: ``success.error: must be less than 1, found 5``."""
        prefix = f"{self.file}: " if self.file else ""
        return f"{prefix}{dotted(self.place)}: {self.text}" if self.place else prefix + self.text


def dotted(place: Place) -> str:
    """Return *place* as TOML would write it, with ``[n]`` for the n-th of a list, from 0."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_$-]+", part)
            text += ("." if text else "") + (part if bare else json.dumps(part, ensure_ascii=False))
    return text


def refuse(file: Path, problems: Iterable[Problem], *, prefix: Place = (), hint: str = "") -> None:
    """Raise one error with all *problems* of *file*, or return when there is none.

    NotBuiltYet when every problem is a setting for later, else SpecInvalid. A missing key that a
    misspelt one was meant to be is not listed again.
    """
    found = list(problems)
    meant = {problem.meant for problem in found if problem.meant}
    found = [p for p in found if not (p.kind == "missing" and p.place in meant)]
    if not found:
        return
    lines = dict.fromkeys(
        (p if p.file else Problem(place=(*prefix, *p.place), text=p.text)).line for p in found
    )
    text = f"{file}: " + (
        next(iter(lines))
        if len(lines) == 1
        else f"{len(lines)} problems" + "".join(f"\n  {line}" for line in lines)
    )
    if all(p.kind == "later" for p in found):
        raise NotBuiltYet(text, hint=hint or "take it out: this version would not enforce it")
    raise SpecInvalid(text, hint=hint or f"correct {file.name}, then run the same command again")


def problems_of(invalid: ValidationError, form: type[BaseModel]) -> list[Problem]:
    """Return pydantic's findings on *form* in our words, in the order of the file's keys."""
    return [_problem(error, form) for error in invalid.errors(include_url=False)]


def field_at(form: type[BaseModel], place: Sequence[str | int]) -> FieldInfo:
    """Return the field that *place* names below *form*; raises KeyError where there is none."""
    *parents, last = place
    return _fields(_form_at(form, parents))[str(last)]


def found(value: Any) -> str:
    """Return *value* as an error quotes it, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _problem(error: ErrorDetails, form: type[BaseModel]) -> Problem:
    place, kind, context = error["loc"], error["type"], error.get("ctx", {})
    if place[-1:] == ("[key]",):  # pydantic's way to say that the name itself is wrong
        place = place[:-1]
    if kind == "extra_forbidden":
        return _unknown(place, form)
    if kind == "missing":
        wish = field_at(form, place).description
        return Problem(place=place, text=f"missing ({wish})" if wish else "missing", kind="missing")
    if kind == "value_error":
        raised = context["error"]
        return Problem(
            place=place, text=str(raised), kind="later" if isinstance(raised, NotYet) else "wrong"
        )
    value = error["input"]
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        listed = " or ".join(f'"{choice}"' for choice in choices)
        guess = did_you_mean(value, choices) if isinstance(value, str) else ""
        return Problem(place=place, text=f"expected {listed}, found {found(value)}{guess}")
    if expected := _TYPES.get(kind):
        return Problem(place=place, text=f"expected {expected}, found {found(value)}")
    message = error["msg"].removeprefix("Input should ").removeprefix("Value should ")
    return Problem(place=place, text=f"must {message}, found {found(value)}")


_TYPES = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def _unknown(place: Place, form: type[BaseModel]) -> Problem:
    *parents, key = place
    keys = _fields(_form_at(form, parents))
    close = nearest(str(key), keys)
    if close:
        return Problem(
            place=place,
            text=f'unknown key, did you mean "{close}"?',
            meant=(*parents, close),
        )
    elsewhere = sorted(
        f"{table}.{key}"
        for table, field in _fields(form).items()
        if (inner := _form_in(field.annotation)) and key in _fields(inner)
    )
    if elsewhere and len(place) <= 2:
        return Problem(place=place, text=f'unknown key here, did you mean "{elsewhere[0]}"?')
    return Problem(place=place, text="unknown key; there are " + ", ".join(sorted(keys)))


def _fields(form: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in form.model_fields.items()}


def _form_at(form: type[BaseModel], place: Iterable[str | int]) -> type[BaseModel]:
    for part in place:
        field = _fields(form).get(str(part))
        # no field: a name that the user chose, as in challengers.NAME, or a place in a list
        form = (_form_in(field.annotation) if field else None) or form
    return form


def _form_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((f for inner in get_args(annotation) if (f := _form_in(inner))), None)
