"""What maintainer scripts say of alternatives is read, never run, and linked."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from packages import deb, member

from harness.content import alternatives
from harness.content import deb as room
from harness.content.alternatives import Alternative, offered
from harness.image import base

LIBS = "usr/lib/x86_64-linux-gnu"
BLAS = f"""#!/bin/sh
set -e
case "$1" in
  configure)
    update-alternatives --install /{LIBS}/libblas.so.3 \\
        libblas.so.3-x86_64-linux-gnu \\
        /{LIBS}/{{}}/libblas.so.3 {{}}
  ;;
esac
"""


def package(folder: Path, name: str, variant: str, priority: int) -> Path:
    """Return the tree of a package that brings a BLAS in a folder of its own."""
    tree = folder / name
    tree.mkdir()
    members = [member(f"./{LIBS}/{variant}/libblas.so.3", name.encode())]
    script = BLAS.format(variant, priority).encode()
    room.unpack(deb(folder / f"{name}.deb", members, name, about={"postinst": script}), name, tree)
    return tree


def based(folder: Path, *trees: Path) -> Path:
    root = folder / "base"
    root.mkdir()
    base.generate(root, trees, "3.11")
    return root


def test_the_highest_priority_gets_the_path(tmp_path: Path) -> None:
    plain = package(tmp_path, "libblas3", "blas", 10)
    fast = package(tmp_path, "libopenblas0", "openblas", 100)

    root = based(tmp_path, plain, fast)

    assert "openblas/libblas.so.3" == os.readlink(root / LIBS / "libblas.so.3")


def test_equal_priorities_are_told_apart_by_name_in_whatever_order_they_come(
    tmp_path: Path,
) -> None:
    one, two = package(tmp_path, "one", "a", 10), package(tmp_path, "two", "b", 10)

    assert alternatives.chosen([one, two]) == alternatives.chosen([two, one])
    assert f"{LIBS}/a/libblas.so.3" == alternatives.chosen([two, one])[f"{LIBS}/libblas.so.3"]


def test_a_path_that_a_package_brings_itself_stays(tmp_path: Path) -> None:
    offering = package(tmp_path, "libblas3", "blas", 10)
    (tmp_path / "own" / LIBS).mkdir(parents=True)
    (tmp_path / "own" / LIBS / "libblas.so.3").write_bytes(b"own")

    assert {} == alternatives.chosen([offering, tmp_path / "own"])


def test_a_linked_library_is_in_the_cache_of_the_linker(tmp_path: Path) -> None:
    tree = package(tmp_path, "libblas3", "blas", 10)
    (tree / "usr/sbin").mkdir()
    (tree / "usr/sbin/ldconfig").write_bytes(b"")

    cache = (based(tmp_path, tree) / "etc/ld.so.cache").read_bytes()

    assert (1,) == struct.unpack_from("<I", cache, 20)
    assert f"/{LIBS}/libblas.so.3\0".encode() in cache


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("update-alternatives --install /usr/bin/cc cc /usr/bin/gcc 20", ["usr/bin/cc"]),
        ("update-alternatives --install /usr/bin/cc cc $(which gcc) 20", []),
        ("# update-alternatives --install /usr/bin/cc cc /usr/bin/gcc 20", []),
        ("update-alternatives --remove cc /usr/bin/gcc", []),
        ("update-alternatives --install /usr/../etc/x x /usr/bin/x 20", []),
        ('update-alternatives --install "/usr/bin/cc cc /usr/bin/gcc 20', []),
        ("update-alternatives --install /usr/bin/cc cc /usr/bin/gcc", []),
        (
            "update-alternatives --install /usr/bin/a a /x/a 5 --slave /usr/bin/b b /x/b",
            ["usr/bin/a", "usr/bin/b"],
        ),
        (
            "tools='java keytool'\nhome=/usr/lib/jvm\nfor i in $tools; do\n"
            "  update-alternatives --install /usr/bin/$i $i $home/bin/$i 1711\ndone",
            ["usr/bin/java", "usr/bin/keytool"],
        ),
        (
            "home=/a\nhome=/b\nupdate-alternatives --install /usr/bin/x x $home/x 5",
            [],
        ),
    ],
)
def test_what_a_script_says_literally_is_read(script: str, expected: list[str]) -> None:
    assert expected == [one.link for one in offered(script)]


def test_a_priority_may_be_negative() -> None:
    (one,) = offered("update-alternatives --install /usr/bin/a a /x/a -5")

    assert Alternative("usr/bin/a", -5, "x/a") == one


def test_a_path_outside_usr_is_moved_as_the_packages_are(tmp_path: Path) -> None:
    script = b"update-alternatives --install /lib/cpp cpp /bin/cpp 10\n"
    archive = deb(tmp_path / "a.deb", [member("./bin/cpp", b"x")], about={"postinst": script})
    (tmp_path / "tree").mkdir()
    room.unpack(archive, "cpp", tmp_path / "tree")

    assert {"usr/lib/cpp": "usr/bin/cpp"} == alternatives.chosen([tmp_path / "tree"])
