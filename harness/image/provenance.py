"""How an image was made, as SLSA provenance v1: enough to make it again.

Format: SLSA v1.0, "Provenance"; https://slsa.dev/provenance/v1. No moment and no machine is in it:
the same image has the same provenance. What each member of ours means: docs/evidence.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.content.tree import inner
from harness.core.digest import Digest, hexadecimal, of_bytes, of_hex
from harness.core.errors import EvidenceInvalid, HarnessError, PackageRefused
from harness.image import purl
from harness.image.image import Image
from harness.image.pack import Packed
from harness.image.recipe import File, Recipe, Source
from harness.image.statement import statement
from harness.lock import pylock
from harness.lock.fetch import offered_files
from harness.spec.image_name import named

PREDICATE = "https://slsa.dev/provenance/v1"
BUILD = "urn:model-harness:image:v1"
"""The build type: an image of a lock and, for a model, of its settings, code and artifact."""
BUILDER = "urn:model-harness:builder"
RULES = ("harness.bytecode", "harness.compressor", "harness.layout", "harness.python")
"""The labels that name what makes the bytes besides the inputs."""
_ANEW = "harness image evidence makes it anew where the image was built"


def provenance(packed: Packed, recipe: Recipe) -> dict[str, Any]:
    """Return the Statement of how *packed* was made of *recipe*."""
    image = packed.image
    labels = dict(image.settings.labels)
    predicate = {
        "buildDefinition": {
            "buildType": BUILD,
            "externalParameters": _parameters(recipe),
            "internalParameters": {name: labels[name] for name in RULES if name in labels},
            "resolvedDependencies": list(_dependencies(recipe)),
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"model-harness": harness_version()}},
            "byproducts": [*_byproducts(image)],
        },
    }
    return statement(recipe.name, packed.digest, PREDICATE, predicate)


def ours(body: Mapping[str, Any]) -> bool:
    """Tell whether a Statement is provenance of this build type."""
    try:
        kind = body["predicate"]["buildDefinition"]["buildType"]
    except (KeyError, TypeError):
        return False
    return bool(body["predicateType"] == PREDICATE and kind == BUILD)


def recipe(body: Mapping[str, Any]) -> Recipe:
    """Return what the provenance *body*, a Statement, says its image was made of.

    Raises EvidenceInvalid for another build type, and for a member that is missing or damaged.
    """
    try:
        definition = body["predicate"]["buildDefinition"]
        if not ours(body):
            raise EvidenceInvalid(
                f"the provenance is of another builder: {definition['buildType']}",
                hint="rebuild it with that builder",
            )
        return _recipe(definition["externalParameters"])
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        raise EvidenceInvalid(
            f"the provenance lacks what a rebuild needs: {type(broken).__name__} {broken}",
            hint=_ANEW,
        ) from broken


def built_by(body: Mapping[str, Any]) -> str:
    """Return the version of Harness that the provenance *body* names; empty where it names none."""
    try:
        return str(body["predicate"]["runDetails"]["builder"]["version"]["model-harness"])
    except (KeyError, TypeError):
        return ""


def harness_version() -> str:
    """Return the version of this Harness; ``unknown`` where it runs without being installed."""
    try:
        return version("model-harness")
    except PackageNotFoundError:
        return "unknown"


def _parameters(recipe: Recipe) -> dict[str, Any]:
    text = pylock.dumps(recipe.lock)
    found: dict[str, Any] = {
        "environment": recipe.lock.reference,
        "lock": {
            "contents": {"sha256": hexadecimal(recipe.lock.digest)},
            "digest": {"sha256": hexadecimal(of_bytes(text.encode()))},
            "text": text,
        },
    }
    if recipe.model:
        found["model"] = {
            "name": recipe.model,
            "settings": recipe.settings,
            "code": _files(recipe.code),
            "artifact": _files(recipe.artifact),
        }
        if recipe.source is not None:
            found["model"]["source"] = {
                "commit": recipe.source.commit,
                "folder": recipe.source.folder,
            }
    return found


def _recipe(parameters: Mapping[str, Any]) -> Recipe:
    text = parameters["lock"]["text"]
    try:
        lock = pylock.loads(text, where="the provenance's lock")
    except HarnessError as broken:
        raise EvidenceInvalid(broken.message, hint=broken.hint) from broken
    if hexadecimal(of_bytes(text.encode())) != parameters["lock"]["digest"]["sha256"]:
        raise EvidenceInvalid(
            "the provenance's lock is not the one of its digest",
            hint=_ANEW,
        )
    told = parameters.get("model")
    if told is None:
        return Recipe(lock=lock)
    source = told.get("source")
    return Recipe(
        lock=lock,
        model=told["name"],
        settings=told["settings"],
        code=_listed(told["code"]),
        artifact=_listed(told["artifact"]),
        source=_source(source) if source else None,
    )


def _source(body: Mapping[str, Any]) -> Source:
    commit, folder = str(body["commit"]), str(body["folder"])
    try:
        clean = inner(folder, "the provenance")
    except PackageRefused as bad:
        raise EvidenceInvalid(bad.message, hint=_ANEW) from bad
    if not re.fullmatch(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\+?", commit) or clean != folder:
        raise EvidenceInvalid(f"{commit!r}, {folder!r} is no commit and a folder in it", hint=_ANEW)
    return Source(commit=commit, folder=folder)


def _files(files: Iterable[File]) -> list[dict[str, Any]]:
    return [
        {"name": file.path, "digest": {"sha256": hexadecimal(file.digest)}}
        | ({"annotations": {"executable": True}} if file.executable else {})
        for file in files
    ]


def _listed(body: Iterable[Mapping[str, Any]]) -> tuple[File, ...]:
    """Return the files that are listed; raises EvidenceInvalid for a path that leads elsewhere, and
    for one that is there twice."""
    found: dict[str, File] = {}
    for one in body:
        path = str(one["name"])
        try:
            clean = inner(path, "the provenance")
        except PackageRefused as bad:
            raise EvidenceInvalid(bad.message, hint=_ANEW) from bad
        if clean != path or not path or path in found:
            raise EvidenceInvalid(f"the provenance lists {path!r}, or lists it twice", hint=_ANEW)
        found[path] = File(
            path=path,
            digest=of_hex(one["digest"]["sha256"]),
            executable=bool(one.get("annotations", {}).get("executable")),
        )
    return tuple(found.values())


def _dependencies(recipe: Recipe) -> Iterable[dict[str, Any]]:
    """Yield every file that went in, as SLSA's ResourceDescriptors."""
    lock = recipe.lock
    for wheel in sorted(offered_files(lock), key=lambda one: one.filename):
        yield _resource(wheel.filename, purl.wheel(wheel), wheel.digest)
    for deb in (*lock.debs, *lock.build_debs):
        yield _resource(deb.filename, purl.deb(deb, lock.suite), deb.digest)
    if (base := lock.base) is not None:
        uri = purl.image(named(base.image), base.manifest, lock.architecture)
        yield _resource("base image", uri, base.manifest)
    if recipe.source is not None:
        yield {"name": "source", "digest": {"gitCommit": recipe.source.commit.rstrip("+")}}


def _resource(name: str, uri: str, digest: Digest) -> dict[str, Any]:
    return {"name": name, "uri": uri, "digest": {"sha256": hexadecimal(digest)}}


def _byproducts(image: Image) -> Iterable[dict[str, Any]]:
    yield {"name": "config", "digest": {"sha256": hexadecimal(image.config)}}
    for layer in image.layers:
        yield {"name": f"layer {layer.title}", "digest": {"sha256": hexadecimal(layer.diff_id)}}
