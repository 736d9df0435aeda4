"""Why a build failed, read from what it said, and what to write into ``environment.toml`` then."""

from __future__ import annotations

import re
from collections.abc import Sequence

LEAVE = "require a version that has a wheel, or build one yourself and put it into your index"

C = ("gcc", "libc6-dev", "libpython3-dev")
"""The Debian packages with which an extension module in C is built."""

PROGRAMS = {
    **dict.fromkeys(("gcc", "cc"), C),
    **dict.fromkeys(("g++", "c++"), ("g++", "libpython3-dev")),
    **dict.fromkeys(("cargo", "rustc"), ("cargo", *C)),
    "gfortran": ("gfortran",),
    "cmake": ("cmake",),
    "git": ("git",),
    "make": ("make",),
    "ninja": ("ninja-build",),
    "pkg-config": ("pkgconf",),
    "swig": ("swig",),
}
"""Programs that builds call, and the Debian packages that have them."""

_PROGRAM = (
    r"No such file or directory: '([^'\s]+)'",
    r"command '([^']+)' failed: No such file",
    r"([\w.+-]+): (?:command )?not found",
    r"([\w.+-]+) (?:is not installed|must be installed|could not be found)",
)
_HEADER = r"fatal error: ([\w/.+-]+): No such file or directory"
_LIBRARY = r"cannot find -l([\w.+-]+)"
_SAID: Sequence[tuple[str, str]] = (
    (
        r"name resolution|Name or service not known|Network is unreachable|gaierror|"
        r"getaddrinfo|Failed to establish a new connection",
        "a build has no network: all that it needs must be in the source or a build requirement",
    ),
    (
        r"Read-only file system|PermissionError",
        "a build may write into its own folder and /tmp, nowhere else",
    ),
    (r"No space left", "a build's folder lies in memory; allow it more"),
    (
        r"ModuleNotFoundError: No module named '(?:pkg_resources|distutils)|use_2to3",
        'it was written for an older setuptools: build_requirements = ["setuptools<81"] in '
        "environment.toml bounds it",
    ),
    (
        r"ModuleNotFoundError|BackendUnavailable|Cannot import",
        "its build requirements don't name all that its build imports: build_requirements = […] "
        "in environment.toml adds to them",
    ),
)


def hint(said: str) -> str:
    """Return what to do about a build that *said* this when it failed."""
    if found := re.search(_HEADER, said):
        header = found[1]
        if header == "Python.h":
            return _os(("libpython3-dev",), header)
        if "/" not in header and header.removesuffix(".h") in _C_LIBRARY:
            return _os(("libc6-dev",), header)
        return f"add the Debian package that has {header} to build_os = […] in environment.toml"
    if re.search(r"cannot find S?crt1\.o", said):
        return _os(("libc6-dev",), "the C library")
    if found := re.search(_LIBRARY, said):
        return f"add the -dev package of lib{found[1]} to build_os = […] in environment.toml"
    for pattern in _PROGRAM:
        for program in re.findall(pattern, said):
            name = program.rpartition("/")[2]
            plain = re.sub(r"^(?:x86_64|aarch64)-linux-gnu-|-[\d.]+$", "", name)
            if plain in PROGRAMS:
                return _os(PROGRAMS[plain], plain)
    return next((text for pattern, text in _SAID if re.search(pattern, said)), LEAVE)


_C_LIBRARY = frozenset(
    {"assert", "ctype", "errno", "fcntl", "limits", "locale", "math", "pthread", "signal"}
    | {"stdint", "stdio", "stdlib", "string", "time", "unistd", "features"}
)


def _os(packages: Sequence[str], what: str) -> str:
    named = ", ".join(f'"{name}"' for name in packages)
    return f"add {named} to build_os = […] in environment.toml: builds have {what} then"
