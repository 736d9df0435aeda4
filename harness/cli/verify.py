"""``verify``: an image made again, and held against the one there is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness.cli import bench, evidence, image
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import source_option
from harness.core.digest import Digest, short
from harness.flows import evidence as documents
from harness.flows import verify as flow
from harness.flows.verify import Verified
from harness.image import contents, pack, reference, shipped
from harness.image.claims import Claim
from harness.image.recipe import Recipe
from harness.image.shipped import Shipped
from harness.world import keys, machine
from harness.world.registry import Registry
from harness.world.store import Store

Found = tuple[Shipped, Recipe | None]


@click.command()
@click.argument("what", metavar="IMAGE")
@click.option(
    "--evidence",
    "folder",
    type=click.Path(path_type=Path),
    help="A folder that `harness image evidence` wrote.",
)
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A public key (PEM): the provenance must be signed by one of these.  "
    "[default: trusted of [signing]]",
)
@click.option(
    "--source",
    "repository",
    type=click.Path(path_type=Path),
    default=Path(),
    help="A checkout that has the commit of a model's code.  [default: .]",
)
@click.option("--workers", type=click.IntRange(min=0), default=0, help="Processes that build.")
@source_option
@click.option("--challenger", default="", help="A variant of [challengers].")
@output_option
@fails_well
def verify(
    what: str,
    folder: Path | None,
    trust: tuple[Path, ...],
    repository: Path,
    workers: int,
    envs: str | None,
    challenger: str,
    output: str,
) -> None:
    """Build IMAGE again from its provenance, and name the first byte that differs.

    IMAGE is a digest, an environment, a model's folder, an OCI layout (folder or .tar, also as
    oci:FOLDER[:TAG] or oci-archive:FILE[:TAG]), or oci://HOST/REPOSITORY:TAG (or @sha256:…). Exit
    codes: 0 the same, 1 it differs or its provenance is not signed by a trusted key, 4 nothing
    says how it was made.
    """
    trusted = keys.trusted(trust)
    attached = documents.read(folder) if folder else ()
    store = bench.store()
    signed = bool(trusted) or folder is not None
    with _found(what, envs, store, challenger, signed=signed) as (there, recipe):
        found = flow.verify(
            there,
            store=store,
            engine=lambda: bench.engine("auto"),
            recipe=None if folder else recipe,
            attached=attached,
            trusted=trusted,
            repository=repository if recipe is None else _home(what, repository),
            workers=workers,
            progress=progress,
        )
    progress_done()
    emit(_body(found), "\n".join(map(_printable, _lines(found))), output)
    sys.exit(0 if found.outcome == "same" else 1)


@contextmanager
def _found(
    what: str, envs: str | None, store: Store, challenger: str, *, signed: bool
) -> Iterator[Found]:
    """Give the image that *what* names, and what this store knows of how it was made.

    *signed*: documents will be held against its manifest, so it is packed.
    """
    if reference.is_registry(what):
        named = reference.parse(what)
        with Registry(named.host) as door:
            yield (
                shipped.of_registry(
                    named,
                    store,
                    door=door,
                    architecture=machine.architecture(),
                    progress=lambda done, of: progress(
                        f"pulling {done / 1e6:.1f} of {of / 1e6:.1f} MB"
                    ),
                ),
                None,
            )
    elif reference.is_layout(what) or Path(what, "index.json").is_file() or Path(what).is_file():
        where, tag = reference.layout(what) if reference.is_layout(what) else (Path(what), "")
        with store.scratch() as folder:  # not the store, whose sound file would hide a damaged one
            kept = Store(folder)
            yield (
                shipped.of_layout(
                    where, kept, architecture=machine.architecture(), tag=tag, name=what
                ),
                None,
            )
    else:
        known = [] if Path(what).is_dir() else contents.named(what, store)
        name, found = (
            (what, known[0]) if len(known) == 1 else image.image_of(what, envs, store, challenger)
        )
        manifest = pack.packed(found, store, progress=progress).manifest_bytes if signed else None
        there = shipped.of_store(found, store, name=name, manifest=manifest)
        yield there, None if signed else evidence.made_of(found, store, what)


def _home(what: str, repository: Path) -> Path:
    return Path(what) if Path(what, "harness.toml").is_file() else repository


def _body(found: Verified) -> dict[str, Any]:
    return {
        "schema": "harness.verify/1",
        "name": found.name,
        "outcome": found.outcome,
        "digests": {
            what: {"image": one, "rebuild": other} for what, (one, other) in found.digests.items()
        },
        "layers": [{**asdict(layer), "same": layer.same} for layer in found.layers],
        "first": asdict(found.place) if found.place else None,
        "evidence": [
            {
                "predicate_type": claim.kind,
                "where": claim.where,
                "claimed": list(claim.claimed),
                "signers": list(claim.signers),
                "problem": claim.problem,
            }
            for claim in found.claims
        ],
        "notes": list(found.notes),
    }


def _lines(found: Verified) -> Iterator[str]:
    told = {"same": "the same", "differs": "DIFFERS", "untrusted": "NOT TRUSTED"}
    yield f"{found.name} · {told[found.outcome]}"
    for what, (one, other) in found.digests.items():
        yield f"{what:<12} {one}" + ("" if one == other else f", the rebuild {other}")
    if found.layers:
        same = sum(layer.same for layer in found.layers)
        held = [layer.title for layer in found.layers if layer.how == "held"]
        yield f"layers       {same} of {len(found.layers)} the same" + (
            f"; not made again: {', '.join(held)}" if held else ""
        )
    if (place := found.place) is not None:
        yield (
            f"first        layer {place.layer}"
            + (f", /{place.path}" if place.path else "")
            + (f", byte {place.offset}" if place.offset is not None else "")
            + (f" ({place.others} more differ)" if place.others else "")
        )
        yield f"  image      {place.before}"
        yield f"  rebuild    {place.after}"
        yield f"  cause      likely: {place.explanation}"
    yield from (f"evidence     {claim.kind} · {_whose(claim)}" for claim in found.claims)
    if found.outcome == "untrusted":
        yield "why          no provenance of this image is signed by a trusted key"
    yield from (f"note         {note}" for note in found.notes)


def _printable(line: str) -> str:
    """Return a line without what would steer a terminal: names in it are an image's own."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _whose(claim: Claim) -> str:
    def named(keys: tuple[str, ...]) -> str:
        return ", ".join(short(Digest("sha256:" + key)) for key in keys)

    if claim.problem:
        return f"can't be read: {claim.problem}"
    if claim.signers:
        return f"signed by {named(claim.signers)}"
    if claim.claimed:
        return f"no trusted signature; it names {named(claim.claimed)}"
    return "not signed"
