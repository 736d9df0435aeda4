"""From an environment to its lock: Debian packages first, then wheels for their interpreter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from harness.core.errors import NotBuiltYet
from harness.lock import debian, pip_tools, tools
from harness.lock.lock import Deb, Lock
from harness.lock.pip_tools import RunPython
from harness.spec.environment import Environment
from harness.world import sources
from harness.world.store import Store

BASE = (
    "base-files",
    "ca-certificates",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "netbase",
    "tzdata",
    "zlib1g",
)
"""What every image has besides its interpreter."""


def base_packages(environment: Environment) -> tuple[str, ...]:
    """Return the Debian packages that *environment* wants by name."""
    python = f"python{environment.python}"
    interpreter = (python, f"{python}-minimal", f"lib{python}-stdlib")
    return tuple(sorted({*BASE, *interpreter, *environment.os}))


def resolve(
    environment: Environment,
    *,
    previous: Lock | None = None,
    upgrade: bool = False,
    run_python_for: Callable[[tuple[Deb, ...]], RunPython],
    store: Store,
    now: datetime,
    debian_source: sources.Debian | None = None,
    python_source: sources.Python | None = None,
) -> Lock:
    """Return a lock of *environment*; the same sources give the same lock.

    *previous* wheels stay unless the specification excludes them or *upgrade* is asked for;
    Debian packages are those that the suite offers now. *run_python_for* fetches and unpacks the
    debs that it is given, and returns how to run their interpreter. Sources are this machine's
    unless given. Raises ResolutionFailed, SignatureInvalid, NetworkUnavailable, SourceMissing,
    ToolMissing, NotBuiltYet.
    """
    if environment.resolver != tools.TOOL:
        raise NotBuiltYet(
            f"{environment.reference}: resolver {environment.resolver} is not built yet",
            hint=f'resolver = "{tools.TOOL}"',
        )
    debian_source = debian_source or sources.debian(environment.suite)
    python_source = python_source or sources.python()
    debs, released = debian.resolve(
        base_packages(environment),
        suite=environment.suite,
        source=debian_source,
        store=store,
        now=now,
    )
    packages = pip_tools.resolve(
        environment.requirements,
        previous=previous.packages if previous else (),
        upgrade=upgrade,
        run_python=run_python_for(debs),
        source=python_source,
        cache=store.root / "resolver",
    )
    if previous is not None and previous.debs == debs:
        released = previous.released  # a new date over the same packages is no change
    return Lock(
        name=environment.name,
        version=environment.version,
        python=environment.python,
        suite=environment.suite,
        architecture=debian.architecture(),
        spec=environment.digest,
        released=released,
        requirements=tuple(sorted(environment.requirements)),
        packages=packages,
        debs=debs,
    )
