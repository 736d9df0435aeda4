"""What is in an image, as a CycloneDX 1.6 bill of materials: every wheel, every Debian package, the
interpreter, and what a model adds.

A function of the image: no moment is in it, and its serial number follows from the config's
digest. Format: ECMA-424 (CycloneDX 1.6), JSON.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import HeaderParser
from typing import Any

from harness.content import scheme
from harness.core.digest import hexadecimal
from harness.image import purl, trees
from harness.image.image import Image
from harness.image.provenance import harness_version
from harness.image.recipe import Recipe
from harness.lock.lock import Base, Deb, Installed, Lock, OsPackage, Wheel
from harness.world.store import Store

MEDIA_TYPE = "application/vnd.cyclonedx+json"
PREDICATE = "https://cyclonedx.org/bom"
"""The predicate type under which a signed Statement holds a bill of materials (in-toto)."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:model-harness:sbom")
_OWN = {"code": "application", "artifact": "machine-learning-model"}


def sbom(image: Image, recipe: Recipe, store: Store) -> dict[str, Any]:
    """Return the bill of materials of *image*, made of *recipe*; licences are read from the
    unpacked wheels in *store*, where they are there."""
    lock = recipe.lock
    components = [
        *(_wheel(one, lock, store) for one in lock.packages),
        *(_deb(one, lock.suite) for one in lock.debs),
        *_interpreter(lock),
        *(_theirs(lock.base) if lock.base else ()),
        *_system(lock),
        *_own(image),
    ]
    components.sort(key=lambda one: str(one["bom-ref"]))
    foreign = any(layer.foreign for layer in image.layers)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(_NAMESPACE, image.config).urn,
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": image.config,
                "name": recipe.name,
                "hashes": _hashes(image.config),
            },
            "tools": {
                "components": [
                    {"type": "application", "name": "model-harness", "version": harness_version()}
                ]
            },
            "properties": [
                {"name": name, "value": value} for name, value in sorted(image.settings.labels)
            ],
        },
        "components": components,
        "dependencies": list(_dependencies(image, lock, components)),
        "compositions": [
            {
                "aggregate": "incomplete_first_party_only" if foreign else "complete",
                "assemblies": [image.config],
            }
        ],
    }


def _wheel(one: Wheel, lock: Lock, store: Store) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl.wheel(one),
        "name": one.name,
        "version": one.version,
        "hashes": _hashes(one.digest),
        "purl": purl.wheel(one),
        "properties": [{"name": "harness:file", "value": one.filename}],
    }
    to = lock.base.scheme if lock.base else scheme.debian(lock.python)
    tree = store.root / "t" / trees.wheel_key(one.digest, to) / to.site
    metadata = next(iter(sorted(tree.glob("*.dist-info/METADATA"))), None)
    if metadata is not None:
        told = HeaderParser().parsestr(metadata.read_text("utf-8", "replace"))
        if licences := list(_licences(told)):
            found["licenses"] = licences
        if summary := told.get("Summary"):
            found["description"] = " ".join(summary.split())
    return found


def _licences(told: Message) -> Iterator[dict[str, Any]]:
    """Yield what core metadata say: an SPDX expression (PEP 639), else the field or classifiers."""
    if expression := told.get("License-Expression"):
        yield {"expression": expression.strip()}
        return
    names = [
        line.rpartition("::")[2].strip()
        for line in told.get_all("Classifier", ())
        if line.startswith("License ::") and line.count("::") > 1
    ]
    text = (told.get("License") or "").strip()
    if not names and text and "\n" not in text and len(text) < 200:  # else it is a licence's text
        names = [text]
    yield from ({"license": {"name": name}} for name in sorted(set(names)))


def _deb(one: Deb, suite: str) -> dict[str, Any]:
    source = one.source or one.name
    return {
        "type": "library",
        "bom-ref": purl.deb(one, suite),
        "name": one.name,
        "version": one.version,
        "hashes": _hashes(one.digest),
        "purl": purl.deb(one, suite),
        "properties": [
            {"name": "harness:file", "value": one.filename},
            {"name": "harness:source", "value": f"{source} {one.source_version or one.version}"},
        ],
    }


def _theirs(base: Base) -> Iterator[dict[str, Any]]:
    """Yield what an image of others has, as the lock knows it: by name and version, no file."""
    kept = base.kept
    found: list[tuple[Installed | OsPackage, str]] = [
        (one, purl.wheel(one)) for one in base.packages if kept.get(one.name) == one.version
    ]
    found += [(one, purl.deb(one, base.suite)) for one in base.os]
    for url, one in {url: one for one, url in found}.items():
        yield {
            "type": "library",
            "bom-ref": url,
            "name": one.name,
            "version": one.version,
            "purl": url,
            "properties": [{"name": "harness:from", "value": "base image"}],
        }
    yield {
        "type": "platform",
        "bom-ref": "interpreter",
        "name": "cpython",
        "version": base.python,
        "properties": [{"name": "harness:from", "value": "base image"}],
    }
    yield {
        "type": "container",
        "bom-ref": "base image",
        "name": base.image,
        "hashes": _hashes(base.manifest),
    }


def _interpreter(lock: Lock) -> Iterator[dict[str, Any]]:
    for one in lock.debs:
        if one.name == f"python{lock.python}-minimal":
            yield {
                "type": "platform",
                "bom-ref": "interpreter",
                "name": "cpython",
                "version": one.version.rpartition(":")[2].partition("-")[0].partition("+")[0],
            }


def _system(lock: Lock) -> Iterator[dict[str, Any]]:
    suite = lock.base.suite if lock.base else lock.suite
    if suite:
        yield {
            "type": "operating-system",
            "bom-ref": "system",
            "name": "debian",
            "version": purl.release(suite),
        }


def _own(image: Image) -> Iterator[dict[str, Any]]:
    name = dict(image.settings.labels).get("harness.model")
    for layer in image.layers:
        if name and layer.title in _OWN:
            yield {
                "type": _OWN[layer.title],
                "bom-ref": layer.title,
                "name": f"{name} {layer.title}",
                "hashes": _hashes(layer.diff_id),
            }


def _dependencies(
    image: Image, lock: Lock, components: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    wheels = {one.name: purl.wheel(one) for one in lock.packages}
    debs = {one.name: purl.deb(one, lock.suite) for one in lock.debs}
    needs = {
        **_needs(lock.packages, wheels),
        **_needs(lock.debs, debs),
        "interpreter": [debs[n] for n in (f"python{lock.python}-minimal",) if n in debs],
    }
    refs = [one["bom-ref"] for one in components]
    for ref, wanted in sorted([(image.config, refs), *((ref, needs.get(ref, [])) for ref in refs)]):
        yield {"ref": ref, "dependsOn": sorted(set(wanted))}


def _needs(packages: Iterable[Wheel | Deb], refs: dict[str, str]) -> dict[str, list[str]]:
    return {refs[p.name]: [refs[n] for n in p.dependencies if n in refs] for p in packages}


def _hashes(digest: Any) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hexadecimal(digest)}]
