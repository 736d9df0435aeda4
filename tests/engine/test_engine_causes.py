"""A failed build's words become the line to write into ``environment.toml``."""

from __future__ import annotations

import pytest

from harness.engine import causes


@pytest.mark.parametrize(
    ("said", "part"),
    [
        (
            "error: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc'",
            '"gcc", "libc6-dev", "libpython3-dev" to build_os',
        ),
        ("error: command 'aarch64-linux-gnu-g++' failed: No such file or directory", '"g++"'),
        ("/bin/sh: 1: make: not found", 'add "make" to build_os'),
        ("RuntimeError: CMake must be installed\nsh: cmake: command not found", '"cmake"'),
        ("x.c:1:10: fatal error: Python.h: No such file or directory", '"libpython3-dev"'),
        ("x.c:1:10: fatal error: stdio.h: No such file or directory", '"libc6-dev"'),
        ("x.c:9:10: fatal error: ffi.h: No such file or directory", "package that has ffi.h"),
        ("/usr/bin/ld: cannot find -lmagic: No such file or directory", "-dev package of libmagic"),
        ("/usr/bin/ld: cannot find Scrt1.o: No such file or directory", '"libc6-dev"'),
        ("ModuleNotFoundError: No module named 'pkg_resources'", '["setuptools<81"]'),
        ("ModuleNotFoundError: No module named 'numpy'", "build_requirements = […]"),
        ("gaierror: [Errno -3] Temporary failure in name resolution", "no network"),
        ("OSError: [Errno 30] Read-only file system: '/usr/x'", "nowhere else"),
        ("No such file or directory: 'README.rst'", causes.LEAVE),
        ("", causes.LEAVE),
    ],
)
def test_what_a_build_lacks_is_named(said: str, part: str) -> None:
    assert part in causes.hint(said)
