"""The hooks of PEP 517, called in an engine: no network, nothing written on this machine.

The source is seen read-only and copied into memory of the job's own; what comes back is a list of
requirements or one wheel.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.content import backend
from harness.content.sdist import Sdist
from harness.core.errors import BuildFailed
from harness.engine import causes
from harness.engine.engine import Engine, Job, Mount, Result

MOMENT = 315_532_800
ENV = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "TZ": "UTC",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "SOURCE_DATE_EPOCH": str(MOMENT),
    "CFLAGS": f"-g0 -ffile-prefix-map={backend.FOLDER}=.",
    "CXXFLAGS": f"-g0 -ffile-prefix-map={backend.FOLDER}=.",
    "PIP_NO_INDEX": "1",
}
"""All that a build is told. -g0: debugging information names folders."""
LARGEST = 1 << 30
"""Bytes that a wheel may have."""
SCRIPT = "/opt/harness/backend.py"
CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where hooks are called: *engine*, the *root* with the interpreter and the wheels of the
    build, the interpreter's command line, and what a build may take (seconds, bytes)."""

    engine: Engine
    root: Path
    argv: tuple[str, ...]
    mounts: tuple[Mount, ...] = ()
    seconds: float = 600.0
    memory: int | None = 4 << 30
    env: dict[str, str] = field(default_factory=lambda: dict(ENV))


def requires(place: Place, sdist: Sdist, source: Path) -> tuple[str, ...]:
    """Return what ``get_requires_for_build_wheel`` asks for besides the static requirements.

    *source* is the unpacked source. Raises BuildFailed.
    """
    said, _ = _call(place, sdist, source, "requires", None)
    found = said.get("requires")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BuildFailed(f"the build of {sdist.name} {sdist.version} gave no answer that is known")
    return tuple(sorted(set(found)))


def wheel(place: Place, sdist: Sdist, source: Path, target: Path) -> str:
    """Build the wheel of *source* into the file *target*; return the wheel's own file name.

    Raises BuildFailed.
    """
    said, size = _call(place, sdist, source, "wheel", target)
    returned, made = said.get("returned"), said.get("wheels")
    what = f"the build of {sdist.name} {sdist.version}"
    if not isinstance(made, list) or not made:
        raise BuildFailed(f"{what} ended well and made no wheel")
    if len(made) > 1:
        raise BuildFailed(f"{what} made {len(made)} wheels: {', '.join(map(str, made))}")
    if made != [returned] or "/" in str(returned):
        raise BuildFailed(f"{what} returned {returned!r} and made {made[0]}")
    if size != said.get("size"):
        raise BuildFailed(f"{what} sent {size} of {said.get('size')} bytes of its wheel")
    return str(returned)


def _call(
    place: Place, sdist: Sdist, source: Path, hook: str, target: Path | None
) -> tuple[dict[str, Any], int]:
    script = Path(backend.__file__)
    job = Job(
        root=place.root,
        argv=(*place.argv, SCRIPT),
        env=place.env,
        mounts=(
            *place.mounts,
            Mount(source=source, target=backend.SOURCE, writable=False),
            Mount(source=script, target=SCRIPT, writable=False),
        ),
        timeout=place.seconds,
        memory=place.memory,
        label=f"build {sdist.name}",
    )
    request = {"hook": hook, "backend": sdist.backend, "path": list(sdist.path)}
    size = 0
    with place.engine.start(job) as running:
        with suppress(BrokenPipeError):
            running.stdin.write(json.dumps(request).encode() + b"\n")
            running.stdin.close()
        header = running.stdout.readline(CHUNK)
        with (target or Path(os.devnull)).open("wb") as out:
            while size <= LARGEST and (chunk := running.stdout.read(CHUNK)):
                size += len(chunk)
                out.write(chunk)
        if size > LARGEST:
            running.kill()
        result = running.wait()
    if size > LARGEST:
        raise BuildFailed(f"{sdist.name}: its wheel has more than {LARGEST >> 30} GiB")
    if not result.ok:
        raise _failed(place, sdist, result)
    try:
        said = json.loads(header)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise BuildFailed(f"the build of {sdist.name} {sdist.version} ended without an answer")
    if "error" in said:
        raise _error(sdist, str(said["error"]), result.stderr_tail)
    return said, size


def _failed(place: Place, sdist: Sdist, result: Result) -> BuildFailed:
    what = f"the build of {sdist.name} {sdist.version}"
    if result.reason == "timeout":
        return BuildFailed(f"{what} did not end within {place.seconds:g} s", hint=causes.LEAVE)
    if result.reason == "memory":
        return BuildFailed(
            f"{what} took more than {(place.memory or 0) / 1e9:.1f} GB of memory", hint=causes.LEAVE
        )
    return BuildFailed(
        f"{what} ended with {result.reason} {result.code}:\n{_last(result.stderr_tail)}",
        hint=causes.hint(result.stderr_tail),
    )


def _error(sdist: Sdist, error: str, said: str) -> BuildFailed:
    return BuildFailed(
        f"the build of {sdist.name} {sdist.version} failed: {error}\n{_last(said)}".rstrip(),
        hint=causes.hint(f"{error}\n{said}"),
    )


def _last(said: str) -> str:
    lines = [line[:300] for line in said.strip().splitlines()]
    return "\n".join(f"  {line}" for line in lines[-12:])
