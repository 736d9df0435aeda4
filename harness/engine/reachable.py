"""Which container daemon can be used from here: each socket is tried with a real job."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.core.errors import EngineUnavailable
from harness.engine.daemon import Daemon, Refused, reach
from harness.engine.docker import Docker
from harness.engine.owner import reap
from harness.engine.trial import Finding, trial
from harness.world import files
from harness.world.store import Store

START = "sudo systemctl start docker"
JOIN = "sudo usermod -aG docker $USER, then log in again"
SHARED = (
    "the daemon must run on this machine and see the same files: a socket that leads elsewhere, or "
    "out of a container, does not do"
)


def find(
    sockets: tuple[Path, ...] | None = None,
    store: Store | None = None,
    *,
    variables: Mapping[str, str] = os.environ,
) -> tuple[Docker | None, tuple[Finding, ...]]:
    """Return the first daemon's engine that works, and what was found.

    What earlier runs left behind that were killed is removed there. *sockets* are by default that
    of ``DOCKER_HOST``, else the usual ones; *store* is by default the user's.
    """
    if sockets is None:
        host = variables.get("DOCKER_HOST", "")
        if host and not host.startswith("unix://"):
            what = (
                f"DOCKER_HOST is {host}, and a daemon elsewhere does not see this machine's files"
            )
            return None, (_no(what, "unset DOCKER_HOST, or name a unix socket of this machine"),)
        sockets = (Path(host.removeprefix("unix://")),) if host else usual(variables)
    findings: list[Finding] = []
    for socket in sockets:
        if len(sockets) > 1 and not os.path.lexists(socket):
            continue  # not installed
        try:
            daemon = reach(socket)
        except PermissionError:
            findings.append(_no(f"{socket} is not for this user", JOIN))
            continue
        except (OSError, Refused) as error:
            findings.append(_no(f"{socket}: {error}", START))
            continue
        except EngineUnavailable as missing:
            return None, (*findings, _no(missing.message, missing.hint))
        engine = Docker(daemon=daemon, store=store or Store(files.user_cache()))
        found = _tried(engine, daemon)
        findings.append(found)
        if found.usable:
            return engine, tuple(findings)
    if not findings:
        listed = ", ".join(map(str, sockets))
        findings.append(_no(f"no daemon of Docker or Podman listens at {listed}", START))
    return None, tuple(findings)


def usual(variables: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where daemons listen: Docker's, then Podman's of the user, then Podman's of root."""
    runtime = variables.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return (
        Path("/var/run/docker.sock"),
        Path(runtime) / "podman" / "podman.sock",
        Path("/run/podman/podman.sock"),
    )


def _tried(engine: Docker, daemon: Daemon) -> Finding:
    try:
        with daemon.session() as session:
            reap(session)
    except (OSError, Refused) as error:
        return _no(f"{daemon.words}: {error}", SHARED)
    if sys.platform != "linux":
        # No program of this machine runs in its containers: the first real job is the trial.
        what = f"answers: {daemon.words}"
        return Finding(engine="docker", usable=True, what=what)
    if (why := trial(engine)) is not None:
        return _no(f"{daemon.words}: {why}", SHARED)
    return Finding(engine="docker", usable=True, what=f"works, with {daemon.words}")


def _no(what: str, hint: str) -> Finding:
    return Finding(engine="docker", usable=False, what=what, hint=hint)
