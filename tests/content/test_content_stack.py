"""Layers of others applied one over another, as the image specification says, and nothing of them
ever outside of the tree."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from pathlib import Path

import pytest
from companies import tarred
from packages import member

from harness.content import stack
from harness.content.stack import Packed
from harness.core.digest import of_bytes
from harness.core.errors import HashMismatch, PackageRefused, ToolMissing
from harness.world import rooted

TAR = "application/vnd.oci.image.layer.v1.tar"


def applied(folder: Path, *layers: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    root = folder / "root"
    root.mkdir(exist_ok=True)
    for number, members in enumerate(layers):
        tar = tarred(members)
        (folder / f"{number}").write_bytes(tar)
        layer = Packed(path=folder / f"{number}", diff_id=of_bytes(tar), media_type=TAR, name="it")
        assert len(tar) == stack.apply(layer, root)
    return root


def names(root: Path) -> set[str]:
    found = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(root)) for path in found}


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.SYMTYPE, link=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.LNKTYPE, link=target)


def test_a_whiteout_hides_a_file_and_a_folder_of_lower_layers(tmp_path: Path) -> None:
    root = applied(
        tmp_path,
        [member("a/one", b"1"), member("a/two", b"2"), member("b/deep/three", b"3")],
        [member("a/.wh.one"), member(".wh.b")],
    )

    assert {"a/two"} == names(root)


def test_an_opaque_folder_shows_its_own_layer_alone_wherever_the_mark_lies(tmp_path: Path) -> None:
    root = applied(
        tmp_path,
        [member("a/old", b"1"), member("a/in/old", b"2")],
        [member("a/in/new", b"3"), member("a/.wh..wh..opq"), member("a/new", b"4")],
    )

    assert {"a/in/new", "a/new"} == names(root)


def test_a_whiteout_spares_what_its_own_layer_adds(tmp_path: Path) -> None:
    root = applied(tmp_path, [member("a", b"old")], [member("a", b"new"), member(".wh.a")])

    assert b"new" == (root / "a").read_bytes()


def test_kinds_replace_each_other(tmp_path: Path) -> None:
    folder = member("x", kind=tarfile.DIRTYPE, mode=0o755)
    root = applied(
        tmp_path,
        [member("x", b"file"), member("y/inner", b"1"), link("z", "y")],
        [folder, member("y", b"file now"), member("z", b"no link any more")],
    )

    assert (root / "x").is_dir()
    assert b"file now" == (root / "y").read_bytes()
    assert not (root / "z").is_symlink()


def test_a_path_through_a_link_lands_where_the_image_has_it(tmp_path: Path) -> None:
    root = applied(
        tmp_path,
        [member("usr/lib/one", b"1"), link("lib", "usr/lib"), link("abs", "/usr/lib")],
        [member("lib/two", b"2"), member("abs/three", b"3"), member("lib/.wh.one")],
    )

    assert {"usr/lib/two", "usr/lib/three", "lib", "abs"} == names(root)


@pytest.mark.parametrize("way", ["../../outside", "/../../../outside", "{absolute}"])
def test_no_link_leads_a_file_out_of_the_tree(tmp_path: Path, way: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = way.format(absolute=outside)

    root = applied(tmp_path, [link("door", target)], [member("door/planted", b"x")])

    assert [] == list(outside.iterdir())
    assert any(name.endswith("planted") for name in names(root))


@pytest.mark.parametrize("name", ["../up", "a/../../up", "a/\udcff"])
def test_a_name_that_leads_outside_or_is_no_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackageRefused, match="it: "):
        applied(tmp_path, [member(name, b"x")])


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "nothing"])
def test_a_hard_link_to_no_file_of_the_image_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(PackageRefused):
        applied(tmp_path, [hard("passwd", target)])


def test_links_that_go_round_in_circles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match="leads to itself"):
        applied(tmp_path, [link("a", "b"), link("b", "a"), member("a/file", b"x")])


def test_setuid_bits_and_devices_are_gone_and_times_stay(tmp_path: Path) -> None:
    program, data = member("sudo", b"x", mode=0o4755)
    program.mtime = 1_700_000_000
    root = applied(
        tmp_path,
        [
            (program, data),
            hard("same", "sudo"),
            member("null", kind=tarfile.CHRTYPE),
            member("pipe", kind=tarfile.FIFOTYPE),
            member("secret", b"x", mode=0o600),
        ],
    )

    status = (root / "sudo").stat()
    assert (0o755, 1_700_000_000) == (stat.S_IMODE(status.st_mode), int(status.st_mtime))
    assert os.path.samefile(root / "sudo", root / "same")
    assert {"sudo", "same", "secret"} == names(root)


def test_another_tar_than_the_config_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(gzip.compress(tarred([member("a", b"x")])))
    layer = Packed(
        path=tmp_path / "l", diff_id=of_bytes(b""), media_type=f"{TAR}+gzip", name="layer 1"
    )

    with pytest.raises(HashMismatch, match="layer 1 unpacks to other bytes"):
        stack.apply(layer, tmp_path / "root")


@pytest.mark.parametrize("cut", [10, 60])
def test_a_layer_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    data = gzip.compress(tarred([member("a", b"x" * 5000)]))
    (tmp_path / "l").write_bytes(data[:cut])
    layer = Packed(path=tmp_path / "l", diff_id=of_bytes(data), media_type=f"{TAR}+gzip", name="it")

    with pytest.raises(PackageRefused, match="can't be read"):
        stack.apply(layer, tmp_path / "root")


def test_zstd_is_read_or_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"\x28\xb5\x2f\xfd")
    layer = Packed(path=tmp_path / "l", diff_id=of_bytes(b""), media_type=f"{TAR}+zstd", name="it")

    with pytest.raises((ToolMissing, PackageRefused)) as raised:
        stack.apply(layer, tmp_path / "root")

    assert raised.value.hint


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("usr/bin/python", "usr/bin/python3"),
        ("/bin/python", "usr/bin/python3"),
        ("up/../etc", "etc"),
        ("../../etc", "etc"),
        ("loop/x", None),
    ],
)
def test_links_of_a_root_never_leave_it(tmp_path: Path, path: str, found: str | None) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").write_bytes(b"")
    (tmp_path / "usr/bin/python").symlink_to("/usr/bin/python3")
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "loop").symlink_to("loop")

    assert found == rooted.real(tmp_path, path)
