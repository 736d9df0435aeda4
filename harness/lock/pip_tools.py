"""A door to pip-tools and pip, run by the interpreter that ships.

``pip-compile`` comes from the user's own installation as a private copy: the image's interpreter
has no packages, and gets none.

Not with ``--generate-hashes``: behind an index that has no JSON API, pip-compile downloads the
wheels of every platform to hash them (577 files and 95 s instead of 14 files and 10 s).

Of this machine's pip settings only how to reach an index counts (:func:`reach`): its find-links,
extra indices, constraints and format choices stay out of a lock.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.core.errors import HarnessError, ResolutionFailed
from harness.lock import tools
from harness.lock.pylock_reading import MACHINES
from harness.lock.resolver import Pin, Question, Unsolvable, parse_pins, requirement
from harness.world import http, machine, sources
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


@dataclass(frozen=True, kw_only=True, slots=True)
class PipTools:
    """pip-tools under the interpreter that ships, with an index to ask and a folder that makes the
    next resolution faster."""

    run_python: RunPython
    source: sources.Python
    cache: Path

    def pins(self, question: Question) -> tuple[Pin, ...]:
        """Return the pins that answer *question*; raises as ``Resolver.pins`` does."""
        if question.architecture != machine.architecture():
            raise ResolutionFailed(
                f"pip-tools resolves under the interpreter that ships, which is for "
                f"{MACHINES[question.architecture]} and doesn't run here",
                hint='resolver = "uv" in environment.toml resolves for every platform',
            )
        try:
            return self._compiled(question)
        except Unsolvable:
            if not question.keep:
                raise
        return self._without_what_is_in_the_way(question)

    def _without_what_is_in_the_way(self, question: Question) -> tuple[Pin, ...]:
        """Return the pins where pip-compile gives up: of pins that were there before it lets go
        of those that a conflict names, and of no others that have to move with them."""
        found = self._compiled(replace(question, keep={}))
        for name, version in sorted(question.keep.items()):
            got = {pin.name: pin.version for pin in found}
            if got.get(name, version) == version:
                continue
            agreed = {n: v for n, v in question.keep.items() if got.get(n) == v}
            with contextlib.suppress(Unsolvable):
                found = self._compiled(replace(question, keep=agreed | {name: version}))
        return found

    def _compiled(self, question: Question) -> tuple[Pin, ...]:
        roots = [requirement(text) for text in question.requirements]
        imported = tools.folder(self.cache)
        env = reach(self.source, cache=self.cache)
        if question.links is not None:
            env["PIP_FIND_LINKS"] = str(question.links)
        with tempfile.TemporaryDirectory(prefix="harness-lock-") as name:
            folder = Path(name)
            wanted = "".join(f"{root}\n" for root in sorted(map(str, roots)))
            (folder / "wanted.in").write_text(wanted)
            (folder / "within.txt").write_text("".join(f"{c}\n" for c in question.constraints))
            pins = folder / "pinned.txt"
            if question.keep:
                pins.write_text("".join(f"{n}=={v}\n" for n, v in sorted(question.keep.items())))
            files = ("--cache-dir", str(self.cache / "pip-tools"), "--output-file", pins.name)
            within = ("--constraint", "within.txt") if question.constraints else ()
            arguments = ("-m", "piptools", "compile", *COMPILE, *files, *within, "wanted.in")
            finished = self.run_python(arguments, env, folder, (imported,))
            if finished.code != 0:
                raise _failure(finished, roots=roots, source=self.source)
            return parse_pins(pins.read_text())


COMPILE = (
    "--quiet",
    "--allow-unsafe",
    "--strip-extras",
    "--no-config",
    "--no-header",
    "--annotation-style=line",
    "--no-emit-options",
    "--resolver=backtracking",
    "--pip-args=--only-binary=:all: --no-input",
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
    said = "\n".join(line for line in told[-12:] if line)
    return Unsolvable(
        f"the requirements can't be resolved with wheels only:\n{said}",
        hint="loosen the requirements that the lines above name",
        said=said,
    )
