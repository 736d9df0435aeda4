"""A bundle: the same bytes for everybody, refused when damaged, and enough without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lock_fakes import ARCHITECTURE, make_wheel, python_source, run_this_python, served
from lock_world import World

from harness.core.digest import of_bytes
from harness.core.errors import BundleInvalid, StoreDamaged
from harness.lock import bundle as locked
from harness.lock import parent, pylock
from harness.lock.lock import Lock, Source, Wheel
from harness.lock.pip_tools import PipTools
from harness.lock.resolver import Question
from harness.spec import parse
from harness.world import bundle
from harness.world.store import Store

FEW = {"a/one": b"1", "a/two": b"22" * 700, "b": b"", "c/" + "long" * 60: b"x"}
NOWHERE = '[sources]\ndebian = "http://127.0.0.1:1"\npypi = "http://127.0.0.1:1/simple"\n'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "root").mkdir()
    with served(tmp_path / "root") as server:
        yield World.at(tmp_path, server)


@pytest.fixture
def gap(tmp_path: Path, world: World) -> World:
    """Another machine: a cache, environments and a configuration of its own, and no network."""
    folder = tmp_path / "gap"
    folder.mkdir()
    keyring = f'debian_keyring = "{world.archive.keyring}"\n'
    (folder / "config.toml").write_text(NOWHERE + keyring)
    return World(folder, world.server, world.archive)


def write(target: Path, files: dict[str, bytes] | None = None) -> str:
    members = [bundle.text(path, data) for path, data in (files or FEW).items()]
    return bundle.write(target, members, {"for": "tests"})


def read(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_go_in_and_come_out(tmp_path: Path) -> None:
    target, store = tmp_path / "a.tar", Store(tmp_path / "store")

    digest = write(target)

    assert of_bytes(target.read_bytes()) == digest
    assert FEW == read(bundle.unpacked(target, store))
    assert all(store.has(of_bytes(data)) for data in FEW.values())
    assert {"for": "tests"} == bundle.contents(target).about
    assert ["a.tar", "store"] == sorted(path.name for path in tmp_path.iterdir())


def test_order_umask_and_moment_change_no_byte(tmp_path: Path) -> None:
    first = write(tmp_path / "a.tar")
    old = os.umask(0o077)
    try:
        again = write(tmp_path / "b.tar", dict(reversed(FEW.items())))
    finally:
        os.umask(old)

    assert first == again
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "b.tar") as archive:
        told = {(m.uid, m.gid, m.uname, m.gname, m.mode, m.mtime) for m in archive}
    assert {(0, 0, "", "", 0o644, bundle.MOMENT)} == told
    assert 0o644 == (tmp_path / "b.tar").stat().st_mode & 0o777


def test_an_ordinary_tar_reads_it(tmp_path: Path) -> None:
    write(tmp_path / "a.tar")

    subprocess.run(["tar", "-xf", "a.tar"], cwd=tmp_path, check=True)

    assert FEW["a/two"] == (tmp_path / "a/two").read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_bundle_is_refused_or_gives_the_same_files(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        file, store = Path(name) / "a.tar", Store(Path(name) / "store")
        write(file)
        whole = file.read_bytes()
        place = data.draw(st.integers(0, len(whole) - 1))
        flipped = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
        damaged = data.draw(
            st.sampled_from([whole[:place], whole[:place] + flipped + whole[place + 1 :]])
        )
        file.write_bytes(damaged)

        try:
            assert FEW == read(bundle.unpacked(file, store))
        except BundleInvalid as refused:
            assert "can't be used" in refused.message and refused.hint
            assert not list((store.root / "t").glob("*"))
        assert not list((store.root / "run").glob("*"))


def test_every_changed_byte_of_a_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tar")
    whole = (tmp_path / "a.tar").read_bytes()
    place = whole.index(FEW["a/two"])

    for offset in (0, 700, 1399):
        damaged = bytearray(whole)
        damaged[place + offset] ^= 1
        (tmp_path / "a.tar").write_bytes(bytes(damaged))
        with pytest.raises(BundleInvalid, match="a/two has other bytes"):
            bundle.unpacked(tmp_path / "a.tar", Store(tmp_path / "store"))


@pytest.mark.parametrize("path", ["../out", "/out", "a/../../out", "a//b", "./a", ""])
def test_no_path_leads_out_of_it(tmp_path: Path, path: str) -> None:
    write(tmp_path / "a.tar", {path: b"x"})

    with pytest.raises(BundleInvalid, match="names files twice, unsorted or outside of it"):
        bundle.unpacked(tmp_path / "a.tar", Store(tmp_path / "store"))


@pytest.mark.parametrize("what", ["absent", "text", "tar", "later"])
def test_what_is_no_bundle_is_told(tmp_path: Path, what: str) -> None:
    file = tmp_path / "a.tar"
    said = {
        "absent": "there is no bundle",
        "text": "it is no tar",
        "tar": "does not begin with bundle.json",
        "later": "it is harness.bundle/9, and this version reads harness.bundle/1",
    }[what]
    if what == "text":
        file.write_text("no tar" * 200)
    elif what == "later":
        (tmp_path / "bundle.json").write_text('{"schema": "harness.bundle/9"}')
        with tarfile.open(file, "w") as archive:
            archive.add(tmp_path / "bundle.json", "bundle.json")
    elif what == "tar":
        with tarfile.open(file, "w") as archive:
            archive.add(__file__, "test.py")

    with pytest.raises(BundleInvalid, match=said):
        bundle.unpacked(file, Store(tmp_path / "store"))


def test_a_damaged_cache_gives_no_bundle(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest = store.add(b"bytes")
    store.path(digest).write_bytes(b"other")

    with pytest.raises(StoreDamaged):
        bundle.write(tmp_path / "a.tar", [bundle.blob("a", digest, store)], {})

    assert ["store"] == [path.name for path in tmp_path.iterdir()]


def test_a_gap_has_all_that_it_needs(world: World, gap: World) -> None:
    """Fetched, checked, and locked from nothing: the same bytes, and nobody was asked."""
    world.declare()
    lock = world.locked()
    packed = world.harness("bundle", "tiny", "-o", "tiny.tar", "--output", "json").body
    asked = len(world.server.asked)
    file = world.folder / "tiny.tar"

    fetched = gap.harness("fetch", "--bundle", file, "--output", "json")
    checked = gap.harness("lock", "tiny", "--check", "--bundle", file)
    (gap.envs / "tiny/pylock.1.toml").unlink()
    again = gap.harness("lock", "tiny", "--bundle", file)

    assert (0, 0, 0) == (fetched.code, checked.code, again.code), fetched.err + checked.err
    assert ["tiny:1"] == packed["environments"] == [one["name"] for one in fetched.body["all"]]
    assert lock == gap.locked()
    assert {"app-1.1-py3-none-any.whl", "lib-1.1-py3-none-any.whl"} == {
        path.name for path in (gap.envs / "tiny/wheels").iterdir()
    }
    assert asked == len(world.server.asked)


def test_a_setting_makes_a_bundle_the_only_source(world: World, gap: World) -> None:
    world.declare()
    world.locked()
    world.harness("bundle", "tiny")
    shutil.copytree(world.envs, gap.envs)
    config = gap.folder / "config.toml"
    config.write_text(config.read_text() + f'bundle = "{world.folder}/tiny-1.bundle.tar"\n')

    assert 0 == gap.harness("lock", "tiny", "--check").code
    assert 0 == gap.harness("fetch", "tiny").code


def test_two_people_write_the_same_bundle(world: World) -> None:
    world.declare()
    world.declare("other", "lib")
    world.locked()
    world.locked("other")
    first = world.harness("bundle", "tiny", "other", "--output", "json").body
    shutil.rmtree(world.folder / "cache")
    world.publish(backwards=True)

    again = world.harness("bundle", "other:1", "tiny", "-o", "again.tar", "--output", "json").body

    assert first["digest"] == again["digest"]
    assert ["other:1", "tiny:1"] == again["environments"]
    assert (world.folder / "bundle.tar").read_bytes() == (world.folder / "again.tar").read_bytes()


def test_a_child_comes_with_its_parents_lock_and_what_tells_why(world: World, gap: World) -> None:
    world.declare("above", "app", "lib")
    world.locked("above")
    world.declare("child", more='from = "above:1"\nreplace = ["lib<1.1"]\n')
    lock = world.locked("child")
    world.harness("bundle", "child")
    file = world.folder / "child-1.bundle.tar"

    fetched = gap.harness("fetch", "--bundle", file)
    (gap.envs / "child/pylock.1.toml").unlink()
    again = gap.harness("lock", "child", "--bundle", file)

    assert (0, 0) == (fetched.code, again.code), fetched.err + again.err
    assert lock == gap.locked("child")
    assert "lib" in [move.name for move in pylock.loads(lock.decode()).parent.moved]  # type: ignore[union-attr]
    above = parent.found("above:1", gap.envs)
    assert "above" == above[0].name


def test_pip_reads_the_index_of_a_bundle(world: World, tmp_path: Path) -> None:
    world.declare()
    world.locked()
    world.harness("bundle", "tiny", "-o", "tiny.tar")
    folder = bundle.unpacked(world.folder / "tiny.tar", Store(tmp_path / "store"))
    source = python_source((folder / "simple").as_uri())
    door = PipTools(run_python=run_this_python, source=source, cache=tmp_path / "resolver")

    pins = door.pins(
        Question(
            requirements=("app",),
            python=".".join(map(str, sys.version_info[:3])),
            architecture=ARCHITECTURE,
        )
    )

    assert {"app": "1.1", "lib": "1.1"} == {pin.name: pin.version for pin in pins}


def test_what_a_bundle_lacks_is_named_with_what_is_near(world: World, gap: World) -> None:
    world.declare()
    world.locked()
    world.harness("bundle", "tiny", "-o", "tiny.tar")
    gap.harness("fetch", "--bundle", world.folder / "tiny.tar")
    (gap.envs / "tiny/environment.toml").write_text(
        (world.envs / "tiny/environment.toml").read_text().replace('"app"', '"app", "lbi"')
    )

    said = gap.harness("lock", "tiny", "--bundle", world.folder / "tiny.tar")

    said.refused(3, "no package lbi", 'did you mean "lib"?')


def test_what_lies_there_is_never_replaced(world: World, gap: World) -> None:
    world.declare()
    world.locked()
    world.harness("bundle", "tiny", "-o", "tiny.tar")
    mine = gap.declare("tiny", "app", "lib") / "environment.toml"
    before = mine.read_text()

    gap.harness("fetch", "--bundle", world.folder / "tiny.tar").refused(2, "is another one than")

    assert before == mine.read_text()
    assert ["environment.toml"] == [path.name for path in mine.parent.iterdir()]


def test_an_environment_that_the_bundle_does_not_hold_is_told(world: World, gap: World) -> None:
    world.declare()
    world.locked()
    world.harness("bundle", "tiny", "-o", "tiny.tar")
    gap.declare("other")

    said = gap.harness("fetch", "other", "--bundle", world.folder / "tiny.tar")

    said.refused(2, "holds tiny:1, and not other:1", "harness bundle other")


def test_an_index_that_is_gone_is_told_before_the_journey(world: World, gap: World) -> None:
    world.declare()
    world.locked()
    world.harness("fetch", "tiny")
    shutil.rmtree(world.folder / "cache/d/debian-release")
    world.archive.stanzas[:] = [s.replace("3.11.2-1", "3.11.2-2") for s in world.archive.stanzas]
    world.archive.publish(Date="Sat, 12 Sep 2026 10:16:37 UTC")

    world.harness("bundle", "tiny", "-o", "tiny.tar").refused(
        3, "index of 2026-07-11", "--no-index"
    )
    assert not (world.folder / "tiny.tar").exists()
    packed = world.harness("bundle", "tiny", "-o", "tiny.tar", "--no-index", "--output", "json")

    assert packed.body["locks"] is False
    assert 0 == gap.harness("fetch", "--bundle", world.folder / "tiny.tar").code


def test_an_index_that_gives_the_same_packages_is_as_good(world: World, gap: World) -> None:
    world.declare()
    lock = world.locked()
    shutil.rmtree(world.folder / "cache")
    world.archive.add("unrelated")
    world.archive.publish(Date="Sat, 12 Sep 2026 10:16:37 UTC")

    assert 0 == world.harness("bundle", "tiny", "-o", "tiny.tar").code
    gap.harness("fetch", "--bundle", world.folder / "tiny.tar")
    checked = gap.harness("lock", "tiny", "--check", "--bundle", world.folder / "tiny.tar")

    assert 0 == checked.code, checked.out + checked.err
    assert lock == gap.locked()


def test_what_is_built_comes_as_its_source_and_what_the_build_needs(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    need = make_wheel(tmp_path / "files", "flit-core", "3.9")
    store.add((tmp_path / "files" / need.filename).read_bytes())
    sdist = b"an sdist"
    source = Source(
        filename="app-1.0.tar.gz", digest=store.add(sdist), size=len(sdist), requires=(need,)
    )
    app = Wheel(
        name="app",
        version="1.0",
        size=1234,
        filename="app-1.0-py3-none-any.whl",
        digest=of_bytes(b"made of it"),
        built=source,
    )
    lock = Lock(
        name="tiny",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture=ARCHITECTURE,
        spec=of_bytes(b"spec"),
        released=datetime(2026, 7, 11, tzinfo=UTC),
        packages=(app,),
        debs=(),
    )

    members = locked.python(locked.offered([lock, lock], []), store)

    assert {
        "sdists/app-1.0.tar.gz",
        f"wheels/{need.filename}",
        "simple/app/index.html",
        "simple/app/index.v1_json",
        "simple/flit-core/index.html",
        "simple/flit-core/index.v1_json",
    } == {member.path for member in members}
    page = next(m.source for m in members if m.path == "simple/app/index.v1_json")
    (offered,) = json.loads(page)["files"]  # type: ignore[arg-type]
    assert ("app-1.0.tar.gz", len(sdist)) == (offered["filename"], offered["size"])


def test_two_files_of_one_name_are_no_bundle(world: World) -> None:
    world.declare("one", "lib")
    world.locked("one")
    make_wheel(world.files, "lib", "1.1", content="# other\n")
    world.publish()
    world.declare("two", "lib")
    world.locked("two")
    shutil.copytree(world.folder / "cache", world.folder / "kept")
    make_wheel(world.files, "lib", "1.1")
    world.harness("fetch", "one")
    make_wheel(world.files, "lib", "1.1", content="# other\n")
    world.harness("fetch", "two")

    said = world.harness("bundle", "one", "two")

    said.refused(2, "two locks name different bytes for wheels/lib-1.1-py3-none-any.whl")
    assert not (world.folder / "bundle.tar").exists()


FULL = """
mount -t tmpfs -o size=64k tmpfs "$1" && cd "$1" && shift
"$@"
code=$?
ls -A > "$OUT"
exit $code
"""


@pytest.mark.requires_tool("unshare", "mount")
def test_a_full_disk_leaves_no_bundle(
    world: World, tmp_path: Path, unavailable: Callable[[str], NoReturn]
) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        unavailable("this machine allows no mount namespaces")
    make_wheel(world.files, "app", "2.0", content="#" * 200_000)
    world.publish()
    world.declare()
    world.locked()
    assert 0 == world.harness("fetch", "tiny").code
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", "bundle", "tiny"]

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", FULL, "sh", disk, *command, "--envs", world.envs],
        env={
            **world.variables,
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "OUT": str(tmp_path / "names"),
        },
        capture_output=True,
        text=True,
    )

    assert 3 == done.returncode, done.stdout + done.stderr
    assert done.stderr.startswith("error: No space left on device"), done.stderr
    assert "" == (tmp_path / "names").read_text()


def test_the_table_of_contents_names_what_is_in_it(world: World) -> None:
    world.declare()
    world.locked()
    world.harness("bundle", "tiny", "-o", "tiny.tar")

    with tarfile.open(world.folder / "tiny.tar") as archive:
        names = archive.getnames()
        said = json.loads(archive.extractfile("bundle.json").read())  # type: ignore[union-attr]

    assert ["bundle.json", *(path for path, _, _ in said["files"])] == names
    lock = pylock.read(parse.environment(world.envs / "tiny"))
    assert {f"debian/{deb.filename}" for deb in lock.debs} < set(names)
    assert {
        "envs/tiny/pylock.1.toml",
        "simple/app/index.html",
        "debian/dists/bookworm/InRelease",
    } < {*names}
