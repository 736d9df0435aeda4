"""The store: whole or not at all, whoever dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.digest import of_bytes
from harness.core.errors import HashMismatch, StoreDamaged
from harness.world.store import Store


@given(st.binary(max_size=1000))
def test_what_was_added_is_read_back_by_its_digest(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))

    digest = store.add(data)

    assert digest == of_bytes(data)
    assert store.read(digest) == data


def test_a_flipped_bit_is_found_and_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = store.add(b"hello")
    store.path(digest).write_bytes(b"hellp")

    for read in (store.read, store.whole):
        with pytest.raises(StoreDamaged, match=store.path(digest).name) as said:
            read(digest)
        assert "harness store check --repair" in said.value.hint


def test_what_is_added_mends_what_the_disk_made_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = store.add(b"hello")
    store.path(digest).write_bytes(b"hellp")

    assert digest == store.add(b"hello")
    assert b"hello" == store.read(digest)


def test_a_stream_with_other_bytes_than_expected_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    with pytest.raises(HashMismatch, match=r"thing\.whl"):
        store.add_stream(iter([b"a", b"b"]), expected=of_bytes(b"other"), name="thing.whl")

    assert not store.has(of_bytes(b"ab"))
    assert list((tmp_path / "run").iterdir()) == []


def test_a_tree_that_fails_halfway_is_no_tree(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fill(root: Path) -> None:
        (root / "half").write_text("x")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        store.tree("key", fill)

    assert not (tmp_path / "t" / "key").exists()


def test_a_tree_is_made_once(tmp_path: Path) -> None:
    store, made = Store(tmp_path), []

    for _ in range(2):
        store.tree("key", lambda root: made.append(root))

    assert len(made) == 1


def test_what_a_killed_process_left_is_reaped_and_what_a_living_one_uses_is_not(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    script = (
        "import sys, signal\n"
        "from pathlib import Path\n"
        "from harness.world.store import Store\n"
        "with Store(Path(sys.argv[1])).scratch() as folder:\n"
        "    (folder / 'big').write_text('x')\n"
        "    print(folder, flush=True)\n"
        "    signal.pause()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())

    with store.scratch() as mine:
        assert store.reap() == 0
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert store.reap() == 1
        assert mine.is_dir()
    child.stdout.close()

    assert not folder.exists()
