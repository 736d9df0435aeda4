"""What the Python of a base image says of itself. Run inside, by that Python, with no network;
standard library only, and no syntax newer than Python 3.8. One line of JSON, the last of stdout.
"""

from __future__ import annotations

import glob
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import typing


def main() -> None:
    """Print the facts."""
    paths = sysconfig.get_paths()
    facts = {
        "implementation": sys.implementation.name,
        "python": ".".join(map(str, sys.version_info[:3])),
        "site": paths["purelib"],
        "scripts": paths["scripts"],
        "prefix": paths["data"],
        "platform": platform(),
        "packages": packages(),
    }
    sys.stdout.write("\n" + json.dumps(facts) + "\n")


def platform() -> str:
    """Return the best tag of wheels for this C library (PEP 600, PEP 656), or ""."""
    try:
        found = re.match(r"glibc (\d+)\.(\d+)", os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, OSError, ValueError):
        found = None
    if found:
        return "manylinux_" + "_".join(found.groups())
    for linker in sorted(glob.glob("/lib/ld-musl-*")):
        said = subprocess.run([linker], stderr=subprocess.PIPE).stderr.decode("utf-8", "replace")
        found = re.search(r"Version (\d+)\.(\d+)", said)
        if found:
            return "musllinux_" + "_".join(found.groups())
    return ""


def packages() -> list[dict[str, typing.Any]]:
    """Return the installed packages, as they are found on ``sys.path``."""
    found = []
    for one in importlib.metadata.distributions():
        name, version = one.metadata["Name"], one.metadata["Version"]
        if not name or not version:
            continue
        info = str(getattr(one, "_path", ""))
        found.append(
            {
                "name": name,
                "version": version,
                "info": info if info.endswith(".dist-info") and one.read_text("RECORD") else "",
                "needs": list(one.requires or ()),
                "extras": list(one.metadata.get_all("Provides-Extra") or ()),
            }
        )
    return found


if __name__ == "__main__":
    main()
