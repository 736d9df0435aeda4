"""Trees merge into one root, or say who is in whose way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.content.tree import Writer
from harness.content.union import lay_out, merge
from harness.core.errors import PackageConflict
from harness.image import tar

NAMES = st.lists(st.sampled_from("abcdé"), min_size=1, max_size=3).map("/".join)


def written(root: Path, files: dict[str, bytes]) -> Path:
    root.mkdir(parents=True)
    writer = Writer(root, root.name)
    for path, data in files.items():
        writer.file(path, data)
    return root


def test_two_packages_with_one_path_and_the_same_bytes_share_it(tmp_path: Path) -> None:
    one = written(tmp_path / "one", {"ns/__init__.py": b""})
    two = written(tmp_path / "two", {"ns/__init__.py": b"", "ns/b.py": b"b"})

    merged = merge({"one": one, "two": two})

    assert sorted(merged) == ["ns", "ns/__init__.py", "ns/b.py"]


def test_two_packages_with_one_path_and_other_bytes_are_a_conflict_that_names_both(
    tmp_path: Path,
) -> None:
    one = written(tmp_path / "one", {"tests/__init__.py": b"1"})
    two = written(tmp_path / "two", {"tests/__init__.py": b"2"})

    with pytest.raises(PackageConflict, match=r"one and two both write /tests/__init__\.py"):
        merge({"one": one, "two": two})


def test_a_planted_root_shares_its_files_with_the_trees(tmp_path: Path) -> None:
    one = written(tmp_path / "one", {"a/b": b"x"})
    root = tmp_path / "root"
    root.mkdir()

    lay_out({"one": one}, root)

    assert (root / "a/b").stat().st_ino == (one / "a/b").stat().st_ino


@given(st.dictionaries(NAMES, st.binary(max_size=600), max_size=5), st.randoms())
def test_same_tree_gives_same_bytes_in_whatever_order_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], random: object
) -> None:
    files = {p: d for p, d in files.items() if not any(q.startswith(p + "/") for q in files)}
    shuffled = list(files.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    base = tmp_path_factory.mktemp("trees")

    one = merge({"t": written(base / "one", files)})
    two = merge({"t": written(base / "two", dict(shuffled))})

    assert b"".join(tar.stream(one)) == b"".join(tar.stream(two))
