"""Wheels become trees, checked against their own RECORD."""

from __future__ import annotations

import base64
import csv
import hashlib
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from packages import wheel

from harness.content import wheel as room
from harness.core.errors import PackageRefused
from harness.world import seal

SITE = room.site("3.11")


def unpacked(tmp_path: Path, archive: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    room.unpack(archive, "thing", "3.11", root)
    return root


def test_a_console_script_has_the_shebang_of_the_image(tmp_path: Path) -> None:
    archive = wheel(tmp_path, entry_points="[console_scripts]\ntool = thing.cli:main\n")

    root = unpacked(tmp_path, archive)

    script = (root / "usr/local/bin/tool").read_text()
    assert script.startswith("#!/usr/bin/python3.11\n")
    assert "from thing.cli import main" in script


def test_a_script_of_the_data_folder_is_rewritten(tmp_path: Path) -> None:
    archive = wheel(tmp_path, files={"thing-1.0.data/scripts/run": b"#!python\nprint()\n"})

    root = unpacked(tmp_path, archive)

    assert (root / "usr/local/bin/run").read_bytes() == b"#!/usr/bin/python3.11\nprint()\n"


def test_data_folders_go_where_their_scheme_says(tmp_path: Path) -> None:
    archive = wheel(
        tmp_path,
        files={
            "thing-1.0.data/purelib/extra.py": b"x = 1\n",
            "thing-1.0.data/data/share/thing/a.txt": b"a",
        },
    )

    root = unpacked(tmp_path, archive)

    assert (root / SITE / "extra.py").read_bytes() == b"x = 1\n"
    assert (root / "usr/local/share/thing/a.txt").read_bytes() == b"a"


def test_every_scheme_has_its_folder(tmp_path: Path) -> None:
    data = "thing-1.0.data"
    files = {
        f"{data}/purelib/pure.py": b"1",
        f"{data}/platlib/plat.py": b"2",
        f"{data}/headers/thing.h": b"3",
        f"{data}/scripts/window": b"#!pythonw -E\nprint()\n",
        f"{data}/scripts/shell": b"#!/bin/sh\n",
        f"{data}/data/etc/thing.conf": b"4",
    }

    root = unpacked(tmp_path, wheel(tmp_path, files=files))

    expected = {
        f"{SITE}/pure.py": b"1",
        f"{SITE}/plat.py": b"2",
        "usr/local/include/python3.11/thing/thing.h": b"3",
        "usr/local/bin/window": b"#!/usr/bin/python3.11\nprint()\n",
        "usr/local/bin/shell": b"#!/bin/sh\n",
        "usr/local/etc/thing.conf": b"4",
    }
    assert expected == {path: (root / path).read_bytes() for path in expected}
    assert {0o755} == {p.stat().st_mode & 0o777 for p in (root / "usr/local/bin").iterdir()}


def test_commands_may_be_of_windows_have_extras_and_call_a_method(tmp_path: Path) -> None:
    text = "[console_scripts]\nOne = thing:App.main [fast,x]\n[gui_scripts]\ntwo=thing.gui : go\n"

    root = unpacked(tmp_path, wheel(tmp_path, entry_points=text))

    one, two = ((root / "usr/local/bin" / name).read_text() for name in ("One", "two"))
    assert "from thing import App\n" in one
    assert "sys.exit(App.main())" in one
    assert "from thing.gui import go\n" in two


@pytest.mark.parametrize(
    "line",
    [
        "x = thing",
        "../x = thing:main",
        "a/b = thing:main",
        "x = os:system('id')",
        "x = a:b; import c",
    ],
)
def test_a_command_that_is_none_is_refused_by_name(tmp_path: Path, line: str) -> None:
    with pytest.raises(PackageRefused, match=r"thing: .* is no command|leads outside"):
        unpacked(tmp_path, wheel(tmp_path, entry_points=f"[console_scripts]\n{line}\n"))


def test_an_executable_stays_one(tmp_path: Path) -> None:
    archive = wheel(tmp_path, files={"thing/tool": b"x", "thing/text": b"x"})
    with zipfile.ZipFile(archive) as packed:
        content = [(info, packed.read(info)) for info in packed.infolist()]
    with zipfile.ZipFile(archive, "w") as packed:
        for info, data in content:
            info.external_attr = (0o100755 if info.filename == "thing/tool" else 0o100600) << 16
            packed.writestr(info, data)

    root = unpacked(tmp_path, archive)

    modes = [(root / SITE / "thing" / name).stat().st_mode & 0o777 for name in ("tool", "text")]
    assert [0o755, 0o644] == modes


def test_record_names_every_file_with_its_digest(tmp_path: Path) -> None:
    """As ``importlib.metadata`` reads it, and every scanner."""
    archive = wheel(
        tmp_path,
        files={"thing-1.0.data/scripts/run": b"#!python\n"},
        entry_points="[console_scripts]\ntool = thing:main\n",
    )

    root = unpacked(tmp_path, archive)

    installed = PathDistribution(root / SITE / "thing-1.0.dist-info")
    rows = {str(file): file for file in installed.files or ()}
    assert {"/usr/local/bin/run", "/usr/local/bin/tool"} <= set(rows)
    for path, file in rows.items():
        place = root / path.lstrip("/") if path.startswith("/") else root / SITE / path
        if path.endswith("/RECORD"):
            assert file.hash is None
        else:
            data = place.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            assert (file.hash.mode, file.hash.value, file.size) == (
                "sha256",
                digest.decode(),
                len(data),
            )
    found = {p for p in (root / "usr/local").rglob("*") if p.is_file()}
    assert len(rows) == len(found)
    assert "harness\n" == installed.read_text("INSTALLER")


def test_record_may_use_more_than_sha256_and_nothing_less(tmp_path: Path) -> None:
    def said(algorithm: str) -> Path:
        digest = base64.urlsafe_b64encode(hashlib.new(algorithm, b"x = 1\n").digest())
        archive = wheel(tmp_path, files={"thing/a.py": b"x = 1\n"})
        with zipfile.ZipFile(archive) as packed:
            content = {i.filename: packed.read(i) for i in packed.infolist()}
        rows = content["thing-1.0.dist-info/RECORD"].decode().splitlines()
        rows = [row for row in rows if not row.startswith("thing/a.py")]
        row = f"thing/a.py,{algorithm}={digest.decode().rstrip('=')},6"
        content["thing-1.0.dist-info/RECORD"] = "\n".join([row, *rows]).encode()
        with zipfile.ZipFile(archive, "w") as packed:
            for name, data in content.items():
                packed.writestr(name, data)
        return archive

    room.unpack(said("sha512"), "thing", "3.11", tmp_path / "good")
    with pytest.raises(PackageRefused, match=r"RECORD of thing/a\.py uses md5"):
        room.unpack(said("md5"), "thing", "3.11", tmp_path / "bad")


def test_what_a_wheel_vendors_may_have_a_record_of_its_own(tmp_path: Path) -> None:
    """As setuptools does; the wheel's own is the one at its top."""
    vendored = "thing/_vendor/other-2.0.dist-info/RECORD"

    root = unpacked(tmp_path, wheel(tmp_path, files={vendored: b"other.py,,\n"}))

    assert b"other.py,,\n" == (root / SITE / vendored).read_bytes()


def test_record_is_sorted_and_complete(tmp_path: Path) -> None:
    root = unpacked(tmp_path, wheel(tmp_path, files={"thing/z.py": b"", "thing/a.py": b""}))

    with (root / SITE / "thing-1.0.dist-info/RECORD").open(newline="") as file:
        names = [row[0] for row in csv.reader(file)][:-1]
    assert names == sorted(names)
    assert {"thing/a.py", "thing/z.py", "thing-1.0.dist-info/INSTALLER"} <= set(names)


def test_a_file_that_differs_from_record_is_refused_by_name(tmp_path: Path) -> None:
    archive = wheel(tmp_path, files={"thing/a.py": b"evil"}, record={"thing/a.py": b"good"})

    with pytest.raises(PackageRefused, match=r"thing/a\.py doesn't match"):
        unpacked(tmp_path, archive)


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py"])
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackageRefused, match="leads outside"):
        unpacked(tmp_path, wheel(tmp_path, files={name: b""}))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("thing/zeros", b"\0" * (70 << 20))
        bomb.writestr("thing-1.0.dist-info/RECORD", "")

    with pytest.raises(PackageRefused, match="zeros is a bomb"):
        unpacked(tmp_path, archive)


def test_a_vendored_package_brings_a_record_of_its_own(tmp_path: Path) -> None:
    """As bleach and setuptools do: the wheel's own RECORD is the one at the top."""
    inner = "thing/_vendor/other-2.0.dist-info/RECORD"
    archive = wheel(tmp_path, files={inner: b"other/__init__.py,,\n"})

    room.unpack(archive, "thing", "3.11", tmp_path / "root")

    assert (tmp_path / "root" / room.site("3.11") / inner).is_file()


def test_a_file_that_is_in_the_wheel_twice_is_refused(tmp_path: Path) -> None:
    archive = wheel(tmp_path, files={"thing/a.py": b"x"})
    with zipfile.ZipFile(archive, "a") as again, pytest.warns(UserWarning, match="Duplicate"):
        again.writestr("thing/a.py", b"x")

    with pytest.raises(PackageRefused, match="twice"):
        unpacked(tmp_path, archive)


def test_bytecode_that_a_build_left_in_a_wheel_gives_way_to_ours(tmp_path: Path) -> None:
    archive = wheel(
        tmp_path,
        files={
            "thing/part.py": b"x = 1\n",
            "thing/__pycache__/part.cpython-311.pyc": b"of another time",
            "thing/__pycache__/alone.cpython-311.pyc": b"without a source",
        },
    )

    root = unpacked(tmp_path, archive)

    assert [p.name for p in root.rglob("*.pyc")] == ["alone.cpython-311.pyc"]
    assert "part.cpython" not in (root / SITE / "thing-1.0.dist-info/RECORD").read_text()


def test_the_digests_that_are_told_are_those_of_what_was_written(tmp_path: Path) -> None:
    """A tree is sealed by them, without being read again."""
    archive = wheel(
        tmp_path,
        files={
            "thing/a.py": b"a = 1\n",
            "thing-1.0.data/scripts/run": b"#!python\nprint()\n",  # rewritten: not RECORD's digest
            "thing-1.0.data/data/share/x": b"x",
        },
        entry_points="[console_scripts]\ngo = thing:main\n",
    )
    root = tmp_path / "tree"
    root.mkdir()

    told = room.unpack(archive, "thing", "3.11", root)

    there = [path for path in root.rglob("*") if path.is_file()]
    assert told == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in there}
    assert seal.of(root, told) == seal.of(root)
