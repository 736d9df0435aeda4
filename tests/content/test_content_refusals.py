"""What no image may hold is refused with its name, whatever bytes an archive is made of."""

from __future__ import annotations

import io
import os
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packages import deb, member, tar, wheel

from harness.content import deb as deb_room
from harness.content import tree
from harness.content import wheel as wheel_room
from harness.content.tree import Writer, nodes
from harness.content.union import lay_out, merge
from harness.core.errors import PackageRefused
from harness.image import ld_cache
from harness.image import tar as image_tar

Members = list[tuple[tarfile.TarInfo, bytes]]

PARTS = st.sampled_from(
    [
        "a",
        "b",
        "usr",
        "lib",
        ".",
        "..",
        "",
        "ő",
        "o\u030b",
        "A",
        "x" * 300,
        "new\nline",
        "\x7f",
        "-",
    ]
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from(
    [
        *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE),
        *(tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, b"Z"),
    ]
)
MEMBERS = st.lists(
    st.builds(
        lambda name, kind, data, mode, link: member(
            name, data if kind == tarfile.REGTYPE else b"", kind=kind, mode=mode, link=link
        ),
        NAMES,
        KINDS,
        st.binary(max_size=20),
        st.sampled_from([0o644, 0o755, 0o4755, 0o2755, 0o1777]),
        NAMES,
    ),
    max_size=6,
)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path


def unpacked(room: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    deb_room.unpack(deb(room / "thing.deb", members), "thing", room / "tree")
    return room / "tree"


def held(folder: Path) -> list[str]:
    """Return what lies in a folder but for the tree."""
    return sorted(name for name in os.listdir(folder) if name not in ("tree", "thing.deb"))


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (member("./usr/lib/a\nb", b"x"), "'./usr/lib/a\\nb' holds a control character"),
        (member("./usr/lib/a\x1b[0m", b"x"), "control character"),
        (member("./usr/" + "n" * 256, b"x"), "too long: './usr/nnn"),
        (member("./" + "deep/" * 250, b"x", kind=tarfile.DIRTYPE), "too long: './deep/deep"),
        (member("./usr/link", kind=tarfile.LNKTYPE, link="./etc/none"), "a hard link to etc/none"),
        (member("./usr/link", kind=tarfile.LNKTYPE, link="../../x"), "'../../x' leads outside"),
        (member("./usr/odd", kind=tarfile.CONTTYPE), "usr/odd is a device, a pipe or worse"),
        (member("./usr/odd", kind=b"Z"), "usr/odd is a device, a pipe or worse"),
        (member("./usr/sgid", b"x", mode=0o2755), "usr/sgid is setuid or setgid"),
        (member("./usr/link", kind=tarfile.SYMTYPE, link=""), "usr/link is a link to no path"),
    ],
)
def test_a_member_that_no_tree_holds_is_refused_by_name(
    room: Path, bad: tuple[tarfile.TarInfo, bytes], named: str
) -> None:
    with pytest.raises(PackageRefused, match="thing") as refused:
        unpacked(room, member("./usr/fine", b"x"), bad)

    assert named in refused.value.message


def test_a_name_that_is_not_utf_8_is_refused_as_its_bytes(room: Path) -> None:
    with pytest.raises(PackageRefused, match=r"not UTF-8: b'\./usr/caf\\xe9'"):
        data = tar([member("./usr/caf\udce9", b"x")], errors="surrogateescape")
        deb_room.unpack(deb(room / "thing.deb", data), "thing", room / "tree")


def test_a_name_outside_ascii_is_a_name_in_any_locale(room: Path) -> None:
    root = unpacked(room, member("./usr/Főtanúsítvány.crt", b"x"))

    assert "Főtanúsítvány.crt".encode() in os.listdir(os.fsencode(root / "usr"))


@pytest.mark.parametrize(
    "second",
    [
        member("./usr/x", b"other"),
        member("./usr/x", kind=tarfile.DIRTYPE),
        member("./usr/x", kind=tarfile.SYMTYPE, link="y"),
        member("./usr/x/below", b"y"),
    ],
)
def test_one_path_for_two_things_is_refused(
    room: Path, second: tuple[tarfile.TarInfo, bytes]
) -> None:
    with pytest.raises(PackageRefused, match=r"usr/x.* is in the package twice"):
        unpacked(room, member("./usr/x", b"one"), second)


def test_sparse_files_are_refused(room: Path) -> None:
    info, _ = member("./usr/holes")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    info.pax_headers |= {"GNU.sparse.name": "./usr/holes", "GNU.sparse.realsize": "1024"}
    content = b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512
    info.size = len(content)

    with pytest.raises(PackageRefused, match="usr/holes is a sparse file"):
        unpacked(room, (info, content))


def test_links_in_a_circle_hurt_nobody(room: Path) -> None:
    """As Debian's own ``usr/bin/X11 -> .``"""
    root = unpacked(
        room,
        member("./usr/lib/x86_64-linux-gnu/liba.so", kind=tarfile.SYMTYPE, link="libb.so"),
        member("./usr/lib/x86_64-linux-gnu/libb.so", kind=tarfile.SYMTYPE, link="liba.so"),
        member("./usr/bin/X11", kind=tarfile.SYMTYPE, link="."),
    )
    (room / "root").mkdir()
    merged = merge({"thing": root})

    lay_out({"thing": root}, room / "root")

    assert "usr/bin/X11" in merged
    assert b"".join(image_tar.stream(merged))
    assert {"liba.so", "libb.so"} <= set(ld_cache.libraries([root]))


def test_a_bomb_is_refused_before_it_bursts(room: Path) -> None:
    with pytest.raises(PackageRefused, match="usr/zeros is a bomb"):
        unpacked(room, member("./usr/zeros", b"\0" * (65 << 20)))

    assert not (room / "tree/usr").exists()


def test_a_bomb_among_the_manuals_is_one_too(room: Path) -> None:
    """What is left out is decompressed all the same."""
    with pytest.raises(PackageRefused, match="man1/zeros is a bomb"):
        unpacked(room, member("./usr/share/man/man1/zeros", b"\0" * (65 << 20)))


def test_more_files_than_any_package_has_are_refused(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST", 100)

    with pytest.raises(PackageRefused, match=r"more than 100 files, at \./usr/100"):
        unpacked(room, *(member(f"./usr/{n}") for n in range(101)))
    with pytest.raises(PackageRefused, match="more than 100 files"):
        many = wheel(room, files={f"thing/{n}.py": b"" for n in range(101)})
        wheel_room.unpack(many, "thing", "3.11", room / "tree")


@pytest.mark.parametrize("keep", [9, 40, 70, 150, 250, -1, -30])
def test_a_package_that_is_cut_off_is_refused(room: Path, keep: int) -> None:
    archive = deb(room / "thing.deb", [member("./usr/x", os.urandom(400))])
    archive.write_bytes(archive.read_bytes()[:keep])

    with pytest.raises(
        PackageRefused, match=r"thing: .*(cut off|can't be read|not a Debian|record)"
    ):
        deb_room.unpack(archive, "thing", room / "tree")


def test_a_wheel_that_is_cut_off_is_refused(room: Path) -> None:
    archive = wheel(room)
    archive.write_bytes(archive.read_bytes()[:-40])

    with pytest.raises(PackageRefused, match=r"thing-1\.0-py3-none-any\.whl can't be read"):
        wheel_room.unpack(archive, "thing", "3.11", room / "tree")


def test_what_follows_a_package_is_refused(room: Path) -> None:
    archive = deb(room / "thing.deb", [member("./usr/x", b"x")])
    archive.write_bytes(archive.read_bytes() + b"more")

    with pytest.raises(PackageRefused, match="damaged or cut off at 'more'"):
        deb_room.unpack(archive, "thing", room / "tree")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("thing/Model.py", "thing/model.py"),
        ("thing/caf\u00e9.txt", "thing/cafe\u0301.txt"),
        ("thing/Straße.txt", "thing/STRASSE.txt"),
    ],
)
def test_names_that_are_one_elsewhere_are_refused_in_a_wheel(
    room: Path, one: str, other: str
) -> None:
    archive = wheel(room, files={one: b"1", other: b"2"})

    with pytest.raises(PackageRefused, match="are one name") as refused:
        wheel_room.unpack(archive, "thing", "3.11", room / "tree")

    assert one in refused.value.message
    assert other in refused.value.message


def test_names_that_are_one_elsewhere_are_refused_between_wheels() -> None:
    with pytest.raises(PackageRefused, match=r"one and two: site/pil/a\.py and site/PIL/a\.py"):
        wheel_room.refuse_collisions({"two": ["site/PIL/a.py"], "one": ["site/pil/a.py"]})


def test_debians_own_names_may_differ_by_case(room: Path) -> None:
    """As the kernel's headers do: ``xt_DSCP.h`` and ``xt_dscp.h``."""
    root = unpacked(room, member("./usr/x/xt_DSCP.h", b"1"), member("./usr/x/xt_dscp.h", b"2"))

    assert ["xt_DSCP.h", "xt_dscp.h"] == sorted(os.listdir(root / "usr/x"))


def edited(room: Path, **change: object) -> Path:
    """Return a wheel whose file ``thing/a.py`` is told otherwise in its zip."""
    archive = wheel(room, files={"thing/a.py": b"x = 1\n"})
    with zipfile.ZipFile(archive) as packed:
        content = [(info, packed.read(info)) for info in packed.infolist()]
    with zipfile.ZipFile(archive, "w") as packed:
        for info, data in content:
            if info.filename == "thing/a.py":
                for name, value in change.items():
                    setattr(info, name, value)
            packed.writestr(info, data)
    return archive


def test_a_link_in_a_wheel_is_refused(room: Path) -> None:
    archive = edited(room, external_attr=0o120777 << 16)

    with pytest.raises(PackageRefused, match=r"thing/a\.py is a link or a device"):
        wheel_room.unpack(archive, "thing", "3.11", room / "tree")


def test_a_name_in_another_encoding_is_refused_in_a_wheel(room: Path) -> None:
    """A zip without the UTF-8 flag speaks cp437 (APPNOTE D.1); wheels are UTF-8."""
    archive = wheel(room, files={"thing/cafe.py": b""})
    archive.write_bytes(archive.read_bytes().replace(b"thing/cafe.py", b"thing/caf\xe9.py"))

    with pytest.raises(PackageRefused, match=r"not UTF-8: b'thing/caf\\xe9\.py'"):
        wheel_room.unpack(archive, "thing", "3.11", room / "tree")


def test_a_name_with_a_zero_byte_is_not_cut_there(room: Path) -> None:
    archive = wheel(room, files={"thing/a.py_py": b""})
    archive.write_bytes(archive.read_bytes().replace(b"thing/a.py_py", b"thing/a.py\0py"))

    with pytest.raises(PackageRefused, match=r"a\.py\\x00py"):
        wheel_room.unpack(archive, "thing", "3.11", room / "tree")


def test_a_file_that_record_names_must_be_there(room: Path) -> None:
    archive = wheel(room, files={"thing/a.py": b"x = 1\n"})
    with zipfile.ZipFile(archive) as packed:
        content = {i.filename: packed.read(i) for i in packed.infolist()}
    with zipfile.ZipFile(archive, "w") as packed:
        for name, data in content.items():
            if name != "thing/a.py":
                packed.writestr(name, data)

    with pytest.raises(PackageRefused, match=r"thing/a\.py is in the wheel's RECORD and not"):
        wheel_room.unpack(archive, "thing", "3.11", room / "tree")


@given(members=MEMBERS)
def test_whatever_members_a_package_has_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, members: Members
) -> None:
    """It becomes a normal tree, or is refused with its name; no third thing."""
    room = tmp_path_factory.mktemp("members")
    (room / "tree").mkdir()
    try:
        root = unpacked(room, *members)
    except PackageRefused as refused:
        assert refused.message.startswith("thing: ")
    else:
        for node in nodes(root):
            assert node.kind in ("file", "link", "folder")
            assert all(unicodedata.category(letter) != "Cc" for letter in node.path)
        assert merge({"again": root}) == merge({"again": root})

    assert [] == held(room)


@given(at=st.integers(0, 2000), bits=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_package_is_refused_or_is_what_it_says(
    tmp_path_factory: pytest.TempPathFactory, at: int, bits: int, cut: bool
) -> None:
    room = tmp_path_factory.mktemp("damaged")
    (room / "tree").mkdir()
    for path, unpack in (
        (deb(room / "thing.deb", [member("./usr/x", b"x" * 999)]), deb_room.unpack),
        (
            wheel(room, files={"thing/a.py": b"x" * 500}, compression=zipfile.ZIP_DEFLATED),
            lambda archive, name, root: wheel_room.unpack(archive, name, "3.11", root),
        ),
    ):
        data = bytearray(path.read_bytes())
        data[at % len(data)] ^= bits
        path.write_bytes(data[: at % len(data)] if cut else data)
        try:
            unpack(path, "thing", room / "tree")
        except PackageRefused as refused:
            assert refused.message.startswith("thing: ")


@given(noise=st.binary(max_size=300))
def test_no_bytes_are_taken_for_a_package(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    room = tmp_path_factory.mktemp("noise")
    (room / "thing").write_bytes(noise)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w"):
        pass
    for start in (b"", b"!<arch>\n", b"PK\x03\x04"):
        (room / "thing").write_bytes(start + noise)
        with pytest.raises(PackageRefused, match="thing: "):
            deb_room.unpack(room / "thing", "thing", room / "tree")
        with pytest.raises(PackageRefused, match="thing: "):
            wheel_room.unpack(room / "thing", "thing", "3.11", room / "tree")


def test_a_link_leads_no_reader_out_of_the_tree(tmp_path: Path) -> None:
    """The certificates of the base are read from files, never through a package's link."""
    from harness.image import base

    (tmp_path / "secret.crt").write_text("SECRET")
    for name in ("deb", "base"):
        (tmp_path / name).mkdir()
    writer = Writer(tmp_path / "deb", "thing")
    writer.file(f"{base.CERTIFICATES}/good.crt", b"GOOD")
    writer.link(f"{base.CERTIFICATES}/evil.crt", str(tmp_path / "secret.crt"))

    base.generate(tmp_path / "base", [tmp_path / "deb"], "3.11")

    assert b"GOOD\n" == (tmp_path / "base" / base.BUNDLE).read_bytes()
