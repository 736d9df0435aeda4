"""Other tools take the image as it is: a real Docker daemon loads and runs it, skopeo reads it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.image import layout, pack
from harness.image.build import Built
from harness.world.store import Store

REFERENCE = "tabular:1"
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])


def run(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PATH": PATH})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tabular: Built, fetched: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "tabular.tar"
    layout.archive(pack.packed(tabular.image, fetched), fetched, path, reference=REFERENCE)
    return path


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """A daemon of this session's own, on a private socket; gone afterwards."""
    if os.getuid() != 0:
        pytest.skip("a Docker daemon needs root")
    folder = tmp_path_factory.mktemp("docker")
    socket = f"unix://{folder}/s"
    log = (folder / "log").open("wb")
    daemon = subprocess.Popen(
        [
            "dockerd",
            "--data-root",
            folder / "data",
            "--exec-root",
            folder / "exec",
            "-H",
            socket,
            "-p",
            folder / "pid",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": PATH},
    )
    client = ("docker", "-H", socket)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([*client, "version"], capture_output=True).returncode:
            said = (folder / "log").read_text()[-3000:]
            assert daemon.poll() is None, f"the daemon ended: {said}"
            assert time.monotonic() < deadline, f"the daemon does not answer: {said}"
        yield client
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(120)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.requires_tool("docker", "dockerd")
def test_docker_loads_the_image_under_the_same_id_and_runs_it(
    docker: tuple[str, ...], archive: Path, tabular: Built
) -> None:
    run(*docker, "load", "--input", archive)

    identity = run(*docker, "image", "inspect", "--format", "{{.Id}}", REFERENCE).strip()
    imported = run(
        *docker, "run", "--rm", "--network", "none", "--read-only", REFERENCE,
        "/usr/bin/python3.11", "-c", "import os, sklearn; print(os.getuid(), sklearn.__name__)",
    )  # fmt: skip
    assert identity == tabular.image.config
    assert imported.split() == ["65532", "sklearn"]


@pytest.mark.requires_tool("skopeo")
def test_skopeo_reads_the_layout_under_the_same_digest(
    tabular: Built, fetched: Store, tmp_path: Path
) -> None:
    packed = pack.packed(tabular.image, fetched)
    layout.folder(packed, fetched, tmp_path / "oci", reference=REFERENCE)

    seen = json.loads(run("skopeo", "inspect", f"oci:{tmp_path}/oci:1"))

    assert seen["Digest"] == packed.digest
    assert seen["Layers"] == [blob.digest for blob in packed.blobs]


@pytest.mark.requires_tool("skopeo")
def test_skopeo_copies_every_blob_and_finds_none_wrong(
    tabular: Built, fetched: Store, tmp_path: Path
) -> None:
    """Skopeo checks each blob against its digest, and each layer against the config's diff_id."""
    packed = pack.packed(tabular.image, fetched)
    layout.folder(packed, fetched, tmp_path / "oci", reference=REFERENCE)

    run("skopeo", "--insecure-policy", "copy", f"oci:{tmp_path}/oci:1", f"dir:{tmp_path}/copy")

    copied = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    assert copied["config"]["digest"] == tabular.image.config
