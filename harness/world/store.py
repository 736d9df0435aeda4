"""The blob store and what is derived from it, in the user's cache.

Names under one root, each appearing whole or not at all:

``blobs/sha256/<hex>``  files by the digest of their bytes
``t/<key>``             unpacked trees; never changed after they appear
``d/<kind>/<key>.json`` records that are functions of their key, each with its own digest;
                        ``d/tree/<key>.json`` is the seal of a tree: what it held at first
``run/<name>``          scratch folders, each locked by the process that uses it
``partial/<hex>``       the first bytes of blobs on their way here (``partial``): the exception

A blob is synced before it gets its name. Trees and records are not: they can be made again, and
what a power failure takes of them is found by their seals and digests.

``store_check`` reads it all against the digests, ``store_gc`` removes what nobody uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal, of_bytes, of_hex
from harness.core.errors import HashMismatch, StoreDamaged
from harness.world import files, seal, use

REPAIR = "harness store check --repair, then the same command again"
SEAL = "tree"
"""The kind of record that holds a tree's seal."""


@dataclass(frozen=True, slots=True)
class Store:
    """A content-addressed store rooted at a folder; safe for many processes at once."""

    root: Path

    def path(self, digest: Digest) -> Path:
        """Return where the blob of *digest* is, or would be."""
        return self.root.joinpath("blobs", "sha256", hexadecimal(digest))

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is here."""
        return use.touched(self.root, self.path(digest))

    def read(self, digest: Digest) -> bytes:
        """Return the blob's bytes; raises StoreDamaged when they are not its own."""
        data = self.path(digest).read_bytes()
        if of_bytes(data) != digest:
            raise self._damaged(digest)
        return data

    def whole(self, digest: Digest) -> Path:
        """Return where the blob is, read through; raises StoreDamaged as ``read`` does."""
        if files.digest_of(self.path(digest)) != digest:
            raise self._damaged(digest)
        return self.path(digest)

    def _damaged(self, digest: Digest) -> StoreDamaged:
        return StoreDamaged(
            f"{self.path(digest)} does not hold the bytes of its name",
            hint=REPAIR,
        )

    def add(self, data: bytes) -> Digest:
        """Keep *data*, also where the store has it damaged; return its digest."""
        digest = of_bytes(data)
        if not self.has(digest) or files.digest_of(self.path(digest)) != digest:
            files.write_atomic(self.path(digest), data)
        return digest

    def add_stream(
        self, chunks: Iterator[bytes], *, expected: Digest | None = None, name: str = ""
    ) -> Digest:
        """Keep the concatenated *chunks*; raises HashMismatch when they are not *expected*."""
        target = self.root / "blobs" / "sha256"
        target.mkdir(parents=True, exist_ok=True)
        with self.scratch() as folder:
            hasher = hashlib.sha256()
            with (folder / "blob").open("wb") as file:
                for chunk in chunks:
                    hasher.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            digest = of_hex(hasher.hexdigest())
            if expected is not None and digest != expected:
                raise HashMismatch(
                    f"{name or 'a file'} has other bytes than the lock names: "
                    f"expected {expected}, received {digest}",
                    hint="the source changed a file after the lock was written; "
                    "find out why before you lock again",
                )
            os.chmod(folder / "blob", 0o644)
            os.replace(folder / "blob", self.path(digest))
        return digest

    def take(self, path: Path) -> Digest:
        """Keep the file at *path*, which is on the store's own file system, synced, and moves into
        it."""
        digest = files.digest_of(path)
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(path, 0o644)
        os.replace(path, target)
        return digest

    def tree(
        self,
        key: str,
        fill: Callable[[Path], Mapping[str, str] | None],
        *,
        of: Sequence[str] = (),
    ) -> Path:
        """Return the unpacked tree of *key*, letting *fill* make it in a scratch folder if new.

        What *fill* made is sealed, and not synced; it may return the sha256 of files that it wrote,
        by their places. *of* names the trees whose files it links, where it has none of its own.
        """
        target = self.root / "t" / key
        if self.has_tree(key):
            return target
        with files.locked(self.root / "locks" / key):
            if self.has_tree(key):
                return target
            with self.scratch() as folder:
                made = folder / "tree"
                made.mkdir(mode=0o755)
                digests = fill(made)
                body = {"of": sorted(set(of))} if of else seal.of(made, digests)
                self.remember(SEAL, key, body)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(made, target)
        return target

    def has_tree(self, key: str) -> bool:
        """Tell whether the tree is here, and mark it as used."""
        sealed = use.touched(self.root, self.record_path(SEAL, key))
        return (self.root / "t" / key).is_dir() and (sealed or self._seal(key))

    def _seal(self, key: str) -> bool:
        """Seal a tree of an earlier version as it is now."""
        with suppress(OSError):  # a store that isn't ours to write
            self.remember(SEAL, key, seal.of(self.root / "t" / key))
        return True

    def sound(self, keys: Sequence[str]) -> None:
        """Read trees through; raises StoreDamaged, naming the first file that isn't as sealed."""
        for key in keys:
            expected = self.sealed(key)
            if expected is None and self.record_path(SEAL, key).exists():
                raise StoreDamaged(
                    f"{self.record_path(SEAL, key)} doesn't say any more what the tree held "
                    "(likely cause: power was lost while it was written)",
                    hint=REPAIR,
                )
            found = expected is not None and seal.first_difference(self.root / "t" / key, expected)
            if found:
                raise StoreDamaged(
                    f"{self.root / 't' / key / found.path} {found.what} "
                    f"(likely cause: {found.cause})",
                    hint=REPAIR,
                )

    def sealed(self, key: str) -> dict[str, seal.Entry] | None:
        """Return what the tree of *key* held when it appeared; None without a seal."""
        body = self.recall(SEAL, key)
        if body is None or "of" not in body:
            return None if body is None else dict(body["nodes"])
        merged: dict[str, seal.Entry] = {}
        for part in body["of"]:
            nodes = self.sealed(part)
            if nodes is None:
                return None
            merged |= nodes
        return merged

    def record_path(self, kind: str, key: str) -> Path:
        """Return where a record is, or would be."""
        return self.root.joinpath("d", kind, f"{key}.json")

    def record(self, kind: str, key: str, make: Callable[[], Any]) -> Any:
        """Return the JSON value of *key*, calling *make* when it is not here yet."""
        known = self.recall(kind, key)
        if known is None:
            known = make()
            self.remember(kind, key, known)
        return known

    def recall(self, kind: str, key: str) -> Any:
        """Return the JSON value of *key*, or None; raises StoreDamaged when it was changed."""
        path = self.record_path(kind, key)
        if not use.touched(self.root, path):
            return None
        try:
            return opened(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as changed:
            raise StoreDamaged(
                f"{path} is not the record that was written", hint=REPAIR
            ) from changed

    def remember(self, kind: str, key: str, value: Any) -> None:
        """Keep a JSON *value* under *key*."""
        use.begin(self.root)
        body = {"sha256": hexadecimal(canonical.digest(value)), "value": value}
        files.write_atomic(self.record_path(kind, key), canonical.dumps(body), durable=False)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a private folder on the store's file system, gone afterwards.

        Its lock tells the next run whether its owner is alive: what a kill -9 left is reaped.
        """
        run = self.root / "run"
        run.mkdir(parents=True, exist_ok=True)
        with files.locked(self.root / "locks" / "run"):  # nobody reaps it before it is locked
            folder = Path(tempfile.mkdtemp(prefix="", dir=run))
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            remove(folder)
            os.close(handle)

    def reap(self) -> int:
        """Remove scratch folders and half files whose owner is gone; return how many."""
        use.forget_dead(self.root)
        folders = [self.root / "blobs" / "sha256", *sorted((self.root / "d").glob("*"))]
        gone = sum(files.reap(folder) for folder in folders)
        with files.locked(self.root / "locks" / "run"):
            for folder in sorted((self.root / "run").glob("*")):
                try:
                    handle = os.open(folder, os.O_RDONLY)
                except FileNotFoundError:
                    continue  # its owner has just removed it
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # its owner lives
                else:
                    remove(folder)
                    gone += 1
                finally:
                    os.close(handle)
        return gone


def opened(data: bytes) -> Any:
    """Return the value of a record's bytes; None for one of an earlier version, without a digest.

    Raises ValueError when the value is not the one of its digest.
    """
    if not data:  # as a power failure may leave what is not synced
        return None
    body = json.loads(data)
    if not isinstance(body, dict) or body.keys() != {"sha256", "value"}:
        return None
    if hexadecimal(canonical.digest(body["value"])) != body["sha256"]:
        raise ValueError("another digest")
    return body["value"]


def remove(folder: Path) -> None:
    """Remove *folder* and all below it, also where a package made a folder read-only."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            inner = os.path.join(parent, name)
            if not os.path.islink(inner):
                with suppress(PermissionError):  # a container's user made it
                    os.chmod(inner, 0o755)
    shutil.rmtree(folder, ignore_errors=True)
