"""A base image's interpreter runs with what lies in the image, and nothing of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_images import Made

from harness.content.interpreter import Interpreter
from harness.core.errors import BuildFailed
from harness.image import roots

PROGRAM = "usr/bin/python3.11"
ZLIB = "import zlib, sys; print(zlib.ZLIB_RUNTIME_VERSION, sys.prefix)"


@pytest.fixture
def root(bare: Made, tmp_path: Path) -> Path:
    """The root of a small image, to be changed."""
    made = roots.environment(bare.image, bare.store)
    shutil.copytree(made, tmp_path / "root", symlinks=True, copy_function=os.link)
    return tmp_path / "root"


def python(root: Path) -> Interpreter:
    return Interpreter(root, "3.11", PROGRAM)


def libz(root: Path) -> Path:
    (found,) = (path for path in root.glob("usr/lib/*-linux-gnu/libz.so.1.*"))
    return found


def without_libz(root: Path) -> None:
    """As of an image that lacks a library, which this machine may well have."""
    libz(root).unlink()


def linked_outside(root: Path) -> None:
    """A link that is right in the image, and on this machine leads to its own file."""
    path = libz(root)
    there = root.parent / "this machine's"
    there.mkdir()
    shutil.move(path, there / path.name)
    path.symlink_to(there / path.name)


def without_modules(root: Path) -> None:
    shutil.rmtree(root / "usr/lib/python3.11")


def test_what_an_image_has_is_enough_and_all_of_it_lies_in_its_root(root: Path) -> None:
    said = python(root).run(["-I", "-S", "-c", ZLIB])

    assert 0 == said.code, said.tail
    assert str(root / "usr") == said.stdout.decode().split()[1]


@pytest.mark.parametrize("change", [without_libz, linked_outside, without_modules])
def test_one_that_would_run_with_what_this_machine_has_is_refused(
    root: Path, change: Callable[[Path], None]
) -> None:
    change(root)

    with pytest.raises(BuildFailed, match="of the base image doesn't run") as refused:
        python(root).run(["-I", "-S", "-c", ZLIB])

    assert refused.value.hint


def test_a_library_where_only_the_images_own_configuration_leads_is_found(root: Path) -> None:
    """ldconfig(8): ``include`` takes a pattern, relative to the file's folder."""
    odd = root / "opt/odd/libraries"
    odd.mkdir(parents=True)
    for path in libz(root).parent.glob("libz.so*"):
        path.rename(odd / path.name)
    (root / "etc/ld.so.conf.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/ld.so.conf").unlink(missing_ok=True)
    (root / "etc/ld.so.conf").write_text("include ld.so.conf.d/*.conf\n")
    (root / "etc/ld.so.conf.d/odd.conf").write_text("# ours\n/opt/odd/libraries\n")

    said = python(root).run(["-I", "-S", "-c", ZLIB])

    assert 0 == said.code, said.tail
    assert str(odd) in " ".join(python(root).argv())


def test_configurations_that_include_each_other_come_to_an_end(root: Path) -> None:
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/ld.so.conf").unlink(missing_ok=True)
    (root / "etc/ld.so.conf").write_text("include /etc/ld.so.conf\n/usr/lib\n")

    assert 0 == python(root).run(["-I", "-S", "-c", ZLIB]).code


def test_no_folder_of_libraries_is_outside_of_the_root(root: Path, tmp_path: Path) -> None:
    """A link that starts at ``/`` means the image's, as it does in the image."""
    (tmp_path / "host/x86_64-linux-gnu").mkdir(parents=True)
    place = root / "usr/local/lib"
    if place.is_dir():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "host")

    argv = python(root).argv()
    folders = argv[argv.index("--library-path") + 1].split(":")

    assert folders
    assert all(os.path.realpath(one).startswith(f"{root}/") for one in folders), folders
    assert "--inhibit-cache" in argv
