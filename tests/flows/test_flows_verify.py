"""``harness verify``: an image is made again from its provenance, and what differs is named."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_images
from small_images import Layout, Made

from harness.core import canonical
from harness.core.digest import Digest, of_bytes
from harness.core.errors import (
    EvidenceInvalid,
    HashMismatch,
    ImageInvalid,
    ImageMissing,
    ProvenanceMissing,
)
from harness.engine.engine import Engine
from harness.flows import evidence as documents
from harness.flows.verify import Verified, verify
from harness.image import dsse, provenance, referrers, shipped
from harness.image.comparison import Comparison, compare
from harness.image.recipe import Recipe
from harness.image.shipped import Attached, Shipped
from harness.image.statement import IN_TOTO
from harness.lock.lock import Lock
from harness.world import keys, machine
from harness.world.store import Store

git = pytest.mark.requires_tool("git")


def no_engine() -> Engine:
    raise AssertionError("nothing is built from sources here")


def verified(there: Shipped, store: Store, recipe: Recipe | None = None, **more: Any) -> Verified:
    return verify(there, store=store, engine=no_engine, recipe=recipe, **more)


def of_layout(folder: Path) -> Shipped:
    store = Store(Path(tempfile.mkdtemp(dir=folder.parent)))
    return shipped.of_layout(folder, store, architecture=machine.architecture())


def compared(laid: Layout, made: Made) -> Comparison:
    """Hold a layout against the image that was built, as if that were its rebuild."""
    return compare(of_layout(laid.folder), made.image, made.store)


@pytest.fixture(scope="module")
def small(tabular_lock: Lock) -> Lock:
    return small_images.lock(tabular_lock)


@pytest.fixture(scope="module")
def environment(bare: Made) -> Made:
    return bare


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("repository")
    return folder, small_images.repository(folder)


@pytest.fixture(scope="module")
def tiny(environment: Made, small: Lock, repository: tuple[Path, str]) -> Made:
    folder, commit = repository
    return small_images.of_model(small, environment.store, folder, commit=commit)


@pytest.fixture
def laid(environment: Made, tmp_path: Path) -> Layout:
    return Layout(small_images.exported(environment, tmp_path / "layout"))


def attached(made: Made) -> tuple[Attached, ...]:
    body = provenance.provenance(made.packed, made.recipe)
    return (Attached(media_type=IN_TOTO, data=canonical.dumps(body), where="here"),)


def layer_of(made: Made, path: str) -> int:
    """Return the number of the layer that holds the file *path*."""
    for index, layer in enumerate(made.image.layers):
        if any((made.store.root / "t" / tree / path).is_file() for tree in layer.trees):
            return index
    raise AssertionError(path)


def click_file(made: Made) -> tuple[int, str]:
    path = "usr/local/lib/python3.11/dist-packages/click/core.py"
    return layer_of(made, path), path


def test_the_provenance_and_the_files_of_its_lock_give_the_same_digests(
    environment: Made, fetched: Store, small: Lock, tmp_path: Path
) -> None:
    """Somebody else's store: nothing of ours is there but the layout and the locked files."""
    folder = small_images.exported(environment, tmp_path / "layout")
    theirs = small_images.store(fetched, tmp_path / "theirs", small)

    found = verified(of_layout(folder), theirs, attached=attached(environment))

    assert "same" == found.outcome
    assert found.digests["manifest"] == (environment.packed.digest,) * 2
    assert found.digests["config"] == (environment.image.config,) * 2
    assert all(layer.same and layer.how == "rebuilt" for layer in found.layers)
    assert len(found.layers) == len(environment.image.layers)


def test_a_file_that_was_changed_in_the_store_is_named_to_the_byte(
    environment: Made, small: Lock, fetched: Store, tmp_path: Path
) -> None:
    made = small_images.environment(small, small_images.store(fetched, tmp_path / "s", small))
    index, path = click_file(made)
    layer = made.image.layers[index]
    file = next(f for t in layer.trees if (f := made.store.root / "t" / t / path).is_file())
    data = file.read_bytes()
    at = data.index(b"import")
    file.unlink()  # it is linked into the root, which is not what is looked at
    file.write_bytes(data[:at] + b"imporT" + data[at + 6 :])

    there = shipped.of_store(made.image, made.store, name="x")
    found = compare(there, environment.image, environment.store)

    assert found.place is not None
    assert (layer.title, path, at + 5) == (
        found.place.layer, found.place.path, found.place.offset,
    )  # fmt: skip


def test_a_layer_that_was_changed_with_all_its_digests_is_named_to_the_byte(
    environment: Made, laid: Layout
) -> None:
    index, path = click_file(environment)
    tar = laid.tar(index)
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        at = tar.index(b"import", opened.getmember(path).offset_data)
    laid.layer(index, lambda tar: tar[:at] + b"I" + tar[at + 1 :])
    laid.write()

    found = verified(of_layout(laid.folder), environment.store, attached=attached(environment))

    assert found.place is not None
    assert (environment.image.layers[index].title, path, "edited") == (
        found.place.layer, found.place.path, found.place.cause,
    )  # fmt: skip
    assert found.place.before.replace("I", "i") == found.place.after
    assert any("of another image" in note for note in found.notes)
    assert 1 == sum(not layer.same for layer in found.layers)


def test_the_same_tar_by_another_compressor_is_told_from_other_content(
    environment: Made, laid: Layout
) -> None:
    laid.layer(0, lambda tar: tar, level=1)
    laid.write()

    found = compared(laid, environment)

    assert found.place is not None
    assert ("compressor", "base") == (found.place.cause, found.place.layer)
    assert all(layer.same for layer in found.layers)
    assert found.digests["config"] == (environment.image.config,) * 2


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [("User", "0:0", "changed after it was built"), ("Labels", None, "zlib")],
)
def test_settings_that_were_changed_are_named_by_their_path(
    environment: Made, laid: Layout, member: str, value: str | None, said: str
) -> None:
    if value is None:
        laid.config["config"]["Labels"]["harness.compressor"] = "zlib 1.3.1 level 6"
    else:
        laid.config["config"][member] = value
    laid.write()

    found = compared(laid, environment)

    assert found.place is not None
    assert found.place.layer == "config"
    assert found.place.path.startswith(f"config.{member}")
    assert said in found.place.explanation


def test_a_layer_more_is_named(environment: Made, laid: Layout) -> None:
    laid.config["rootfs"]["diff_ids"].append(laid.config["rootfs"]["diff_ids"][0])
    laid.config["history"].append({"created_by": "somebody"})
    laid.manifest["layers"].append(laid.manifest["layers"][0])
    laid.write()

    found = compared(laid, environment)

    assert found.place is not None
    assert ("somebody", "added") == (found.place.layer, found.place.cause)


def test_a_layer_that_is_no_tar_is_named(environment: Made, laid: Layout) -> None:
    laid.layer(1, lambda tar: b"no tar at all" * 100)
    laid.write()

    found = compared(laid, environment)

    assert found.place is not None
    assert environment.image.layers[1].title == found.place.layer
    assert "no tar" in found.place.explanation


def test_what_follows_the_first_gzip_member_is_read_too(environment: Made, laid: Layout) -> None:
    """RFC 1952: members follow each other; whoever unpacks a layer reads them all."""
    more = gzip.compress(b"\0" * 512, mtime=0)
    blob = gzip.compress(laid.tar(0), mtime=0) + more
    digest = of_bytes(blob)
    (laid.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(blob)
    laid.manifest["layers"][0] |= {"digest": digest, "size": len(blob)}
    laid.write()

    found = compared(laid, environment)

    assert not found.layers[0].same
    assert found.place is not None
    assert ("base", "form") == (found.place.layer, found.place.cause)


@pytest.mark.parametrize("gone", ["rootfs", "layers"])
def test_a_document_that_is_no_image_is_refused(laid: Layout, gone: str) -> None:
    (laid.config if gone == "rootfs" else laid.manifest["layers"][0]).clear()
    laid.write()

    with pytest.raises(ImageInvalid):
        of_layout(laid.folder)


def test_a_flipped_bit_in_a_blob_is_an_error_that_names_it(environment: Made, laid: Layout) -> None:
    digest = laid.manifest["layers"][2]["digest"].removeprefix("sha256:")
    blob = laid.folder / "blobs" / "sha256" / digest
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)

    with pytest.raises(HashMismatch, match=digest):
        compared(laid, environment)


def test_an_image_of_which_nothing_is_said_has_no_provenance(
    environment: Made, laid: Layout
) -> None:
    with pytest.raises(ProvenanceMissing):
        verified(of_layout(laid.folder), environment.store)


def test_a_folder_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    (tmp_path / "l/index.json").write_text('{"manifests": []}')

    with pytest.raises(ImageInvalid, match="no whole image layout"):
        of_layout(tmp_path / "l")
    (tmp_path / "l/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    with pytest.raises(ImageMissing, match="no image at all"):
        of_layout(tmp_path / "l")


def test_provenance_with_a_lock_that_was_changed_is_refused(environment: Made) -> None:
    body = provenance.provenance(environment.packed, environment.recipe)
    parameters = body["predicate"]["buildDefinition"]["externalParameters"]
    parameters["lock"]["text"] = parameters["lock"]["text"].replace("bookworm", "trixie")

    with pytest.raises(EvidenceInvalid, match="changed by hand"):
        provenance.recipe(json.loads(canonical.dumps(body)))


# a model's image


@git
def test_a_models_code_is_taken_from_its_commit_and_its_artifact_is_held(
    tiny: Made, repository: tuple[Path, str]
) -> None:
    there = shipped.of_store(tiny.image, tiny.store, name="tiny")

    found = verified(there, tiny.store, tiny.recipe, repository=repository[0])

    assert "same" == found.outcome
    assert ["artifact"] == [layer.title for layer in found.layers if layer.how == "held"]
    assert found.digests["config"] == (tiny.image.config,) * 2


@git
def test_without_the_commit_the_code_is_held_and_that_is_said(tiny: Made, tmp_path: Path) -> None:
    there = shipped.of_store(tiny.image, tiny.store, name="tiny")

    found = verified(there, tiny.store, tiny.recipe, repository=tmp_path)

    assert "same" == found.outcome
    assert {"code", "artifact"} == {layer.title for layer in found.layers if layer.how == "held"}
    assert any(note.startswith("code: commit") for note in found.notes)


@git
@pytest.mark.parametrize(
    ("layer", "old", "new", "path"),
    [
        ("code", b"return 0.5", b"return 0.9", "app/tiny.py"),
        ("artifact", bytes(range(256)), bytes(range(255)) + b"\0", "artifact/weights.bin"),
    ],
)
def test_a_file_of_the_model_that_was_changed_is_named(
    tiny: Made, repository: tuple[Path, str], tmp_path: Path,
    layer: str, old: bytes, new: bytes, path: str,
) -> None:  # fmt: skip
    laid = Layout(small_images.exported(tiny, tmp_path / "layout"))
    index = [one.title for one in tiny.image.layers].index(layer)
    laid.layer(index, lambda tar: tar.replace(old, new, 1))
    laid.write()

    found = verified(of_layout(laid.folder), tiny.store, tiny.recipe, repository=repository[0])

    assert found.place is not None
    assert ("differs", layer, path, "edited") == (
        found.outcome, found.place.layer, found.place.path, found.place.cause,
    )  # fmt: skip
    assert found.place.before != found.place.after


@git
def test_a_models_provenance_survives_its_json(tiny: Made) -> None:
    body = provenance.provenance(tiny.packed, tiny.recipe)

    again = provenance.recipe(json.loads(canonical.dumps(body)))

    assert again == tiny.recipe


# signatures


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> keys.PrivateKey:
    return made_key()


def made_key() -> keys.PrivateKey:
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return keys.private(pem, where="the test's key")


def signed(made: Made, key: keys.PrivateKey, folder: Path) -> tuple[Attached, ...]:
    documents.write(
        folder, made.packed, documents.of_image(made.packed, made.recipe, made.store, key=key)
    )
    return documents.read(folder)


def test_a_provenance_that_a_trusted_key_signed_is_used(
    environment: Made, laid: Layout, signer: keys.PrivateKey, tmp_path: Path
) -> None:
    there = of_layout(laid.folder)

    found = verified(
        there, environment.store,
        attached=signed(environment, signer, tmp_path / "e"), trusted=(signer.public,),
    )  # fmt: skip

    assert "same" == found.outcome
    made = [claim for claim in found.claims if claim.kind == provenance.PREDICATE]
    assert [(signer.public.id,)] == [claim.signers for claim in made]


def test_another_key_an_edited_payload_and_no_signature_are_not_trusted(
    environment: Made, laid: Layout, signer: keys.PrivateKey, tmp_path: Path
) -> None:
    there = of_layout(laid.folder)
    by_other = signed(environment, made_key(), tmp_path / "other")
    edited = [
        replace(one, data=one.data.replace(b'"payload":"', b'"payload":"IA', 1))
        for one in signed(environment, signer, tmp_path / "edited")
        if one.media_type == dsse.MEDIA_TYPE
    ]

    outcomes = [
        verified(
            there, environment.store, environment.recipe, attached=given, trusted=(signer.public,)
        ).outcome
        for given in (by_other, edited, attached(environment), ())
    ]

    assert ["untrusted"] * 4 == outcomes


def test_documents_of_others_beside_an_image_are_passed_over(
    environment: Made, laid: Layout
) -> None:
    """Older Statements, damaged ones, another builder's provenance: anybody may attach them."""
    other = provenance.provenance(environment.packed, environment.recipe)
    other["predicate"]["buildDefinition"]["buildType"] = "urn:somebody:else"
    older = {**other, "_type": "https://in-toto.io/Statement/v0.1"}
    strange = tuple(
        Attached(media_type=kind, data=data, where="there")
        for kind, data in (
            (IN_TOTO, canonical.dumps(older)),
            (IN_TOTO, canonical.dumps(other)),
            (dsse.MEDIA_TYPE, b"{}"),
            ("text/plain", b"hello"),
        )
    )
    there = replace(of_layout(laid.folder), attached=strange)

    with pytest.raises(ProvenanceMissing, match="no DSSE envelope"):
        verified(there, environment.store)
    found = verified(there, environment.store, environment.recipe)

    assert "same" == found.outcome
    assert [True, False, True] == [bool(claim.problem) for claim in found.claims]


# in a layout


def test_evidence_in_a_layout_leaves_the_images_bytes(environment: Made, laid: Layout) -> None:
    before = Digest(laid.digest)
    made = documents.of_image(environment.packed, environment.recipe, environment.store)

    for _ in range(2):
        referrers.attach(laid.folder, documents.referrers(environment.packed, made))

    index = json.loads((laid.folder / "index.json").read_bytes())["manifests"]
    assert [before] == [entry["digest"] for entry in index if "artifactType" not in entry]
    assert len(index) == 1 + len(made)
    assert before == environment.packed.digest == of_layout(laid.folder).digest
