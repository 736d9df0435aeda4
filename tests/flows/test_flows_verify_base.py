"""``harness verify`` of an environment on an image of others: whose Python runs only on the word of
somebody who is trusted."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import small_images
from small_images import Layout, Made

from harness.content.scheme import debian
from harness.core import canonical
from harness.engine.engine import Engine
from harness.flows import environment as environments
from harness.flows import evidence as documents
from harness.flows.verify import Verified, verify
from harness.image import model, pack, provenance, shipped
from harness.image.recipe import keep, recipe
from harness.image.shipped import Attached, Shipped
from harness.image.statement import IN_TOTO
from harness.lock import base_image
from harness.lock.lock import Base, Lock
from harness.world import keys, machine
from harness.world.store import Store

PACKAGE = "threadpoolctl"


@dataclass(frozen=True)
class On:
    """An environment on a base: its image, and the store that built it."""

    made: Made
    lock: Lock


@pytest.fixture(scope="module")
def on(
    bare: Made, fetched: Store, tabular_lock: Lock, tmp_path_factory: pytest.TempPathFactory
) -> On:
    """One more wheel on a small image, which lies in a layout on disk."""
    folder = tmp_path_factory.mktemp("base")
    small_images.exported(bare, folder / "layout")
    python = tabular_lock.python
    lock = replace(
        tabular_lock,
        name="on",
        packages=tuple(
            replace(one, dependencies=()) for one in tabular_lock.packages if one.name == PACKAGE
        ),
        debs=(),
        base=Base(
            image=f"oci:{folder / 'layout'}@{bare.packed.digest}",
            manifest=bare.packed.digest,
            python=f"{python}.2",
            scheme=debian(python),
            platform="manylinux_2_36",
        ),
    )
    store = small_images.store(fetched, folder / "store", lock)
    environments.fetched(lock, store, engine=no_engine)
    image = environments.built(lock, store).image
    keep(lock, store)
    known = recipe(image, store)
    assert known is not None
    return On(Made(image, pack.packed(image, store), known, store), lock)


@pytest.fixture
def theirs(on: On, fetched: Store, tmp_path: Path) -> Store:
    """Somebody else's store, with the wheels and nothing of the base."""
    return small_images.store(fetched, tmp_path / "theirs", on.lock)


@pytest.fixture
def laid(on: On, tmp_path: Path) -> Layout:
    return Layout(small_images.exported(on.made, tmp_path / "layout"))


def no_engine() -> Engine:
    raise AssertionError("nothing is built from sources here")


def verified(there: Shipped, store: Store, **more: Any) -> Verified:
    return verify(there, store=store, engine=no_engine, **more)


def of_layout(folder: Path) -> Shipped:
    store = Store(Path(tempfile.mkdtemp(dir=folder.parent)))
    return shipped.of_layout(folder, store, architecture=machine.architecture())


def attached(made: Made) -> tuple[Attached, ...]:
    body = provenance.provenance(made.packed, made.recipe)
    return (Attached(media_type=IN_TOTO, data=canonical.dumps(body), where="here"),)


def test_what_was_built_here_is_made_again_on_the_same_base(on: On, laid: Layout) -> None:
    found = verified(of_layout(laid.folder), on.made.store, recipe=on.made.recipe)

    assert "same" == found.outcome
    assert found.digests["manifest"] == (on.made.packed.digest,) * 2
    how = {layer.title: layer.how for layer in found.layers}
    assert {"held"} == {how[title] for title in how if title.startswith("base image ")}
    assert {"rebuilt"} == {how[title] for title in how if title.startswith("python ")}
    assert any("as others made them" in note for note in found.notes)


def test_a_provenance_of_what_was_built_here_needs_no_key(on: On, laid: Layout) -> None:
    found = verified(of_layout(laid.folder), on.made.store, attached=attached(on.made))

    assert "same" == found.outcome


def test_the_base_of_a_strangers_provenance_is_neither_pulled_nor_run(
    on: On, laid: Layout, theirs: Store
) -> None:
    found = verified(of_layout(laid.folder), theirs, attached=attached(on.made))

    assert "untrusted" == found.outcome
    assert any("--trust" in note for note in found.notes)
    assert on.lock.base is not None
    assert not base_image.here(on.lock.base.manifest, theirs)


def test_a_strangers_lock_of_the_digest_of_ours_is_a_strangers(on: On, laid: Layout) -> None:
    """The digest of a lock is of what ships, and doesn't hold every path of its base."""
    assert on.lock.base is not None
    scheme = replace(on.lock.base.scheme, scripts="opt/elsewhere")
    lock = replace(on.lock, base=replace(on.lock.base, scheme=scheme))
    assert lock.reference == on.lock.reference
    made = replace(on.made, recipe=replace(on.made.recipe, lock=lock))

    found = verified(of_layout(laid.folder), on.made.store, attached=attached(made))

    assert "untrusted" == found.outcome


def test_one_that_a_trusted_key_signed_is_made_again_elsewhere(
    on: On, laid: Layout, theirs: Store, tmp_path: Path
) -> None:
    key = made_key()
    signed = documents.of_image(on.made.packed, on.made.recipe, on.made.store, key=key)
    documents.write(tmp_path / "e", on.made.packed, signed)

    found = verified(
        of_layout(laid.folder),
        theirs,
        attached=documents.read(tmp_path / "e"),
        trusted=(key.public,),
    )

    assert "same" == found.outcome
    assert found.digests["manifest"] == (on.made.packed.digest,) * 2


def test_a_changed_layer_of_the_base_is_named(on: On, laid: Layout) -> None:
    index = next(
        n
        for n, layer in enumerate(on.made.image.layers)
        if layer.foreign and b"zlib" in laid.tar(n)
    )
    laid.layer(index, lambda tar: tar.replace(b"zlib", b"zLib", 1))
    laid.write()

    found = verified(of_layout(laid.folder), on.made.store, recipe=on.made.recipe)

    assert "differs" == found.outcome
    assert found.place is not None
    assert on.made.image.layers[index].title == found.place.layer


def test_a_model_on_a_base_is_made_again(on: On, tmp_path: Path) -> None:
    store = on.made.store
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(bytes(range(256)))
    layers = {
        "runtime": model.runtime_tree(store),
        "settings": model.settings_tree({"name": "tiny"}, store),
        "code": model.tree("code", {}, store),
        "artifact": model.tree("artifact", model.below(tmp_path / "model"), store),
    }
    image = model.assemble(environments.built(on.lock, store), layers, store, name="tiny")
    known = recipe(image, store)
    assert known is not None

    found = verified(shipped.of_store(image, store, name="tiny"), store, recipe=known)

    assert "same" == found.outcome
    assert found.digests["config"] == (image.config,) * 2


def test_the_base_is_a_resolved_dependency(on: On) -> None:
    body = json.loads(canonical.dumps(provenance.provenance(on.made.packed, on.made.recipe)))
    listed = body["predicate"]["buildDefinition"]["resolvedDependencies"]

    (base,) = (one for one in listed if one["name"] == "base image")

    assert on.lock.base is not None
    digest = on.lock.base.manifest.removeprefix("sha256:")
    assert {"sha256": digest} == base["digest"]
    assert base["uri"].startswith(f"pkg:oci/layout@sha256:{digest}?arch=")


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
