"""A base image is pulled as every image is: streamed, going on where it was cut, asked for once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import companies
import pytest
from packages import member
from registries import registry
from registry_images import corrupt, image
from registry_proxy import Fault, proxy

from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.core.errors import LockedFileGone, PackageRefused, PlatformMissing, SpecInvalid
from harness.image import base_pull, reference, remote
from harness.lock import base_image
from harness.world.registry import Registry
from harness.world.store import Store

pytest.importorskip("httpx2", reason="httpx2 is not installed")
real = pytest.mark.requires_tool("docker-registry")


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, Digest]:
    tar = companies.tarred([member("etc/motd", b"hello\n")])
    return tmp_path / "l", companies.small(tmp_path / "l", tar)


@real
def test_a_cut_layer_goes_on_where_it_broke_and_is_asked_for_once(
    host: str, store: Store, tmp_path: Path
) -> None:
    source = Store(tmp_path / "source")
    data = image(source, 1, sizes=(3_000_000, 20))
    with Registry(host) as door:
        remote.push(source.add(data), reference.parse(f"{host}/base:1"), source, door=door)
    layer = json.loads(data)["layers"][0]["digest"]
    cut = Fault(what="cut answer", method="GET", part=f"/blobs/{layer}", at=2_000_000)
    told: list[str] = []

    with proxy(host, cut) as (near, line):
        name = f"{near}/base:1@{of_bytes(data)}"
        for _ in range(2):
            found = base_pull.pull(name, "amd64", store, folder=tmp_path, progress=told.append)

    assert of_bytes(data) == found.manifest
    ranges = [asked for _, _, asked, _ in line.of("GET", f"/blobs/{layer}")]
    assert "" == ranges[0] and ["bytes=2000000-"] == ranges[1:]
    assert base_image.here(found.manifest, store) and not corrupt(store)
    assert "pulling the base image, 3 of 3 MB" == told[-1]


def test_what_is_in_the_store_needs_no_source(small: tuple[Path, Digest], store: Store) -> None:
    where, digest = small
    listed = {
        "mediaType": companies.MANIFEST,
        "digest": digest,
        "size": 1,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    index = json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode()
    names = [f"oci:l@{digest}", f"oci:l@{companies.put(where, index)}"]
    for name in names:
        base_pull.pull(name, "amd64", store, folder=where.parent)
    index_in_store = store.has(of_bytes(index))
    shutil.rmtree(where / "blobs")

    again = [base_pull.pull(n, "amd64", store, folder=where.parent).manifest for n in names]

    assert index_in_store and [digest, digest] == again
    with pytest.raises(PlatformMissing, match="is an image for linux/amd64, and linux/arm64"):
        base_pull.pull(names[0], "arm64", store, folder=where.parent)


def test_a_layout_that_lacks_it_says_what_it_has(small: tuple[Path, Digest], store: Store) -> None:
    where, digest = small
    with pytest.raises(LockedFileGone) as gone:
        base_pull.pull(f"oci:l@sha256:{'0' * 64}", "amd64", store, folder=where.parent)
    with pytest.raises(SpecInvalid) as unpinned:
        base_pull.pull("oci:l", "amd64", store, folder=where.parent)
    with pytest.raises(LockedFileGone):
        base_pull.pull(f"oci:m@{digest}", "amd64", store, folder=where.parent)

    assert f"the image is {digest} there" == gone.value.hint
    assert f'base = {{ image = "oci:l@{digest}" }}' == unpinned.value.hint


@pytest.mark.parametrize(
    "listed",
    [
        [None],
        None,
        [{"platform": {"os": "linux", "architecture": "amd64"}}],
        [{"digest": "sha256:../../x", "size": 1}],
        "no list",
    ],
)
def test_an_index_of_nothing_that_is_named_is_an_error(
    small: tuple[Path, Digest], store: Store, listed: object
) -> None:
    where, _ = small
    digest = companies.put(where, json.dumps({"schemaVersion": 2, "manifests": listed}).encode())

    with pytest.raises((PackageRefused, PlatformMissing)):
        base_pull.pull(f"oci:l@{digest}", "amd64", store, folder=where.parent)


def test_what_is_no_image_is_not_taken_for_one_that_is_here(
    small: tuple[Path, Digest], store: Store
) -> None:
    where, digest = small
    manifest = json.loads((where / "blobs/sha256" / hexadecimal(digest)).read_bytes())
    for document in ([], {"manifests": []}, {**manifest, "layers": [{"digest": "sha256:../x"}]}):
        kept = store.add(json.dumps(document).encode())

        assert not base_image.here(kept, store)
        with pytest.raises(PackageRefused):
            base_image.read(kept, store)
