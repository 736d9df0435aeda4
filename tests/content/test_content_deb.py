"""Debian packages become trees; what no image may hold is refused by name."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from packages import deb, member

from harness.content import deb as room
from harness.core.errors import PackageRefused
from harness.world import seal


def unpacked(tmp_path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    room.unpack(deb(tmp_path / "thing.deb", members), "thing", root)
    return root


def test_files_lie_where_a_merged_usr_system_has_them(tmp_path: Path) -> None:
    root = unpacked(tmp_path, member("./lib/x86_64-linux-gnu/libz.so.1", b"z"))

    assert (root / "usr/lib/x86_64-linux-gnu/libz.so.1").read_bytes() == b"z"
    assert not (root / "lib").exists()


def test_modes_and_times_are_normal_whatever_the_package_says(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path, member("./usr/bin/tool", b"x", mode=0o700), member("./etc/secret", mode=0o600)
    )

    assert (root / "usr/bin/tool").stat().st_mode & 0o777 == 0o755
    assert (root / "etc/secret").stat().st_mode & 0o777 == 0o644
    assert (root / "etc/secret").stat().st_mtime == 315_532_800


def test_manual_pages_stay_out_and_copyright_stays_in(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path,
        member("./usr/share/man/man1/tool.1", b"x"),
        member("./usr/share/doc/thing/changelog", b"x"),
        member("./usr/share/doc/thing/copyright", b"MIT"),
    )

    assert not (root / "usr/share/man").exists()
    assert os.listdir(root / "usr/share/doc/thing") == ["copyright"]


def test_scanners_find_the_package(tmp_path: Path) -> None:
    root = unpacked(tmp_path, member("./etc/x"))

    assert (root / "var/lib/dpkg/status.d/thing").read_text() == "Package: thing\n"


def test_a_hard_link_becomes_a_file_of_the_same_bytes(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path,
        member("./usr/bin/one", b"x", mode=0o755),
        member("./usr/bin/two", kind=tarfile.LNKTYPE, link="./usr/bin/one"),
    )

    assert (root / "usr/bin/two").read_bytes() == b"x"
    assert os.access(root / "usr/bin/two", os.X_OK)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (member("./../../etc/passwd", b"x"), "../../etc/passwd"),
        (member("/etc/passwd", b"x"), "/etc/passwd"),
        (member("./usr/bin/su", b"x", mode=0o4755), "usr/bin/su"),
        (member("./dev/sda", kind=tarfile.BLKTYPE), "dev/sda"),
        (member("./run/pipe", kind=tarfile.FIFOTYPE), "run/pipe"),
    ],
)
def test_what_no_image_may_hold_is_refused_by_name(
    tmp_path: Path, bad: tuple[tarfile.TarInfo, bytes], named: str
) -> None:
    with pytest.raises(PackageRefused, match="thing") as refused:
        unpacked(tmp_path, bad)

    assert named in refused.value.message


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()

    with pytest.raises(PackageRefused, match="through the link"):
        unpacked(
            tmp_path,
            member("./usr/x", kind=tarfile.SYMTYPE, link=str(outside)),
            member("./usr/x/file", b"x"),
        )

    assert list(outside.iterdir()) == []


def test_a_file_that_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thing.deb").write_bytes(b"<html>not found</html>")

    with pytest.raises(PackageRefused, match="not a Debian package"):
        room.unpack(tmp_path / "thing.deb", "thing", tmp_path / "tree")


def test_a_name_with_a_backslash_is_a_name(tmp_path: Path) -> None:
    """As systemd's units have: ``system-systemd\\\\x2dcryptsetup.slice``."""
    name = "usr/lib/systemd/system/a\\x2db.slice"
    archive = deb(tmp_path / "thing.deb", [member(f"./{name}", b"[Slice]\n")])

    room.unpack(archive, "thing", tmp_path / "root")

    assert b"[Slice]\n" == (tmp_path / "root" / name).read_bytes()


def test_the_links_of_a_merged_usr_itself_are_the_bases(tmp_path: Path) -> None:
    """base-files brings them since trixie."""
    root = unpacked(
        tmp_path,
        member("./bin", kind=tarfile.SYMTYPE, link="usr/bin"),
        member("./usr/bin/x", b"x"),
    )

    assert ["x"] == os.listdir(root / "usr/bin")


def test_md5sums_name_the_files_that_stayed_where_they_are(tmp_path: Path) -> None:
    sums = b"0" * 32 + b"  lib/x.so\n" + b"1" * 32 + b"  usr/share/man/man1/x.1\n"
    archive = deb(tmp_path / "a.deb", [member("./lib/x.so", b"x")], about={"md5sums": sums})
    (tmp_path / "tree").mkdir()

    room.unpack(archive, "thing", tmp_path / "tree")

    listed = (tmp_path / "tree/var/lib/dpkg/status.d/thing.md5sums").read_text()
    assert f"{'0' * 32}  usr/lib/x.so\n" == listed


def test_the_digests_that_are_told_are_those_of_what_was_written(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    members = [
        member("./usr/bin/tool", b"x", mode=0o755),
        member("./usr/bin/same", kind=tarfile.LNKTYPE, link="./usr/bin/tool"),
        member("./usr/bin/link", kind=tarfile.SYMTYPE, link="tool"),
    ]

    told = room.unpack(deb(tmp_path / "thing.deb", members), "thing", root)

    assert seal.of(root, told) == seal.of(root)
    assert {str(p) for p in root.rglob("*") if p.is_file() and not p.is_symlink()} == set(told)
