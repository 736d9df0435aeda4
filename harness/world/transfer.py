"""Many transfers at once: how far they are, and how one failure ends them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

STREAMS = 4
"""Blobs that are moved at once: more gain nothing on a line that is full."""

Item = TypeVar("Item")
Progress = Callable[[int, int], None]
"""Called with the bytes that are done, and the bytes that there are."""


class Stopped(Exception):
    """Another transfer failed, or a person ended it: this one ends too."""


class Meter:
    """Counts bytes over many threads, and tells *progress* ten times a second at most."""

    def __init__(self, total: int, progress: Progress = lambda done, total: None) -> None:
        self._total, self._progress = total, progress
        self._done: dict[Hashable, int] = {}
        self._lock, self._told = threading.Lock(), 0.0
        self._stopped = False

    def at(self, item: Hashable, done: int) -> None:
        """Say that *done* bytes of *item* are moved; raises Stopped when all is to end."""
        if self._stopped:
            raise Stopped
        with self._lock:
            self._done[item] = done
            sum_, now = sum(self._done.values()), time.monotonic()
            if sum_ == self._total or now - self._told >= 0.1:
                self._told = now
                self._progress(sum_, self._total)

    def stop(self) -> None:
        """Let every transfer end at its next chunk."""
        self._stopped = True


def together(
    work: Callable[[Item], None], items: Sequence[Item], meter: Meter, *, streams: int = STREAMS
) -> None:
    """Call *work* on every item, *streams* at a time; raises what failed first, and stops the rest.

    Ctrl-C ends it within a chunk.
    """
    with ThreadPoolExecutor(max_workers=max(1, min(streams, len(items)))) as pool:
        try:
            futures = [pool.submit(work, item) for item in items]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = [error for one in done if (error := one.exception()) is not None]
        finally:
            if any(not one.done() or one.exception() for one in futures):
                meter.stop()
                pool.shutdown(wait=False, cancel_futures=True)
    if failed:
        raise next((one for one in failed if not isinstance(one, Stopped)), failed[0])
