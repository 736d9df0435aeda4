"""The distribution specification's conformance cases, as far as a client can be held to them.

Pull, push, content discovery and content management (specification 1.1, "Workflow Categories"),
against Debian's docker-registry and against a registry that takes every clause at its word.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from registries import USERS, certificate, registry
from registry_proxy import Fault, proxy
from registry_strict import Content, strict

from harness.core.digest import Digest, of_bytes
from harness.core.errors import (
    AccessRefused,
    HashMismatch,
    NetworkUnavailable,
    RegistryRefused,
    StoreDamaged,
)
from harness.world import registry_blobs, registry_referrers
from harness.world.http import NotFound
from harness.world.registry import INDEX, MANIFEST, Registry
from harness.world.registry_auth import scope
from harness.world.registry_blobs import Blob
from harness.world.registry_login import Login
from harness.world.store import Store
from harness.world.transfer import Meter

pytest.importorskip("httpx2", reason="httpx2 is not installed")
REAL = pytest.mark.requires_tool("docker-registry")
NOWHERE = Digest("sha256:" + "0" * 64)
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = b"{}"
BIG = os.urandom(300_000)
CHUNK = 100_000


@dataclass(frozen=True)
class Subject:
    """A registry under test, and the session with it."""

    kind: str
    host: str
    door: Registry
    content: Content | None = None

    def blob(self, repository: str, data: bytes, tmp: Path, **options: int) -> str:
        """Push *data* as a file; how it came there."""
        store = Store(tmp / "store")
        blob = Blob(digest=store.add(data), size=len(data))
        return registry_blobs.push(self.door, repository, blob, store, Meter(blob.size), **options)

    def image(self, repository: str, tag: str, **more: object) -> Digest:
        """Push a small image."""
        self.door.push_blob(repository, EMPTY)
        return self.door.push_manifest(repository, tag, manifest(**more))


def manifest(**more: object) -> bytes:
    config = {"mediaType": CONFIG, "digest": of_bytes(EMPTY), "size": len(EMPTY)}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    return json.dumps({**document, **more}, indent=1).encode()


def descriptor(digest: Digest, data: bytes) -> dict[str, object]:
    return {"mediaType": MANIFEST, "digest": digest, "size": len(data)}


@pytest.fixture(scope="module", params=[pytest.param("docker-registry", marks=REAL), "strict"])
def at(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("registry")
        patch.setenv("DOCKER_CONFIG", str(folder / "docker"))
        if request.param == "strict":
            with strict() as (host, content), Registry(host) as door:
                yield Subject("strict", host, door, content)
            return
        # the real one as companies run it: TLS by an authority of its own, and a login
        made = certificate(folder / "tls")
        patch.setenv("SSL_CERT_FILE", str(made.authority))
        (folder / "users").write_text(USERS)
        who = Login(name="user", password="secret")
        with (
            registry(folder / "r", htpasswd=folder / "users", tls=made) as host,
            Registry(host, login=who) as door,
        ):
            yield Subject("docker-registry", host, door)


# Pull


def test_a_blob_that_is_not_there_is_not_found(at: Subject) -> None:
    assert not at.door.has_blob("pull", NOWHERE)
    with pytest.raises(NotFound):
        at.door.blob("pull", NOWHERE)


def test_a_blob_that_is_there_is_found_and_comes_back(at: Subject) -> None:
    digest = at.door.push_blob("pull", b"hello")

    assert at.door.has_blob("pull", digest)
    assert b"hello" == at.door.blob("pull", digest)


def test_a_manifest_that_is_not_there_is_not_found(at: Subject) -> None:
    assert at.door.has_manifest("pull", ".INVALID_MANIFEST_NAME") is None
    for reference in (".INVALID_MANIFEST_NAME", NOWHERE):
        with pytest.raises((NotFound, RegistryRefused)):
            at.door.manifest("pull", reference)


def test_a_manifest_is_found_by_tag_and_by_digest(at: Subject) -> None:
    digest = at.image("pull", "1")

    assert digest == at.door.has_manifest("pull", "1") == at.door.has_manifest("pull", digest)
    by_tag, by_digest = at.door.manifest("pull", "1"), at.door.manifest("pull", digest)
    assert by_tag == by_digest
    assert (manifest(), MANIFEST) == (by_tag.data, by_tag.media_type)


def test_a_range_of_a_blob_is_all_that_is_asked_for(at: Subject, tmp_path: Path) -> None:
    digest = at.door.push_blob("pull", BIG)
    store = Store(tmp_path)
    left = tmp_path / "partial" / digest.removeprefix("sha256:")
    left.parent.mkdir(parents=True)
    left.write_bytes(BIG[:-7])
    counted: list[int] = []

    blob, who = Blob(digest=digest, size=len(BIG)), Meter(len(BIG))
    with at.door.opened(
        "GET", f"pull/blobs/{digest}", scope("pull", "pull"), headers={"Range": "bytes=5-"}
    ) as got:
        counted += [got.status_code, sum(len(c) for c in at.door.chunks(got, len(BIG)))]
    registry_blobs.pull(at.door, "pull", blob, store, who)

    assert [206, len(BIG) - 5] == counted
    assert BIG == store.read(digest)


# Push


@pytest.mark.parametrize(
    ("name", "chunk"), [("monolithic", 1 << 20), ("chunked", CHUNK), ("by-the-byte", 299_999)]
)
def test_a_blob_is_pushed(at: Subject, tmp_path: Path, name: str, chunk: int) -> None:
    data = name.encode() + BIG

    assert "sent" == at.blob(f"push/{name}", data, tmp_path, chunk=chunk)

    assert data == at.door.blob(f"push/{name}", of_bytes(data))


def test_an_empty_blob_is_pushed(at: Subject, tmp_path: Path) -> None:
    assert "sent" == at.blob("push/empty", b"", tmp_path)
    assert b"" == at.door.blob("push/empty", of_bytes(b""))


def test_a_chunk_out_of_order_is_never_taken_for_its_neighbour(at: Subject) -> None:
    """Section "Pushing a blob in chunks": out of order is 416. docker-registry 2.8 takes it, and
    only tells how much it has; a client has to look."""
    who = scope("push", "pull,push")
    begun = at.door.ask("POST", "push/blobs/uploads/", who)
    ranged = {"Content-Range": "5-9", "Content-Length": "5"}
    got = at.door.ask(
        "PATCH", str(begun.location), who, headers=ranged, content=b"later", accept=(416,)
    )

    if at.kind == "strict":
        assert 416 == got.status
    else:
        assert "0-4" == got.headers["Range"] != "0-9"


def test_an_upload_tells_how_far_it_is(at: Subject) -> None:
    who = scope("push", "pull,push")
    begun = at.door.ask("POST", "push/blobs/uploads/", who)
    ranged = {"Content-Range": "0-4", "Content-Length": "5"}
    sent = at.door.ask("PATCH", str(begun.location), who, headers=ranged, content=b"begin")

    told = at.door.ask("GET", str(sent.location), who)

    assert (204, "0-4") == (told.status, told.headers["Range"])


def test_an_upload_is_gone_on_with_by_another_process(at: Subject, tmp_path: Path) -> None:
    """What a killed push leaves is the address of its upload; the chunks before it aren't sent."""
    data, who = b"resumed" + BIG, scope("push/resumed", "pull,push")
    begun = at.door.ask("POST", "push/resumed/blobs/uploads/", who)
    ranged = {"Content-Range": f"0-{CHUNK - 1}", "Content-Length": str(CHUNK)}
    sent = at.door.ask("PATCH", str(begun.location), who, headers=ranged, content=data[:CHUNK])
    store = Store(tmp_path / "store")
    memory = registry_blobs.Memory(store, at.host)
    memory.uploading("push/resumed", of_bytes(data), str(sent.location))

    assert "sent" == at.blob("push/resumed", data, tmp_path, chunk=CHUNK)

    assert data == at.door.blob("push/resumed", of_bytes(data))
    if at.content:
        started = [path for way, path in at.content.asked if "resumed/blobs/uploads/" in path]
        assert 1 == sum(path.endswith("uploads/") for path in started)


def test_a_chunk_that_broke_is_gone_on_with_where_it_broke(tmp_path: Path) -> None:
    """A registry that keeps what arrived (docker-registry doesn't) is sent only the rest."""
    data = b"broken" + BIG
    fault = Fault(what="break request", method="PATCH", at=33_000, skip=1)
    with (
        strict() as (other, content),
        proxy(other, fault) as (host, line),
        Registry(host, pause=lambda _: None) as door,
    ):
        Subject("strict", host, door).blob("push/broken", data, tmp_path, chunk=CHUNK)

    assert data == content.blobs["push/broken", of_bytes(data)]
    starts = [int(ranged.partition("-")[0]) for *_, ranged, _ in line.of("PATCH")]
    assert [0, CHUNK, CHUNK + 33_000, 2 * CHUNK + 33_000] == starts


def test_a_blob_is_mounted_from_another_repository(at: Subject, tmp_path: Path) -> None:
    data = b"mounted" + BIG
    ways = [at.blob(to, data, tmp_path) for to in ("mount/a", "mount/b")]

    assert ["sent", "mounted"] == ways
    assert data == at.door.blob("mount/b", of_bytes(data))


def test_a_mount_of_what_is_gone_is_an_upload(at: Subject, tmp_path: Path) -> None:
    data = b"gone" + BIG
    at.blob("mount/a", data, tmp_path)
    at.door.delete_blob("mount/a", of_bytes(data))

    assert "sent" == at.blob("mount/c", data, tmp_path)
    assert data == at.door.blob("mount/c", of_bytes(data))


def test_bytes_that_are_not_those_of_the_digest_are_never_pushed(
    at: Subject, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    digest = store.add(b"right")
    store.path(digest).write_bytes(b"wrong")
    blob = Blob(digest=digest, size=5)

    with pytest.raises(StoreDamaged):
        registry_blobs.push(at.door, "push", blob, store, Meter(blob.size))

    assert not at.door.has_blob("push", digest)


def test_a_manifest_is_pushed_by_tag_and_by_digest(at: Subject) -> None:
    at.door.push_blob("push", EMPTY)
    data = manifest(annotations={"by": "digest"})

    at.door.put_manifest("push", of_bytes(data), data, media_type=MANIFEST)
    at.door.put_manifest("push", "tagged", data, media_type=MANIFEST)

    assert data == at.door.manifest("push", of_bytes(data)).data
    assert data == at.door.manifest("push", "tagged").data


def test_a_manifest_whose_blobs_are_not_there_is_refused(at: Subject) -> None:
    gone = {"mediaType": "text/plain", "digest": NOWHERE, "size": 3}

    with pytest.raises((NotFound, RegistryRefused)):
        at.door.push_manifest("push", "hollow", manifest(layers=[gone]))


def test_an_index_comes_back_as_an_index(at: Subject) -> None:
    inner = at.image("push", "inner")
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(inner, manifest())]}
    data = json.dumps(index).encode()

    at.door.push_manifest("push", "many", data, media_type=INDEX)

    assert (data, INDEX) == (lambda got: (got.data, got.media_type))(
        at.door.manifest("push", "many")
    )


# Content discovery


def test_tags_come_in_pages_of_any_size_and_after_any_tag(at: Subject) -> None:
    tags = [f"test{n}" for n in range(6)]
    for tag in tags:
        at.image("discovery", tag)

    assert tuple(tags) == at.door.tags("discovery")
    assert tuple(tags) == at.door.tags("discovery", page=2)
    assert ("test4", "test5") == at.door.tags("discovery", last="test3", page=1)
    with pytest.raises(NotFound):
        at.door.tags("discovery/none")


def referring(at: Subject, repository: str, subject: Digest, kind: str, **said: str) -> Digest:
    at.door.push_blob(repository, EMPTY)
    about = descriptor(subject, manifest())
    data = manifest(artifactType=kind, subject=about, annotations=said)
    return registry_referrers.push(at.door, repository, data)


def test_nothing_refers_to_what_nothing_was_attached_to(at: Subject) -> None:
    assert () == registry_referrers.find(at.door, "referrers", NOWHERE)


def test_referrers_are_listed_with_type_and_annotations(at: Subject) -> None:
    subject = at.image("referrers", "1")
    one = referring(at, "referrers", subject, "application/vnd.one", by="one")
    two = referring(at, "referrers", subject, "application/vnd.two", by="two")
    referring(at, "referrers", subject, "application/vnd.two", by="two")  # the same again

    found = registry_referrers.find(at.door, "referrers", subject)

    told = {(x.digest, x.artifact_type, x.annotations, x.media_type) for x in found}
    assert {
        (one, "application/vnd.one", (("by", "one"),), MANIFEST),
        (two, "application/vnd.two", (("by", "two"),), MANIFEST),
    } == told
    assert 2 == len(found)


@pytest.mark.parametrize("filters", [True, False])
def test_referrers_are_filtered_by_their_type(at: Subject, filters: bool) -> None:
    """OCI-Filters-Applied is missing where the registry leaves it to the client."""
    if at.content:
        at.content.filters = filters
    subject = at.image("filtered", "1")
    referring(at, "filtered", subject, "application/vnd.one")
    wanted = referring(at, "filtered", subject, "application/vnd.two")

    found = registry_referrers.find(
        at.door, "filtered", subject, artifact_type="application/vnd.two"
    )

    assert [wanted] == [one.digest for one in found]


def test_something_may_refer_to_what_is_not_there_yet(at: Subject) -> None:
    """ "Pushing Manifests with Subject": the subject need not exist."""
    digest = referring(at, "early", NOWHERE, "application/vnd.one")

    assert [digest] == [x.digest for x in registry_referrers.find(at.door, "early", NOWHERE)]


def test_attaching_does_not_change_the_image(at: Subject) -> None:
    subject = at.image("attached", "1")
    referring(at, "attached", subject, "application/vnd.one")

    assert subject == at.door.manifest("attached", "1").digest


def test_the_fallback_lists_under_the_tag_of_the_digest_only_where_needed(at: Subject) -> None:
    subject = at.image("fallback", "1")
    digest = referring(at, "fallback", subject, "application/vnd.one", by="one")
    tag = subject.replace(":", "-")

    if at.content:
        assert at.door.has_manifest("fallback", tag) is None
        return
    kept = at.door.manifest("fallback", tag)
    assert INDEX == kept.media_type
    (entry,) = json.loads(kept.data)["manifests"]
    assert (digest, "application/vnd.one", {"by": "one"}) == (
        entry["digest"],
        entry["artifactType"],
        entry["annotations"],
    )


# Content management


def test_a_tag_is_deleted_where_the_registry_can(at: Subject) -> None:
    digest = at.image("management", "tagged")
    if at.content is None:  # docker-registry 2.8 knows no deletion of tags
        with pytest.raises(RegistryRefused, match="refuses DELETE"):
            at.door.delete_manifest("management", "tagged")
        return

    at.door.delete_manifest("management", "tagged")

    assert at.door.has_manifest("management", "tagged") is None
    assert digest == at.door.has_manifest("management", digest)


def test_a_manifest_is_deleted_and_its_tags_with_it(at: Subject) -> None:
    digest = at.image("management", "deleted", annotations={"to": "delete"})
    at.image("management", "kept")

    at.door.delete_manifest("management", digest)

    assert at.door.has_manifest("management", digest) is None
    assert "deleted" not in at.door.tags("management")
    with pytest.raises(NotFound):
        at.door.delete_manifest("management", digest)


def test_a_blob_is_deleted(at: Subject) -> None:
    digest = at.door.push_blob("management", b"to delete")

    at.door.delete_blob("management", digest)

    assert not at.door.has_blob("management", digest)
    with pytest.raises(NotFound):
        at.door.delete_blob("management", digest)


def test_a_referrer_is_deleted_and_no_list_names_it(at: Subject) -> None:
    subject = at.image("unattached", "1")
    one = referring(at, "unattached", subject, "application/vnd.one")
    two = referring(at, "unattached", subject, "application/vnd.two")

    registry_referrers.delete(at.door, "unattached", subject, one)

    assert [two] == [x.digest for x in registry_referrers.find(at.door, "unattached", subject)]


# What a client has to bear


def test_deletion_that_is_not_allowed_is_told_as_such(at: Subject) -> None:
    digest = at.door.push_blob("refused", b"kept")
    refusing = Fault(what="answer", method="DELETE", status=405)
    with (
        strict() as (other, _),
        proxy(other, refusing) as (host, _),
        Registry(host) as door,
        pytest.raises(RegistryRefused, match="refuses DELETE refused/blobs/") as refused,
    ):
        door.delete_blob("refused", digest)

    assert "operator" in refused.value.hint


@REAL
def test_a_list_that_somebody_else_changed_meanwhile_keeps_both(tmp_path: Path) -> None:
    """The fallback's list is read, changed and written: what another wrote in between stays, and
    what another overwrote is written again."""
    with registry(tmp_path / "r") as host:
        with Registry(host) as door:
            at = Subject("docker-registry", host, door)
            subject = at.image("raced", "1")
            theirs = referring(at, "raced", subject, "application/vnd.theirs")
            tag = subject.replace(":", "-")
            without_ours = door.manifest("raced", tag).data
        overwrites = [without_ours, without_ours]

        def meanwhile(_: float) -> None:
            if overwrites:
                with Registry(host) as other:
                    other.push_manifest("raced", tag, overwrites.pop(), media_type=INDEX)

        with Registry(host, pause=meanwhile) as door:
            ours = referring(
                Subject("docker-registry", host, door), "raced", subject, "application/vnd.ours"
            )
            found = registry_referrers.find(door, "raced", subject)

    assert {ours, theirs} == {one.digest for one in found}
    assert not overwrites


@REAL
def test_a_certificate_of_an_unknown_authority_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = certificate(tmp_path / "one"), certificate(tmp_path / "two")
    waits: list[float] = []
    with registry(tmp_path / "r", tls=made) as host:
        monkeypatch.setenv("SSL_CERT_FILE", str(other.authority))
        with (
            Registry(host, pause=waits.append) as door,
            pytest.raises(NetworkUnavailable, match="CERTIFICATE_VERIFY_FAILED") as refused,
        ):
            door.tags("a")
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        with Registry(host) as door:
            assert door.push_blob("a", b"hello")

    assert "SSL_CERT_FILE" in refused.value.hint
    assert [] == waits


def test_a_manifest_with_other_bytes_than_its_digest_is_refused() -> None:
    with strict() as (host, content), Registry(host) as door:
        at = Subject("strict", host, door)
        digest = at.image("spoilt", "1")
        content.manifests["spoilt", digest] = (b'{"schemaVersion": 2}', MANIFEST)

        with pytest.raises(HashMismatch, match=digest):
            door.manifest("spoilt", digest)


def test_a_login_is_never_sent_to_a_token_service_in_the_clear() -> None:
    realm = 'Bearer realm="http://tokens.example/token",service="x"'
    asking = Fault(
        what="answer", method="GET", status=401, headers={"WWW-Authenticate": realm}, times=9
    )
    who = Login(name="user", password="secret")
    with (
        strict() as (other, _),
        proxy(other, asking) as (host, _),
        Registry(host, login=who) as door,
        pytest.raises((RegistryRefused, AccessRefused), match=r"tokens\.example"),
    ):
        door.tags("a")
