"""Environments of a person who has the ``harness`` command, an archive and an index; no more."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lock_fakes import Archive, Server, make_wheel

from harness.cli.main import main
from harness.lock.resolve import base_packages
from harness.spec.environment import Environment

SPEC = 'name = "{name}"\nversion = 1\nresolver = "uv"\n'
BASE = 'python = "3.11"\nbase = {{ debian = "bookworm" }}\nrequirements = {requirements}\n'


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> Any:
        return json.loads(self.out)

    def refused(self, code: int, *said: str) -> None:
        """Check one clear error: its exit code, what, what next, and no traceback."""
        assert code == self.code, self.out + self.err
        assert 1 == self.err.count("error: "), self.err
        assert self.err.startswith("error: "), self.err
        hint = self.err.splitlines()[-1]
        assert hint.startswith("hint: ") and hint != "hint: ", self.err
        assert "Traceback" not in self.err + self.out
        for text in said:
            assert text in self.err, self.err


@dataclass
class World:
    """*files* are what the index offers; :meth:`publish` makes its pages of them."""

    folder: Path
    server: Server
    archive: Archive
    yanked: dict[str, str] = field(default_factory=dict)
    requires_python: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path, server: Server) -> World:
        world = cls(folder, server, Archive(folder / "archive"))
        wanted = Environment(
            folder=folder, name="x", version=1, python="3.11", suite="bookworm", requirements=()
        )
        for name in base_packages(wanted):
            world.archive.add(name, "3.11.2-1")
        world.archive.publish()
        for version in ("1.0", "1.1"):
            make_wheel(world.files, "lib", version)
            make_wheel(world.files, "app", version, requires=["lib>=1"])
        world.publish()
        (folder / "config.toml").write_text(
            f'[sources]\ndebian = "{world.archive.source.mirror}"\n'
            f'debian_keyring = "{world.archive.keyring}"\npypi = "{server.address}/simple"\n'
        )
        return world

    @property
    def files(self) -> Path:
        return self.server.root / "files"

    @property
    def envs(self) -> Path:
        return self.folder / "envs"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "HARNESS_CONFIG": str(self.folder / "config.toml"),
            "HARNESS_CACHE": str(self.folder / "cache"),
            "PIP_RETRIES": "0",
        }

    def declare(self, name: str = "tiny", *requirements: str, more: str = "") -> Path:
        """Write an environment; returns its folder. One with ``from`` in *more* has no base."""
        folder = self.envs / name
        folder.mkdir(parents=True, exist_ok=True)
        text = SPEC.format(name=name)
        if "from =" not in more:
            text += BASE.format(requirements=json.dumps(requirements or ("app",)))
        (folder / "environment.toml").write_text(text + more)
        return folder

    def publish(self, *, backwards: bool = False) -> None:
        """Write the pages of the index (PEP 503, PEP 592), links in either order."""
        pages: dict[str, list[str]] = {}
        for file in sorted(self.files.iterdir()):
            name = file.name.partition("-")[0].replace("_", "-").lower()
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            marks = ""
            if file.name in self.yanked:
                marks += f' data-yanked="{self.yanked[file.name]}"'
            if file.name in self.requires_python:
                needs = self.requires_python[file.name].replace(">", "&gt;")
                marks += f' data-requires-python="{needs}"'
            link = f'<a href="../../files/{file.name}#sha256={digest}"{marks}>{file.name}</a>\n'
            pages.setdefault(name, []).append(link)
        for name, links in pages.items():
            page = self.server.root / "simple" / name / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            ordered = reversed(links) if backwards else links
            page.write_text("<!DOCTYPE html><html><body>\n" + "".join(ordered) + "</body></html>\n")

    def harness(self, *arguments: str | Path, **variables: str) -> Said:
        """Run the command in this process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in {**self.variables, **variables}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    def locked(self, name: str = "tiny") -> bytes:
        """Return the lock of an environment, locking it first when it has none."""
        path = self.envs / name / "pylock.1.toml"
        if not path.exists():
            done = self.harness("lock", name)
            assert 0 == done.code, done.err
        return path.read_bytes()
