"""``image evidence``: what is said of an image beside it, written for others to check."""

from __future__ import annotations

import os
from pathlib import Path

import click

from harness.cli import bench
from harness.cli.image import image, image_of, refuse_others
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import source_option
from harness.core.errors import LedgerMissing, ProvenanceMissing
from harness.flows import evidence as flow
from harness.flows.line import STATE
from harness.image import layout, pack, referrers
from harness.image.image import Image
from harness.image.pack import Packed
from harness.image.recipe import Recipe, Source, recipe
from harness.ledger import sqlite
from harness.ledger.entry import Entry
from harness.spec import parse
from harness.world import clock, git, keys
from harness.world.store import Store


@image.command("evidence")
@click.argument("what")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder for the documents.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="An Ed25519 private key (PEM) to sign with.  [default: that of [signing]]",
)
@click.option(
    "--layout",
    "as_layout",
    is_flag=True,
    help="Write an OCI layout of the image, with the documents as its referrers.",
)
@source_option
@click.option("--challenger", default="", help="A variant of [challengers].")
@output_option
@fails_well
def evidence(
    what: str,
    to: Path,
    key: Path | None,
    as_layout: bool,
    envs: str | None,
    challenger: str,
    output: str,
) -> None:
    """Write an image's bill of materials, its provenance, and how it was tested and decided on."""
    if as_layout:
        refuse_others(to)
    signer = keys.signing(key)
    store = bench.store()
    name, found = image_of(what, envs, store, challenger)
    packed = pack.packed(found, store, progress=progress)
    documents = documents_of(what, packed, store, signer)
    if as_layout:
        layout.folder(packed, store, to, reference=name)
        referrers.attach(to, flow.referrers(packed, documents))
    else:
        flow.write(to, packed, documents)
    progress_done()
    body = {
        "schema": "harness.evidence/1",
        "name": name,
        "digest": packed.digest,
        "signed_by": signer.public.id if signer else None,
        "path": str(to),
        "documents": [
            {"name": d.name, "media_type": d.media_type, "predicate_type": d.predicate_type}
            for d in documents
        ],
    }
    lines = [f"{name} · {packed.digest}"]
    lines += [f"{d.name:<12} {d.media_type}" for d in documents]
    lines += [f"signed by    {signer.public.id if signer else 'nobody: no key is set'}"]
    lines += [f"written      {to}"]
    emit(body, "\n".join(lines), output)


def documents_of(
    what: str, packed: Packed, store: Store, signer: keys.PrivateKey | None
) -> tuple[flow.Evidence, ...]:
    """Return all that can be said of an image, which *what* named; raises ProvenanceMissing."""
    folder = Path(what)
    is_model = (folder / "harness.toml").is_file()
    return flow.of_image(
        packed,
        made_of(packed.image, store, what),
        store,
        key=signer,
        run=flow.run_of(folder / STATE) if is_model else None,
        entries=_entries(folder) if is_model else (),
    )


def made_of(found: Image, store: Store, what: str) -> Recipe:
    """Return what the image was made from; raises ProvenanceMissing where the store can't tell."""
    made = recipe(found, store, source=source(Path(what)))
    if made is None:
        raise ProvenanceMissing(
            f"the lock that {found.config} was built of is not in this store",
            hint="name the environment or the model's folder, which have it",
        )
    return made


def source(folder: Path) -> Source | None:
    """Return the commit of a model's *folder*, or None where it is in no repository."""
    if not (folder / "harness.toml").is_file() or not (commit := bench.commit(folder)):
        return None
    top = git.top(folder)
    below = os.path.relpath(folder.resolve(), top.resolve()) if top else "."
    return Source(commit=commit, folder="" if below == "." else Path(below).as_posix())


def _entries(folder: Path) -> tuple[Entry, ...]:
    try:
        location = parse.project(folder).ledger.location
        with sqlite.open(location, create=False, clock=clock.now) as opened:
            return tuple(opened.entries())
    except LedgerMissing:
        return ()
