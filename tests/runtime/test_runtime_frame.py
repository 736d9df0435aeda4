"""Laws of the wire format."""

from __future__ import annotations

import io
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_strategies import columns

from harness.runtime import frame

HEADERS = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key not in ("columns", "buffers")),
    st.none() | st.integers() | st.text(max_size=5),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(HEADERS, st.lists(columns(), max_size=3), st.lists(st.binary()))))
def test_frames_in_a_row_read_back_as_they_were_written(frames: list[tuple]) -> None:
    stream = io.BytesIO()
    for header, held, buffers in frames:
        frame.write(stream, header, held, buffers)
    stream.seek(0)

    read = [frame.read(stream) for _ in frames]

    assert [(h, c, b) for h, c, b in frames] == read
    assert frame.read(stream) is None


@settings(max_examples=40)
@given(st.lists(columns(), min_size=1, max_size=3), st.data())
def test_a_frame_that_is_cut_short_is_an_error(
    held: list[frame.Column], data: st.DataObject
) -> None:
    stream = io.BytesIO()
    frame.write(stream, {"op": "x"}, held, [b"end"])
    whole = stream.getvalue()
    cut = data.draw(st.integers(1, len(whole) - 1))

    with pytest.raises(EOFError):
        frame.read(io.BytesIO(whole[:cut]))


def test_a_length_that_no_header_has_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="not a frame"):
        frame.read(io.BytesIO(struct.pack(">I", frame.LIMIT + 1)))


def test_the_first_bytes_are_the_headers_length_and_the_header_is_json() -> None:
    stream = io.BytesIO()

    frame.write(stream, {"op": "hello"}, buffers=[b"abc"])

    raw = stream.getvalue()
    (length,) = struct.unpack(">I", raw[:4])
    assert {"op": "hello", "columns": [], "buffers": [3]} == json.loads(raw[4 : 4 + length])
    assert b"abc" == raw[4 + length :]
