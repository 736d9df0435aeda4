"""An image of ours that comes from elsewhere is, to the bit, the image that was built."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from companies import tarred
from packages import member

from harness.core import canonical
from harness.core.digest import Digest, of_bytes
from harness.core.errors import BuildFailed, HashMismatch
from harness.image import build, gather, model, own, pack, roots
from harness.image.image import FOREIGN, Image, Layer, Settings
from harness.world import process
from harness.world.store import Store

KIND = "application/vnd.oci.image.layer.v1.tar+gzip"


def built(store: Store, folder: Path) -> Image:
    """An image as Harness builds them, of two small layers; kept in the store."""
    files = {"big.bin": bytes(range(256)) * 9000, "run.sh": b"#!/bin/sh\n", "größe/leer": b""}
    found = {}
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found[name] = path
    (folder / "run.sh").chmod(0o755)
    linked = "linked"

    def link(root: Path) -> None:
        (root / "usr" / "lib").mkdir(parents=True)
        (root / "lib").symlink_to("usr/lib")
        (root / "tmp").mkdir()

    store.tree(linked, link)
    groups = {"base": (linked,), "code": (model.tree("code", found, store),)}
    with process.inline() as pool:
        layers, _ = build.layered(groups, store, pool)
    image = Image(
        architecture="amd64",
        settings=Settings(
            env=(("PATH", "/usr/bin"), ("A", "b=c")),
            command=("/usr/bin/python3.11",),
            labels=(("harness.layout", "1"), ("harness.compressor", "x")),
        ),
        layers=layers,
    )
    build.publish(image, store)
    return image


def sent(image: Image, source: Store, target: Store) -> gather.Gathered:
    """What a pull leaves in the store of another machine."""
    return arrived(image, target, [b"".join(pack.tarred(x, source)) for x in image.layers])


def arrived(image: Image, target: Store, tars: list[bytes]) -> gather.Gathered:
    """What a pull leaves of *image* there, when its layers are *tars*."""
    listed = []
    for tar in tars:
        data = gzip.compress(tar, mtime=0)
        listed.append({"mediaType": KIND, "digest": target.add(data), "size": len(data)})
    config = image.config_bytes
    document = {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": target.add(config),
            "size": len(config),
        },
        "layers": listed,
    }
    digest = target.add(canonical.dumps(document))
    found = gather.here(digest, target, architecture="amd64")
    assert found is not None
    return found


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store(tmp_path / "target")


def test_it_has_the_same_config_and_its_layers_are_made_of_the_same_bytes(
    source: Store, target: Store, tmp_path: Path
) -> None:
    image = built(source, tmp_path / "code")
    found = sent(image, source, target)

    got = own.recognised(found, target)

    assert got is not None
    assert image.config == got.config
    for ours, theirs in zip(image.layers, got.layers, strict=True):
        assert (ours.title, ours.diff_id, ours.size) == (theirs.title, theirs.diff_id, theirs.size)
        assert of_bytes(b"".join(pack.tarred(theirs, target))) == theirs.diff_id
    assert got == model.find(image.config, target) == model.find(found.digest, target)


def test_it_is_pushed_on_as_it_came(source: Store, target: Store, tmp_path: Path) -> None:
    found = sent(built(source, tmp_path / "code"), source, target)
    got = own.recognised(found, target)
    assert got is not None

    packed = pack.packed(got, target)

    assert [x.digest for x in found.parts.layers] == [blob.digest for blob in packed.blobs]


def test_its_root_is_laid_out_as_where_it_was_built(
    source: Store, target: Store, tmp_path: Path
) -> None:
    image = built(source, tmp_path / "code")
    got = own.recognised(sent(image, source, target), target)
    assert got is not None

    here, there = (roots.environment(one, store) for one, store in ((got, target), (image, source)))

    def told(root: Path) -> list[tuple[str, int, object]]:
        return [
            (
                str(path.relative_to(root)),
                path.lstat().st_mode,
                path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes(),
            )
            for path in sorted(root.rglob("*"))
        ]

    assert told(there) == told(here)


def test_an_image_that_is_here_already_stays_what_it_is(
    source: Store, target: Store, tmp_path: Path
) -> None:
    image = built(source, tmp_path / "code")
    found = sent(image, source, source)

    assert image == own.recognised(found, source) == model.find(found.digest, source)


def test_an_image_of_others_is_none_of_ours(source: Store, target: Store, tmp_path: Path) -> None:
    image = built(source, tmp_path / "code")
    config = json.loads(image.config_bytes)
    config["config"]["Labels"]["added"] = "by hand"
    found = sent(image, source, target)
    spaced = json.dumps(config, indent=1).encode()  # not as we write it
    document = json.loads(target.read(found.digest))
    document["config"] |= {"digest": target.add(spaced), "size": len(spaced)}
    other = gather.here(target.add(canonical.dumps(document)), target, architecture="amd64")

    assert other is not None
    assert own.recognised(other, target) is None


def test_layers_that_are_not_those_of_the_config_are_refused(
    source: Store, target: Store, tmp_path: Path
) -> None:
    image = built(source, tmp_path / "code")
    found = sent(image, source, target)
    document = json.loads(target.read(found.digest))
    document["layers"].reverse()
    digest: Digest = target.add(canonical.dumps(document))
    swapped = gather.here(digest, target, architecture="amd64")
    assert swapped is not None

    with pytest.raises(HashMismatch, match=r"layer base .*other bytes than the image's config"):
        own.recognised(swapped, target)

    assert model.find(image.config, target) is None


def forged(title: str, tars: list[bytes], target: Store) -> gather.Gathered:
    """An image of others whose config is one that we could have written."""
    layers = tuple(
        Layer(title=f"{title}{n}", diff_id=of_bytes(tar), size=len(tar), trees=())
        for n, tar in enumerate(tars, 1)
    )
    settings = Settings(env=(("A", "b"),), labels=(("harness.lock", "x"),))
    return arrived(Image(architecture="amd64", settings=settings, layers=layers), target, tars)


def test_an_image_on_a_base_of_others_is_none_of_ours(target: Store) -> None:
    """What its layers are together is theirs to say: whiteouts, and files that replace others."""
    lower = tarred([member("etc/secret", b"1"), member("etc/x", b"1")])
    upper = tarred([member("etc/.wh.secret"), member("etc/x", b"2")])
    found = forged(FOREIGN, [lower, upper], target)

    assert own.recognised(found, target) is None
    assert model.find(found.digest, target) is None
    assert not (target.root / "t").exists()


def test_an_image_on_a_base_that_was_built_here_is_still_ours(
    source: Store, tmp_path: Path
) -> None:
    image = built(source, tmp_path / "code")
    first, *others = image.layers
    image = replace(image, layers=(replace(first, title=f"{FOREIGN}1"), *others))
    build.publish(image, source)

    assert image == own.recognised(sent(image, source, source), source)


@pytest.mark.parametrize(
    "bad",
    [
        member("etc/.wh.secret"),
        member("pipe", kind=tarfile.FIFOTYPE),
        member("../up", b"x"),
        member("bomb", kind=tarfile.GNUTYPE_SPARSE),
    ],
    ids=["whiteout", "pipe", "outside", "sparse"],
)
def test_a_layer_that_we_would_never_make_is_none_of_ours(
    target: Store, bad: tuple[tarfile.TarInfo, bytes]
) -> None:
    fine = tarred([member("a", b"x")])

    assert own.recognised(forged("python-", [fine], target), target) is not None
    assert own.recognised(forged("python-", [fine, tarred([bad])], target), target) is None


def test_a_sparse_file_of_a_layer_takes_no_room(target: Store, tmp_path: Path) -> None:
    header = bytearray(member("bomb", kind=tarfile.GNUTYPE_SPARSE)[0].tobuf(tarfile.GNU_FORMAT))
    for at, number in ((386, 300 << 20), (398, 0), (483, 300 << 20)):
        header[at : at + 12] = b"%011o\0" % number
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)

    assert own.recognised(forged("code", [bytes(header) + bytes(1024)], target), target) is None
    assert not list((target.root).rglob("bomb"))


def test_a_process_that_is_killed_is_an_error_that_says_so(
    target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed:
        def submit(self, work: Callable[..., Any], *_: object) -> Any:
            raise BrokenProcessPool("killed")

    @contextmanager
    def pool(_: int) -> Iterator[Killed]:
        yield Killed()

    monkeypatch.setattr(own.process, "pool", pool)

    with pytest.raises(BuildFailed, match="killed") as raised:
        own.recognised(forged("code", [tarred([member("a", b"x")])], target), target)
    assert raised.value.hint
