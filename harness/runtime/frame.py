"""The frame: one message between Harness and a model, and how it lies on the wire.

A frame is a 4-byte big-endian length, a JSON header of that many bytes, then raw little-endian
buffers whose lengths the header lists under ``buffers``. A header may describe ``columns``; each
column owns one to three buffers: data, offsets (strings only), nulls (where there are any).

Standard library only: this file travels into images.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from json import dumps, loads  # by name: a model may put its own into json
from typing import Any, BinaryIO

LIMIT = 1 << 26  # a header longer than this is not ours
NUMBERS = ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1")
TYPES = (*NUMBERS, "b1", "us", "str", "json")
"""``b1`` one byte a boolean; ``us`` int64 microseconds since 1970 in UTC; ``str`` UTF-8 with int64
offsets (n + 1 of them); ``json`` the same, each cell the JSON text of any value (mixed columns)."""


@dataclass(frozen=True)
class Column:
    """A named column of *rows* cells.

    *nulls* is a bit mask, least significant bit first, 1 where the cell is missing; None where no
    cell is. *dtype* says how the cell should be held on the other side: ``""`` (the type's usual
    one), ``category`` (``category:["a", "b"]``: with these), ``Int64``, ``boolean``, ``string``,
    ``object``, or a numpy name.
    """

    name: str
    type: str
    rows: int
    data: bytes
    offsets: bytes | None = None
    nulls: bytes | None = None
    dtype: str = ""


def write(
    stream: BinaryIO,
    header: dict[str, Any],
    columns: list[Column] | None = None,
    buffers: list[bytes] | None = None,
) -> None:
    """Write one frame: *header*, described *columns*, then free *buffers*."""
    parts: list[bytes] = []
    described = []
    for column in columns or ():
        described.append(
            {
                "name": column.name,
                "type": column.type,
                "rows": column.rows,
                "dtype": column.dtype,
                "offsets": column.offsets is not None,
                "nulls": column.nulls is not None,
            }
        )
        parts += [b for b in (column.data, column.offsets, column.nulls) if b is not None]
    parts += buffers or []
    text = dumps(
        {**header, "columns": described, "buffers": [len(part) for part in parts]}
    ).encode()
    stream.write(struct.pack(">I", len(text)) + text)
    for part in parts:
        stream.write(part)
    stream.flush()


def read(stream: BinaryIO) -> tuple[dict[str, Any], list[Column], list[bytes]] | None:
    """Return the next frame's header, columns and free buffers; None at a clean end.

    Raises ValueError for anything that is not a frame, EOFError for one that is cut short.
    """
    head = stream.read(4)
    if not head:
        return None
    if len(head) < 4:
        raise EOFError("a frame ended within its length")
    (length,) = struct.unpack(">I", head)
    if length > LIMIT:
        raise ValueError(f"a frame's header of {length} bytes: this is not a frame")
    header = loads(_exactly(stream, length))
    buffers = [_exactly(stream, size) for size in header.pop("buffers")]
    columns = []
    for described in header.pop("columns"):
        data = buffers.pop(0)
        offsets = buffers.pop(0) if described.pop("offsets") else None
        nulls = buffers.pop(0) if described.pop("nulls") else None
        columns.append(Column(data=data, offsets=offsets, nulls=nulls, **described))
    return header, columns, buffers


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise EOFError("a frame ended early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts) if len(parts) != 1 else parts[0]
