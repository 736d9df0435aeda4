"""Every file of a lock, from wherever it is offered, judged by its digest alone."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lock_fakes import (
    ARCHITECTURE,
    IMPATIENT,
    Archive,
    Server,
    make_wheel,
    python_source,
    run_this_python,
    served,
    write_simple_index,
)

from harness.core.digest import hexadecimal, of_bytes
from harness.core.errors import HashMismatch, LockedFileGone, NetworkUnavailable, ResolutionFailed
from harness.lock import debian, fetch, pylock, wheel_index
from harness.lock.lock import Deb, Lock, Source, Wheel
from harness.lock.resolve import base_packages, resolve
from harness.spec.environment import Environment
from harness.world import sources
from harness.world.store import Store


def lock_of(wheels: Sequence[Wheel] = (), debs: Sequence[Deb] = ()) -> Lock:
    return Lock(
        name="tiny",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture=ARCHITECTURE,
        spec=of_bytes(b"spec"),
        released=datetime(2026, 7, 11, tzinfo=UTC),
        packages=tuple(wheels),
        debs=tuple(debs),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    return make_wheel(tmp_path / "root/files", "app", "1.0")


def simple(tmp_path: Path) -> Path:
    write_simple_index(tmp_path / "root/simple", tmp_path / "root/files")
    return tmp_path / "root"


def test_debs_and_wheels_land_in_the_store(tmp_path: Path, store: Store, wheel: Wheel) -> None:
    archive = Archive(tmp_path / "archive")
    lock = lock_of([wheel], [archive.add("aa"), archive.add("bb")])
    done: list[str] = []
    with served(simple(tmp_path)) as server:
        fetch.fetch(
            lock,
            store,
            progress=lambda name, number, total: done.append(f"{name} of {total}"),
            debian_source=archive.source,
            python_source=python_source(f"{server.address}/simple"),
        )

    assert all(store.has(item.digest) for item in (*lock.packages, *lock.debs))
    assert ["aa of 3", "app of 3", "bb of 3"] == sorted(done)


def test_what_is_there_is_not_asked_for(store: Store, wheel: Wheel, tmp_path: Path) -> None:
    store.add((tmp_path / "root/files" / wheel.filename).read_bytes())
    nowhere = python_source("http://127.0.0.1:1/simple")

    fetch.fetch(lock_of([wheel]), store, python_source=nowhere)


def download(wheel: Wheel, store: Store, source: sources.Python) -> None:
    fetch.fetch(lock_of([wheel]), store, python_source=source)


def test_an_index_may_answer_in_json(tmp_path: Path, store: Store, wheel: Wheel) -> None:
    """PEP 691; addresses may be relative to the page."""
    with served(tmp_path / "root") as server:
        file = {"filename": wheel.filename, "url": f"../../files/{wheel.filename}", "hashes": {}}
        answer = json.dumps({"name": "app", "files": [file]}).encode()
        server.pages["/simple/app/"] = ("application/vnd.pypi.simple.v1+json", answer)

        download(wheel, store, python_source(f"{server.address}/simple/"))

    assert store.has(wheel.digest)
    assert "application/vnd.pypi.simple.v1+json" in server.headers[0]["Accept"]


@pytest.mark.parametrize("kind", ["folder", "folder as an address", "page", "extra index"])
def test_the_machines_other_sources_are_looked_at(
    tmp_path: Path, store: Store, wheel: Wheel, kind: str
) -> None:
    root = simple(tmp_path)
    (tmp_path / "empty").mkdir()
    page = root / "links.html"
    page.write_text(f'<a href="files/{wheel.filename}">a wheel</a>')
    empty = (tmp_path / "empty").as_uri()
    source = {
        "folder": python_source(empty, links=[str(root / "files")]),
        "folder as an address": python_source(empty, links=[(root / "files").as_uri()]),
        "page": python_source(empty, links=[page.as_uri()]),
        "extra index": python_source(empty, extra=[(root / "simple").as_uri()]),
    }[kind]

    download(wheel, store, source)

    assert store.has(wheel.digest)


def test_a_source_with_other_bytes_does_not_hide_one_with_the_right_ones(
    tmp_path: Path, store: Store, wheel: Wheel
) -> None:
    root = simple(tmp_path)
    make_wheel(tmp_path / "wrong", "app", "1.0", content="# other\n")

    source = python_source((root / "simple").as_uri(), links=[str(tmp_path / "wrong")])
    download(wheel, store, source)

    assert store.has(wheel.digest)


def test_other_bytes_everywhere_are_a_mismatch_and_are_not_kept(
    tmp_path: Path, store: Store, wheel: Wheel
) -> None:
    root = simple(tmp_path)
    make_wheel(root / "files", "app", "1.0", content="# other\n")

    with pytest.raises(HashMismatch, match=wheel.filename):
        download(wheel, store, python_source((root / "simple").as_uri()))

    assert not store.has(wheel.digest)
    assert not list((store.root / "run").iterdir())


def test_a_wheel_that_no_index_offers_is_gone(tmp_path: Path, store: Store, wheel: Wheel) -> None:
    with (
        served(tmp_path / "root/files") as server,
        pytest.raises(LockedFileGone, match=wheel.filename) as failed,
    ):
        download(wheel, store, python_source(f"{server.address}/simple"))

    assert "--upgrade" in failed.value.hint


def test_an_index_that_cannot_be_reached_does_not_make_a_wheel_gone(
    store: Store, wheel: Wheel
) -> None:
    source = python_source("http://127.0.0.1:1/simple", extra=["http://127.0.0.1:1/other"])

    with pytest.raises(NetworkUnavailable, match=r"127\.0\.0\.1:1 could not be reached") as failed:
        download(wheel, store, source)

    assert failed.value.hint


def test_a_transfer_that_breaks_is_finished(tmp_path: Path, store: Store, wheel: Wheel) -> None:
    with served(simple(tmp_path)) as server:
        server.cuts[f"/files/{wheel.filename}"] = [7]

        download(wheel, store, python_source(f"{server.address}/simple"))

    assert store.has(wheel.digest)


def test_links_of_a_page_are_full_addresses_without_fragments() -> None:
    page = b'<a href="../f/a%2B1-1.whl#sha256=00">x</a><a href="http://other/b-1.whl">y</a><a>z</a>'

    found = wheel_index.links(page, "http://host/simple/a/")

    assert {
        "a+1-1.whl": "http://host/simple/f/a%2B1-1.whl",
        "b-1.whl": "http://other/b-1.whl",
    } == found


def test_the_folder_beside_a_lock_holds_its_wheels_and_no_others(
    tmp_path: Path, store: Store, wheel: Wheel
) -> None:
    folder = tmp_path / "wheels"
    make_wheel(folder, "old", "1.0")
    (folder / "notes.txt").write_text("mine")
    data = (tmp_path / "root/files" / wheel.filename).read_bytes()
    store.add(data)

    for _ in range(2):
        fetch.link_wheels(lock_of([wheel]), store, folder)

    assert ["app-1.0-py3-none-any.whl", "notes.txt"] == sorted(p.name for p in folder.iterdir())
    assert data == (folder / wheel.filename).read_bytes()


@pytest.mark.parametrize("other", [False, True], ids=["same bytes", "older bytes"])
def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(
    tmp_path: Path, store: Store, wheel: Wheel, other: bool
) -> None:
    """In a container every run has the same number; what is left is a link into the store."""
    data = (tmp_path / "root/files" / wheel.filename).read_bytes()
    digests = [store.add(data), store.add(b"older")]
    (tmp_path / "wheels").mkdir()
    os.link(store.path(digests[other]), tmp_path / "wheels" / f".{wheel.filename}.{os.getpid()}")

    fetch.link_wheels(lock_of([wheel]), store, tmp_path / "wheels")

    assert [wheel.filename] == os.listdir(tmp_path / "wheels")
    assert data == (tmp_path / "wheels" / wheel.filename).read_bytes()
    assert [data, b"older"] == [store.path(digest).read_bytes() for digest in digests]


def test_a_built_wheel_is_not_asked_for_but_what_it_is_built_from(
    tmp_path: Path, store: Store, wheel: Wheel
) -> None:
    """The wheel itself is in no index: its source, and what the build needs, wheels and debs."""
    data = b"a source"
    (tmp_path / "root/files/odd-1.0.tar.gz").write_bytes(data)
    archive = Archive(tmp_path / "archive")
    source = Source(filename="odd-1.0.tar.gz", digest=of_bytes(data), requires=(wheel,))
    odd = Wheel(
        name="odd",
        version="1.0",
        filename="odd-1.0-py3-none-any.whl",
        digest=of_bytes(b"built"),
        built=source,
    )
    lock = replace(lock_of([odd], [archive.add("aa")]), build_debs=(archive.add("gcc"),))
    with served(simple(tmp_path)) as server:
        fetch.fetch(
            lock,
            store,
            debian_source=archive.source,
            python_source=python_source(f"{server.address}/simple"),
        )

    digests = [source.digest, wheel.digest, *(deb.digest for deb in lock.debs + lock.build_debs)]
    assert all(store.has(digest) for digest in digests)
    assert not store.has(odd.digest)


def test_the_sources_of_built_wheels_lie_beside_the_wheels(tmp_path: Path, store: Store) -> None:
    source = Source(filename="odd-1.0.tar.gz", digest=store.add(b"a source"))
    odd = Wheel(
        name="odd",
        version="1.0",
        filename="odd-1.0-py3-none-any.whl",
        digest=store.add(b"built"),
        built=source,
    )

    seen = []
    for wheels in ([odd], [replace(odd, built=None)]):
        fetch.link_wheels(lock_of(wheels), store, tmp_path / "wheels")
        seen.append([sorted(os.listdir(tmp_path / name)) for name in ("wheels", "sdists")])

    assert [[[odd.filename], [source.filename]], [[odd.filename], []]] == seen


def tiny(folder: Path, **changes: object) -> Environment:
    values = {
        "folder": folder,
        "name": "tiny",
        "version": 1,
        "python": "3.11",
        "suite": "bookworm",
        "requirements": ("app",),
    }
    return Environment(**values | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One resolver's cache for all: its tools are then copied and compiled once."""
    return tmp_path_factory.mktemp("cache")


class World:
    """An archive with all that an image wants, and an index: enough to lock an environment."""

    def __init__(self, tmp_path: Path, server: Server, cache: Path) -> None:
        (tmp_path / "store").mkdir()
        (tmp_path / "store/resolver").symlink_to(cache)
        self.archive = Archive(tmp_path / "archive")
        self.debs = [
            self.archive.add(name, f"{platform.python_version()}-1")
            for name in base_packages(tiny(tmp_path))
        ]
        self.archive.publish()
        self.server = server
        self.given: tuple[Deb, ...] = ()

    def lock(self, spec: Environment, store: Store, previous: Lock | None = None) -> Lock:
        def prepare(debs: tuple[Deb, ...]) -> object:
            self.given = debs
            return run_this_python

        (lock,) = resolve(
            spec,
            previous=(previous,) if previous else (),
            prepare=prepare,  # type: ignore[arg-type]
            store=store,
            now=datetime(2026, 11, 24, tzinfo=UTC),
            debian_source=self.archive.source,
            python_source=python_source(f"{self.server.address}/simple"),
        )
        return lock


def test_an_environment_is_locked_fetched_and_names_no_place(
    tmp_path: Path, store: Store, wheel: Wheel, cache: Path
) -> None:
    """From a specification to a lock whose wheels lie beside it."""
    with served(simple(tmp_path)) as server:
        world = World(tmp_path, server, cache)
        spec = tiny(tmp_path / "tiny")
        lock = world.lock(spec, store)
        pylock.write(spec.lock_path, lock)
        source = python_source(f"{server.address}/simple")
        fetch.fetch(lock, store, debian_source=world.archive.source, python_source=source)
    fetch.link_wheels(lock, store, spec.folder / pylock.WHEELS)

    assert world.given == lock.debs
    assert {deb.name for deb in world.debs} == {deb.name for deb in lock.debs}
    assert lock == pylock.read(spec)
    assert [wheel] == list(lock.packages)
    assert (spec.folder / "wheels" / wheel.filename).is_file()
    text = spec.lock_path.read_text()
    assert str(tmp_path) not in text
    assert "127.0.0.1" not in text


def test_locking_again_gives_the_same_bytes(
    tmp_path: Path, store: Store, wheel: Wheel, cache: Path
) -> None:
    spec = tiny(tmp_path / "tiny")
    with served(simple(tmp_path)) as server:
        world = World(tmp_path, server, cache)
        first = world.lock(spec, store)
        world.archive.publish(Date="Sat, 18 Jul 2026 10:16:37 UTC")
        again = world.lock(spec, store, previous=first)

    assert pylock.dumps(first) == pylock.dumps(again)


def test_an_interpreter_that_the_suite_lacks_is_named(
    tmp_path: Path, store: Store, wheel: Wheel, cache: Path
) -> None:
    with served(simple(tmp_path)) as server, pytest.raises(ResolutionFailed) as failed:
        World(tmp_path, server, cache).lock(tiny(tmp_path, python="3.12"), store)

    assert "python3.12" in failed.value.message
    assert "did you mean" in failed.value.hint


def test_the_deb_of_a_served_archive_is_downloaded_by_its_path(
    tmp_path: Path, store: Store
) -> None:
    archive = Archive(tmp_path / "archive")
    deb = archive.add("app", "1:2.0+deb12u1")
    with served(archive.folder) as server:
        source = sources.Debian(
            mirror=server.address, keyring=archive.keyring, connection=IMPATIENT
        )
        debian.download(deb, source=source, store=store)

    assert store.has(deb.digest)
    assert [f"/{deb.filename}"] == server.asked
    assert hexadecimal(deb.digest) not in deb.filename
