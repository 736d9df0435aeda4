"""An image made again from what is said of how it was made, and held against the one there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.digest import Digest
from harness.core.errors import ProvenanceMissing
from harness.engine.engine import Engine
from harness.flows import environment as environments
from harness.flows import model_layers
from harness.image import comparison, model, provenance
from harness.image import recipe as recipes
from harness.image.claims import Claim, claims
from harness.image.comparison import Compared, Place
from harness.image.recipe import Recipe
from harness.image.shipped import Attached, Shipped
from harness.lock import base_image
from harness.lock.lock import Base, Lock
from harness.world.keys import PublicKey
from harness.world.store import Store

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What came of it: *outcome* is ``same``, ``differs`` or ``untrusted`` (then nothing was made
    again). *digests* are config and manifest of both, where both are known."""

    name: str
    outcome: str
    digests: Mapping[str, tuple[Digest, Digest]]
    layers: tuple[Compared, ...] = ()
    place: Place | None = None
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()


def verify(
    shipped: Shipped,
    *,
    store: Store,
    engine: Callable[[], Engine],
    recipe: Recipe | None = None,
    attached: Iterable[Attached] = (),
    trusted: tuple[PublicKey, ...] = (),
    repository: Path = Path(),
    workers: int = 0,
    progress: Progress = lambda _: None,
) -> Verified:
    """Make *shipped* again and compare. What it was made of is *recipe*, else its provenance: among
    what is attached to it, or *attached* here by hand, which may then be that of another image.
    With *trusted* keys only a provenance that one of them signed counts. One that names a base
    image counts only so, or where this *store* has built its very lock: the Python in that image
    runs on this machine outside of a sandbox.

    Raises ProvenanceMissing, EvidenceInvalid, and what fetching and building raise.
    """
    given = claims(attached, trusted)
    found = (*given, *claims(shipped.attached, trusted))
    made = [
        one
        for one in found
        if provenance.ours(one.body or {}) and (one.about(shipped.digest) or one in given)
    ]
    made.sort(key=lambda one: not one.about(shipped.digest))
    if trusted:
        made, recipe = [one for one in made if one.signers], None
        if not made:
            return Verified(name=shipped.name, outcome="untrusted", digests={}, claims=found)
    told = None if recipe else _recipe(made, found, shipped.name)
    if told and told.lock.base and not (trusted or recipes.kept(told.lock, store)):
        return Verified(
            name=shipped.name,
            outcome="untrusted",
            digests={},
            claims=found,
            notes=(_stranger(told.lock.base),),
        )
    recipe = recipe or told
    assert recipe is not None
    with store.scratch() as folder:
        fresh = Store(folder / "store")
        environments.fetched(recipe.lock, store, engine=engine, progress=progress)
        _link(recipe.lock, store, fresh)
        progress("building from nothing")
        built = environments.built(recipe.lock, fresh, workers=workers, progress=progress)
        image, own = built.image, model_layers.NONE
        if recipe.model:
            own = model_layers.again(recipe, shipped, fresh, folder, repository)
            image = model.assemble(built, own.trees, fresh, name=recipe.model)
        compared = comparison.compare(
            shipped, image, fresh, held=own.held, workers=workers, progress=progress
        )
    place = own.other or compared.place
    return Verified(
        name=shipped.name,
        outcome="same" if place is None else "differs",
        digests=compared.digests,
        layers=compared.layers,
        place=place,
        claims=found,
        notes=(*_notes(made, shipped.digest), *_pulled(recipe.lock), *own.notes),
    )


def _recipe(made: Sequence[Claim], found: Sequence[Claim], name: str) -> Recipe:
    if not made or made[0].body is None:
        broken = "".join(f"; {one.problem}" for one in found if one.problem)
        raise ProvenanceMissing(
            f"nothing says how {name} was made{broken}",
            hint="harness image evidence WHAT --to FOLDER writes it where the image was built; "
            "here, --evidence FOLDER names that folder",
        )
    return provenance.recipe(made[0].body)


def _notes(made: Sequence[Claim], image: Digest | None) -> Iterator[str]:
    """Yield what is odd about the provenance that was used."""
    for one in made[:1]:
        if not one.about(image):
            yield f"{one.where} is the provenance of another image"
        told = provenance.built_by(one.body or {})
        if told not in ("", now := provenance.harness_version()):
            yield f"built by Harness {told}; this is {now}, whose runtime layer may differ"


def _stranger(base: Base) -> str:
    return (
        f"the provenance names the base image {base.image}, whose Python would run on this machine "
        "outside of a sandbox: --trust KEY takes the word of whoever signed it; an environment "
        "that was built here needs none"
    )


def _pulled(lock: Lock) -> Iterator[str]:
    if lock.base is not None:
        yield (
            f"base image: the layers of {lock.base.image} are as others made them; they are held "
            "against the digests of its manifest"
        )


def _link(lock: Lock, store: Store, fresh: Store) -> None:
    """Give *fresh* the files of *lock*, which *store* has, and nothing that was made of them."""
    digests = [*(wheel.digest for wheel in lock.packages), *(deb.digest for deb in lock.debs)]
    if lock.base is not None:
        digests += base_image.read(lock.base.manifest, store, text=lock.base.image).digests
    for digest in digests:
        target = fresh.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            continue
        try:
            os.link(store.path(digest), target)
        except OSError:
            shutil.copyfile(store.path(digest), target)
