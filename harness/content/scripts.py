"""The commands of a wheel: small programs that ``entry_points.txt`` asks an installer for.

Formats: entry points specification (``console_scripts``, ``gui_scripts``; extras in brackets are
allowed and mean nothing to an installer).
"""

from __future__ import annotations

import re

from harness.content.tree import inner
from harness.core.errors import PackageRefused

GROUPS = ("console_scripts", "gui_scripts")
_OBJECT = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<function>[\w.]+)\s*(\[[^\]]*\])?\s*")

LAUNCHER = """#!/{program}
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit({function}())
"""


def launchers(text: str, program: str, package: str) -> dict[str, str]:
    """Return the programs that *text*, an ``entry_points.txt``, asks for, by name, sorted; run
    by the interpreter *program*, a path below the image's root.

    Raises PackageRefused for a name that is no file's and an object that is none.
    """
    import configparser  # most wheels have no script

    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    try:
        parser.read_string(text)
    except configparser.Error as bad:
        raise PackageRefused(f"{package}: entry_points.txt can't be read ({bad})") from bad
    scripts = {}
    for group in GROUPS:
        for name, value in parser[group].items() if parser.has_section(group) else ():
            found = _OBJECT.fullmatch(value.strip())
            if found is None or "/" in name or inner(name, package) != name:
                raise PackageRefused(f"{package}: {name} = {value} is no command of a wheel")
            scripts[name] = LAUNCHER.format(
                program=program,
                module=found["module"],
                first=found["function"].split(".")[0],
                function=found["function"],
            )
    return dict(sorted(scripts.items()))
