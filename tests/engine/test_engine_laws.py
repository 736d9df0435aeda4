"""What holds for any bytes: the tail, the pipe in memory, exit statuses."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.engine import Tail, ended
from harness.engine.pipe import CAPACITY, Pipe

CHUNKS = st.lists(st.binary(max_size=300), max_size=20)


@given(chunks=CHUNKS, limit=st.integers(1, 400))
def test_a_tail_is_the_end_of_all_that_was_written(chunks: list[bytes], limit: int) -> None:
    tail = Tail(limit)

    for chunk in chunks:
        tail.write(chunk)

    assert tail.text == b"".join(chunks)[-limit:].decode("utf-8", "replace")


@given(chunks=CHUNKS, size=st.integers(1, 500))
def test_what_goes_into_a_pipe_comes_out_in_order(chunks: list[bytes], size: int) -> None:
    changed = threading.Condition()
    pipe = Pipe(changed)
    reader, writer = pipe.reader(changed.wait), pipe.writer(changed.wait)

    for chunk in chunks:
        writer.write(chunk)
    writer.close()
    out = b"".join(iter(lambda: reader.read(size), b""))

    assert out == b"".join(chunks)


def test_a_full_pipe_holds_its_writer_until_somebody_reads() -> None:
    changed = threading.Condition()
    pipe = Pipe(changed)
    reader, writer = pipe.reader(changed.wait), pipe.writer(changed.wait)
    writer.write(bytes(CAPACITY))
    thread = threading.Thread(target=writer.write, args=(b"one more",))

    thread.start()

    with changed:
        assert len(pipe.held) == CAPACITY
    assert reader.read(CAPACITY + 8) == bytes(CAPACITY) + b"one more"
    thread.join()


def test_a_pipe_without_a_reader_is_broken() -> None:
    changed = threading.Condition()
    pipe = Pipe(changed)
    reader, writer = pipe.reader(changed.wait), pipe.writer(changed.wait)
    reader.close()

    with pytest.raises(BrokenPipeError):
        writer.write(b"x")


@given(status=st.integers(0, 255))
def test_every_exit_status_is_a_code_or_a_signal(status: int) -> None:
    reason, code = ended(status)

    if reason == "signal":
        assert status == 128 + code
    else:
        assert status == code
        assert status <= 128 or status > 192 or status - 128 in (32, 33)
