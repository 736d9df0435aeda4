"""Images that somebody else serves: nothing of them is believed, and nothing written elsewhere."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from registry_images import OCI, descriptor, image

from harness.content import members
from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.core.errors import HashMismatch, ImageInvalid, RegistryRefused
from harness.image import referrers, shipped
from harness.image.reference import Reference
from harness.image.shipped import Shipped
from harness.world import partial
from harness.world.registry import INDEX, Registry
from harness.world.store import Store

pytest.importorskip("httpx2", reason="httpx2 is not installed")
KIND = "application/vnd.in-toto+json"


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store(tmp_path / "source")


@contextmanager
def served(answers: dict[str, bytes], kinds: dict[str, str]) -> Iterator[str]:
    """Give the host of a registry that answers what it is told, by the end of the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            data = answers.get(name)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Type", kinds.get(name, OCI["manifest"]))
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def of_registry(answers: dict[str, bytes], store: Store, **kinds: str) -> Shipped:
    with served(answers, kinds) as host, Registry(host, pause=lambda _: None) as door:
        named = Reference(host=host, repository="a", tag="1")
        return shipped.of_registry(named, store, door=door, architecture="amd64")


def blobs(source: Store) -> dict[str, bytes]:
    """Everything in a store, by its digest."""
    found = (source.root / "blobs" / "sha256").iterdir()
    return {of_bytes(data): data for data in (path.read_bytes() for path in found)}


def layout(folder: Path, data: bytes, source: Store) -> Path:
    entry = {"mediaType": OCI["manifest"], "digest": of_bytes(data), "size": len(data)}
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for digest, blob in {**blobs(source), of_bytes(data): data}.items():
        (folder / "blobs" / "sha256" / hexadecimal(Digest(digest))).write_bytes(blob)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return folder


def test_a_layers_digest_is_no_path_out_of_the_store(
    tmp_path: Path, store: Store, source: Store
) -> None:
    victim = tmp_path / "home" / "authorized_keys"
    victim.parent.mkdir()
    victim.write_bytes(b"mine\n")
    leading = f"sha256:{os.path.relpath(victim, store.root / 'partial')}"
    document = json.loads(image(source, 1))
    document["layers"][0] |= {"digest": leading, "size": 10}
    answers = {"1": json.dumps(document).encode(), **blobs(source), victim.name: b"mine\nevil\n"}

    with pytest.raises(ImageInvalid, match="names something by digest"):
        list(of_registry(answers, store).tar(0))
    with (
        pytest.raises(HashMismatch, match="is no digest"),
        partial.begun(store, Digest(leading)) as part,
    ):
        assert part is not None
        part.append(b"evil\n")

    assert b"mine\n" == victim.read_bytes()


@pytest.mark.parametrize("text", ["sha256:ab", "sha256:" + "A" * 64, "ab" * 32, "sha256:../" * 9])
def test_what_is_no_digest_names_no_file(text: str, store: Store) -> None:
    with pytest.raises(HashMismatch, match="is no digest"):
        store.path(Digest(text))


def test_an_index_in_a_registry_is_read_for_this_machine(store: Store, source: Store) -> None:
    data = image(source, 1, sizes=(10,))
    entry = {"mediaType": OCI["manifest"], "digest": of_bytes(data), "size": len(data)}
    entry |= {"platform": {"os": "linux", "architecture": "amd64"}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    answers = {"1": json.dumps(index).encode(), of_bytes(data): data, **blobs(source)}

    assert data == of_registry(answers, store).manifest


def strange(data: bytes) -> list[bytes]:
    """Manifests that anybody may put beside an image, and that are no document about it."""
    subject = {"mediaType": OCI["manifest"], "digest": of_bytes(data), "size": len(data)}
    base = {"schemaVersion": 2, "mediaType": OCI["manifest"], "subject": subject}
    documents: list[Any] = [
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject},
        base,
        {**base, "layers": []},
        {**base, "layers": [None]},
        {**base, "layers": "no list"},
        {**base, "layers": [{"digest": "sha256:../../x", "size": 1}]},
        {**base, "layers": [{**subject, "size": 1 << 40}]},
        {**base, "layers": [subject], "subject": None},
        {**base, "layers": [subject], "subject": "no object"},
        {**base, "layers": [subject, subject]},
        ["no object"],
    ]
    return [json.dumps(one).encode() for one in documents] + [b"no JSON"]


def test_strange_neighbours_in_a_registry_are_passed_over(store: Store, source: Store) -> None:
    data = image(source, 1)
    good = referrers.referrer(data, b'{"good": 1}', KIND, {})
    beside = {of_bytes(one): one for one in strange(data)}
    listed: list[Any] = [{"digest": one} for one in beside] + [good.descriptor]
    listed += [None, {}, {"digest": "sha256:../x"}, {"digest": f"sha256:{'0' * 64}"}, "no object"]
    answers = {"1": data, of_bytes(data): data, **blobs(source), **beside, **good.blobs}
    answers |= {good.digest: good.manifest}
    tag = of_bytes(data).replace(":", "-")
    answers[tag] = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()

    found = of_registry(answers, store, **{tag: INDEX})

    assert [(KIND, b'{"good": 1}')] == [(one.media_type, one.data) for one in found.attached]


@pytest.mark.parametrize("listed", [b"no JSON", b"[]"])
def test_a_list_of_neighbours_that_is_none_is_told(
    store: Store, source: Store, listed: bytes
) -> None:
    data = image(source, 1)
    tag = of_bytes(data).replace(":", "-")

    with pytest.raises(RegistryRefused, match=f"{tag} answers what is no JSON"):
        of_registry({"1": data, **blobs(source), tag: listed}, store)


def test_strange_neighbours_in_a_layout_are_passed_over(
    tmp_path: Path, store: Store, source: Store
) -> None:
    data = image(source, 1)
    where = layout(tmp_path / "layout", data, source)
    referrers.attach(where, [referrers.referrer(data, b'{"good": 1}', KIND, {})])
    index = json.loads((where / "index.json").read_bytes())
    for one in strange(data)[:-2]:  # the last two are no manifests
        (where / "blobs/sha256" / hexadecimal(of_bytes(one))).write_bytes(one)
        index["manifests"].append({"digest": of_bytes(one), "size": len(one)})
    (where / "index.json").write_text(json.dumps(index))

    found = shipped.of_layout(where, store, architecture="amd64")

    assert of_bytes(data) == found.digest
    assert [b'{"good": 1}'] == [one.data for one in found.attached]


def test_a_layer_that_unpacks_to_too_much_is_cut_off(
    tmp_path: Path, store: Store, source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "LARGEST", 4 << 20)
    document = json.loads(image(source, 1, sizes=(10,)))
    bomb = source.add(gzip.compress(bytes(64 << 20)))
    document["layers"][0] = descriptor(bomb, source, OCI["layer"])
    where = layout(tmp_path / "layout", json.dumps(document).encode(), source)
    chunks = shipped.of_layout(where, store, architecture="amd64").tar(0)
    got = 0

    with pytest.raises(ImageInvalid, match=r"layer 1 of .* unpacks to more than"):
        for chunk in chunks:
            got += len(chunk)

    assert got <= 4 << 20


def test_an_archive_is_read_and_never_unpacked(tmp_path: Path, store: Store) -> None:
    """Links that follow one another lead out of a folder that an archive is unpacked into, past
    tarfile's filter "data" on Pythons without the mend of CVE-2025-4517."""
    (tmp_path / "home").mkdir()
    folder, steps, path = "d" * 247, "abcdefghijklmnop", ""
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for step in steps:
            tar.addfile(link(os.path.join(path, folder), ""))
            tar.addfile(link(os.path.join(path, step), folder))
            path = os.path.join(path, folder)
        long = os.path.join("/".join(steps), "l" * 254)
        tar.addfile(link(long, "../" * len(steps)))
        tar.addfile(link("escape", long + "/../../../home"))
        evil = tarfile.TarInfo("escape/evil")
        evil.size = 3
        tar.addfile(evil, io.BytesIO(b"bad"))

    with pytest.raises(ImageInvalid, match="no whole image layout"):
        shipped.of_layout(tmp_path / "evil.tar", store, architecture="amd64")

    assert [] == list((tmp_path / "home").iterdir())


def link(name: str, target: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = (tarfile.SYMTYPE, target) if target else (tarfile.DIRTYPE, "")
    return found
