"""What a manifest is made of, whoever wrote it: OCI's and Docker's, for one platform or several.

OCI image specification 1.1, ``manifest.md``, ``image-index.md``, ``descriptor.md``; Docker's image
manifest version 2, schema 2, and its manifest list. Only reads: bytes are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.digest import Digest, is_digest
from harness.core.errors import ImageInvalid, PlatformMissing
from harness.world.registry import DOCKER, INDEX, MANIFEST

MANIFESTS = (MANIFEST, DOCKER[0])
INDEXES = (INDEX, DOCKER[1])
CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What a manifest says of something: digest, size in bytes, kind, platform, annotations, and
    of a document that is no image its *artifact_type*."""

    digest: Digest
    size: int
    media_type: str
    platform: str = ""
    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One *document* that says something of the manifest *subject*."""

    kind: str
    document: Descriptor
    subject: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """An image's manifest: its config, and its layers from the lowest up."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def all(self) -> tuple[Descriptor, ...]:
        """Config and layers, each once."""
        return tuple({one.digest: one for one in (self.config, *self.layers)}.values())


def parts(data: bytes, where: str) -> Parts:
    """Return what the image manifest *data* names; raises ImageInvalid with *where* it is from."""
    document = _object(data, where)
    if _kind(document) not in MANIFESTS:
        said = _kind(document) or "nothing"
        raise ImageInvalid(
            f"{where} is no image's manifest, it says of itself: {said}",
            hint="push the image again with a current docker, podman or skopeo"
            if document.get("schemaVersion") == 1
            else "name an image",
        )
    config = _descriptor(document.get("config"), where)
    if config.media_type not in CONFIGS:
        kind = document.get("artifactType") or config.media_type
        raise ImageInvalid(f"{where} is no image, it is of the kind {kind}", hint="name an image")
    layers = tuple(_descriptor(one, where) for one in _list(document, "layers", where))
    for layer in layers:
        if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
            raise ImageInvalid(
                f"{where} has a layer that registries do not hold ({layer.media_type})",
                hint="use an image all of whose layers may be distributed",
            )
    return Parts(media_type=_kind(document), config=config, layers=layers)


def artifact(data: bytes) -> Artifact | None:
    """Return the document about another manifest that *data* is; None for whatever else it is, as
    anybody may put anything beside an image."""
    try:
        said = _object(data, "it")
        layers = said.get("layers")
        if _kind(said) not in MANIFESTS or not isinstance(layers, list) or len(layers) != 1:
            return None
        return Artifact(
            kind=str(said.get("artifactType", "")),
            document=_descriptor(layers[0], "it"),
            subject=_descriptor(said.get("subject"), "it").digest,
        )
    except ImageInvalid:
        return None


def is_image(data: bytes, where: str) -> bool:
    """Tell whether *data* is an image or an index, and not a document about one."""
    said = _object(data, where)
    return "subject" not in said and "artifactType" not in said


def is_index(data: bytes, where: str) -> bool:
    """Tell whether *data* lists manifests for several platforms."""
    return _kind(_object(data, where)) in INDEXES


def entries(data: bytes, where: str) -> tuple[Descriptor, ...]:
    """Return what an index lists, in its order; raises ImageInvalid."""
    return tuple(_descriptor(one, where) for one in _list(_object(data, where), "manifests", where))


def choose(data: bytes, architecture: str, where: str) -> Descriptor:
    """Return the image for linux on *architecture* in the index *data*; raises PlatformMissing."""
    listed = [one for one in entries(data, where) if one.media_type in MANIFESTS + INDEXES]
    wanted = f"linux/{architecture}"
    for one in listed:
        if one.platform.split("/v8")[0] == wanted:
            return one
    images = [one for one in listed if one.platform != "unknown/unknown"]
    if len(images) == 1 and not images[0].platform:
        return images[0]  # its config says what it is for
    there = ", ".join(sorted({one.platform or "no platform named" for one in images}))
    raise PlatformMissing(
        f"{where} has no image for {wanted}; it has: {there or 'none'}",
        hint="use an image that was built for this platform too",
    )


def check_platform(config: bytes, architecture: str, where: str) -> None:
    """Raise PlatformMissing unless *config* is that of an image for linux on *architecture*."""
    document = _object(config, where)
    if not document.get("os") or not document.get("architecture"):
        raise ImageInvalid(
            f"{where} has a config that says of no platform that it is for it", hint="name an image"
        )
    found = f"{document['os']}/{document['architecture']}"
    if found != f"linux/{architecture}":
        raise platform_missing(where, found, architecture)


def platform_missing(where: str, found: str, architecture: str) -> PlatformMissing:
    """Return the error of an image for the platform *found*, and not for *architecture*."""
    return PlatformMissing(
        f"{where} is an image for {found}, and linux/{architecture} is wanted",
        hint="use an image that was built for this platform too",
    )


def _object(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as broken:
        raise ImageInvalid(
            f"{where} is not JSON: {broken}", hint="is this the address of an image?"
        ) from broken
    if not isinstance(document, dict):
        raise ImageInvalid(f"{where} is no JSON object", hint="is this the address of an image?")
    return document


def _list(document: Mapping[str, Any], name: str, where: str) -> list[Any]:
    found = document.get(name) or []
    if not isinstance(found, list):
        raise ImageInvalid(f"{where}: {name} is no list", hint="build or push it again")
    return found


def _kind(document: Mapping[str, Any]) -> str:
    """Return the media type, which OCI lets a manifest leave out."""
    if document.get("mediaType"):
        return str(document["mediaType"])
    if document.get("schemaVersion") != 2:
        return ""
    return INDEX if "manifests" in document else MANIFEST if "config" in document else ""


def _descriptor(found: Any, where: str) -> Descriptor:
    try:
        digest, size = found["digest"], found["size"]
        platform = found.get("platform") or {}
        named = "/".join(
            str(platform[key]) for key in ("os", "architecture", "variant") if platform.get(key)
        )
        annotations = tuple(sorted((found.get("annotations") or {}).items()))
        kind, artifact_type = str(found.get("mediaType", "")), str(found.get("artifactType", ""))
    except (KeyError, TypeError, AttributeError) as broken:
        raise ImageInvalid(
            f"{where} has a descriptor without digest and size", hint="build or push it again"
        ) from broken
    if not is_digest(digest) or type(size) is not int or size < 0:
        raise ImageInvalid(
            f"{where} names something by digest {digest!r} and size {size!r}",
            hint="only sha256 digests are known here",
        )
    return Descriptor(
        digest=digest,
        size=size,
        media_type=kind,
        platform=named,
        artifact_type=artifact_type,
        annotations=annotations,
    )
