"""Environments, an archive and an index of wheels to patch them from, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lock_fakes import Archive, make_wheel, python_source, served, write_simple_index

from harness.cli.main import main
from harness.engine.fake import Fake
from harness.flows import patch as flow
from harness.lock import parent, patch, pylock
from harness.lock.advisories import Advisories, load
from harness.lock.freedom import Freedom
from harness.lock.lock import Lock
from harness.lock.resolve import BASE, resolve
from harness.spec import parse
from harness.world.store import Store

NOW = datetime(2026, 12, 1, tzinfo=UTC)
PYTHON = ("python3.11", "python3.11-minimal", "libpython3.11-stdlib")
WHEELS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("app", "1.0"): ("flawed", "other"),
    ("app", "1.1"): ("flawed", "other"),
    ("flawed", "1.0"): ("base",),
    ("flawed", "1.1"): ("base",),
    ("flawed", "1.2"): ("base",),
    ("flawed", "2.0"): ("base>=2", "fresh"),
    ("base", "1.0"): (),
    ("base", "2.0"): (),
    ("base", "2.1"): (),
    ("other", "1.0"): (),
    ("other", "1.1"): (),
    ("fresh", "1.0"): (),
    ("geo", "1.0"): ("other<1.1",),
    ("geo", "1.1"): ("other<1.1",),
    ("alone", "1.0"): (),
}
OLD = ("app<1.1", "flawed<1.1", "base<2", "geo<1.1", "other<=1.1")
ABOVE = """\
# What it is for.
name = "above"
version = 1  # the first
python = "3.11"
base = { debian = "bookworm" }
requirements = ["app"]   # the app
os = ["libssl3"]
resolver = "uv"
"""
CHILD = """\
name = "{name}"
version = 1
from = 'above:1' # curated
resolver = "uv"
{change}
"""


def advisory(fixed: str = "1.1", **more: object) -> dict[str, object]:
    return {
        "id": "PYSEC-2026-1",
        "aliases": ["CVE-2026-1"],
        "modified": "2026-11-30T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "Flawed"},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}
                ],
            }
        ],
        **more,
    }


@dataclass
class World:
    folder: Path
    archive: Archive
    store: Store
    index: str

    @property
    def envs(self) -> Path:
        return self.folder / "envs"

    def write(self, name: str, text: str) -> None:
        (self.envs / name).mkdir(parents=True)
        (self.envs / name / "environment.toml").write_text(text)

    def child(self, name: str, change: str) -> None:
        self.write(name, CHILD.format(name=name, change=change))

    def resolved(self, name: str, *, free: Freedom | None = None) -> tuple[Lock, ...]:
        environment = parse.environment(self.envs / name)
        before = ()
        if environment.lock_path.exists():
            before = pylock.read_all(environment)
        return resolve(
            environment,
            previous=before,
            parent=parent.locks(environment, self.store),
            free=free,
            prepare=lambda debs: pytest.fail("uv needs no interpreter"),
            store=self.store,
            now=NOW,
            debian_source=self.archive.source,
            python_source=python_source(self.index),
        )

    def lock(self, *names: str, bounds: tuple[str, ...] = OLD) -> None:
        """Lock with what was the newest before; children start from their parents' pins."""
        for name in names:
            environment = parse.environment(self.envs / name)
            bound = bounds if environment.change is None else ("geo<1.1",)
            locks = self.resolved(name, free=Freedom(bounds=bound))
            pylock.write(environment.lock_path, *locks)
            for lock in locks:
                for deb in lock.debs:
                    self.store.add((self.archive.folder / deb.filename).read_bytes())

    def snapshot(self, *records: dict[str, object]) -> Path:
        (self.folder / "osv.json").write_text(json.dumps(records))
        return self.folder / "osv.json"

    def patched(self, text: str, *records: dict[str, object]) -> flow.Outcome:
        data = load([self.snapshot(*records)]) if records else Advisories(())
        shop = flow.Shop(
            store=self.store,
            engine=Fake,
            now=NOW,
            python=python_source(self.index),
            debian=self.archive.source,
        )
        return flow.patched(patch.target(text, lambda: data), flow.chosen([self.envs]), shop)

    def command(self, *arguments: str) -> Result:
        """Run ``harness patch`` on this world's sources."""
        configuration = self.folder / "config.toml"
        configuration.write_text(
            f'[sources]\ndebian = "{self.archive.folder.as_uri()}"\n'
            f'debian_keyring = "{self.archive.keyring}"\npypi = "{self.index}"\n'
        )
        return CliRunner().invoke(
            main,
            ["patch", *arguments, "--envs", str(self.envs)],
            env={"HARNESS_CONFIG": str(configuration), "HARNESS_CACHE": str(self.folder / "cache")},
        )

    def pins(self, name: str) -> dict[str, str]:
        return pylock.read(parse.environment(self.envs / name)).pins

    def contents(self) -> dict[str, bytes]:
        return {
            str(p.relative_to(self.envs)): p.read_bytes()
            for p in sorted(self.envs.rglob("*"))
            if p.is_file()
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    archive = Archive(tmp_path / "debian")
    for name in BASE:
        archive.add(name)
    for name in PYTHON:
        archive.add(name, "3.11.2-6")
    archive.add("libssl3", "3.0.17-1~deb12u1", Source="openssl")
    archive.publish()
    for (name, version), needs in WHEELS.items():
        make_wheel(tmp_path / "index/files", name, version, requires=needs)
    write_simple_index(tmp_path / "index/simple", tmp_path / "index/files")
    with served(tmp_path / "index") as server:
        made = World(tmp_path, archive, Store(tmp_path / "cache"), f"{server.address}/simple")
        made.write("above", ABOVE)
        yield made
