"""Images to and from registries: not a byte changes, and nothing is moved that need not be."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import registry_kills
from registries import registry
from registry_images import DOCKER, OCI, corrupt, image, index
from registry_proxy import Fault, proxy

from harness.core.digest import Digest, of_bytes
from harness.core.errors import (
    HashMismatch,
    ImageInvalid,
    ImageMissing,
    NetworkUnavailable,
    PlatformMissing,
    RegistryRefused,
    StoreDamaged,
)
from harness.image import manifest, reference, remote
from harness.image.gather import Gathered
from harness.world.registry import MANIFEST, Registry
from harness.world.store import Store

pytest.importorskip("httpx2", reason="httpx2 is not installed")
pytestmark = pytest.mark.requires_tool("docker-registry")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """Another machine's store."""
    return Store(tmp_path / "other")


def push(place: str, data: bytes, store: Store) -> remote.Pushed:
    named = reference.parse(place)
    with Registry(named.host, pause=lambda _: None) as door:
        return remote.push(store.add(data), named, store, door=door)


def pull(place: str, store: Store, architecture: str = "amd64") -> Gathered:
    named = reference.parse(place)
    with Registry(named.host, pause=lambda _: None) as door:
        return remote.pull(named, store, door=door, architecture=architecture)


@pytest.mark.parametrize("kinds", [OCI, DOCKER], ids=["oci", "docker"])
def test_an_image_arrives_elsewhere_byte_for_byte(
    host: str, store: Store, other: Store, kinds: dict[str, str]
) -> None:
    data = image(store, seed=1, kinds=kinds)
    pushed = push(f"{host}/whole:1", data, store)

    found = pull(f"{host}/whole:1", other)

    assert of_bytes(data) == pushed.digest == found.digest
    assert data == other.read(found.digest)
    assert all(other.whole(one.digest) for one in found.parts.all)
    with Registry(host) as door:
        assert kinds["manifest"] == door.manifest("whole", "1").media_type


@pytest.mark.requires_tool("skopeo")
@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_skopeo_sees_the_digest_that_we_pushed_and_we_that_which_it_pushed(
    host: str, store: Store, other: Store, form: str
) -> None:
    ours, theirs = f"{host}/both/ours:{form}", f"{host}/both/theirs:{form}"
    pushed = push(ours, image(store, seed=21, sizes=(50_000,)), store)
    skopeo = ["skopeo", "--insecure-policy"]
    copy = [*skopeo, "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
    inspect = [*skopeo, "inspect", "--tls-verify=false", "--format", "{{.Digest}}"]

    subprocess.run([*copy, "--format", form, f"docker://{ours}", f"docker://{theirs}"], check=True)
    seen = [
        subprocess.check_output([*inspect, f"docker://{one}"], text=True).strip()
        for one in (ours, theirs)
    ]

    assert [pushed.digest, pull(theirs, other).digest] == seen


def test_a_second_push_sends_nothing_and_a_changed_image_only_what_changed(
    host: str, store: Store
) -> None:
    first = json.loads(image(store, seed=2, sizes=(90_000, 1_000)))
    second = json.loads(image(store, seed=3, sizes=(1_000,)))
    changed = {**second, "layers": [first["layers"][0], second["layers"][0]]}

    sent = [
        dict(push(f"{host}/some:{tag}", json.dumps(document).encode(), store).bytes)["sent"]
        for tag, document in (("1", first), ("1", first), ("2", changed))
    ]

    assert sent[0] > 91_000
    assert 0 == sent[1]
    assert 1_000 < sent[2] < 2_000


def test_an_image_in_another_repository_is_mounted(host: str, store: Store) -> None:
    data = image(store, seed=4)
    push(f"{host}/team/a:1", data, store)

    pushed = push(f"{host}/team/b:1", data, store)

    assert {"sent": 0, "there": 0, "mounted": 3} == dict(pushed.blobs)


def test_what_was_pulled_from_one_repository_is_mounted_into_the_next(
    host: str, store: Store, other: Store
) -> None:
    """A base image that was pulled is not sent again with the images on it."""
    push(f"{host}/bases/one:1", image(store, seed=5), store)
    found = pull(f"{host}/bases/one:1", other)

    pushed = push(f"{host}/models/on-one:1", other.read(found.digest), other)

    assert {"sent": 0, "there": 0, "mounted": 3} == dict(pushed.blobs)


@pytest.mark.parametrize("kinds", [OCI, DOCKER], ids=["oci", "docker"])
def test_of_several_platforms_the_wanted_one_is_pulled(
    host: str, store: Store, other: Store, kinds: dict[str, str]
) -> None:
    images = {
        "linux/arm64/v8": image(store, 6, architecture="arm64", kinds=kinds),
        "unknown/unknown": image(store, 7, architecture="amd64", kinds=kinds),
        "windows/amd64": image(store, 8, architecture="amd64", kinds=kinds),
        "linux/amd64": image(store, 9, architecture="amd64", kinds=kinds),
    }
    for n, data in enumerate(images.values()):
        push_any_platform(host, "many", f"part{n}", data, store)
    listed = index(images, kinds)
    with Registry(host) as door:
        door.push_manifest("many", "1", listed, media_type=kinds["index"])

    amd, arm = (pull(f"{host}/many:1", other, one) for one in ("amd64", "arm64"))

    assert of_bytes(images["linux/amd64"]) == amd.digest
    assert of_bytes(images["linux/arm64/v8"]) == arm.digest
    assert of_bytes(listed) == amd.index == arm.index
    with pytest.raises(PlatformMissing, match=r"for linux/s390x; it has: linux/amd64, linux"):
        pull(f"{host}/many:1", other, "s390x")


def push_any_platform(host: str, repository: str, tag: str, data: bytes, store: Store) -> None:
    with Registry(host) as door:
        for one in manifest.parts(data, tag).all:
            door.push_blob(repository, store.read(one.digest))
        kind = json.loads(data)["mediaType"]
        door.push_manifest(repository, tag, data, media_type=kind)


def test_an_image_for_another_platform_is_refused_before_its_layers_are_pulled(
    host: str, store: Store, other: Store
) -> None:
    data = image(store, seed=10, architecture="arm64")
    push(f"{host}/arm:1", data, store)

    with pytest.raises(PlatformMissing, match="is an image for linux/arm64, and linux/amd64"):
        pull(f"{host}/arm:1", other)

    assert 1 == len(list((other.root / "blobs" / "sha256").iterdir()))


def test_what_is_named_by_digest_and_is_here_costs_no_request(
    host: str, store: Store, other: Store
) -> None:
    data = image(store, seed=11)
    push(f"{host}/pinned:1", data, store)
    with proxy(host) as (line_host, line):
        pinned = f"{line_host}/pinned@{of_bytes(data)}"
        first = pull(pinned, other)
        asked = len(line.asked)

        again = pull(pinned, other)

    assert first == again
    assert 4 == asked == len(line.asked)


def test_a_digest_names_its_bytes_and_no_others(host: str, store: Store, other: Store) -> None:
    data = image(store, seed=12)
    push(f"{host}/flipped:1", data, store)
    fault = Fault(what="flip answer", method="GET", part="/manifests/", at=40)
    with proxy(host, fault) as (line_host, _), pytest.raises(HashMismatch, match=of_bytes(data)):
        pull(f"{line_host}/flipped@{of_bytes(data)}", other)


@pytest.mark.parametrize("damaged", ["manifest", "config", "layer"])
def test_what_is_damaged_here_is_pulled_again(
    host: str, store: Store, other: Store, damaged: str
) -> None:
    data = image(store, seed=13)
    push(f"{host}/healed:1", data, store)
    found = pull(f"{host}/healed:1", other)
    digest = {
        "manifest": found.digest,
        "config": found.parts.config.digest,
        "layer": found.parts.layers[0].digest,
    }[damaged]
    other.path(digest).write_bytes(b"damaged")

    pull(f"{host}/healed@{of_bytes(data)}", other)

    assert not corrupt(other)


def test_what_is_damaged_here_is_never_pushed(host: str, store: Store) -> None:
    data = image(store, seed=14)
    layer = manifest.parts(data, "it").layers[0].digest
    store.path(layer).write_bytes(b"damaged")

    with pytest.raises(StoreDamaged, match=layer.removeprefix("sha256:")):
        push(f"{host}/damaged:1", data, store)

    with Registry(host) as door:
        assert door.has_manifest("damaged", "1") is None


def test_a_tag_that_is_not_there_is_told_with_those_that_are(host: str, store: Store) -> None:
    data = image(store, seed=15)
    for tag in ("1.9", "1.10", "stable"):
        push(f"{host}/tags:{tag}", data, store)

    with pytest.raises(ImageMissing, match=r"has no stabel; its tags are 1\.10, 1\.9, st") as near:
        pull(f"{host}/tags:stabel", store)
    with pytest.raises(ImageMissing, match="no repository tagz"):
        pull(f"{host}/tagz:1", store)

    assert f'did you mean "{host}/tags:stable"?' == near.value.hint


def test_a_layer_that_the_registry_lost_is_told(host: str, store: Store, other: Store) -> None:
    data = image(store, seed=16)
    push(f"{host}/lost:1", data, store)
    gone = manifest.parts(data, "it").layers[0].digest
    with Registry(host) as door:
        door.delete_blob("lost", gone)

    with pytest.raises(ImageMissing, match=f"not whole: .*{gone}"):
        pull(f"{host}/lost:1", other)


def test_a_push_that_fails_leaves_no_image_and_the_next_goes_on(host: str, store: Store) -> None:
    data = image(store, seed=17)
    fault = Fault(what="answer", method="PUT", part="blobs", status=500, times=99, skip=1)
    with proxy(host, fault) as (line_host, line):
        with pytest.raises(NetworkUnavailable, match="500"):
            push(f"{line_host}/cut:1", data, store)
        with Registry(host) as door:
            assert door.has_manifest("cut", "1") is None
        line.faults.clear()

        pushed = push(f"{line_host}/cut:1", data, store)

    assert dict(pushed.blobs)["there"] >= 1
    with Registry(host) as door:
        assert of_bytes(data) == door.has_manifest("cut", "1")


def test_a_registry_that_makes_no_repositories_is_told(host: str, store: Store) -> None:
    refusing = Fault(what="answer", method="POST", status=404, times=9)
    with (
        proxy(host, refusing) as (line_host, _),
        pytest.raises(RegistryRefused, match="can't be pushed") as refused,
    ):
        push(f"{line_host}/unmade:1", image(store, seed=20), store)

    assert f"{line_host}/unmade to be created" in refused.value.hint


def test_progress_ends_with_all_the_bytes(host: str, store: Store, other: Store) -> None:
    data = image(store, seed=18)
    total = sum(one.size for one in manifest.parts(data, "it").all)
    told: list[tuple[int, int]] = []
    named = reference.parse(f"{host}/told:1")

    def tell(done: int, of: int) -> None:
        told.append((done, of))

    with Registry(host) as door:
        remote.push(store.add(data), named, store, door=door, progress=tell)
        pushed = told.copy()
        told.clear()
        remote.pull(named, other, door=door, architecture="amd64", progress=tell)

    assert (total, total) == pushed[-1] == told[-1]
    assert sorted(pushed) == pushed and sorted(told) == told


HEX = "ab" * 32


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "no JSON object"),
        ({"schemaVersion": 1, "fsLayers": []}, "no image's manifest"),
        ({"schemaVersion": 2, "config": {"size": 1}}, "descriptor without digest"),
        (
            {"schemaVersion": 2, "config": {"digest": "sha256:../../../x", "size": 1}},
            "only sha256|names something by digest",
        ),
        (
            {"schemaVersion": 2, "config": {"digest": f"sha256:{HEX}", "size": -1}},
            "size -1",
        ),
        (
            {
                "schemaVersion": 2,
                "artifactType": "application/vnd.example",
                "config": {
                    "digest": f"sha256:{HEX}",
                    "size": 2,
                    "mediaType": "application/vnd.oci.empty.v1+json",
                },
            },
            r"no image, it is of the kind application/vnd\.example",
        ),
        (
            {
                "schemaVersion": 2,
                "config": {
                    "digest": f"sha256:{HEX}",
                    "size": 2,
                    "mediaType": manifest.CONFIGS[0],
                },
                "layers": [
                    {
                        "digest": f"sha256:{HEX}",
                        "size": 3,
                        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                    }
                ],
            },
            "registries do not hold",
        ),
    ],
)
def test_what_is_no_image_is_refused(document: object, told: str) -> None:
    with pytest.raises(ImageInvalid, match=told):
        manifest.parts(json.dumps(document).encode(), "r.example/a:1")


def test_a_manifest_without_media_type_is_known_by_its_form(store: Store) -> None:
    document = json.loads(image(store, seed=19))
    del document["mediaType"]

    assert MANIFEST == manifest.parts(json.dumps(document).encode(), "it").media_type


def test_kill_9_at_random_moments_leaves_nothing_wrong(host: str, tmp_path: Path) -> None:
    """Four pushes and four pulls; benchmarks/image/registry_kills.py does as many as one likes."""
    sizes = registry_kills.FEW
    duration = registry_kills.measured(host, tmp_path, sizes)
    first = int.from_bytes(os.urandom(3), "big")

    trials = [
        registry_kills.trial(host, tmp_path, first + n, duration=duration / 2, sizes=sizes)
        for n in range(4)
    ]

    assert any(one.push_killed for one in trials), f"seed {first}"


def test_a_reference_has_a_digest_of_the_type_that_it_says() -> None:
    named = reference.parse(f"r.example/a@sha256:{HEX}")

    assert Digest(f"sha256:{HEX}") == named.digest == named.name
