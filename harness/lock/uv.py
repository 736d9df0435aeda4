"""A door to uv, which resolves for a platform without running it (extra ``uv``).

``uv pip compile`` with the target's Python and platform, wheels only, one index: the rules of
`pip_tools`, so that both give the same pins. Of this machine's settings only how to reach an index
counts; uv's own configuration is not read.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import NetworkUnavailable, ResolutionFailed, ToolMissing
from harness.lock.choose import minor_of
from harness.lock.pip_tools import reach
from harness.lock.pylock_reading import MACHINES
from harness.lock.resolver import Pin, Question, Unsolvable, parse_pins, requirement
from harness.world import process, sources
from harness.world.process import Finished

GLIBC = {"3.11": "2_36", "3.13": "2_40"}
"""The newest platform tag that uv knows and the suite with that Python has: manylinux_2_36."""

KNOWN = (17, 28, *range(31, 41))
"""The minor versions of glibc 2 that uv has a word for."""

ASKED = (
    "--no-config",
    "--no-header",
    "--no-python-downloads",
    "--no-progress",
    "--only-binary=:all:",
    "--annotation-style=line",
    "--resolution=highest",
    "--index-strategy=first-index",
    "--color=never",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Uv:
    """uv, with an index to ask and a folder that makes the next resolution faster."""

    source: sources.Python
    cache: Path

    def pins(self, question: Question) -> tuple[Pin, ...]:
        """Return the pins that answer *question*; raises as ``Resolver.pins`` does."""
        roots = sorted(str(requirement(text)) for text in question.requirements)
        with tempfile.TemporaryDirectory(prefix="harness-lock-") as name:
            folder = Path(name)
            (folder / "wanted.in").write_text("".join(f"{root}\n" for root in roots))
            (folder / "within.txt").write_text("".join(f"{c}\n" for c in question.constraints))
            kept = folder / "pinned.txt"
            if question.keep:
                kept.write_text("".join(f"{n}=={v}\n" for n, v in sorted(question.keep.items())))
            machine = MACHINES[question.architecture]
            arguments = [
                *ASKED,
                f"--python={sys.executable}",
                f"--python-version={question.python}",
                f"--python-platform={machine}-{_system(question)}",
                f"--cache-dir={self.cache / 'uv'}",
                f"--default-index={self.source.index or sources.pip_default_index()}",
                *(["--constraints=within.txt"] if question.constraints else []),
                f"--output-file={kept.name}",
                *self._trusted(),
            ]
            if question.links is not None:
                arguments.append(f"--find-links={question.links}")
            finished = process.run(
                [binary(), "pip", "compile", *arguments, "wanted.in"],
                env=self._environment(),
                cwd=folder,
            )
            if finished.code != 0:
                raise _failure(finished)
            return parse_pins(kept.read_text())

    def _environment(self) -> dict[str, str]:
        told = reach(self.source, cache=self.cache)
        connection = self.source.connection
        found = {name: value for name, value in told.items() if not name.startswith("PIP_")}
        found |= {"UV_HTTP_TIMEOUT": f"{connection.timeout:g}", "PATH": "/usr/bin:/bin"}
        if connection.certificates:
            found["SSL_CERT_FILE"] = connection.certificates
        if connection.client:
            found["SSL_CLIENT_CERT"] = connection.client
        if connection.proxy:
            found |= {"HTTPS_PROXY": connection.proxy, "HTTP_PROXY": connection.proxy}
        if self.source.retries is not None:
            found["UV_HTTP_RETRIES"] = str(self.source.retries)
        return found

    def _trusted(self) -> list[str]:
        return [f"--allow-insecure-host={host}" for host in self.source.connection.trusted]


def _system(question: Question) -> str:
    """Return uv's word for the system of *question*: the newest that it knows and that one has."""
    kind, _, minor = question.platform.rpartition("_")
    if not kind:
        return f"manylinux_{GLIBC[minor_of(question.python)]}"
    if not kind.startswith("manylinux"):
        return "unknown-linux-musl"
    fitting = [one for one in KNOWN if one <= int(minor)]
    return f"manylinux_2_{max(fitting, default=KNOWN[0])}"


def binary() -> str:
    """Return uv's program; raises ToolMissing where it is not installed."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolMissing(
            'resolver = "uv" needs uv, which is not installed',
            hint="pip install 'model-harness[uv]'",
        )
    return found


def _failure(finished: Finished) -> ResolutionFailed | NetworkUnavailable:
    said = finished.stderr.decode("utf-8", "replace").strip()
    told = re.sub(r"\s+", " ", re.sub(r"^(error|cause|  ×|╰─▶|hint):?", "", said, flags=re.M))
    if "No solution found" in said:
        return Unsolvable(
            "the requirements can't be resolved with wheels only:\n" + said,
            hint="loosen the requirements that the lines above name",
            said=told.strip(),
        )
    if re.search(r"error sending request|Failed to fetch|client error|timed out", said):
        return NetworkUnavailable(
            f"uv can't reach the index: {told.strip()}",
            hint="connect, or set another source: harness doctor",
        )
    return ResolutionFailed(
        f"uv failed: {told.strip()}", hint="mend what the line above names, or use pip-tools"
    )
