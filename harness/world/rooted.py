"""Paths of a root file system that lies in a folder: links are followed as if it were the root."""

from __future__ import annotations

import os
from pathlib import Path

DEEPEST = 40
"""How many links one path may lead through, as in Linux."""


def real(root: Path, path: str) -> str | None:
    """Return *path*, relative to *root*, with no link in it; None where links go round in circles.

    It never leads out of *root*: an absolute link starts there, and ``..`` ends there.
    """
    done: list[str] = []
    waiting = path.split("/")[::-1]
    links = 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        place = root.joinpath(*done, part)
        if place.is_symlink():
            links += 1
            if links > DEEPEST:
                return None
            target = os.readlink(place)
            if target.startswith("/"):
                done = []
            waiting += target.split("/")[::-1]
        else:
            done.append(part)
    return "/".join(done)


def file(root: Path, path: str) -> Path | None:
    """Return the file of this machine behind *path* in *root*; None where there is none."""
    found = real(root, path)
    place = None if found is None else root / found
    return place if place is not None and place.is_file() else None
