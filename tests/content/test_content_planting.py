"""Trees laid out in one folder: what is merged is what lies there, here or by another process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.content import planting
from harness.content.tree import Writer, nodes
from harness.content.union import lay_out, merge, plant
from harness.core.errors import PackageConflict

KINDS = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=3), st.booleans()),
    st.tuples(st.just("link"), st.sampled_from(["a", "b/c"])),
    st.tuples(st.just("folder")),
)
TREES = st.lists(
    st.dictionaries(
        st.lists(st.sampled_from("abé"), min_size=1, max_size=3).map("/".join), KINDS, max_size=5
    ),
    min_size=1,
    max_size=3,
)


def written(root: Path, tree: dict[str, tuple[object, ...]]) -> Path:
    """Write the part of *tree* in which nothing lies below a file or a link."""
    root.mkdir(parents=True)
    writer = Writer(root, root.name)
    solid = [path for path, (kind, *_) in tree.items() if kind != "folder"]
    for path, (kind, *facts) in tree.items():
        if any(path.startswith(f"{one}/") for one in solid):
            continue
        if kind == "folder":
            writer.folder(path)
        elif kind == "link":
            writer.link(path, str(facts[0]))
        else:
            writer.file(path, bytes(facts[0]), executable=bool(facts[1]))  # type: ignore[call-overload]
    return root


def listing(root: Path) -> list[tuple[str, str, str, int]]:
    """Return every path below *root* with its kind, where a link leads, and a file's inode."""
    return sorted(
        (one.path, one.kind, one.target, os.lstat(one.source).st_ino * (one.kind == "file"))
        for one in nodes(root)
    )


def planted(root: Path, *trees: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the script for *trees*."""
    root.mkdir()
    said = b"".join(os.fsencode(tree) + b"\0" for tree in (*trees, ""))
    argv = [sys.executable, "-I", "-S", planting.__file__, str(root)]
    return subprocess.run(argv, input=said, capture_output=True)


@given(TREES)
def test_what_lies_there_is_what_is_merged_or_both_refuse(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[dict[str, tuple[object, ...]]]
) -> None:
    base = tmp_path_factory.mktemp("trees")
    trees = {f"p{n}": written(base / f"p{n}", tree) for n, tree in enumerate(drawn)}
    (base / "merged").mkdir()
    (base / "laid").mkdir()

    try:
        merged = merge(trees)
    except PackageConflict:
        with pytest.raises(PackageConflict, match=r"p\d and p\d both write /"):
            lay_out(trees, base / "laid")
        return
    plant(merged, base / "merged")
    lay_out(trees, base / "laid")

    assert listing(base / "merged") == listing(base / "laid")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("file", b"1", False), ("file", b"2", False)),
        (("file", b"1", False), ("file", b"1", True)),
        (("file", b"1", False), ("folder",)),
        (("file", b"", False), ("link", "a")),
        (("link", "a"), ("link", "b")),
        (("link", "a"), ("folder",)),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_whoever_comes_first_it_is_a_clash_that_names_both(
    tmp_path: Path, one: tuple[object, ...], other: tuple[object, ...], turned: bool
) -> None:
    if turned:
        one, other = other, one
    trees = {
        name: written(tmp_path / name, {"x/é": what}) for name, what in (("z", one), ("a", other))
    }

    done = planted(tmp_path / "root", *trees.values())

    assert (planting.CLASH, b"", b"") == (done.returncode, done.stdout, done.stderr)
    (tmp_path / "here").mkdir()
    with pytest.raises(PackageConflict, match="a and z both write /x/é"):
        lay_out(trees, tmp_path / "here")


def test_it_lays_out_what_its_stdin_names(tmp_path: Path) -> None:
    one = written(tmp_path / "one", {"a/b": ("file", b"x", True), "c": ("link", "a")})
    two = written(tmp_path / "two", {"a/b": ("file", b"x", True), "d": ("folder",)})

    done = planted(tmp_path / "root", one, two)

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
    assert ["a", "a/b", "c", "d"] == [path for path, *_ in listing(tmp_path / "root")]
    assert (tmp_path / "root/a/b").samefile(one / "a/b")


def test_an_error_of_the_disk_is_said_with_its_path(tmp_path: Path) -> None:
    done = planted(tmp_path / "root", tmp_path / "gone")

    assert planting.ERROR == done.returncode
    assert f"{errno.ENOENT} {tmp_path / 'gone'}" == os.fsdecode(done.stdout)


def test_an_empty_word_is_the_end_also_where_stdin_stays_open(tmp_path: Path) -> None:
    """As it does where a program that builds has forked."""
    (tmp_path / "root").mkdir()
    read, write = os.pipe()
    argv = [sys.executable, "-I", "-S", planting.__file__, str(tmp_path / "root")]
    with subprocess.Popen(argv, stdin=read) as process:
        os.write(write, b"\0")
        assert 0 == process.wait(60)
    os.close(read)
    os.close(write)
