"""Which Debian package has a library: the suite's own index of files says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_fakes import ARCHITECTURE, STRANGER, Archive, served

from harness.core.errors import ResolutionFailed, SignatureInvalid
from harness.lock import deb_contents, debian
from harness.lock.deb_contents import Holder
from harness.world.store import Store

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LIB = "usr/lib/x86_64-linux-gnu"
LINES = (
    f"{LIB}/libgomp.so.1                     libs/libgomp1",
    "usr/lib32/libgomp.so.1                  libs/lib32gomp1",
    f"{LIB}/libzbar.so                        libdevel/libzbar-dev",
    f"{LIB}/libzbar.so.0                      libs/libzbar0",
    f"{LIB}/libzbar.so.0.3.0                  libs/libzbar0",
    f"{LIB}/libavcodec.so.59                  libs/libavcodec-extra59,libs/libavcodec59",
    f"{LIB}/blas/libblas.so.3                 libs/libblas3",
    "lib/x86_64-linux-gnu/libffi.so.8        libs/libffi8",
    f"{LIB}/libMagickWand-6.Q16.so.6          libs/libmagickwand-6.q16-6",
    f"{LIB}/libMagickWand-6.Q16HDRI.so.6      libs/libmagickwand-6.q16hdri-6",
    "usr/share/doc/a file with blanks.so     doc/papers",
)


def search(*libraries: str) -> dict[str, Holder]:
    return deb_contents.search(LINES, libraries, architecture="amd64")


def test_a_library_has_the_package_that_puts_it_where_the_linker_looks() -> None:
    found = search("libgomp.so.1", "libffi.so.8")

    assert {
        "libgomp.so.1": Holder(library="libgomp.so.1", package="libgomp1"),
        "libffi.so.8": Holder(library="libffi.so.8", package="libffi8"),
    } == found


def test_of_two_packages_with_a_library_the_plain_one_is_taken() -> None:
    assert "libavcodec59" == search("libavcodec.so.59")["libavcodec.so.59"].package


def test_a_name_without_a_version_finds_the_soname_and_no_development_package() -> None:
    found = search("libzbar.so")["libzbar.so"]

    assert Holder(library="libzbar.so.0", package="libzbar0") == found


@pytest.mark.parametrize("spelled", ["libmagickwand.so", "libMagickWand.so"])
def test_a_library_of_a_series_is_found_by_its_plain_name(spelled: str) -> None:
    found = search(spelled)[spelled]

    assert ("libMagickWand-6.Q16.so.6", "libmagickwand-6.q16-6") == (found.library, found.package)


def test_another_version_of_a_library_is_told_as_that() -> None:
    found = search("libffi.so.7")["libffi.so.7"]

    assert Holder(library="libffi.so.8", package="libffi8") == found


@pytest.mark.parametrize("library", ["libcuda.so.1", "libblas.so.3", "papers", ".so", "lib.so.x"])
def test_what_no_searched_folder_has_has_no_package(library: str) -> None:
    assert "" == search(library)[library].package


@given(st.lists(st.text(max_size=80), max_size=20), st.lists(st.text(max_size=20), max_size=5))
def test_any_text_is_read_and_every_library_is_answered(
    lines: list[str], libraries: list[str]
) -> None:
    found = deb_contents.search([*lines, *LINES], libraries, architecture="amd64")

    assert set(libraries) == set(found)


def holders(archive: Archive, store: Store, source: debian.Debian | None = None):  # type: ignore[no-untyped-def]
    return deb_contents.holders(
        ["libgomp.so.1"],
        suite="bookworm",
        architecture=ARCHITECTURE,
        source=source or archive.source,
        store=store,
        now=NOW,
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    triplet = deb_contents.TRIPLETS[ARCHITECTURE]
    made.contents.append(f"usr/lib/{triplet}/libgomp.so.1    libs/libgomp1")
    return made


def test_the_index_is_fetched_once_for_its_digest(archive: Archive, tmp_path: Path) -> None:
    archive.publish()
    store = Store(tmp_path / "store")
    with served(archive.folder) as server:
        source = debian.Debian(
            mirror=server.address, keyring=archive.keyring, connection=archive.source.connection
        )
        found = [holders(archive, store, source)["libgomp.so.1"].package for _ in range(2)]

    assert ["libgomp1", "libgomp1"] == found
    assert 1 == sum("/by-hash/" in path for path in server.asked)


def test_an_index_of_files_that_was_changed_is_refused(archive: Archive, tmp_path: Path) -> None:
    archive.publish()
    for path in archive.folder.glob("dists/bookworm/main/by-hash/SHA256/*"):
        path.write_bytes(b"libgomp1? no: evil")

    with pytest.raises(SignatureInvalid, match="is not the file"):
        holders(archive, Store(tmp_path / "store"))


def test_an_index_of_files_signed_by_a_stranger_is_refused(
    archive: Archive, tmp_path: Path
) -> None:
    archive.publish(key=STRANGER)

    with pytest.raises(SignatureInvalid, match="doesn't hold"):
        holders(archive, Store(tmp_path / "store"))


def test_a_suite_without_an_index_of_files_is_told(tmp_path: Path) -> None:
    bare = Archive(tmp_path / "archive")
    bare.add("app")
    bare.publish()

    with pytest.raises(ResolutionFailed, match="no index of files"):
        holders(bare, Store(tmp_path / "store"))
