"""What the store remembers of a registry, and forgets."""

from __future__ import annotations

from pathlib import Path

from harness.core.digest import of_bytes
from harness.world.registry_memory import MOST, Memory
from harness.world.store import Store

BLOB = of_bytes(b"blob")


def test_the_repository_seen_last_comes_first_and_few_are_kept(tmp_path: Path) -> None:
    memory = Memory(Store(tmp_path), "r.example")

    for n in range(MOST + 3):
        memory.seen(BLOB, f"r{n}")
    memory.seen(BLOB, "r5")

    assert "r5" == memory.repositories(BLOB)[0]
    assert MOST == len(memory.repositories(BLOB)) == len({*memory.repositories(BLOB)})


def test_one_registry_knows_nothing_of_another(tmp_path: Path) -> None:
    Memory(Store(tmp_path), "r.example").seen(BLOB, "a")

    assert () == Memory(Store(tmp_path), "other.example").repositories(BLOB)


def test_an_upload_that_is_done_is_forgotten_with_all_that_a_kill_left(tmp_path: Path) -> None:
    memory = Memory(Store(tmp_path), "r.example")
    memory.uploading("a", BLOB, "https://r.example/upload/1")
    (kept,) = (tmp_path / "d" / "upload").iterdir()
    kept.with_name(f".{kept.name}.x7").write_bytes(b"{")
    memory.uploading("b", BLOB, "https://r.example/upload/2")

    memory.uploaded("a", BLOB)

    assert "" == memory.upload("a", BLOB)
    assert "https://r.example/upload/2" == memory.upload("b", BLOB)
    assert 1 == len([*(tmp_path / "d" / "upload").iterdir()])
