"""Real container daemons of the session's own, on private sockets: Docker's and Podman's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
PATIENCE = 60.0
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
{runtime}
"""
"""Podman's settings. Its own limits are higher than some machines let even root set them."""


@contextmanager
def docker() -> Iterator[Path]:
    """Give the socket of an empty Docker daemon; all of it is gone with the block."""
    with _folder() as folder:
        socket = folder / "s"
        command = [
            "dockerd",
            *("--data-root", folder / "data", "--exec-root", folder / "exec"),
            *("-H", f"unix://{socket}", "-p", folder / "pid"),
            *("--bridge=none", "--iptables=false", "--ip6tables=false"),
        ]
        with _running(command, folder, {}, lambda: _answers("docker", "-H", f"unix://{socket}")):
            yield socket


@contextmanager
def podman(*, user: int | None = None) -> Iterator[Path]:
    """Give the socket of Podman's service, of root's or of an ordinary *user*'s."""
    with _folder() as folder:
        os.chmod(folder, 0o755)
        runtime = 'runtime = "runc"' if shutil.which("runc", path=PATH) else ""
        (folder / "containers.conf").write_text(CONTAINERS.format(runtime=runtime))
        own = folder / "own"
        for name in ("", "run", "home"):
            (own / name).mkdir(mode=0o700)
            if user is not None:
                os.chown(own / name, user, user)
        variables = {
            "HOME": str(own / "home"),
            "XDG_RUNTIME_DIR": str(own / "run"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
        }
        places = ("--root", own / "root", "--runroot", own / "runroot", "--storage-driver=overlay")
        command = ["podman", *places, "system", "service", "--time=0", f"unix://{own}/s"]
        ready = (own / "s").is_socket
        with _running(command, own, variables, ready, user=user):
            yield own / "s"
        # Podman leaves a mount of its own over this folder, which could not be removed then.
        subprocess.run(["umount", own / "root" / "overlay"], capture_output=True, check=False)


def ordinary() -> pwd.struct_passwd | None:
    """Return a user of this machine with a range of further ids (subuid(5)), whom we can become."""
    ranges = Path("/etc/subuid")
    if os.geteuid() != 0 or not ranges.is_file():
        return None
    for line in ranges.read_text().splitlines():
        name, _, count = line.split(":")
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != 0 and int(count) >= 65536:
            return found
    return None


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder with a short name: a socket's path has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="d"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    command: list[str | Path],
    folder: Path,
    variables: Mapping[str, str],
    ready: Callable[[], bool],
    *,
    user: int | None = None,
) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": PATH, **variables},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while not ready():
                said = (folder / "log").read_text()[-3000:]
                assert daemon.poll() is None, f"{command[0]} ended: {said}"
                assert time.monotonic() < deadline, f"{command[0]} does not answer: {said}"
                time.sleep(0.02)
            yield
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(120)


def _answers(*client: str) -> bool:
    done = subprocess.run([*client, "version"], capture_output=True, env={"PATH": PATH})
    return done.returncode == 0
