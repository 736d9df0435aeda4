"""Trying an engine: a real job in a tiny root, and what that showed."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import HarnessError
from harness.engine.engine import Engine, Job, Mount

TRIAL = 20.0
"""Seconds that the trial job may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What trying an engine showed: *what* in a sentence, *hint* how to mend it."""

    engine: str
    usable: bool
    what: str
    hint: str = ""


def trial(engine: Engine) -> str | None:
    """Let ``cat`` of this machine read a file of this machine; return why that failed, or None."""
    cat = shutil.which("cat", path="/usr/bin:/bin:/run/current-system/sw/bin")
    if cat is None:
        return "this machine has no program `cat` to try it with"
    word = os.urandom(16).hex()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for name in ("proc", "dev", "tmp", "run", "data"):
            (root / name).mkdir(parents=True)
        told = Path(folder) / "word"
        told.write_text(word)
        told.chmod(0o644)
        mounts = [Mount(source=told, target="/data/word", writable=False)]
        for name in ("usr", "bin", "lib", "lib64", "nix"):
            host = Path("/") / name
            if host.is_symlink():
                (root / name).symlink_to(host.readlink())
            elif host.is_dir():
                (root / name).mkdir()
                mounts.append(Mount(source=host, target=f"/{name}", writable=False))
        job = Job(
            root=root,
            argv=(str(Path(cat).resolve()), "/data/word"),
            mounts=tuple(mounts),
            timeout=TRIAL,
            label="trial",
        )
        try:
            result, out = engine.run(job)
        except HarnessError as error:
            return error.message
    if not result.ok:
        return f"the trial ended with {result.reason} {result.code}"
    return None if out == word.encode() else "it does not see the files of this machine"
