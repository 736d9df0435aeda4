"""Bytecode as the interpreter that ships writes it; here by the one that runs the tests."""

from __future__ import annotations

import importlib.util
import marshal
import subprocess
import sys
from pathlib import Path

from harness.content.interpreter import SHIPPED


def test_bytecode_is_unchecked_by_hash_and_is_the_source_that_it_says(tmp_path: Path) -> None:
    """PEP 552: magic number, flags 1, and the source's hash as ``importlib.util`` computes it."""
    source = b"answer = 42\n"
    (tmp_path / "in/thing").mkdir(parents=True)
    (tmp_path / "in/thing/a.py").write_bytes(source)
    (tmp_path / "in/thing/template.py").write_bytes(b"{% if %}\n")

    subprocess.run(
        [sys.executable, "-I", "-S", "-B", SHIPPED, "compile", tmp_path / "in", tmp_path / "out"],
        input=b"thing/a.py\nthing/template.py\n",
        check=True,
    )

    (written,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert written.name == f"a.{sys.implementation.cache_tag}.pyc"
    data = written.read_bytes()
    head = importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + importlib.util.source_hash(source)
    assert data[:16] == head
    namespace: dict[str, object] = {}
    exec(marshal.loads(data[16:]), namespace)
    assert namespace["answer"] == 42


def test_what_it_needs_has_bytecode_already(tmp_path: Path) -> None:
    """It is started for every package, where the standard library has no bytecode yet."""
    command = [sys.executable, "-I", "-S", "-B", "-X", "importtime", SHIPPED, "compile", "", ""]

    told = subprocess.run(command, input=b"", capture_output=True, check=True, cwd=tmp_path).stderr

    loaded = {line.split("|")[-1].strip() for line in told.decode().splitlines()[1:]}
    assert not {"importlib.util", "contextlib", "functools", "collections", "re"} & loaded
