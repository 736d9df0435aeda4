"""Two builds of a layer: the first file that differs, its byte, and what is likely to blame."""

from __future__ import annotations

import gzip
import io
import py_compile
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packages import member

from harness.image.difference import CAUSES, Difference, difference

Member = tuple[tarfile.TarInfo, bytes]


def layer(members: Iterable[Member], *, form: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out


def compared(one: Iterable[Member], other: Iterable[Member]) -> Difference:
    found = difference(layer(one), layer(other))
    assert found is not None
    return found


def content(path: str, one: bytes, other: bytes) -> Difference:
    """Return the difference of two layers that hold *path* between two other files."""
    around = [member("a", b"same"), member("z", b"same")]
    return compared(
        [around[0], member(path, one), around[1]], [around[0], member(path, other), around[1]]
    )


def zipped(moment: tuple[int, int, int, int, int, int]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("inner.txt", moment), b"the same content")
    return out.getvalue()


def compiled(
    folder: Path, source: str, *, shown: str, mode: py_compile.PycInvalidationMode
) -> bytes:
    path = folder / "module.py"
    path.write_text(source)
    made = py_compile.compile(
        str(path), cfile=str(folder / "out.pyc"), dfile=shown, invalidation_mode=mode
    )
    assert made is not None
    return Path(made).read_bytes()


def test_the_same_bytes_differ_in_nothing() -> None:
    members = [member("a", b"x" * 3000), member("b", b"")]

    assert difference(layer(members), layer(members)) is None


@pytest.mark.parametrize(
    ("one", "other", "cause"),
    [
        (b"built = '2026-11-24T10:00:00Z'\n", b"built = '2026-11-24T10:00:07Z'\n", "timestamp"),
        (b"Built on Nov 24 2026\n", b"Built on Nov 25 2026\n", "timestamp"),
        (b'{"time": 1764000000}', b'{"time": 1764000123}', "timestamp"),
        (b"#!/tmp/venv-x1/bin/python\n", b"#!/tmp/venv-y2/bin/python\n", "build-path"),
        (b"prefix=/home/ann/build/lib\n", b"prefix=/home/bob/build/lib\n", "build-path"),
        (b"alpha\nbeta\ngamma\n", b"beta\nalpha\ngamma\n", "order-in-file"),
        (b"names = {'a', 'b', 'c'}", b"names = {'c', 'a', 'b'}", "order-in-file"),
        (b"threshold = 0.5\n", b"threshold = 0.7\n", "edited"),
        (b"threshold = 0.5\n", b"threshold = 0.5\nmore = 1\n", "edited"),
    ],
)  # fmt: skip
def test_what_leaked_into_a_file_is_told_by_its_bytes(one: bytes, other: bytes, cause: str) -> None:
    found = content("usr/lib/thing.txt", one, other)

    assert ("usr/lib/thing.txt", cause) == (found.path, found.cause)


def test_the_byte_is_named_in_the_file_and_in_the_tar() -> None:
    one = layer([member("a", b"." * 700), member("b", b"hello world")])
    other = layer([member("a", b"." * 700), member("b", b"hello World")])

    found = difference(one, other)

    assert found is not None
    assert ("b", 6) == (found.path, found.offset)
    assert b"w" == one.getvalue()[found.at : found.at + 1]
    assert ("hello world", "hello World") == (found.before, found.after)


@pytest.mark.parametrize(
    ("change", "cause", "before", "after"),
    [
        ({"mode": 0o755}, "mode", "0o644", "0o755"),
        ({"mtime": 1_764_000_000}, "time", "0", "1764000000"),
        ({"uid": 1000}, "owner", "(0, 0, '', '')", "(1000, 0, '', '')"),
    ],
)
def test_an_entry_with_the_same_content_differs_in_its_header(
    change: dict[str, int], cause: str, before: str, after: str
) -> None:
    other = member("bin/run", b"#!")
    for name, value in change.items():
        setattr(other[0], name, value)

    found = compared([member("bin/run", b"#!")], [other])

    assert (cause, before, after) == (found.cause, found.before, found.after)
    assert found.offset is None


def test_a_link_that_leads_elsewhere_is_named() -> None:
    links = [member("bin", kind=tarfile.SYMTYPE, link=to) for to in ("usr/bin", "tmp/bin")]

    assert "link" == compared([links[0]], [links[1]]).cause


def test_a_file_that_became_a_folder_is_of_another_kind() -> None:
    assert "kind" == compared([member("x")], [member("x", kind=tarfile.DIRTYPE)]).cause


def test_files_on_one_side_only_are_named_by_the_side() -> None:
    both = [member("a", b"1"), member("c", b"3")]
    more = [both[0], member("b", b"2"), both[1]]

    assert ("b", "added") == (compared(more, both).path, compared(more, both).cause)
    assert ("b", "removed") == (compared(both, more).path, compared(both, more).cause)


def test_a_second_entry_of_one_name_is_found_since_it_would_win_when_unpacked() -> None:
    once = [member("run", b"good"), member("z")]

    found = compared([once[0], member("run", b"evil"), once[1]], once)

    assert ("run (again)", "added") == (found.path, found.cause)


def test_the_same_files_in_another_order_are_told_apart_from_other_files() -> None:
    a, b = member("a", b"1"), member("b", b"2")

    found = compared([a, b], [b, a])

    assert ("order", "a", "b") == (found.cause, found.before, found.after)


def test_the_same_files_by_another_tar_program_are_a_matter_of_form() -> None:
    members = [member("n" * 120, b"1")]

    found = difference(layer(members), layer(members, form=tarfile.GNU_FORMAT))

    assert found is not None
    assert "form" == found.cause


def test_the_time_in_a_gzip_header_and_in_a_zip_is_a_timestamp() -> None:
    assert "timestamp" == content("x.gz", *(gzip.compress(b"x", mtime=t) for t in (1, 2))).cause
    moments = ((2026, 1, 1, 0, 0, 0), (2026, 1, 1, 0, 0, 2))
    assert "timestamp" == content("x.zip", *(zipped(moment) for moment in moments)).cause


def test_bytecode_tells_a_time_a_build_folder_another_source_and_another_python(
    tmp_path: Path,
) -> None:
    hashed = py_compile.PycInvalidationMode.UNCHECKED_HASH
    timed = py_compile.PycInvalidationMode.TIMESTAMP
    source = "def f():\n    return 1\n"
    one = compiled(tmp_path, source, shown="/app/module.py", mode=hashed)
    path = compiled(tmp_path, source, shown="/tmp/build-7/module.py", mode=hashed)
    edited = compiled(tmp_path, source.replace("1", "2"), shown="/app/module.py", mode=hashed)
    stamped = compiled(tmp_path, source, shown="/app/module.py", mode=timed)
    older = b"\x00\x00" + one[2:]

    told = [content("m.pyc", one, o).cause for o in (path, edited, stamped, older)]

    assert ["build-path", "bytecode-of-source", "timestamp", "bytecode"] == told


def test_the_source_is_named_and_not_the_bytecode_or_the_record_that_follow_from_it(
    tmp_path: Path,
) -> None:
    hashed = py_compile.PycInvalidationMode.UNCHECKED_HASH
    sides = []
    for value in ("1", "2"):
        source = f"x = {value}\n"
        code = compiled(tmp_path, source, shown="/m.py", mode=hashed)
        sides.append(
            [
                member("a-1.dist-info/RECORD", b"m.py,sha256=" + value.encode()),
                member("m/__pycache__/m.pyc", code),
                member("m/m.py", source.encode()),
            ]
        )

    found = compared(*sides)

    assert ("m/m.py", "edited", 4, 2) == (found.path, found.cause, found.offset, found.others)


@given(st.binary(max_size=3000), st.binary(max_size=3000))
def test_any_two_contents_differ_at_the_first_byte_that_does(one: bytes, other: bytes) -> None:
    found = difference(layer([member("f", one)]), layer([member("f", other)]))

    if one == other:
        assert found is None
        return
    shared = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), None)  # noqa: B905
    assert found is not None
    assert found.offset == (min(len(one), len(other)) if shared is None else shared)
    assert found.cause in CAUSES
