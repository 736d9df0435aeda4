"""Layouts of others come in as they are: skopeo's and ours, and nothing in them is believed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from registry_images import corrupt, image, index

from harness.core.digest import hexadecimal, of_bytes
from harness.core.errors import HashMismatch, ImageInvalid, ImageMissing
from harness.image import layout, layout_read, referrers
from harness.image.gather import Gathered
from harness.image.manifest import REF_NAME
from harness.world.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def written(folder: Path, images: dict[str, bytes], store: Store) -> Path:
    """Write a layout of images by their tag, the way that the specification says it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for path in (store.root / "blobs" / "sha256").iterdir():
        shutil.copy(path, blobs)
    entries = []
    for tag, data in images.items():
        (blobs / hexadecimal(of_bytes(data))).write_bytes(data)
        entry = {"mediaType": json.loads(data)["mediaType"], "digest": of_bytes(data)}
        named = {"annotations": {REF_NAME: tag}} if tag else {}
        entries.append({**entry, "size": len(data), **named})
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return folder


def packed(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w") as tar:
        tar.add(folder, ".")
    return target


def read(where: Path, store: Store, tag: str = "", architecture: str = "amd64") -> Gathered:
    return layout_read.read(where, store, tag=tag, architecture=architecture)


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "archive"])
def test_an_image_is_taken_by_its_tag_byte_for_byte(
    tmp_path: Path, store: Store, archive: bool
) -> None:
    source = Store(tmp_path / "source")
    images = {tag: image(source, seed) for seed, tag in enumerate(("1", "2"))}
    where = written(tmp_path / "layout", images, source)
    where = packed(where, tmp_path / "layout.tar") if archive else where

    found = read(where, store, "2")

    assert of_bytes(images["2"]) == found.digest
    assert images["2"] == store.read(found.digest)
    assert all(store.whole(one.digest) for one in found.parts.all)
    assert 4 == len(list((store.root / "blobs" / "sha256").iterdir()))  # and nothing of "1"


def test_a_layout_of_one_image_needs_no_tag_and_one_of_two_does(
    tmp_path: Path, store: Store
) -> None:
    source = Store(tmp_path / "source")
    one, two = image(source, 1), image(source, 2)

    assert of_bytes(one) == read(written(tmp_path / "one", {"": one}, source), store).digest
    both = written(tmp_path / "two", {"first": one, "second": two}, source)
    with pytest.raises(ImageMissing, match="holds 2 images; it has first, second"):
        read(both, store)
    with pytest.raises(ImageMissing, match=r'no image frist.*did you mean "first"'):
        read(both, store, "frist")


def test_of_several_platforms_the_wanted_one_is_taken(tmp_path: Path, store: Store) -> None:
    source = Store(tmp_path / "source")
    images = {
        "linux/arm64": image(source, 1, architecture="arm64"),
        "linux/amd64": image(source, 2),
    }
    for data in images.values():
        source.add(data)
    where = written(tmp_path / "layout", {"1": index(images)}, source)

    assert of_bytes(images["linux/arm64"]) == read(where, store, "1", "arm64").digest
    assert of_bytes(images["linux/amd64"]) == read(where, store, "1").digest


def test_one_image_may_have_several_names_and_documents_beside_it(
    tmp_path: Path, store: Store
) -> None:
    source = Store(tmp_path / "source")
    data = image(source, 1)
    where = written(tmp_path / "layout", {"name:1": data}, source)
    index = json.loads((where / "index.json").read_bytes())
    again = {**index["manifests"][0], "annotations": {REF_NAME: "2"}}
    index["manifests"].append(again)
    (where / "index.json").write_text(json.dumps(index))

    for _ in range(2):
        assert [of_bytes(data)] * 3 == [read(where, store, tag).digest for tag in ("1", "2", "")]
        note = referrers.referrer(data, b"{}", "application/vnd.in-toto+json", {})
        referrers.attach(where, [note])
    index = json.loads((where / "index.json").read_bytes())
    index["manifests"][-1].pop("artifactType")  # that a list repeats it is not required
    (where / "index.json").write_text(json.dumps(index))
    assert of_bytes(data) == read(where, store).digest


def test_a_file_of_holes_in_an_archive_is_not_read(
    tmp_path: Path, small: tuple[Path, bytes], store: Store
) -> None:
    """A sparse member of a few bytes (pax format, GNU.sparse 1.0) may unpack to any size."""
    folder, data = small
    config = blob_of(folder, data, "config")
    with tarfile.open(tmp_path / "l.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(folder, ".", filter=lambda one: None if config.name in one.name else one)
        sparse = tarfile.TarInfo(f"blobs/sha256/{config.name}")
        body = f"1\n0\n{config.stat().st_size}\n".encode().ljust(512, b"\0")
        body += config.read_bytes()
        sparse.size = len(body)
        sparse.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": sparse.name,
            "GNU.sparse.realsize": str(config.stat().st_size),
        }
        tar.addfile(sparse, io.BytesIO(body))

    with pytest.raises(ImageInvalid, match=f"it has no blobs/sha256/{config.name}"):
        read(tmp_path / "l.tar", store, "1")


def test_a_damaged_blob_is_mended_by_the_next_export(
    tmp_path: Path,
    tabular,
    fetched: Store,
    store: Store,  # type: ignore[no-untyped-def]
) -> None:
    from harness.image import pack

    whole = pack.packed(tabular.image, fetched)
    target = tmp_path / "layout"
    layout.folder(whole, fetched, target, reference="tabular:1")
    place = (
        target
        / "blobs"
        / "sha256"
        / hexadecimal(min(whole.digests, key=lambda d: fetched.path(d).stat().st_size))
    )
    place.write_bytes(b"damaged")
    (place.parent / f".{place.name}.killed.part").write_bytes(b"left by a kill")

    layout.folder(whole, fetched, target, reference="tabular:1")

    assert whole.digest == read(target, store, "1", tabular.image.architecture).digest
    assert len(set(whole.digests)) == len(list(place.parent.iterdir()))


@pytest.mark.requires_tool("skopeo")
@pytest.mark.parametrize("form", ["oci", "oci-archive"])
def test_skopeo_reads_what_we_write_and_we_read_what_it_writes(
    tmp_path: Path, store: Store, form: str
) -> None:
    source = Store(tmp_path / "source")
    where = written(tmp_path / "ours", {"1": image(source, 1)}, source)
    theirs = tmp_path / "theirs"
    copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests"]
    subprocess.run([*copy, f"oci:{where}:1", f"{form}:{theirs}:5"], check=True)

    found = read(theirs, store, "5")

    assert read(where, Store(tmp_path / "direct"), "1").digest == found.digest


def test_what_export_writes_is_read(tmp_path: Path, tabular, fetched: Store, store: Store) -> None:  # type: ignore[no-untyped-def]
    from harness.image import pack

    whole = pack.packed(tabular.image, fetched)
    layout.folder(whole, fetched, tmp_path / "layout", reference="tabular:1")

    found = read(tmp_path / "layout", store, "1", tabular.image.architecture)

    assert whole.digest == found.digest
    assert tabular.image.config == found.parts.config.digest


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, bytes]:
    source = Store(tmp_path / "source")
    data = image(source, 1)
    return written(tmp_path / "layout", {"1": data}, source), data


def blob_of(folder: Path, data: bytes, part: str) -> Path:
    document = json.loads(data)
    digests = {
        "manifest": of_bytes(data),
        "config": document["config"]["digest"],
        "layer": document["layers"][0]["digest"],
    }
    return folder / "blobs" / "sha256" / hexadecimal(digests[part])


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_a_flipped_bit_is_found_and_named(
    small: tuple[Path, bytes], store: Store, part: str
) -> None:
    folder, data = small
    file = blob_of(folder, data, part)
    kept = bytearray(file.read_bytes())
    kept[3] ^= 1
    file.write_bytes(kept)

    with pytest.raises(HashMismatch, match=file.name) as failed:
        read(folder, store, "1")

    assert of_bytes(bytes(kept)) in failed.value.message
    assert not corrupt(store)


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_a_file_that_is_missing_is_named(
    small: tuple[Path, bytes], store: Store, part: str
) -> None:
    folder, data = small
    file = blob_of(folder, data, part)
    file.unlink()

    with pytest.raises(ImageInvalid, match=f"no whole image layout: .*{file.name}"):
        read(folder, store, "1")


def test_what_is_no_layout_is_told(tmp_path: Path, small: tuple[Path, bytes], store: Store) -> None:
    folder, _ = small
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no tar")
    cut = packed(folder, tmp_path / "cut.tar")
    cut.write_bytes(cut.read_bytes()[:20_000])

    for where, error in (
        (tmp_path / "nothing", ImageMissing),
        (tmp_path / "empty", ImageInvalid),
        (tmp_path / "text", ImageInvalid),
        (cut, ImageInvalid),
    ):
        with pytest.raises(error, match=str(where)):
            read(where, store, "1")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    with pytest.raises(ImageInvalid, match=r"version 2\.0\.0"):
        read(folder, store, "1")
    assert not corrupt(store)


def test_a_blob_longer_than_its_manifest_says_is_refused(
    tmp_path: Path, small: tuple[Path, bytes], store: Store
) -> None:
    _, data = small
    document = json.loads(data)
    document["layers"][0]["size"] -= 1
    source = Store(tmp_path / "source")
    where = written(tmp_path / "lies", {"1": json.dumps(document).encode()}, source)

    with pytest.raises(ImageInvalid, match="its manifest says"):
        read(where, store, "1")


def test_a_digest_is_no_path(tmp_path: Path, small: tuple[Path, bytes], store: Store) -> None:
    folder, data = small
    (folder / "index.json").write_text(
        json.dumps(
            {
                "schemaVersion": 2,
                "manifests": [{"digest": "sha256:../../../../etc/passwd", "size": len(data)}],
            }
        )
    )

    with pytest.raises(ImageInvalid, match="names something by digest"):
        read(folder, store)
