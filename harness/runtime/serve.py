"""The server inside a model image: the Open Inference Protocol over HTTP, on the environment's own
uvicorn. Run as ``serve.py --uds PATH`` or ``serve.py --host ADDRESS --port N``.

One process, one model, one thread that asks it: a model need not be thread-safe. SIGTERM turns
readiness to 503 at once; requests are still answered for the drain time; what is in flight then
is finished; exit code 0.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import adapter, loading
    from harness.runtime.service import LIMIT, Service
else:
    # A process that the model spawns runs this file again, with the path that we left to it.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import adapter
    import loading
    from service import LIMIT, Service

    loading.step_aside()

GRACE = 30.0
"""Seconds that requests in flight may take after the drain time."""


def serve(uvicorn: Any, service: Service, *, drain: float, **address: Any) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code: 0, or 1 when it could not listen.

    *uvicorn* is the environment's own; *drain* is in seconds; *address* is uvicorn's ``uds``, or
    ``host`` and ``port``.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            service,
            lifespan="off",
            ws="none",
            loop="asyncio",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE,
            **address,
        )
    )
    over = threading.Event()

    def run() -> None:
        try:
            server.run()
        finally:
            over.set()

    # uvicorn leaves signals alone off the main thread; on it, it would stop listening at once and
    # raise the signal again at the end, which is no exit code 0.
    thread = threading.Thread(target=run, name="http")
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: over.set())
    thread.start()
    over.wait()
    service.draining = True
    thread.join(drain)
    server.should_exit = True
    thread.join()
    return 0 if server.started and not service.busy else 1


def main(arguments: list[str] | None = None) -> int:
    """Load the model, then serve it; return the exit code."""
    parser = argparse.ArgumentParser(prog="serve.py", description=__doc__)
    parser.add_argument("--uds", type=Path, help="listen on this unix socket")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--drain", type=float, default=1.0, help="seconds, after SIGTERM")
    parser.add_argument("--limit", type=int, default=LIMIT, help="bytes of a body")
    loading.add_places(parser)
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # nothing is in flight yet
    try:
        uvicorn = importlib.import_module("uvicorn")
    except ModuleNotFoundError:
        print("this environment has no uvicorn: add it to its requirements", file=sys.stderr)
        return 1
    settings = loading.settings(chosen.settings)
    worker = ThreadPoolExecutor(1, "model")
    loaded = worker.submit(
        adapter.load, settings, chosen.artifact.absolute(), folder=chosen.folder.absolute()
    )
    uds = chosen.uds.absolute() if chosen.uds else None  # before loading changes the folder
    address = {"uds": str(uds)} if uds else {"host": chosen.host, "port": chosen.port}
    service = Service(settings, loaded.result(), worker, chosen.limit)
    adapter.build((), kind=service.kind)  # an environment without the library fails here, not later
    return serve(uvicorn, service, drain=chosen.drain, **address)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a model that still computes after the grace time must not hold us
