"""The interpreter that ships, run straight from its unpacked root.

Through the root's own dynamic linker (ld.so(8)): no namespace, no privilege, no chroot, so it
also runs where a sandbox can't. Used to resolve, to write bytecode and to compress; never to run
a model.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BuildFailed
from harness.world import process, rooted
from harness.world.process import Finished

SHIPPED = Path(__file__).with_name("shipped.py")


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
        """Return the command line that runs it with *arguments*."""
        if self.program:
            return _linked(self.root, self.program, arguments)
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
        return [linker, "--argv0", program, "--library-path", library, program, *arguments]

    def environment(
        self, extra: Mapping[str, str] | None = None, path: Sequence[Path] = ()
    ) -> dict[str, str]:
        """Return all that it is told: nothing of the caller's environment but *extra*."""
        told = {
            **({} if self.program else {"PYTHONHOME": f"{self.root}/usr"}),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PATH": "/usr/bin:/bin",
        }
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
        """Start a compressor: what its stdin is given arrives at file descriptor *output*."""
        return subprocess.Popen(
            self.argv("-I", "-S", "-B", str(SHIPPED), "deflate", str(level)),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=output,
            preexec_fn=process.die_with_parent,
        )


LIBRARIES = ("lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64")
"""Where a linker looks, whatever system it is of; and in the folders there that are named for a
machine (``x86_64-linux-gnu``)."""


def _linked(root: Path, program: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of *program* by the linker that it names itself (PT_INTERP): glibc's
    or musl's, wherever it lies."""
    path = rooted.file(root, program)
    linker = path and rooted.file(root, _interp(path))
    if path is None or linker is None:
        raise BuildFailed(
            f"/{program} of the base image can't be run: it or its linker is not there",
            hint="name an image whose Python runs on this kind of machine",
        )
    beside = rooted.real(root, f"{path.parent.relative_to(root)}/../lib")
    folders = dict.fromkeys(
        str(folder)
        for name in (*LIBRARIES, beside or "lib")
        for folder in (root / name, *sorted((root / name).glob("*-linux-*")))
        if folder.is_dir() and not folder.is_symlink()
    )
    return [str(linker), "--library-path", ":".join(folders), str(path), *arguments]


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
