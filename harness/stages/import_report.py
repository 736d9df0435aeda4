"""What the clean room found, told so that it can be mended: who needs it, who asked for that, and
the line to paste into ``environment.toml``."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.image import installed
from harness.image.installed import Distribution, EntryPoint
from harness.image.validate import Missing
from harness.lock import chain
from harness.lock.deb_contents import Holder
from harness.lock.lock import Lock
from harness.stages.import_cause import Cause, cause
from harness.stages.stage import Problem, StageResult

FINDER = "libc-bin"
"""The package with ``ldconfig``, without which ``ctypes.util.find_library`` finds nothing."""

DRIVERS = ("libcuda.so", "libnvidia-", "libnvcuvid.so", "libnvoptix.so")
"""Libraries that come with a driver of the machine's, and never with an image."""

BRINGS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "distutils": "setuptools",
    "PIL": "pillow",
    "pkg_resources": "setuptools<82",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""What to require for a module that has not the name of its package. setuptools 82 dropped
``pkg_resources``, which many packages import and few require."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """What is known beyond the image: its *lock*, what it does *without*, who *holds* libraries
    (with why nobody could be asked), and which version *last* had a name (package, module, name).
    """

    lock: Lock | None = None
    without: tuple[str, ...] = ()
    holds: Callable[[Collection[str]], tuple[Mapping[str, Holder], str]] = lambda _: ({}, "")
    last: Callable[[str, str, str], str] = lambda *_: ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What was seen in the image at *root*; *modules* with their distribution's folder name."""

    root: Path
    python: str
    wheels: tuple[Distribution, ...]
    modules: Mapping[str, str]
    missing: tuple[Missing, ...]
    failures: Mapping[str, dict[str, Any]]
    scripts: tuple[tuple[EntryPoint, dict[str, Any]], ...]
    metadata: tuple[str, ...]


def result(found: Found, outside: Outside, *, checked: int) -> StageResult:
    """Return the stage's result: failed unless every problem is one that it may have."""
    return _Reporter(found, outside).result(checked)


class _Reporter:
    """One report in the making: what was asked of the index once, and what it advises."""

    def __init__(self, found: Found, outside: Outside) -> None:
        self.found, self.outside = found, outside
        self.owners = installed.owners(found.wheels)
        self.causes = {
            name: cause(failure, found.root)
            for name, failure in (
                *found.failures.items(),
                *((f"script {one.name}", failure) for one, failure in found.scripts),
            )
        }
        wanted = {m.library for m in found.missing if not m.version}
        for one in self.causes.values():
            wanted |= {*one.libraries, *one.sought}
        self.holders, self.silent = outside.holds(wanted) if wanted else ({}, "")
        self.os: set[str] = set()
        self.do_without: set[str] = set()
        self.notes: list[str] = []

    def result(self, checked: int) -> StageResult:
        libraries = [p for p in self._libraries() if p]
        modules = [p for p in self._modules() if p]
        rest = [*self._scripts(), *self._metadata()]
        self._claims()
        problems = [*libraries, *modules, *rest]
        wrong = [
            f"{len(part)} {word}"
            for part, word in (
                (libraries, "libraries missing"),
                (modules, "imports broken"),
                (rest, "scripts and metadata wrong"),
            )
            if part
        ]
        summary = f"{checked} modules"
        return StageResult(
            stage="imports",
            passed=not problems,
            summary=summary if not wrong else f"{', '.join(wrong)}, of {summary}",
            problems=(*self._advice(), *problems) if problems else (),
            details=self._details(),
        )

    def _details(self) -> dict[str, Any]:
        return {
            "modules": [name for name in self.found.modules],
            "missing": [
                {
                    "object": m.object,
                    "library": m.library,
                    "version": m.version,
                    "package": self._package(m.library) if not m.version else "",
                }
                for m in self.found.missing
            ],
            "failures": {name: failure for name, failure in self.found.failures.items()},
            "os": sorted(self.os),
            "notes": self.notes,
        }

    def _advice(self) -> list[Problem]:
        """Return the lines to paste, the whole list each."""
        lock, lines = self.outside.lock, []
        if self.os:
            every = sorted({*self.os, *(lock.os if lock else ())})
            lines.append(("paste", f"os = {json.dumps(every)}"))
        if self.do_without:
            every = sorted({*self.do_without, *self.outside.without})
            lines.append(("or paste", f"without = {json.dumps(every)}"))
            lines.append(("", "if nothing that you use needs what no package has"))
        if self.silent:
            lines.append(("unknown", f"which packages have them: {self.silent}"))
        promise = "every OS package that is needed is in environment.toml"
        return [Problem(promise=promise, lines=tuple(lines))] if lines else []

    def _libraries(self) -> list[Problem | None]:
        groups: dict[tuple[str, str], list[str]] = {}
        for one in self.found.missing:
            groups.setdefault((one.library, one.version), []).append(one.object)
        return [self._library(*key, objects) for key, objects in sorted(groups.items())]

    def _library(self, library: str, version: str, objects: list[str]) -> Problem | None:
        if library in self.outside.without or library.startswith(DRIVERS):
            why = "without says so" if library in self.outside.without else "comes with a driver"
            self.notes.append(f"{library} is not there: {why}")
            return None
        more = f" and {len(objects) - 3} more" if len(objects) > 3 else ""
        lines = [
            ("object", "\n".join(f"/{path}" for path in objects[:3]) + more),
            ("needs", f"{library} with {version}" if version else library),
        ]
        lines += self._asked(self._owner(f"/{objects[0]}"))
        if version:
            lines.append(("so", f"it was built for a newer system than the {library} of the image"))
            return Problem(
                promise="every symbol that is needed is in the image", lines=tuple(lines)
            )
        lines += self._debian(library, spared=True)
        promise = "every shared library that is needed is in the image"
        return Problem(promise=promise, lines=tuple(lines))

    def _debian(self, library: str, *, spared: bool) -> list[tuple[str, str]]:
        """Return who has *library*, and remember the advice."""
        holder = self.holders.get(library)
        if holder is None:
            return []
        if holder.package and (holder.library == library or ".so." not in library):
            self.os.add(holder.package)
            return [("debian", f"{holder.package} has {holder.library}")]
        if spared:
            self.do_without.add(library)
        if holder.package:
            return [
                ("debian", f"has {holder.library} ({holder.package}), which is another version")
            ]
        return [("debian", "no package of the suite has it")]

    def _package(self, library: str) -> str:
        holder = self.holders.get(library)
        return holder.package if holder and holder.library == library else ""

    def _modules(self) -> list[Problem | None]:
        groups: dict[tuple[str, str], list[str]] = {}
        for name, failure in self.found.failures.items():
            groups.setdefault((failure["type"], failure["message"]), []).append(name)
        return [self._module(names) for names in groups.values()]

    def _module(self, names: list[str]) -> Problem | None:
        failure, reason = self.found.failures[names[0]], self.causes[names[0]]
        if reason.module and reason.module.split(".")[0] in self.outside.without:
            self.notes.append(f"{', '.join(names)} needs {reason.module}: without says so")
            return None
        lines = [("module", ", ".join(names)), ("error", _said(failure))]
        folder = self.found.modules.get(names[0], "")
        lines += self._asked(self._named(folder)) if folder else [("from", "this model's own code")]
        culprit, caller = self._way(failure)
        if culprit and culprit != self._named(folder):
            lines.append(("raised in", self._chain(culprit)))
        own = self._named(folder)
        helper = (
            bool(folder)
            and own not in {str(canonicalize_name(name)) for name in names}
            and any(
                name not in self.found.failures and name not in names
                for name, other in self.found.modules.items()
                if other == folder
            )
        )  # beside modules of the same wheel that import
        lines += self._why(reason, culprit, spared=helper)
        if culprit and caller and not reason.gone[0]:
            lines += self._though(caller, culprit)
        return Problem(promise="every module imports", lines=tuple(lines))

    def _way(self, failure: Mapping[str, Any]) -> tuple[str, str]:
        """Return the distribution whose code raised, and the one before it on the way, or ""."""
        owners = [self._owner(path) for path in failure.get("files", ())]
        culprit = owners[0] if owners else ""
        return culprit, next((one for one in owners if one and one != culprit), "")

    def _though(self, caller: str, of: str) -> list[tuple[str, str]]:
        wheel = next((one for one in self.found.wheels if one.name == caller), None)
        text = _requirement(wheel, of) if wheel is not None else ""
        if not text:
            return []
        said = f"{self._versioned(caller)} requires {text}, which admits {self._versioned(of)}"
        return [("though", said)]

    def _why(self, reason: Cause, culprit: str, *, spared: bool = False) -> list[tuple[str, str]]:
        lines = []
        for library in reason.libraries:
            lines += self._debian(library, spared=False)
        here = {deb.name for deb in self.outside.lock.debs} if self.outside.lock else set()
        sought = [
            one
            for one in reason.sought
            if (held := self.holders.get(one)) and held.package and held.package not in here
        ]
        for library in sought:
            lines += self._debian(library, spared=False)
        if sought and not (self.found.root / "usr/sbin/ldconfig").exists():
            self.os.add(FINDER)
            lines.append(("", f"find_library asks ldconfig, which {FINDER} has"))
        if reason.module and not lines:
            lines += self._absent(reason.module, spared=spared)
        if reason.gone[0]:
            lines += self._gone(*reason.gone, culprit)
        return lines

    def _absent(self, module: str, *, spared: bool) -> list[tuple[str, str]]:
        top = module.split(".")[0]
        holder = self._named(self.found.modules.get(top, ""))
        if holder:
            return [("gone", f"{self._versioned(holder)} has no module {module}")]
        if spared:
            self.do_without.add(top)
        lines = [("missing", f"nothing in the environment has the module {top}")]
        if package := BRINGS.get(top):
            lines.append(("paste", f'"{package}" among the requirements'))
        return lines

    def _gone(self, name: str, module: str, culprit: str) -> list[tuple[str, str]]:
        holder = self._named(self.found.modules.get(module.split(".")[0], ""))
        if not holder:
            return []
        lines = [("gone", f"{self._versioned(holder)} has no {name} in {module}")]
        lines += self._though(culprit, holder)
        version = self.outside.last(holder, module, name)
        if version:
            lines.append(("last had", f"{holder} {version}"))
            lines.append(("paste", f'"{holder}<={version}" among the requirements'))
        return lines

    def _scripts(self) -> list[Problem]:
        problems = []
        for one, failure in self.found.scripts:
            reason = self.causes[f"script {one.name}"]
            top = reason.module.split(".")[0]
            if top and top not in self.found.modules:
                self.notes.append(f"the script {one.name} needs {top}, which is not there")
                continue
            lines = [
                ("script", f"{one.name} = {one.module}:{one.inner}"),
                ("error", _said(failure)),
                *self._asked(one.distribution),
                *self._why(reason, one.distribution),
            ]
            problems.append(Problem(promise="every console script starts", lines=tuple(lines)))
        return problems

    def _metadata(self) -> list[Problem]:
        promise = "every wheel says of itself what is so"
        return [Problem(promise=promise, lines=(("wrong", text),)) for text in self.found.metadata]

    def _claims(self) -> None:
        """Note files of several wheels: with different bytes there would be no image."""
        twice: dict[tuple[str, ...], list[str]] = {}
        for file, names in self.owners.items():
            if len(names) > 1:
                twice.setdefault(names, []).append(file)
        for names, files in sorted(twice.items()):
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            self.notes.append(f"{' and '.join(names)} both have {files[0]}{more}, of equal bytes")

    def _owner(self, path: str) -> str:
        """Return the distribution that has the file at *path* of the image, or ""."""
        _, found, inside = path.partition("/dist-packages/")
        return self.owners.get(inside if found else path, ("",))[0]

    def _named(self, folder: str) -> str:
        return str(canonicalize_name(folder.partition("-")[0])) if folder else ""

    def _versioned(self, name: str) -> str:
        version = next((one.version for one in self.found.wheels if one.name == name), "")
        return f"{name} {version}".strip()

    def _asked(self, name: str) -> list[tuple[str, str]]:
        return [("from", self._chain(name))] if name else []

    def _chain(self, name: str) -> str:
        lock = self.outside.lock
        return chain.told(lock, name) if lock and name in lock.pins else self._versioned(name)


def _said(failure: Mapping[str, Any]) -> str:
    """Return an exception as its first lines, and those that led to it where it says less."""
    lines = str(failure["message"]).strip().splitlines()[:6]
    return f"{failure['type']}: " + "\n".join(lines)


def _requirement(wheel: Distribution, name: str) -> str:
    for text in installed.requires(wheel):
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(need.name) == name:
            return f"{need.name}{need.specifier}"
    return ""
