"""A door to pip-tools and pip, run by the interpreter that ships.

``pip-compile`` resolves; ``pip install --dry-run --report`` under the same interpreter then says
which wheel of each package fits it, and its SHA-256. Both come from the user's own installation
as a private copy: the image's interpreter has no packages, and gets none.

Not with ``--generate-hashes``: behind an index that has no JSON API, pip-compile downloads the
wheels of every platform to hash them (577 files and 95 s instead of 14 files and 10 s).

Of this machine's pip settings only how to reach an index counts (:func:`reach`): its find-links,
extra indices, constraints and format choices stay out of a lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.core.digest import of_hex
from harness.core.errors import HarnessError, ResolutionFailed
from harness.lock import tools
from harness.lock.lock import Wheel
from harness.world import http, sources
from harness.world.http import NotFound
from harness.world.process import Finished

RunPython = Callable[[Sequence[str], Mapping[str, str], Path, Sequence[Path]], Finished]
"""Runs the interpreter that ships: arguments, additional environment, working directory, and
folders to import from."""

PASSED = (
    "HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
"""What of our environment a resolver is told: how to reach a network, and where netrc lies."""


def resolve(
    requirements: Sequence[str],
    *,
    previous: Sequence[Wheel] = (),
    upgrade: bool = False,
    run_python: RunPython,
    source: sources.Python,
    cache: Path,
) -> tuple[Wheel, ...]:
    """Return one wheel for each package that *requirements* need, sorted by name.

    *previous* pins stay unless a requirement excludes them; with *upgrade* all may move. *cache*
    is a folder that makes the next resolution faster. Raises ResolutionFailed,
    NetworkUnavailable, ToolMissing.
    """
    roots = [_requirement(text) for text in requirements]
    imported = tools.folder(cache)
    env = reach(source, cache=cache)
    with tempfile.TemporaryDirectory(prefix="harness-lock-") as name:
        folder = Path(name)

        def run(*arguments: str) -> None:
            finished = run_python(arguments, env, folder, (imported,))
            if finished.code != 0:
                raise _failure(finished, roots=roots, source=source)

        (folder / "wanted.in").write_text("".join(f"{root}\n" for root in sorted(map(str, roots))))
        pins = folder / "pinned.txt"
        if previous:
            pins.write_text("".join(f"{w.name}=={w.version}\n" for w in previous))
        files = ("--cache-dir", str(cache / "pip-tools"), "--output-file", pins.name, "wanted.in")
        moving = ("--upgrade",) if upgrade else ()
        run("-m", "piptools", "compile", *COMPILE, *moving, *files)
        pinned = parse_pins(pins.read_text())
        (folder / "exact.txt").write_text("".join(f"{n}=={v}\n" for n, v in pinned.items()))
        run("-m", "pip", "install", *INSTALL, "--report", "report.json", "-r", "exact.txt")
        report = json.loads((folder / "report.json").read_bytes())
    return wheels(report, pinned=pinned, roots=roots)


COMPILE = (
    "--quiet",
    "--allow-unsafe",
    "--strip-extras",
    "--no-config",
    "--no-header",
    "--no-annotate",
    "--no-emit-options",
    "--resolver=backtracking",
    "--pip-args=--only-binary=:all: --no-input",
)
INSTALL = (
    "--dry-run",
    "--quiet",
    "--no-deps",
    "--no-input",
    "--ignore-installed",
    "--only-binary=:all:",
    "--no-warn-script-location",
    "--root-user-action=ignore",
)


def reach(source: sources.Python, *, cache: Path) -> dict[str, str]:
    """Return the environment of a resolver: how to reach an index, and nothing that selects."""
    told = {name: os.environ[name] for name in PASSED if name in os.environ}
    options = {
        "PIP_INDEX_URL": source.index,
        "PIP_PROXY": source.connection.proxy,
        "PIP_CERT": source.connection.certificates,
        "PIP_CLIENT_CERT": source.connection.client,
        "PIP_TRUSTED_HOST": " ".join(source.connection.trusted) or None,
        "PIP_TIMEOUT": f"{source.connection.timeout:g}",
        "PIP_RETRIES": None if source.retries is None else str(source.retries),
    }
    told |= {name: value for name, value in options.items() if value is not None}
    return told | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CACHE_DIR": str(cache / "pip"),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
        "NO_COLOR": "1",
    }


def parse_pins(text: str) -> dict[str, str]:
    """Return the versions that pip-compile's output pins, by name, sorted."""
    lines = (re.match(r"([A-Za-z0-9][\w.-]*)==([^\s;]+)", line) for line in text.splitlines())
    found = {canonicalize_name(m[1]): str(Version(m[2])) for m in lines if m}
    return dict(sorted(found.items()))


def wheels(
    report: Mapping[str, Any], *, pinned: Mapping[str, str], roots: Iterable[Requirement]
) -> tuple[Wheel, ...]:
    """Return the wheels of pip's installation report (format version 1), sorted by name.

    Raises ResolutionFailed unless they are exactly what was *pinned*, each with a SHA-256.
    """
    found: dict[str, Wheel] = {}
    needs: dict[str, list[Requirement]] = {}
    for item in report["install"]:
        name = canonicalize_name(item["metadata"]["name"])
        info = item["download_info"]
        filename = unquote(urlsplit(info["url"]).path.rpartition("/")[2])
        sha256 = info.get("archive_info", {}).get("hashes", {}).get("sha256")
        if not sha256 or not filename.endswith(".whl"):
            raise ResolutionFailed(
                f"{filename} is no wheel with a SHA-256", hint="use an index that has wheels"
            )
        found[name] = Wheel(
            name=name,
            version=str(Version(item["metadata"]["version"])),
            filename=filename,
            digest=of_hex(sha256),
        )
        needs[name] = [Requirement(text) for text in item["metadata"].get("requires_dist", ())]
    if {name: wheel.version for name, wheel in found.items()} != dict(pinned):
        raise ResolutionFailed(
            "pip did not find the versions that pip-compile resolved",
            hint="the index is changing, or two of its mirrors differ; try again",
        )
    edges = dependencies(needs, roots=roots, environment=report["environment"])
    return tuple(
        replace(wheel, dependencies=tuple(sorted(edges[name])))
        for name, wheel in sorted(found.items())
    )


def dependencies(
    needs: Mapping[str, Sequence[Requirement]],
    *,
    roots: Iterable[Requirement],
    environment: Mapping[str, str],
) -> dict[str, set[str]]:
    """Return which packages of *needs* each one depends on, in *environment*.

    A package's optional dependencies count when somebody asks for the extra.
    """
    edges: dict[str, set[str]] = {name: set() for name in needs}
    queue = [(canonicalize_name(root.name), extra) for root in roots for extra in _extras(root)]
    seen = set(queue)
    while queue:
        name, extra = queue.pop()
        for need in needs.get(name, ()):
            if need.marker is None or need.marker.evaluate({**environment, "extra": extra}):
                other = canonicalize_name(need.name)
                if other in needs and other != name:
                    edges[name].add(other)
                fresh = {(other, asked) for asked in _extras(need)} - seen
                seen |= fresh
                queue += sorted(fresh)
    return edges


def _extras(requirement: Requirement) -> tuple[str, ...]:
    return ("", *sorted(requirement.extras))


def _requirement(text: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as broken:
        raise ResolutionFailed(
            f"requirements: {text!r} is no requirement: {broken}",
            hint="write NAME, NAME~=1.2 or NAME[extra]>=1",
        ) from broken
    if requirement.url is not None:
        raise ResolutionFailed(
            f"requirements: {requirement.name} names a place, and a lock names none",
            hint="put the wheel into an index, and require it by name",
        )
    return requirement


def _failure(
    finished: Finished, *, roots: Sequence[Requirement], source: sources.Python
) -> HarnessError:
    """Return why a resolution failed; raises NetworkUnavailable when it is the index.

    pip says the same of an index that is silent and of one that has no such package.
    """
    index = source.index or sources.pip_default_index()
    for name in sorted(canonicalize_name(root.name) for root in roots)[:1]:
        with contextlib.suppress(NotFound):
            http.get(f"{index.rstrip('/')}/{name}/", using=source.connection)
    said = finished.stderr.decode("utf-8", "replace")
    told = [
        line.strip() for line in said.partition("Traceback (most recent call last)")[0].splitlines()
    ]
    return ResolutionFailed(
        "the requirements can't be resolved with wheels only:\n"
        + "\n".join(line for line in told[-12:] if line),
        hint="loosen the requirements that the lines above name",
    )
