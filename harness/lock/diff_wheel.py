"""What a wheel says of itself: licence, requirements, scripts, and what of it can be imported.

Formats: the binary distribution format (wheels), core metadata, entry points and PEP 639.
"""

from __future__ import annotations

import configparser
import re
import zipfile
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import HeaderParser
from pathlib import PurePosixPath

_LARGEST_TEXT = 4 << 20
_ID = re.compile(r"[A-Za-z0-9.+ ()-]{1,80}")


def modules(names: Iterable[str]) -> tuple[str, ...]:
    """Return what can be imported of files in a library folder: top-level modules, and below a
    namespace (PEP 420) the first that is none, with dots."""
    packages, files = set(), set()
    for name in names:
        path = PurePosixPath(name)
        stem = path.name.split(".")[0]
        if path.suffix not in (".py", ".so") or not stem.isidentifier():
            continue
        if not all(part.isidentifier() for part in path.parts[:-1]):
            continue
        if stem == "__init__":
            packages.add(path.parts[:-1])
        else:
            files.add((*path.parts[:-1], stem))
    regular = {one for one in packages | files if one}
    tops = [
        one for one in regular if not any(one[:length] in packages for length in range(1, len(one)))
    ]
    return tuple(sorted(".".join(one) for one in tops))


def license_of(metadata: Message) -> str:
    """Return the licence: License-Expression (PEP 639), else a short License field, else what the
    classifiers say; empty where nothing does."""
    if expression := str(metadata.get("License-Expression", "")).strip():
        return expression
    classified = sorted(
        {
            str(one).rpartition(" :: ")[2].strip()
            for one in metadata.get_all("Classifier", ())
            if str(one).startswith("License ::") and not str(one).endswith("OSI Approved")
        }
    )
    told = str(metadata.get("License", "")).strip()
    if told and _ID.fullmatch(told) and told.upper() not in ("UNKNOWN", "NONE"):
        return told
    return ", ".join(classified)


def about(archive: zipfile.ZipFile) -> Message:
    """Return the core metadata of an open wheel; raises ValueError for none or far too much."""
    name = next((n for n in archive.namelist() if top(n, "METADATA")), None)
    if name is None or archive.getinfo(name).file_size > _LARGEST_TEXT:
        raise ValueError("no metadata")
    return HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))


def requires(metadata: Message) -> tuple[str, ...]:
    """Return what the package needs, a requirement each, markers and all."""
    return tuple(str(one) for one in metadata.get_all("Requires-Dist", ()))


def top(name: str, file: str) -> bool:
    """Tell whether *name* is that *file* of the wheel's own ``.dist-info`` folder."""
    return name.endswith(f".dist-info/{file}") and name.count("/") == 1


def scripts(text: bytes) -> Iterator[str]:
    """Yield the names of the programs in an ``entry_points.txt``; nothing for a broken one."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    try:
        parser.read_string(text.decode("utf-8", "replace"))
    except configparser.Error:
        return
    for group in ("console_scripts", "gui_scripts"):
        if parser.has_section(group):
            yield from (name.strip() for name in parser[group])
