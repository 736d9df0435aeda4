"""The request that creates a job's container, in Docker's words and in Podman's.

The same container either way: no network, everything read-only but the mounts that may be written
and three folders in memory, user 65532 without any capability or a way to one, the program
itself process 1.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from harness.engine.engine import USER, Job, Mount
from harness.engine.owner import LABEL, mine

HOST = "harness"


def name(job: Job) -> str:
    """Return a new name for the container of *job*: its label, and something nobody else has."""
    label = re.sub(r"[^A-Za-z0-9_.-]+", "-", job.label).strip("-.")
    return f"harness-{label or 'job'}-{uuid.uuid4().hex[:8]}"


def request(job: Job, image: str, *, podman: bool, limit: bool) -> Mapping[str, Any]:
    """Return the body of ``create`` for *job* in the daemon's image *image*.

    With *limit* the kernel keeps the memory limit.
    """
    memory = job.memory if limit else None
    return (_podman if podman else _docker)(job, image, memory)


def visible(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Return *mounts* without those that a later one covers, the outer before the inner.

    A daemon sorts by depth and knows no order of its own.
    """
    seen = [
        mount
        for index, mount in enumerate(mounts)
        if not any(_covers(later.target, mount.target) for later in mounts[index + 1 :])
    ]
    return tuple(sorted(seen, key=lambda mount: mount.target.count("/")))


def _docker(job: Job, image: str, memory: int | None) -> Mapping[str, Any]:
    # A name without "=" takes a variable away that Docker or the image would set.
    unset = [name for name in ("PATH", "HOSTNAME") if name not in job.env]
    if job.image is not None:
        unset += [name for name, _ in job.image.settings.env if name not in job.env]
    owned = f",uid={USER},gid={USER}"
    host: dict[str, Any] = {
        "NetworkMode": "none",
        "IpcMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": False,
        "LogConfig": {"Type": "none", "Config": {}},
        "Tmpfs": {path: ",".join(options) + owned for path, options in _memory_folders(job)},
        "Mounts": [
            {
                "Type": "bind",
                "Source": str(mount.source.resolve()),
                "Target": mount.target,
                "ReadOnly": not mount.writable,
            }
            for mount in visible(_mounts(job))
        ],
    }
    if memory is not None:
        host |= {"Memory": memory, "MemorySwap": memory}
    return {
        "Image": image,
        "Entrypoint": [],
        "Cmd": list(job.argv),
        "Env": [*(f"{name}={value}" for name, value in _variables(job).items()), *unset],
        "WorkingDir": job.cwd,
        "User": f"{USER}:{USER}",
        "Hostname": HOST,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "Labels": _labels(job),
        "HostConfig": host,
    }


def _podman(job: Job, image: str, memory: int | None) -> Mapping[str, Any]:
    # Podman's own API: its imitation of Docker's adds variables and a writable /var/tmp.
    limits = {} if memory is None else {"memory": {"limit": memory, "swap": memory}}
    return {
        "image": image,
        "entrypoint": [],
        "command": list(job.argv),
        "env": _variables(job),
        "unsetenvall": True,
        "work_dir": job.cwd,
        "user": f"{USER}:{USER}",
        "hostname": HOST,
        "stdin": True,
        "terminal": False,
        "netns": {"nsmode": "none"},
        "read_only_filesystem": True,
        "cap_drop": ["all"],
        "no_new_privileges": True,
        "image_volume_mode": "ignore",
        "log_configuration": {"driver": "none"},
        "resource_limits": limits,
        "labels": _labels(job),
        "mounts": [
            # "U" gives the folder to the job's user
            *(
                {
                    "destination": path,
                    "type": "tmpfs",
                    "source": "tmpfs",
                    "options": [*options, "U"],
                }
                for path, options in _memory_folders(job)
            ),
            *(
                {
                    "destination": mount.target,
                    "type": "bind",
                    "source": str(mount.source.resolve()),
                    "options": ["rbind", "rw" if mount.writable else "ro"],
                }
                for mount in visible(_mounts(job))
            ),
        ],
    }


def _mounts(job: Job) -> tuple[Mount, ...]:
    return job.mounts if job.image is not None else job.placed


def _memory_folders(job: Job) -> list[tuple[str, list[str]]]:
    size = [] if job.memory is None else [f"size={job.memory}"]
    options = ["rw", "exec", "nosuid", "nodev", *size]
    taken = {mount.target for mount in job.mounts}
    return [
        (path, [*options, f"mode={mode}"])
        for path, mode in (
            ("/tmp", "1777"),
            ("/run", "0755"),
            ("/run/harness", "0755"),
            ("/dev/shm", "1777"),
        )
        if path not in taken
    ]


def _variables(job: Job) -> dict[str, str]:
    return {**job.env, "PWD": job.cwd}


def _labels(job: Job) -> dict[str, str]:
    return {LABEL: mine(), "harness.label": job.label}


def _covers(target: str, other: str) -> bool:
    return other == target or other.startswith(target + "/")
