"""What the rooms' tests share: a store that outlives the session, and the curated environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    """The tests' own cache folder: kept between sessions, empty in a fresh clone."""
    assert pytestconfig.cache is not None
    return Path(pytestconfig.cache.mkdir("harness"))


@pytest.fixture(scope="session")
def tabular_lock_file() -> Path:
    return ROOT / "envs" / "tabular" / "pylock.1.toml"


@pytest.fixture(scope="session")
def tabular_lock(tabular_lock_file: Path):  # type: ignore[no-untyped-def]
    from harness.lock import pylock

    return pylock.loads(tabular_lock_file.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def fetched(cache: Path, tabular_lock):  # type: ignore[no-untyped-def]
    """A store that has every file of the curated environment, from this machine's registries."""
    from harness.lock.fetch import fetch
    from harness.world import files
    from harness.world.store import Store

    store = Store(cache)
    with files.locked(cache / "locks" / "session"):
        fetch(tabular_lock, store)
    return store


@pytest.fixture(scope="session")
def bare(fetched, tabular_lock, tmp_path_factory):  # type: ignore[no-untyped-def]
    """A small part of it, built in a store of its own."""
    import small_images

    lock = small_images.lock(tabular_lock)
    store = small_images.store(fetched, tmp_path_factory.mktemp("bare") / "s", lock)
    return small_images.environment(lock, store)


@pytest.fixture(scope="session")
def tabular(fetched, tabular_lock):  # type: ignore[no-untyped-def]
    """The curated environment, built."""
    from harness.image import build

    return build.environment(tabular_lock, fetched)


@pytest.fixture(scope="session")
def docker_socket(requires_tool, unavailable) -> Iterator[Path]:  # type: ignore[no-untyped-def]
    """The socket of a Docker daemon of the session's own."""
    import daemons

    requires_tool("docker", "dockerd")
    if os.getuid() != 0:
        unavailable("a Docker daemon of the session's own needs root")
    with daemons.docker() as socket:
        yield socket


@pytest.fixture(scope="session")
def podman_socket(requires_tool) -> Iterator[Path]:  # type: ignore[no-untyped-def]
    """The socket of a Podman service of the session's own."""
    import daemons

    requires_tool("podman", "runc")
    with daemons.podman() as socket:
        yield socket
