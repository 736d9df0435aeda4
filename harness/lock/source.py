"""Where environments come from: a folder of them, or a registry (``oci://registry/envs``).

``tabular:3`` in ``oci://registry/envs`` is the tag ``3`` of the repository ``envs/tabular``. What
was pulled is kept in the store as the folder of environments that it came from, and is not asked
for again by somebody who knows the digest of its lock.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.core.errors import LockInvalid, ReleaseFinal, SpecInvalid, UnknownEnvironment
from harness.lock import artifact
from harness.lock.resolved import Resolved
from harness.spec.environment import Environment
from harness.spec.nearest import nearest
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world import files
from harness.world.http import NotFound
from harness.world.registry import Registry
from harness.world.store import Store

SCHEME = "oci://"


def is_registry(source: str) -> bool:
    """Tell whether *source* is a registry rather than a folder."""
    return source.startswith(SCHEME)


def split(source: str) -> tuple[str, str]:
    """Return host and path of ``oci://host/path``; raises SpecInvalid."""
    host, slash, path = source.removeprefix(SCHEME).strip("/").partition("/")
    if not is_registry(source) or not slash or not re.fullmatch(r"[\w.\[\]:-]+", host):
        raise SpecInvalid(
            f'"{source}" is no registry with a place in it', hint='write it as "oci://host/envs"'
        )
    artifact.check_name(path)
    return host, path


def folder(source: str, reference: str, store: Store, *, known: Digest | None = None) -> Path:
    """Return the folder of environments in which *reference* (``tabular:3``) is found.

    A folder is itself; a registry is pulled from, unless the store has the lock that is *known*
    by its digest. Raises UnknownEnvironment with what there is, LockInvalid for what is no
    environment, and what `Registry` raises.
    """
    if not is_registry(source):
        return Path(source)
    key = None if known is None else store.recall("pulled", _key(source, reference, known))
    if key is not None and (store.root / "t" / key).is_dir():
        return store.root / "t" / str(key)
    return _pulled(source, reference, store)


def resolved(environment: Environment, source: str, home: Path) -> Resolved:
    """Return what *environment*, found in *source*, stands for, as *home* records it."""
    digest = files.digest_of(environment.lock_path)
    return Resolved(name=environment.reference, lock=digest, source=told(source, home))


def told(source: str, home: Path) -> str:
    """Return *source* as a file in *home* names it: a folder by the way to it."""
    return source if is_registry(source) else Path(os.path.relpath(source, home)).as_posix()


def publish(environment: Environment, source: str) -> Digest:
    """Push *environment* into the registry *source*; return the manifest's digest.

    Pushing the same again does nothing. Raises ReleaseFinal when the registry has other content
    under that version.
    """
    host, path = split(source)
    repository, tag = f"{path}/{environment.name}", str(environment.version)
    content = artifact.files_of(environment)
    manifest = artifact.manifest_of(environment.reference, content)
    with Registry(host) as registry:
        try:
            there = registry.manifest(repository, tag).digest
        except NotFound:
            there = None
        if there == of_bytes(manifest):
            return there
        if there is not None:
            raise ReleaseFinal(
                f"{SCHEME}{host}/{repository}:{tag} is another {environment.reference} ({there})",
                hint="a published version is final: release the next one, or another registry",
            )
        for data in (artifact.EMPTY, *content.values()):
            registry.push_blob(repository, data)
        return registry.push_manifest(repository, tag, manifest)


def versions(source: str, name: str) -> tuple[int, ...]:
    """Return the versions of *name* in the registry *source*; none where it has no such name."""
    host, path = split(source)
    with Registry(host) as registry:
        return _versions(registry, f"{path}/{name}")


def _pulled(source: str, reference: str, store: Store) -> Path:
    host, path = split(source)
    name, _, version = reference.partition(":")
    repository = f"{path}/{name}"
    with Registry(host) as registry:
        version = version or str(max(_versions(registry, repository), default=""))
        try:
            manifest = registry.manifest(repository, version)
        except NotFound as missing:
            raise _unknown(registry, source, name, reference, repository) from missing
        where = f"{SCHEME}{host}/{repository}:{version}"
        content = artifact.unpacked(
            manifest.data, where, lambda digest: registry.blob(repository, digest)
        )
    lock = f"pylock.{version}.toml"
    if not {ENVIRONMENT_FILE, lock} <= {*content}:
        raise LockInvalid(
            f"{where} holds no {ENVIRONMENT_FILE} and {lock}", hint="release it again"
        )
    key = f"environment-{hexadecimal(manifest.digest)[:24]}"

    def fill(root: Path) -> None:
        for inner, data in content.items():
            files.write_atomic(root / name / inner, data)

    there = store.tree(key, fill)
    store.remember("pulled", _key(source, f"{name}:{version}", of_bytes(content[lock])), key)
    return there


def _key(source: str, reference: str, lock: Digest) -> str:
    return hexadecimal(of_bytes(f"{source} {reference} {lock}".encode()))


def _versions(registry: Registry, repository: str) -> tuple[int, ...]:
    try:
        return tuple(sorted(int(tag) for tag in registry.tags(repository) if tag.isdecimal()))
    except NotFound:
        return ()


def _unknown(
    registry: Registry, source: str, name: str, reference: str, repository: str
) -> UnknownEnvironment:
    there = [f"{name}:{version}" for version in _versions(registry, repository)]
    listed = f"; there are {', '.join(there)}" if there else ""
    close = nearest(reference, {one: one for one in there})
    hint = f'did you mean "{close}"?' if close else f"harness env release {name} --to {source}"
    return UnknownEnvironment(f"no environment {reference} in {source}{listed}", hint=hint)
