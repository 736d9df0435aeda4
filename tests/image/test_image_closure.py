"""What the linker would miss: libraries, and versions of their symbols; and the linker's cache."""

from __future__ import annotations

import functools
import mmap
import platform
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.image import base, elf, ld_cache, validate
from harness.image.validate import Missing

TRIPLET = f"{platform.machine()}-linux-gnu"
HERE = Path("/usr/lib") / TRIPLET

needs_glibc = pytest.mark.skipif(
    not (HERE / "libc.so.6").exists() or not (HERE / "libm.so.6").exists(),
    reason="needs a machine with Debian's folders of libraries",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr/lib" / TRIPLET).mkdir(parents=True)
    return tmp_path


def place(root: Path, name: str, *, old: bytes = b"", new: bytes = b"", folder: str = "") -> Path:
    """Copy a library of this machine below *root*, with *old* bytes of it replaced."""
    target = root / (folder or f"usr/lib/{TRIPLET}") / name
    target.parent.mkdir(parents=True, exist_ok=True)
    data = (HERE / name).resolve().read_bytes()
    assert old in data
    target.write_bytes(data.replace(old, new) if old else data)
    return target


@needs_glibc
def test_an_object_names_the_versions_that_it_wants_and_defines(root: Path) -> None:
    libm = elf.parse(place(root, "libm.so.6").read_bytes())
    libc = elf.parse(place(root, "libc.so.6").read_bytes())

    assert libm is not None and libc is not None
    assert {"libc.so.6"} <= {library for library, _ in libm.wants}
    assert {version for _, version in libm.wants if version != "GLIBC_ABI_DT_RELR"} <= libc.defines
    assert libm.machine == libc.machine


@needs_glibc
def test_a_mapped_file_reads_like_its_bytes(root: Path) -> None:
    path = place(root, "libm.so.6")

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        mapped = elf.parse(data)

    assert elf.parse(path.read_bytes()) == mapped


@needs_glibc
def test_a_version_that_the_library_lacks_is_named(root: Path) -> None:
    place(root, "libc.so.6")
    found = elf.parse((HERE / "libm.so.6").resolve().read_bytes())
    assert found is not None
    wanted = next(v for library, v in found.wants if library == "libc.so.6")
    newer = "GLIBC_9".ljust(len(wanted), "9")
    place(root, "libm.so.6", old=wanted.encode() + b"\0", new=newer.encode() + b"\0")

    missing = validate.missing_libraries(root)

    library = f"usr/lib/{TRIPLET}/libm.so.6"
    assert Missing(library, "libc.so.6", newer) in missing


@needs_glibc
def test_a_version_is_looked_for_behind_a_link(root: Path) -> None:
    place(root, "libm.so.6")
    libc = place(root, "libc.so.6")
    libc.rename(libc.with_name("libc-real.so"))
    libc.symlink_to("libc-real.so")

    assert () == tuple(m for m in validate.missing_libraries(root) if m.library == "libc.so.6")


@needs_glibc
def test_an_object_for_another_machine_is_not_looked_at(root: Path) -> None:
    place(root, "libc.so.6")
    other = place(root, "libm.so.6", folder="usr/local/lib/python3.11/dist-packages/thing")
    data = bytearray(other.read_bytes())
    data[18:20] = (243).to_bytes(2, "little")  # EM_RISCV
    data = data.replace(b"libc.so.6\0", b"libx.so.6\0")
    other.write_bytes(data)

    assert () == validate.missing_libraries(root)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_object_are_none(data: bytes) -> None:
    assert elf.parse(b"\x7fELF\x02\x01" + data) is None


@needs_glibc
@given(st.integers(0, 2**32), st.binary(min_size=1, max_size=8))
def test_a_damaged_object_never_raises(at: int, data: bytes) -> None:
    whole = bytearray((HERE / "libm.so.6").resolve().read_bytes()[:20_000])
    at %= len(whole)
    whole[at : at + len(data)] = data

    elf.parse(bytes(whole))


def links(tree: Path, *names: str) -> Path:
    folder = tree / "usr/lib" / "x86_64-linux-gnu"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return tree


NAMES = ("libz.so.1", "libzbar.so.0", "libc.so.6", "libgomp.so.1", "libfoo-2.0.so.10")


@pytest.mark.requires_tool("ldconfig")
def test_ldconfig_reads_the_cache_that_we_write(tmp_path: Path) -> None:
    found = ld_cache.libraries([links(tmp_path / "tree", *NAMES)])
    (tmp_path / "cache").write_bytes(ld_cache.cache(found))

    told = subprocess.run(
        [shutil.which("ldconfig", path="/sbin:/usr/sbin"), "-p", "-C", tmp_path / "cache"],
        capture_output=True,
        text=True,
    ).stdout.splitlines()[1:]

    expected = {f"{n} => /usr/lib/x86_64-linux-gnu/{n}" for n in NAMES}
    assert expected == {
        f"{line.split()[0]} => {line.split()[-1]}" for line in told if line.startswith("\t")
    }


@given(st.lists(st.text("abz.-019", max_size=6), max_size=12))
def test_the_order_of_the_cache_is_total_and_the_same_for_any_order(names: list[str]) -> None:
    found = {f"lib{name}.so": f"/usr/lib/x86_64-linux-gnu/lib{name}.so" for name in names}
    backwards = dict(reversed(found.items()))
    order = sorted(found, key=functools.cmp_to_key(ld_cache.compare))

    assert all(ld_cache.compare(a, b) <= 0 for i, a in enumerate(order) for b in order[i + 1 :])
    if len({tuple(ld_cache._PARTS.findall(n)) for n in found}) == len(found):
        assert ld_cache.cache(found) == ld_cache.cache(backwards)


def test_numbers_are_ordered_by_value() -> None:
    assert ld_cache.compare("liba.so.10", "liba.so.9") > 0
    assert ld_cache.compare("liba.so.1", "liba.so") > 0
    assert ld_cache.compare("liba1.so", "liba-1.so") > 0


@pytest.mark.parametrize("program", [True, False])
def test_the_base_has_a_cache_where_there_is_something_to_read_it(
    tmp_path: Path, program: bool
) -> None:
    tree = links(tmp_path / "tree", *NAMES)
    if program:
        (tree / "usr/sbin").mkdir()
        (tree / "usr/sbin/ldconfig").write_bytes(b"")
    (tmp_path / "root").mkdir()

    base.generate(tmp_path / "root", [tree], "3.11")

    assert program == (tmp_path / "root/etc/ld.so.cache").is_file()


@pytest.mark.parametrize("table", [0x6FFFFFFE, 0x6FFFFFFC])
def test_tables_that_do_not_end_are_those_of_no_object(table: int) -> None:
    """The counts are the file's own: four thousand million entries, each the same."""
    dynamic = struct.pack("<qQqQqQqQ", 5, 300, table, 240, table + 1, 2**32 - 1, 0, 0)
    entry = struct.pack("<HHIII", 1, 0xFFFF, 0, 16, 0) + bytes(44)
    rest = (3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    start = b"\x7fELF\x02\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", *rest)
    segments = b"".join(
        struct.pack("<IIQQQQQQ", kind, 4, at, at, at, size, size, 8)
        for kind, at, size in ((1, 0, 400), (2, 176, 64))
    )

    assert elf.parse((start + segments + dynamic + entry).ljust(400, b"\0")) is None


def with_entries(entries: list[tuple[int, int]], strings: bytes) -> bytes:
    """Return an object whose dynamic section holds *entries*, and the address of *strings*."""
    at = 176 + 16 * (len(entries) + 1)
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in [(5, at), *entries])
    rest = (3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    start = b"\x7fELF\x02\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", *rest)
    segments = b"".join(
        struct.pack("<IIQQQQQQ", kind, 4, where, where, where, size, size, 8)
        for kind, where, size in ((1, 0, at + len(strings)), (2, 176, len(dynamic)))
    )
    return start + segments + dynamic + strings


def test_what_is_needed_after_more_entries_than_any_object_has_is_not_passed_over() -> None:
    few = elf.parse(with_entries([(1, 0), (0, 0)], b"libx.so\0"))
    many = elf.parse(with_entries([(21, 0)] * elf.MOST + [(1, 0), (0, 0)], b"libx.so\0"))

    assert few is not None
    assert ("libx.so",) == few.needed
    assert many is None


def test_names_that_are_longer_together_than_any_objects_are_those_of_none() -> None:
    long = b"x" * (1 << 16) + b"\0"
    times = elf.NAMES // len(long) + 2

    assert elf.parse(with_entries([(1, 0)] * 3 + [(0, 0)], long)) is not None
    assert elf.parse(with_entries([(1, 0)] * times + [(0, 0)], long)) is None
