"""The interpreter that ships, run straight from its unpacked root.

Through the root's own dynamic linker (ld.so(8)): no namespace, no privilege, no chroot, so it
also runs where a sandbox can't. Used to resolve, to write bytecode and to compress; never to run
a model.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.world import process
from harness.world.process import Finished

SHIPPED = Path(__file__).with_name("shipped.py")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of version *python* whose root file system lies at *root*."""

    root: Path
    python: str

    def argv(self, *arguments: str) -> list[str]:
        """Return the command line that runs it with *arguments*."""
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
            "PYTHONHOME": f"{self.root}/usr",
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
