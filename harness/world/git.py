"""A door to git: what files were at a revision. Nothing here writes to a repository's history."""

from __future__ import annotations

import os
from pathlib import Path

from harness.core.errors import SpecMissing
from harness.world import process
from harness.world.process import Finished


def run(*arguments: str, folder: Path) -> Finished:
    """Run ``git`` in *folder*; raises ToolMissing when there is none."""
    env = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    return process.run(["git", *arguments], cwd=folder, env=env)


def top(folder: Path) -> Path | None:
    """Return the top folder of the working tree that *folder* lies in, or None."""
    found = run("rev-parse", "--show-toplevel", folder=folder)
    return Path(os.fsdecode(found.stdout).rstrip("\n")) if found.code == 0 else None


def commit(revision: str, folder: Path) -> str | None:
    """Return the commit that *revision* (``HEAD~1``, a branch, a tag) names, or None."""
    if not revision or revision.startswith("-"):
        return None
    told = run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", folder=folder)
    return told.stdout.decode().strip() if told.code == 0 else None


def names(revision: str, path: str, folder: Path) -> tuple[str, ...]:
    """Return the names in the folder *path* (relative to the top; empty: the top) at *revision*.

    Nothing where there is no such folder; a folder's name ends in ``/``.
    """
    tree = f"{revision}:{path}"
    listed = run("ls-tree", "-z", tree, folder=folder)
    if listed.code:
        return ()
    found = []
    for row in os.fsdecode(listed.stdout).split("\0"):
        about, tab, name = row.partition("\t")
        if tab:
            found.append(f"{name}/" if about.split()[1] == "tree" else name)
    return tuple(sorted(found))


def read(revision: str, path: str, folder: Path) -> bytes | None:
    """Return the bytes of the file *path* (relative to the top) at *revision*, or None."""
    found = run("cat-file", "blob", f"{revision}:{path}", folder=folder)
    return found.stdout if found.code == 0 else None


def changed(before: str, after: str, folder: Path) -> tuple[str, ...]:
    """Return the TOML files that differ between two revisions, relative to the top *folder*.

    An empty *after* is the working tree, with files that git doesn't track yet.
    """
    revisions = [before, after] if after else [before]
    diff = ("diff", "--name-only", "--no-renames", "-z", *revisions, "--", "*.toml")
    found = run(*diff, folder=folder).stdout
    if not after:
        listed = ("ls-files", "--others", "--exclude-standard", "-z", "--", "*.toml")
        found += run(*listed, folder=folder).stdout
    return tuple(sorted(filter(None, os.fsdecode(found).split("\0"))))


def settled(key: str, value: str, folder: Path) -> None:
    """Set *key* of the repository's own configuration; raises SpecMissing outside of one."""
    done = run("config", "--local", key, value, folder=folder)
    if done.code:
        raise SpecMissing(
            f"git can't keep {key} in {folder}: {done.tail}",
            hint="run it inside a git repository",
        )


def merge_text(ours: Path, base: Path, theirs: Path) -> int:
    """Merge three texts into *ours*, with git's marks where they conflict; return how many do."""
    done = run(
        "merge-file", "-L", "ours", "-L", "base", "-L", "theirs",
        str(ours.resolve()), str(base.resolve()), str(theirs.resolve()),
        folder=ours.resolve().parent,
    )  # fmt: skip
    return done.code
