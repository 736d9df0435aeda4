"""The docker engine: jobs in containers of Docker, or of Podman, on this machine.

What runs is the very image that ships: the daemon is sent it once, and the container's image id is
its config's digest.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field

from harness.core.errors import JobFailed
from harness.engine import container, shipment
from harness.engine.contained import Contained, unavailable
from harness.engine.daemon import Daemon, Refused, Session
from harness.engine.engine import Job, Result
from harness.engine.exchange import run_to_end
from harness.engine.placement import in_image, place
from harness.engine.sharing import share
from harness.world.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Docker:
    """The engine that uses *daemon*; images are sent from *store*."""

    daemon: Daemon
    store: Store
    name: str = "docker"
    _sending: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def start(self, job: Job) -> Contained:
        """Start *job*; raises JobFailed when a mount has no place in the root or can't be read,
        EngineUnavailable when the daemon refuses."""
        place(job)
        if not in_image(job, job.cwd):
            raise JobFailed(f"{job.cwd} is no folder of the image", hint="choose another cwd")
        share(job.mounts if job.image is not None else job.placed, ours=self.store.root)
        own = self.daemon.session()
        session = own.__enter__()
        made: str | None = None
        try:
            with self._sending:
                image = self._delivered(job, session)
            body = container.request(
                job, image, podman=self.daemon.podman, limit=self.daemon.limits_memory
            )
            made = session.create(body, name=container.name(job))
            return Contained(job, own, session, made)
        except BaseException as broken:
            if made is not None:
                with suppress(Refused, OSError):
                    session.remove(made)
            own.__exit__(None, None, None)
            if isinstance(broken, Refused | OSError):
                raise unavailable(self.daemon, broken) from broken
            raise

    def run(self, job: Job, *, stdin: bytes = b"") -> tuple[Result, bytes]:
        """Run *job* to its end; return how it ended and its stdout, bounded."""
        return run_to_end(self, job, stdin=stdin)

    def _delivered(self, job: Job, session: Session) -> str:
        if job.image is not None:
            return shipment.deliver(shipment.of_image(job.image, self.store), session)
        return shipment.deliver(shipment.of_folder(job.root), session)
