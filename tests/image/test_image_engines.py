"""Other tools take the image as it is: Docker, Podman with and without root, buildah, skopeo and
umoci load it under its own digest and run its Python as its own user."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import daemons
import pytest

from harness.image import build, layout, pack
from harness.image.build import Built
from harness.image.pack import Packed
from harness.lock import pylock
from harness.lock.fetch import fetch
from harness.world import files
from harness.world.store import Store

REFERENCE = "python:1"
LOCK = Path(__file__).parents[2] / "envs" / "python" / "pylock.1.toml"
PYTHON = "/usr/bin/python3.11"
SAYS = "import os, sys, numpy; print(os.getuid(), numpy.arange(3).sum(), sys.flags.safe_path)"
SAID = ["65532", "3", "False"]
CONFINED = ("--rm", "--network", "none", "--read-only")


def run(*argv: str | Path) -> str:
    done = subprocess.run(
        argv, capture_output=True, text=True, env={**os.environ, "PATH": daemons.PATH}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def small(cache: Path) -> Built:
    """The smallest curated environment, built."""
    lock = pylock.loads(LOCK.read_text(encoding="utf-8"))
    store = Store(cache)
    with files.locked(cache / "locks" / "session"):
        fetch(lock, store)
    return build.environment(lock, store)


@pytest.fixture(scope="module")
def packed(small: Built, cache: Path) -> Packed:
    return pack.packed(small.image, Store(cache))


@pytest.fixture(scope="module")
def archive(packed: Packed, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "python.tar"
    layout.archive(packed, Store(cache), path, reference=REFERENCE)
    return path


@pytest.fixture(scope="module")
def oci(packed: Packed, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("layout") / "oci"
    layout.folder(packed, Store(cache), path, reference=REFERENCE)
    return path


@pytest.fixture(params=["docker", "podman", "rootless podman"])
def client(
    request: pytest.FixtureRequest,
    requires_tool: Callable[..., None],
    unavailable: Callable[[str], NoReturn],
) -> Iterator[tuple[str, ...]]:
    """The command line of a daemon's client."""
    if request.param == "docker":
        yield ("docker", "-H", f"unix://{request.getfixturevalue('docker_socket')}")
    elif request.param == "podman":
        yield ("podman", "--url", f"unix://{request.getfixturevalue('podman_socket')}")
    else:
        requires_tool("podman", "runc", "newuidmap")
        if (user := daemons.ordinary()) is None:
            unavailable("needs root, and an ordinary user with a range in /etc/subuid")
        with daemons.podman(user=user.pw_uid) as socket:
            yield ("podman", "--url", f"unix://{socket}")


def test_a_daemon_loads_the_image_under_the_same_id_and_runs_it(
    client: tuple[str, ...], archive: Path, small: Built
) -> None:
    run(*client, "load", "--input", archive)

    identity = run(*client, "image", "inspect", "--format", "{{.Id}}", REFERENCE).strip()
    said = run(*client, "run", *CONFINED, REFERENCE, PYTHON, "-c", SAYS)
    assert small.image.config == f"sha256:{identity.removeprefix('sha256:')}"
    assert said.split() == SAID


@pytest.mark.requires_tool("buildah", "runc")
def test_buildah_takes_the_image_under_the_same_id_and_runs_it(
    oci: Path, small: Built, tmp_path: Path
) -> None:
    buildah = ("buildah", "--root", tmp_path / "root", "--runroot", tmp_path / "run")
    try:
        name = run(*buildah, "from", "--quiet", f"oci:{oci}:1").strip()

        seen = json.loads(run(*buildah, "inspect", "--type", "container", name))
        said = run(
            *buildah, "run", "--isolation", "chroot", name, "--",
            PYTHON, "-c", SAYS,
        )  # fmt: skip
    finally:
        run(*buildah, "rm", "--all")
        run(*buildah, "rmi", "--all", "--force")
    assert f"sha256:{seen['FromImageID']}" == small.image.config
    assert said.split() == SAID


@pytest.mark.requires_tool("umoci")
def test_umoci_unpacks_the_image_and_its_python_runs(oci: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change its root folder")
    run("umoci", "unpack", "--image", f"{oci}:1", tmp_path / "bundle")

    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    user = config["process"]["user"]
    said = run(
        "chroot", f"--userspec={user['uid']}:{user['gid']}", tmp_path / "bundle" / "rootfs",
        PYTHON, "-c", SAYS,
    )  # fmt: skip
    assert said.split() == SAID


@pytest.mark.requires_tool("skopeo")
def test_skopeo_reads_the_layout_under_the_same_digest(oci: Path, packed: Packed) -> None:
    seen = json.loads(run("skopeo", "inspect", f"oci:{oci}:1"))

    assert seen["Digest"] == packed.digest
    assert seen["Layers"] == [blob.digest for blob in packed.blobs]


@pytest.mark.requires_tool("skopeo")
@pytest.mark.parametrize("form", ["oci", "docker-archive"])
def test_skopeo_copies_every_blob_and_finds_none_wrong(
    oci: Path, archive: Path, packed: Packed, tmp_path: Path, form: str
) -> None:
    """Skopeo checks each blob against its digest, and each layer against the config's diff_id."""
    source = f"oci:{oci}:1" if form == "oci" else f"docker-archive:{archive}"

    run("skopeo", "--insecure-policy", "copy", source, f"dir:{tmp_path}/copy")

    copied = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    assert copied["config"]["digest"] == packed.image.config
