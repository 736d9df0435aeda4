"""``push`` and ``pull``: images to and from registries, and from image layouts, byte for byte."""

from __future__ import annotations

import platform
from pathlib import Path

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import source_option
from harness.core.digest import Digest, is_digest, short
from harness.core.errors import ImageMissing, ProvenanceMissing, SpecInvalid
from harness.flows.evidence import Evidence, referrer_of
from harness.image import gather, layout_read, manifest, model, own, pack, reference, remote
from harness.image.image import ARCHITECTURES
from harness.world import keys
from harness.world.registry import Registry
from harness.world.store import Store
from harness.world.transfer import Progress

architecture_option = click.option(
    "--architecture",
    type=click.Choice(sorted(set(ARCHITECTURES.values()))),
    default=None,
    help="Which image of several is meant.  [default: this machine's]",
)


@click.command()
@click.argument("what")
@click.argument("where", metavar="REGISTRY/REPO[:TAG]")
@source_option
@click.option("--challenger", default="", help="A variant of [challengers].")
@architecture_option
@click.option(
    "--evidence/--no-evidence",
    "beside",
    default=True,
    help="Push what is said of an image of Harness beside it: bill of materials, provenance, "
    "tests, decision.  [default: --evidence]",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="An Ed25519 private key (PEM) to sign that with.  [default: that of [signing]]",
)
@output_option
@fails_well
def push(
    what: str,
    where: str,
    envs: str | None,
    challenger: str,
    architecture: str | None,
    beside: bool,
    key: Path | None,
    output: str,
) -> None:
    """Push an image: an environment, a model FOLDER, a sha256:... of this machine's store, or an
    image layout (oci:FOLDER[:TAG], oci-archive:FILE[:TAG])."""
    to = reference.parse(where)
    if to.digest is not None:
        raise SpecInvalid(f"{where} is a digest, which follows from the image", hint="name a tag")
    store = bench.store()
    name, digest = _packed(what, envs, store, challenger, _architecture(architecture))
    config = manifest.parts(store.read(digest), digest).config.digest
    documents, signed = _documents(what, digest, store, key) if beside else ((), "")
    with Registry(to.host) as door:
        pushed = remote.push(digest, to, store, door=door, progress=_told("pushing"))
        for one in documents:
            progress(f"pushing the {one.name}")
            remote.attach(referrer_of(store.read(digest), one), to, door=door)
    progress_done()
    count, sizes = dict(pushed.blobs), dict(pushed.bytes)
    total = sum(sizes.values())
    text = (
        f"{name} pushed · {to} · manifest {digest}\n"
        f"image        {config}\n"
        f"sent         {count['sent']} of {sum(count.values())} files, "
        f"{sizes['sent'] / 1e6:.1f} of {total / 1e6:.1f} MB; "
        f"{count['there']} were there, {count['mounted']} in other repositories of it\n"
        f"beside it    {', '.join(one.name for one in documents) or 'nothing'}"
        f"{f'; signed by {signed}' if signed else ''}\n"
        f"pinned       {to.place}@{digest}"
    )
    body = {
        "schema": "harness.push/1",
        "name": name,
        "reference": str(to),
        "digest": digest,
        "config": config,
        "pinned": f"{to.place}@{digest}",
        "blobs": count,
        "bytes": sizes,
        "evidence": [one.name for one in documents],
        "signed_by": signed or None,
    }
    emit(body, text, output)


@click.command()
@click.argument("what", metavar="REGISTRY/REPO[:TAG|@DIGEST]")
@architecture_option
@output_option
@fails_well
def pull(what: str, architecture: str | None, output: str) -> None:
    """Pull an image into this machine's store, byte for byte, or take it from an image layout."""
    store = bench.store()
    chosen = _architecture(architecture)
    told = _told("pulling")
    if reference.is_layout(what):
        found, pinned = _from_layout(what, store, chosen, told), ""
    else:
        named = reference.parse(what)
        with Registry(named.host) as door:
            found = remote.pull(named, store, door=door, architecture=chosen, progress=told)
        pinned = f"{named.place}@{found.digest}"
    progress("unpacking, if it is an image of Harness")
    ours = own.recognised(found, store)
    progress_done()
    lines = [
        f"{what} pulled · manifest {found.digest}",
        f"image        {found.parts.config.digest}",
        f"layers       {len(found.parts.layers)}, {found.size / 1e6:.1f} MB compressed, "
        f"linux/{chosen}",
        *([f"pinned       {pinned}"] if pinned else []),
        *(["built by     Harness, and an image of this machine from here on"] if ours else []),
    ]
    body = {
        "schema": "harness.pull/1",
        "reference": what,
        "digest": found.digest,
        "index": found.index,
        "config": found.parts.config.digest,
        "platform": f"linux/{chosen}",
        "pinned": pinned or None,
        "built_by_harness": ours is not None,
        "layers": [
            {"digest": layer.digest, "size": layer.size, "media_type": layer.media_type}
            for layer in found.parts.layers
        ],
    }
    emit(body, "\n".join(lines), output)


def _packed(
    what: str, envs: str | None, store: Store, challenger: str, architecture: str
) -> tuple[str, Digest]:
    """Return its name and its manifest's digest; all that the manifest names is in the store."""
    if reference.is_layout(what):
        found = _from_layout(what, store, architecture, _told("reading"))
        return what, found.digest
    if is_digest(what):
        pulled = gather.here(Digest(what), store, architecture=architecture)
        if pulled is not None:
            return short(pulled.digest), pulled.digest
    if what.startswith("sha256:") and not is_digest(what):
        raise ImageMissing(f"{what} is no digest", hint="sha256: and 64 of 0-9, a-f")
    from harness.cli.image import image_of  # imports what builds, which a pull doesn't need

    name, image = image_of(what, envs, store, challenger)
    if image.architecture != architecture:
        raise SpecInvalid(
            f"{name} is an image for {image.architecture}, not for {architecture}",
            hint=f"--architecture {image.architecture}, or build it on such a machine",
        )
    return name, pack.packed(image, store, progress=progress).digest


def _documents(
    what: str, digest: Digest, store: Store, key: Path | None
) -> tuple[tuple[Evidence, ...], str]:
    """Return what there is to say of an image of ours, and the id of the key that signed it; of
    others' images, nothing."""
    from harness.cli.evidence import documents_of  # imports what builds

    image = None if reference.is_layout(what) else model.find(digest, store)
    if image is None:
        return (), ""
    signer = keys.signing(key)
    try:
        documents = documents_of(what, pack.packed(image, store), store, signer)
    except ProvenanceMissing:
        return (), ""
    return documents, signer.public.id if signer is not None else ""


def _from_layout(what: str, store: Store, architecture: str, told: Progress) -> gather.Gathered:
    where, tag = reference.layout(what)
    return layout_read.read(where, store, tag=tag, architecture=architecture, progress=told)


def _architecture(chosen: str | None) -> str:
    machine = platform.machine().lower()
    return chosen or ARCHITECTURES.get(machine, machine)


def _told(doing: str) -> Progress:
    return lambda done, total: progress(f"{doing} {done / 1e6:.1f} of {total / 1e6:.1f} MB")
