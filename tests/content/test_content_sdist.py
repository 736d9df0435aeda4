"""Sources are read without running anything, and what no honest source holds is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import packages
import pytest

from harness.content import sdist
from harness.core.errors import PackageRefused

PYPROJECT = b"""[build-system]
requires = ["flit_core>=3"]
build-backend = "flit_core.buildapi"
"""


def source(folder: Path, files: Mapping[str, bytes], *extra, name: str = "thing-1.0") -> Path:  # type: ignore[no-untyped-def]
    path = folder / "thing-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, data in files.items():
            info, _ = packages.member(f"{name}/{file}", data)
            archive.addfile(info, io.BytesIO(data))
        for info, data in extra:
            archive.addfile(info, io.BytesIO(data))
    return path


def test_requirements_and_backend_are_those_of_pyproject(tmp_path: Path) -> None:
    found = sdist.read(source(tmp_path, {"pyproject.toml": PYPROJECT}))

    assert ("thing", "1.0") == (found.name, found.version)
    assert ("flit_core>=3",) == found.requires
    assert "flit_core.buildapi" == found.backend


@pytest.mark.parametrize(
    "files",
    [
        {"setup.py": b"raise SystemExit"},
        {"setup.py": b"", "pyproject.toml": b"[tool.black]\n"},
    ],
)
def test_without_a_build_system_setuptools_legacy_backend_is_meant(
    tmp_path: Path, files: Mapping[str, bytes]
) -> None:
    archive = source(tmp_path, files)

    assert sdist.LEGACY_REQUIRES == sdist.build_requirements(archive)
    assert sdist.LEGACY == sdist.read(archive).backend


def test_a_zip_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "thing-1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing-1.0/pyproject.toml", PYPROJECT)
        archive.writestr("thing-1.0/thing.py", "x = 1\n")

    sdist.unpack(path, tmp_path / "out")

    assert ("flit_core>=3",) == sdist.read(path).requires
    assert "x = 1\n" == (tmp_path / "out" / "thing.py").read_text()


def test_a_hard_link_and_a_link_inside_are_kept(tmp_path: Path) -> None:
    hard = packages.member("thing-1.0/b.py", kind=tarfile.LNKTYPE, link="thing-1.0/setup.py")
    soft = packages.member("thing-1.0/d/c.py", kind=tarfile.SYMTYPE, link="../setup.py")

    sdist.unpack(source(tmp_path, {"setup.py": b"x"}, hard, soft), tmp_path / "out")

    assert b"x" == (tmp_path / "out" / "b.py").read_bytes()
    assert b"x" == (tmp_path / "out" / "d" / "c.py").read_bytes()


@pytest.mark.parametrize(
    "member",
    [
        packages.member("thing-1.0/../../evil", b"x"),
        packages.member("/etc/evil", b"x"),
        packages.member("other/evil", b"x"),
        packages.member("thing-1.0/out", kind=tarfile.SYMTYPE, link="../../etc"),
        packages.member("thing-1.0/out", kind=tarfile.SYMTYPE, link="/etc"),
        packages.member("thing-1.0/out", kind=tarfile.LNKTYPE, link="/etc/passwd"),
        packages.member("thing-1.0/null", kind=tarfile.CHRTYPE),
        packages.member("thing-1.0/pipe", kind=tarfile.FIFOTYPE),
        packages.member("thing-1.0/setup.py", b"twice"),
    ],
    ids=lambda m: m[0].name.replace("/", "_"),
)
def test_what_leads_outside_or_is_no_file_is_refused(tmp_path: Path, member) -> None:  # type: ignore[no-untyped-def]
    archive = source(tmp_path, {"setup.py": b""}, member)

    with pytest.raises(PackageRefused):
        sdist.unpack(archive, tmp_path / "out")

    assert not (tmp_path / "evil").exists()


def test_a_write_through_a_link_is_refused(tmp_path: Path) -> None:
    link = packages.member("thing-1.0/here", kind=tarfile.SYMTYPE, link="there")
    through = packages.member("thing-1.0/here/file", b"x")

    with pytest.raises(PackageRefused, match="through the link"):
        sdist.unpack(source(tmp_path, {"setup.py": b""}, link, through), tmp_path / "out")


def test_a_bomb_is_refused_before_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "LARGEST", 1 << 20)
    archive = source(tmp_path, {"setup.py": b"", "big": bytes(2 << 20)})

    with pytest.raises(PackageRefused):
        sdist.read(archive)


@pytest.mark.parametrize(
    "data", [b"", b"not gzip", gzip.compress(b"not tar" * 100)], ids=["empty", "text", "no tar"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(data)

    with pytest.raises(PackageRefused):
        sdist.read(path)


@pytest.mark.parametrize(
    ("pyproject", "said"),
    [
        (b"[build-system]\nbuild-backend = 'x'\n", "requires"),
        (b"[build-system]\nrequires = 'x'\n", "requires"),
        (b"[build-system]\nrequires = [1]\n", "requires"),
        (b"[build-system]\nrequires = ['a b c']\n", "a b c"),
        (b"[build-system]\nrequires = ['a @ https://example.org/a.whl']\n", "place"),
        (b"[build-system]\nrequires = []\nbackend-path = ['..']\n", "outside"),
        (b"[build-system]\nrequires = []\nbackend-path = ['/etc']\n", "outside"),
        (b"[build-system\n", "can't be read"),
        (b"\xff", "can't be read"),
        (b"build-system = 1\n", "requires"),
    ],
)
def test_a_broken_build_system_is_refused_and_named(
    tmp_path: Path, pyproject: bytes, said: str
) -> None:
    with pytest.raises(PackageRefused, match=said):
        sdist.read(source(tmp_path, {"pyproject.toml": pyproject}))


def test_a_source_of_neither_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match="neither"):
        sdist.read(source(tmp_path, {"README": b""}))


def test_a_pkg_info_of_another_version_is_refused(tmp_path: Path) -> None:
    info = b"Metadata-Version: 2.1\nName: thing\nVersion: 2.0\n"

    with pytest.raises(PackageRefused, match=r"thing 2\.0"):
        sdist.read(source(tmp_path, {"setup.py": b"", "PKG-INFO": info}))


def test_fields_that_are_not_dynamic_are_fixed(tmp_path: Path) -> None:
    info = (
        b"Metadata-Version: 2.2\nName: Thing\nVersion: 1.0.0\nDynamic: Requires-Python\n"
        b"Requires-Dist: B >= 2\nRequires-Dist: a\n"
    )

    found = sdist.read(source(tmp_path, {"setup.py": b"", "PKG-INFO": info}))

    assert (("Requires-Dist", ("a", "b>=2")),) == found.fixed


@pytest.mark.parametrize("name", ["thing.tar.gz", "thing-1.0.tar.bz2", "thing-x.tar.gz", ""])
def test_a_name_of_no_source_is_refused(name: str) -> None:
    with pytest.raises(PackageRefused):
        sdist.identity(name)
