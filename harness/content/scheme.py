"""Where an interpreter lies in an image, and where it finds what is installed.

The words are those of Python's installation schemes (``sysconfig``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SITE = re.compile(r"/(?:dist|site)-packages/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """The places of a Python of version *python* (``3.11``), as paths below the image's root:
    the *program* that is called, its libraries (*site*), its *scripts*, and the *prefix* below
    which data and headers go."""

    python: str
    program: str
    site: str
    scripts: str
    prefix: str


def debian(python: str) -> Scheme:
    """Return the scheme of Debian's own interpreter."""
    return Scheme(
        python=python,
        program=f"usr/bin/python{python}",
        site=f"usr/local/lib/python{python}/dist-packages",
        scripts="usr/local/bin",
        prefix="usr/local",
    )


def below_site(path: str) -> str | None:
    """Return what of *path* lies below a folder of libraries; None for a path elsewhere."""
    found = _SITE.search(path)
    return path[found.end() :] if found else None
