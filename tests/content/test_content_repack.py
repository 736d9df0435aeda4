"""One content, one wheel: order, times, modes and compression can't be seen."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import packages
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.content import wheel as wheels
from harness.content.repack import differences, repack
from harness.content.sdist import Sdist
from harness.core.errors import PackageRefused

NAME = "thing-1.0-py3-none-any.whl"
FOLDER = "/tmp/harness-build"
THING = Sdist(name="thing", version="1.0", requires=(), backend="b")


def again(wheel: Path, *, filename: str = NAME, sdist: Sdist = THING) -> Path:
    target = wheel.with_suffix(".again")
    repack(wheel, target, filename=filename, sdist=sdist, folder=FOLDER)
    return target


@settings(max_examples=40)
@given(
    order=st.permutations(range(5)),
    year=st.integers(1980, 2107),
    mode=st.sampled_from([0o644, 0o600, 0o664, 0o666, 0]),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_order_times_modes_and_compression_can_not_be_seen(
    order: list[int], year: int, mode: int, method: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        plain = packages.wheel(Path(name), files={"thing/é.py": b"x = 1\n"})
        other = Path(name) / "other.whl"
        with zipfile.ZipFile(plain) as one, zipfile.ZipFile(other, "w", method) as two:
            infos = one.infolist()
            for info in [infos[index] for index in order]:
                header = zipfile.ZipInfo(info.filename, (year, 1, 2, 3, 4, 6))
                header.external_attr = mode << 16
                header.compress_type = method
                two.writestr(header, one.read(info))

        assert again(plain).read_bytes() == again(other).read_bytes()


def test_the_result_is_a_wheel_that_unpacks_and_repacks_to_itself(tmp_path: Path) -> None:
    made = again(packages.wheel(tmp_path, entry_points="[console_scripts]\nt = thing:main\n"))

    wheels.unpack(made, "thing", "3.11", tmp_path / "tree")

    assert (tmp_path / "tree/usr/local/bin/t").is_file()
    assert made.read_bytes() == again(made).read_bytes()


def test_an_executable_stays_one(tmp_path: Path) -> None:
    plain = packages.wheel(tmp_path)
    with zipfile.ZipFile(plain, "a") as archive:
        header = zipfile.ZipInfo("thing/run")
        header.external_attr = 0o100711 << 16
        archive.writestr(header, b"#!/bin/sh\n")

    with zipfile.ZipFile(again(plain)) as made:
        modes = {info.filename: info.external_attr >> 16 for info in made.infolist()}

    assert 0o100755 == modes["thing/run"]
    assert 0o100644 == modes["thing/__init__.py"]


@pytest.mark.parametrize(
    ("file", "data", "said"),
    [
        ("thing/__pycache__/a.cpython-311.pyc", b"", "bytecode"),
        ("/etc/passwd", b"", "outside"),
        ("thing/../../x", b"", "outside"),
        ("other-1.0.dist-info/METADATA", b"", "no other"),
        ("thing/where.py", b"place = '/tmp/harness-build/source'", "folder of its build"),
    ],
)
def test_what_no_wheel_of_ours_holds_is_refused_by_name(
    tmp_path: Path, file: str, data: bytes, said: str
) -> None:
    with pytest.raises(PackageRefused, match=said):
        again(packages.wheel(tmp_path, files={file: data}))


def test_a_link_is_refused(tmp_path: Path) -> None:
    plain = packages.wheel(tmp_path)
    with zipfile.ZipFile(plain, "a") as archive:
        header = zipfile.ZipInfo("thing/link")
        header.create_system = 3
        header.external_attr = 0o120777 << 16
        archive.writestr(header, b"/etc/passwd")

    with pytest.raises(PackageRefused, match="link"):
        again(plain)


@pytest.mark.parametrize(
    ("name", "version"), [("other", "1.0"), ("thing", "2.0"), ("thing", "1.0.post1")]
)
def test_a_wheel_of_another_package_or_version_is_refused(
    tmp_path: Path, name: str, version: str
) -> None:
    wheel = packages.wheel(tmp_path, name, version)

    with pytest.raises(PackageRefused, match="another package or version"):
        again(wheel, filename=wheel.name)


def test_metadata_of_another_version_than_the_name_is_refused(tmp_path: Path) -> None:
    wheel = packages.wheel(tmp_path, version="1.0.0")
    two = Sdist(name="thing", version="1.0", requires=(), backend="b")
    # METADATA says 1.0.0, which is 1.0; so does the name: not refused.
    assert again(wheel, filename=wheel.name, sdist=two).is_file()

    info = "thing-1.0.dist-info"
    changed = tmp_path / "changed.whl"
    with (
        zipfile.ZipFile(packages.wheel(tmp_path)) as one,
        zipfile.ZipFile(changed, "w") as other,
    ):
        for member in one.infolist():
            data = one.read(member).replace(b"Version: 1.0\n", b"Version: 3.0\n")
            other.writestr(member.filename, data)

    with pytest.raises(PackageRefused, match=r"METADATA says thing 3\.0"):
        again(changed)
    assert any(info in name for name in differences(packages.wheel(tmp_path), changed))


def test_metadata_that_contradicts_the_source_is_refused(tmp_path: Path) -> None:
    fixed = Sdist(
        name="thing",
        version="1.0",
        requires=(),
        backend="b",
        fixed=(("Requires-Dist", ("a>=1",)),),
    )

    with pytest.raises(PackageRefused, match="Requires-Dist"):
        again(packages.wheel(tmp_path), sdist=fixed)


def test_tags_that_the_wheel_does_not_say_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match="other tags"):
        again(packages.wheel(tmp_path), filename="thing-1.0-cp311-cp311-linux_x86_64.whl")


@pytest.mark.parametrize("filename", ["thing.whl", "thing-1.0.zip", "thing-1.0-py3-none.whl"])
def test_a_name_of_no_wheel_is_refused(tmp_path: Path, filename: str) -> None:
    with pytest.raises(PackageRefused):
        again(packages.wheel(tmp_path), filename=filename)


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"no zip")

    with pytest.raises(PackageRefused, match="not a wheel"):
        again(tmp_path / "x.whl")
