"""Running a job to its end by means of ``start``: the same for every engine."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from harness.engine.engine import OUTPUT, Engine, Job, Result

CHUNK = 1 << 16


def run_to_end(
    engine: Engine, job: Job, *, stdin: bytes = b"", limit: int = OUTPUT
) -> tuple[Result, bytes]:
    """Give *job* its *stdin*; return how it ended and the first *limit* bytes of its stdout.

    Raises JobFailed or EngineUnavailable when it could not be run at all.
    """
    kept = bytearray()
    dropped = 0
    with engine.start(job) as running:
        feeder = threading.Thread(
            target=_feed, args=(running.stdin, stdin), name=f"stdin of {job.label}"
        )
        feeder.start()
        try:
            while part := running.stdout.read(CHUNK):
                kept += part[: limit - len(kept)]
                dropped += len(part)
            result = running.wait()
        finally:
            running.kill()  # ends a feeder that nobody reads from
            feeder.join()
    return replace(result, dropped=dropped - len(kept)), bytes(kept)


def _feed(stream: BinaryIO, data: bytes) -> None:
    with suppress(BrokenPipeError):  # a program need not read its input
        stream.write(data)
    with suppress(BrokenPipeError):
        stream.close()
