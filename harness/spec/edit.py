"""A value at the top of a TOML file that a person wrote, changed; every other byte stays.

The standard library reads TOML and does not write it, and a rewritten file would lose comments and
order: so one line is replaced, and the result is read again to see that nothing else changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from harness.core.errors import SpecInvalid


def changed(text: str, values: Mapping[str, str | int], *, where: str) -> str:
    """Return *text* with the top-level keys of *values* set to them; they must be there already.

    Raises SpecInvalid when that can't be done by replacing a key's line.
    """
    for key, value in values.items():
        text = _set(text, key, value, where)
    return text


def _set(text: str, key: str, value: str | int, where: str) -> str:
    wanted = {**_read(text), key: value}
    line = re.compile(
        rf"""^\ufeff?(?P<head>[ \t]*(?:{key}|"{key}"|'{key}')[ \t]*=[ \t]*)"""
        r"""(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s#]+)""",
        re.MULTILINE,
    )
    for match in line.finditer(text):
        start, end = match.span("value")
        edited = text[:start] + json.dumps(value) + text[end:]
        try:
            if _read(edited) == wanted:
                return edited
        except tomllib.TOMLDecodeError:
            continue
    raise SpecInvalid(
        f"{where}: {key} can't be changed in place",
        hint=f"write {key} = … on its own line",
    )


def _read(text: str) -> dict[str, Any]:
    return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
