"""A tree as a tar: one tree, one sequence of bytes.

POSIX pax format (IEEE 1003.1-2001): sorted by the path's bytes, parents named first, owner 0, one
fixed time, modes 0644 and 0755. Extended headers appear only where a name needs one.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping

from harness.content.tree import MOMENT, Node

STICKY = frozenset({"tmp", "var/tmp"})
_CHUNK = 1 << 20


def stream(merged: Mapping[str, Node]) -> Iterator[bytes]:
    """Yield the tar of *merged*, chunk by chunk; the chunks' borders carry no meaning."""
    complete = {**_parents(merged), **merged}
    for path in sorted(complete, key=str.encode):
        node = complete[path]
        header = tarfile.TarInfo(path)
        header.mtime = MOMENT
        header.uid = header.gid = 0
        match node.kind:
            case "folder":
                header.type = tarfile.DIRTYPE
                header.mode = 0o1777 if path in STICKY else 0o755
            case "link":
                header.type = tarfile.SYMTYPE
                header.linkname = node.target
                header.mode = 0o777
            case _:
                header.size = node.size
                header.mode = 0o755 if node.executable else 0o644
        yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
        if node.kind == "file":
            yield from _content(node)
    yield b"\0" * 1024


def _content(node: Node) -> Iterator[bytes]:
    left = node.size
    with open(node.source, "rb") as file:
        while chunk := file.read(min(_CHUNK, left)) if left else b"":
            left -= len(chunk)
            yield chunk
    if left:
        raise OSError(f"{node.source} became shorter while it was read")
    if rest := node.size % 512:
        yield b"\0" * (512 - rest)


def _parents(merged: Mapping[str, Node]) -> dict[str, Node]:
    parents: dict[str, Node] = {}
    for path in merged:
        while path := path.rpartition("/")[0]:
            parents[path] = Node(path, "folder", "")
    return parents
