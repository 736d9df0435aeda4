"""What maintainer scripts would have made, generated instead: one small tree per image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.content.deb import MERGED
from harness.content.tree import Writer
from harness.image import ld_cache

FOLDERS = (
    "app", "artifact", "data", "dev", "etc", "home", "opt/harness", "opt/model", "proc", "root",
    "run", "sys", "tmp", "usr/local/bin", "var/tmp",
)  # fmt: skip
"""Mount points and work folders: they must exist, since no image of ours is written to later."""

PASSWD = """root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:65532:65532:nonroot:/home:/usr/sbin/nologin
"""
GROUP = "root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
CERTIFICATES = "usr/share/ca-certificates/mozilla"


def generate(root: Path, debs: Iterable[Path], python: str) -> None:
    """Write the base tree below *root*, given the unpacked trees of the OS packages."""
    trees = tuple(debs)
    writer = Writer(root, "the base")
    for folder in FOLDERS:
        writer.folder(folder)
    for name in MERGED:
        if any((tree / "usr" / name).is_dir() for tree in trees):
            writer.link(name, f"usr/{name}")
    writer.file("etc/passwd", PASSWD.encode())
    writer.file("etc/group", GROUP.encode())
    writer.file("etc/nsswitch.conf", NSSWITCH.encode())
    writer.file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
    if not any((tree / "usr/bin/python3").is_symlink() for tree in trees):
        writer.link("usr/bin/python3", f"python{python}")
    if any((tree / "usr/sbin/ldconfig").is_file() for tree in trees):
        writer.file("etc/ld.so.cache", ld_cache.cache(ld_cache.libraries(trees)))
    certificates = sorted(
        (path for tree in trees for path in (tree / CERTIFICATES).glob("*.crt")),
        key=lambda path: path.name,
    )
    if certificates:
        bundle = b"".join(path.read_bytes().rstrip(b"\n") + b"\n" for path in certificates)
        writer.file("etc/ssl/certs/ca-certificates.crt", bundle)
