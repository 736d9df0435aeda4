"""Layers of others applied one over another, as the image specification says, and nothing of them
ever outside of the tree."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from companies import tarred
from packages import member

from harness.content import members, stack
from harness.content.stack import Packed
from harness.core.digest import of_bytes
from harness.core.errors import HashMismatch, PackageRefused, ToolMissing
from harness.world import rooted

TAR = "application/vnd.oci.image.layer.v1.tar"


def applied(folder: Path, *layers: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    root = folder / "root"
    root.mkdir(exist_ok=True)
    for number, held in enumerate(layers):
        tar = tarred(held)
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


def raw(folder: Path, tar: bytes) -> Packed:
    (folder / "l").write_bytes(tar)
    (folder / "root").mkdir(exist_ok=True)
    return Packed(path=folder / "l", diff_id=of_bytes(tar), media_type=TAR, name="layer 1")


def sparse(size: int) -> bytes:
    """A tar of 1.5 KB with a file of *size* zeros, in GNU's old form (tar(5), "GNU tar")."""
    header = bytearray(member("bomb", kind=tarfile.GNUTYPE_SPARSE)[0].tobuf(tarfile.GNU_FORMAT))
    for at, number in ((386, size), (398, 0), (483, size)):
        header[at : at + 12] = b"%011o\0" % number
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


def sparse_pax(size: int) -> bytes:
    """The same in the form of POSIX archives."""
    out = io.BytesIO()
    info, data = member("bomb", b"0\n" + bytes(510))
    said = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
    info.pax_headers = said
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("made", [sparse, sparse_pax])
def test_a_sparse_file_is_refused_before_it_takes_any_room(tmp_path: Path, made) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PackageRefused, match="bomb is a sparse file") as raised:
        stack.apply(raw(tmp_path, made(300 << 20)), tmp_path / "root")

    assert raised.value.hint
    assert set() == names(tmp_path / "root")


def test_more_bytes_or_members_than_any_layer_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = raw(tmp_path, tarred([member("a", bytes(5000)), member("b"), member("c")]))

    monkeypatch.setattr(members, "MOST", 2)
    with pytest.raises(PackageRefused, match="layer 1: more than 2 files, at c"):
        stack.apply(layer, tmp_path / "root")
    monkeypatch.setattr(members, "LARGEST", 4000)
    with pytest.raises(PackageRefused, match="layer 1: more than 0 GiB unpacked"):
        stack.apply(layer, tmp_path / "root")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path, kind: bytes) -> None:
    large = member("name", b"x" * (members.HEADER + 1), kind=kind)

    with pytest.raises(PackageRefused, match="extended header of 1048577 bytes"):
        stack.apply(raw(tmp_path, tarred([large, member("a")])), tmp_path / "root")


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh..."])
def test_a_whiteout_of_what_holds_it_is_refused_and_hides_nothing(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "beside").write_bytes(b"")

    with pytest.raises(PackageRefused, match="hides what holds it"):
        applied(tmp_path, [member("a/one", b"1")], [member(name)])

    assert (tmp_path / "beside").exists()
    assert {"a/one"} == names(tmp_path / "root")


def test_a_hard_link_to_itself_or_to_what_it_takes_the_place_of_is_refused(tmp_path: Path) -> None:
    for target in ("a/b", "a"):
        with pytest.raises(PackageRefused, match=r"a is a hard link to a.*no other file"):
            applied(tmp_path, [member("a/b", b"x")], [hard("a", target)])
    with pytest.raises(PackageRefused, match="no other file"):
        applied(tmp_path, [member("c", b"x"), hard("c", "c")])


@pytest.mark.parametrize("target", ["", "caf\udce9"])
def test_a_link_that_leads_to_no_path_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(PackageRefused, match="to no path"):
        applied(tmp_path, [link("a", target)])


def test_a_layer_that_is_no_deflate_in_its_middle_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(tarred([member("a", os.urandom(50_000))])))
    data[30_000:30_100] = bytes(100)
    data[10:13] = b"\xff\xff\xff"  # a block of a kind that there isn't
    (tmp_path / "l").write_bytes(data)
    layer = Packed(path=tmp_path / "l", diff_id=of_bytes(data), media_type=f"{TAR}+gzip", name="it")

    for read in (lambda: stack.apply(layer, tmp_path), lambda: stack.size(layer)):
        with pytest.raises(PackageRefused, match="it can't be read"):
            read()


def test_a_time_that_no_clock_shows_is_refused(tmp_path: Path) -> None:
    info, data = member("a", b"x")
    info.pax_headers = {"mtime": "1e400"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(data))

    with pytest.raises(PackageRefused, match="can't be read"):
        stack.apply(raw(tmp_path, out.getvalue()), tmp_path / "root")


APPLY = """
import sys
from pathlib import Path
from harness.content import stack
layer = stack.Packed(
    path=Path(sys.argv[1]), diff_id=sys.argv[2], media_type="x.tar", name="layer 1"
)
stack.apply(layer, Path(sys.argv[3]))
"""
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_the_tree_is_the_same_in_every_locale(tmp_path: Path) -> None:
    crt = "Főtanúsítvány.crt"
    content = [member(f"é/{crt}", b"x"), link("to", f"é/{crt}"), hard("ő", f"é/{crt}")]
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8") as archive:
            for info, data in content:
                archive.addfile(info, io.BytesIO(data))
        layer = raw(tmp_path, out.getvalue())
        there = tmp_path / f"root-{form}"
        there.mkdir()

        subprocess.run(
            [sys.executable, "-c", APPLY, layer.path, layer.diff_id, there],
            env={**os.environ, **ASCII, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )

        found = {os.fsencode(path.relative_to(there)) for path in there.rglob("*")}
        assert {f"é/{crt}".encode(), "é".encode(), "ő".encode(), b"to"} == found
        assert f"é/{crt}".encode() == os.readlink(os.fsencode(there / "to"))


def test_the_size_of_a_layer_is_known_without_its_tree(tmp_path: Path) -> None:
    tar = tarred([member("a", b"x" * 5000)])

    assert len(tar) == stack.size(raw(tmp_path, tar))


def test_members_are_not_held_once_they_are_read() -> None:
    tar = tarred([member(f"a/{number}") for number in range(5000)])
    tracemalloc.start()
    try:
        count = sum(1 for _ in members.members(members.Hashed(io.BytesIO(tar), "it")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 5000 == count
    assert peak < 1 << 20
