"""What maintainer scripts would have made, generated instead: one small tree per image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.content import alternatives
from harness.content.deb import MERGED
from harness.content.tree import Writer, nodes
from harness.image import ld_cache

FOLDERS = (
    "app", "artifact", "data", "dev", "etc", "home", "opt/harness", "opt/model", "proc", "root",
    "run", "sys", "tmp", "usr/local/bin", "var/tmp",
)  # fmt: skip
"""Mount points and work folders: they must exist, since no image of ours is written to later."""

FILES = {
    "etc/passwd": """root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:65532:65532:nonroot:/home:/usr/sbin/nologin
""",
    "etc/group": "root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/timezone": "Etc/UTC\n",
}
CERTIFICATES = "usr/share/ca-certificates/mozilla"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
LINKS = (
    ("etc/localtime", "../usr/share/zoneinfo/Etc/UTC", "usr/share/zoneinfo/Etc/UTC"),
    ("usr/lib/ssl/cert.pem", f"../../../{BUNDLE}", "usr/share/ca-certificates"),
    ("usr/lib/ssl/certs", "../../../etc/ssl/certs", "usr/share/ca-certificates"),
    ("var/run", "../run", "etc"),
)
"""Links that scripts make: path, target, and what must be in a package for it to have a point.
OpenSSL looks in ``usr/lib/ssl`` where no variable tells it otherwise."""


def generate(root: Path, debs: Iterable[Path], python: str) -> None:
    """Write the base tree below *root*, given the unpacked trees of the OS packages."""
    trees = tuple(debs)
    writer = Writer(root, "the base")
    for folder in FOLDERS:
        writer.folder(folder)
    for name in MERGED:
        if any((tree / "usr" / name).is_dir() for tree in trees):
            writer.link(name, f"usr/{name}")
    for path, text in FILES.items():
        if not _somewhere(trees, path):
            writer.file(path, text.encode())
    for path, target, reason in LINKS:
        if _somewhere(trees, reason) and not _somewhere(trees, path):
            writer.link(path, target)
    if not any((tree / "usr/bin/python3").is_symlink() for tree in trees):
        writer.link("usr/bin/python3", f"python{python}")
    links = alternatives.chosen(trees)
    for path, target in links.items():
        writer.link(path, os.path.relpath(target, os.path.dirname(path)))
    if any((tree / "usr/sbin/ldconfig").is_file() for tree in trees):
        writer.file("etc/ld.so.cache", ld_cache.cache(ld_cache.libraries((*trees, root))))
    if certificates := b"".join(_certificates(trees)):
        writer.file(BUNDLE, certificates)


def _somewhere(trees: tuple[Path, ...], path: str) -> bool:
    return any(os.path.lexists(tree / path) for tree in trees)


def _certificates(trees: tuple[Path, ...]) -> Iterator[bytes]:
    """Yield the certificates of the packages by name; none through a link, which could lead out."""
    found = {}
    for tree in trees:
        for node in nodes(tree):
            folder, _, name = node.path.rpartition("/")
            if node.kind == "file" and folder == CERTIFICATES and name.endswith(".crt"):
                found[name.encode()] = Path(node.source)
    for _, path in sorted(found.items()):
        yield path.read_bytes().rstrip(b"\n") + b"\n"
