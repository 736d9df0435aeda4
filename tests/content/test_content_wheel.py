"""Wheels become trees, checked against their own RECORD."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest
from packages import wheel

from harness.content import wheel as room
from harness.core.errors import PackageRefused

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

    with pytest.raises(PackageRefused, match="zip bomb"):
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
