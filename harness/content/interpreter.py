"""The interpreter that ships, run straight from its unpacked root.

Through the root's own dynamic linker (ld.so(8)): no namespace, no privilege, no chroot, so it
also runs where a sandbox can't. Used to resolve, to write bytecode and to compress; never to run
a model.
"""

from __future__ import annotations

import fnmatch
import os
import struct
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.core.errors import BuildFailed
from harness.world import process, rooted
from harness.world.process import Finished

SHIPPED = Path(__file__).with_name("shipped.py")
ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PATH": "/usr/bin:/bin",
}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of version *python* whose root file system lies at *root*.

    *program* is its path below the root, where it is not Debian's own.
    """

    root: Path
    python: str
    program: str = ""

    @property
    def inside(self) -> str:
        """Its path in the image."""
        return f"/{self.program}" if self.program else f"/usr/bin/python{self.python}"

    def argv(self, *arguments: str) -> list[str]:
        """Return the command line that runs it with *arguments*; raises BuildFailed where one of a
        base image doesn't run, or not without something of this machine."""
        if self.program:
            return [*_linked(self.root, self.program), *arguments]
        root = str(self.root)
        linker = next(
            path
            for path in (
                f"{root}/usr/lib64/ld-linux-x86-64.so.2",
                f"{root}/usr/lib/ld-linux-aarch64.so.1",
            )
            if Path(path).exists()
        )
        folders = sorted(Path(f"{root}/usr/lib").glob("*-linux-gnu"))
        program = f"{root}/usr/bin/python{self.python}"
        library = ":".join(map(str, folders))
        options = ["--inhibit-cache", "--argv0", program, "--library-path", library]
        return [linker, *options, program, *arguments]

    def environment(
        self, extra: Mapping[str, str] | None = None, path: Sequence[Path] = ()
    ) -> dict[str, str]:
        """Return all that it is told: nothing of the caller's environment but *extra*."""
        told = dict(ENVIRONMENT)
        if not self.program:
            told["PYTHONHOME"] = f"{self.root}/usr"
        if path:
            told["PYTHONPATH"] = ":".join(map(str, path))
        return {**told, **(extra or {})}

    def run(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        path: Sequence[Path] = (),
        stdin: bytes = b"",
        timeout: float | None = None,
    ) -> Finished:
        """Run it with *arguments* to its end."""
        return process.run(
            self.argv(*arguments),
            env=self.environment(env, path),
            cwd=cwd,
            stdin=stdin,
            timeout=timeout,
        )

    def deflater(self, level: int, output: int) -> subprocess.Popen[bytes]:
        """Start a compressor: what its stdin is given arrives at file descriptor *output*.

        It ends with its stdin, so also when we are killed. Nothing of ours runs between fork and
        exec, as that may block for ever in a program that has threads.
        """
        return subprocess.Popen(
            self.argv("-I", "-S", "-B", str(SHIPPED), "deflate", str(level)),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=output,
        )


LIBRARIES = ("lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64")
"""Where a linker looks, whatever system it is of; and in the folders there that are named for a
machine (``x86_64-linux-gnu``)."""


@cache
def _linked(root: Path, program: str) -> tuple[str, ...]:
    """Return the command of *program* by the linker that it names itself (PT_INTERP): glibc's or
    musl's, wherever it lies.

    Raises BuildFailed where it doesn't run, or only with something of this machine: a linker goes
    on to this machine's own folders for what it finds nowhere else.
    """
    path = rooted.file(root, program)
    named = _interp(path) if path else ""
    linker = rooted.file(root, named)
    if path is None or linker is None:
        raise BuildFailed(
            f"/{program} of the base image can't be run: it or its linker is not there",
            hint="name an image whose Python runs on this kind of machine",
        )
    beside = f"{path.parent.relative_to(root)}/../lib"
    library = ":".join(map(str, _folders(root, (*_configured(root), *LIBRARIES, beside))))
    options = () if "ld-musl" in named else ("--inhibit-cache",)  # this machine's; musl has none
    command = (str(linker), *options, "--library-path", library, str(path))
    _refuse_outside(command, root)
    return command


def _refuse_outside(command: Sequence[str], root: Path) -> None:
    arguments = ("-I", "-S", "-B", str(SHIPPED), "outside", str(root))
    told = process.run([*command, *arguments], env=ENVIRONMENT)
    if told.code:
        raise BuildFailed(
            f"the Python of the base image doesn't run: {told.tail}",
            hint="name a base whose Python has zlib and runs on this machine",
        )
    if outside := told.stdout.decode("utf-8", "replace").split("\n")[:-1]:
        raise BuildFailed(
            "the Python of the base image doesn't run without files of this machine: "
            + ", ".join(outside),
            hint="name a base that has all that its Python needs, where its own linker looks",
        )


def _folders(root: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield the folders *names* and those of a machine in them, each once and as it really lies
    below *root*: a link is never followed out of it."""
    seen: set[str] = set()
    waiting = list(names)[::-1]
    while waiting:
        name = waiting.pop()
        found = rooted.real(root, name)
        if found is None or found in seen or ":" in found or not (root / found).is_dir():
            continue
        seen.add(found)
        yield root / found
        waiting += sorted(f"{found}/{one.name}" for one in (root / found).glob("*-linux-*"))[::-1]


def _configured(root: Path) -> Iterator[str]:
    """Yield the folders that the image's ``ld.so.conf`` (ldconfig(8)) names, with its includes."""
    waiting, seen = ["include /etc/ld.so.conf"], set[Path]()
    while waiting:
        line = waiting.pop().partition("#")[0].strip()
        kind, _, pattern = line.partition(" ")
        if line.startswith("/"):
            yield line
        elif kind == "include":
            rows: list[str] = []
            for path in _matching(root, os.path.join("/etc", pattern.strip())):
                if path not in seen:
                    seen.add(path)
                    rows += os.fsdecode(path.read_bytes()).splitlines()
            waiting += rows[::-1]


def _matching(root: Path, pattern: str) -> Iterator[Path]:
    folder, _, form = pattern.rpartition("/")
    there = rooted.real(root, folder)
    if there is not None and (root / there).is_dir():
        for name in sorted(fnmatch.filter(os.listdir(root / there), form)):
            if (path := rooted.file(root, f"{there}/{name}")) is not None:
                yield path


def _interp(program: Path) -> str:
    """Return the linker that an ELF program names (System V ABI, "Program Interpreter"), or ""."""
    with program.open("rb") as file:
        head = file.read(1 << 16)
    if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":
        return ""
    (at,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for index in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", head, at + index * size)
        if kind == 3:
            return head[start : start + length].rstrip(b"\0").decode("utf-8", "replace")
    return ""
