"""What the clean room found, told so that it can be mended: who needs it, who asked for that, and
the line to paste into ``environment.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from harness.image.installed import Distribution, EntryPoint
from harness.image.validate import Missing
from harness.stages.import_advice import Advice, Outside
from harness.stages.import_cause import Cause, cause
from harness.stages.import_origin import Line, Origins
from harness.stages.stage import Problem, StageResult

DRIVERS = ("libcuda.so", "libnvidia-", "libnvcuvid.so", "libnvoptix.so")
"""Libraries that come with a driver of the machine's, and never with an image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What was seen in the image at *root*; *modules* with their distribution's folder name.

    *inner* are failures of modules further down whose code opens libraries; *hollow* the top-level
    ones above them whose own import proves nothing.
    """

    root: Path
    python: str
    wheels: tuple[Distribution, ...]
    modules: Mapping[str, str]
    missing: tuple[Missing, ...]
    failures: Mapping[str, dict[str, Any]]
    scripts: tuple[tuple[EntryPoint, dict[str, Any]], ...]
    metadata: tuple[str, ...]
    inner: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    hollow: frozenset[str] = frozenset()


def result(found: Found, outside: Outside, *, checked: int) -> StageResult:
    """Return the stage's result: failed unless every problem is one that it may have."""
    return _Reporter(found, outside).result(checked)


class _Reporter:
    """One report in the making: the problems, and on the way to them the advice and the notes."""

    def __init__(self, found: Found, outside: Outside) -> None:
        self.found, self.outside = found, outside
        self.origins = Origins(wheels=found.wheels, modules=found.modules, lock=outside.lock)
        self.causes = {
            name: cause(failure, found.root)
            for name, failure in (
                *found.failures.items(),
                *found.inner.items(),
                *((f"script {one.name}", failure) for one, failure in found.scripts),
            )
        }
        wanted = {m.library for m in found.missing if not m.version}
        for one in self.causes.values():
            wanted |= {*one.libraries, *one.sought}
        self.advice = Advice(outside, wanted)
        self.notes: list[str] = []

    def result(self, checked: int) -> StageResult:
        libraries = [p for p in self._libraries() if p]
        modules = [p for p in (*self._modules(), *self._inner()) if p]
        rest = [*self._scripts(), *self._metadata()]
        self.notes += self.origins.claimed_twice()
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
            problems=(*self.advice.problem(), *problems) if problems else (),
            details=self._details(),
        )

    def _details(self) -> dict[str, Any]:
        return {
            "modules": list(self.found.modules),
            "missing": [
                {
                    "object": m.object,
                    "library": m.library,
                    "version": m.version,
                    "package": self.advice.package(m.library) if not m.version else "",
                }
                for m in self.found.missing
            ],
            "failures": dict(self.found.failures),
            "os": sorted(self.advice.os),
            "without": sorted(self.advice.without),
            "notes": self.notes,
        }

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
            *self.origins.asked(self.origins.of_file(f"/{objects[0]}")),
        ]
        if version:
            lines.append(("so", f"it was built for a newer system than the {library} of the image"))
            promise = "every symbol that is needed is in the image"
        else:
            lines += self.advice.needed(library)
            promise = "every shared library that is needed is in the image"
        return Problem(promise=promise, lines=tuple(lines))

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
        own = self.origins.of_module(names[0])
        lines += self.origins.asked(own) or [("from", "this model's own code")]
        culprit, caller = self._way(failure)
        if culprit and culprit != own:
            lines.append(("raised in", self.origins.chain(culprit)))
        lines += self._why(reason, culprit, spared=self._helper(names, own))
        if culprit and caller and not reason.gone[0]:
            lines += self.origins.admitted(caller, culprit)
        return Problem(promise="every module imports", lines=tuple(lines))

    def _helper(self, names: list[str], own: str) -> bool:
        """Tell whether *names* stand beside modules of the same wheel that import."""
        named = {str(canonicalize_name(name)) for name in names}
        beside = set(self.origins.beside(names[0]))
        return bool(own) and own not in named and bool(beside - set(self.found.failures))

    def _way(self, failure: Mapping[str, Any]) -> tuple[str, str]:
        """Return the distribution whose code raised, and the one before it on the way, or ""."""
        owners = [self.origins.of_file(path) for path in failure.get("files", ())]
        culprit = owners[0] if owners else ""
        return culprit, next((one for one in owners if one and one != culprit), "")

    def _why(self, reason: Cause, culprit: str, *, spared: bool = False) -> list[Line]:
        lines = [line for library in reason.libraries for line in self.advice.library(library)]
        finder = (self.found.root / "usr/sbin/ldconfig").exists()
        lines += self.advice.sought(reason.sought, finder=finder)
        if reason.module and not lines:
            lines += self._absent(reason.module, spared=spared)
        if reason.gone[0]:
            lines += self._gone(*reason.gone, culprit)
        return lines

    def _absent(self, module: str, *, spared: bool) -> list[Line]:
        top = module.split(".")[0]
        if holder := self.origins.of_module(top):
            return [("gone", f"{self.origins.versioned(holder)} has no module {module}")]
        return self.advice.module(top, spared=spared)

    def _gone(self, name: str, module: str, culprit: str) -> list[Line]:
        holder = self.origins.of_module(module.split(".")[0])
        if not holder:
            return []
        lines = [("gone", f"{self.origins.versioned(holder)} has no {name} in {module}")]
        lines += self.origins.admitted(culprit, holder)
        if version := self.outside.last(holder, module, name):
            lines.append(("last had", f"{holder} {version}"))
            lines.append(("paste", f'"{holder}<={version}" among the requirements'))
        return lines

    def _inner(self) -> list[Problem | None]:
        groups: dict[tuple[str, ...], list[str]] = {}
        for name, failure in self.found.inner.items():
            reason, top = self.causes[name], name.partition(".")[0]
            held = self.advice.absent((*reason.libraries, *reason.sought))
            wanted = [one for one in held if one.library not in self.outside.without]
            if held and top not in self.found.failures:
                key = (top, failure["type"], failure["message"], *(o.library for o in wanted))
                groups.setdefault(key, []).append(name)
        return [
            self._opened(key[0], names, libraries=key[3:]) for key, names in sorted(groups.items())
        ]

    def _opened(self, top: str, names: list[str], *, libraries: tuple[str, ...]) -> Problem | None:
        """Return the problem of modules that open *libraries*, which are not there; a note where
        the package does something without them."""
        if not libraries or top not in self.found.hollow:
            what = f"{', '.join(libraries)}, which is" if libraries else "what is"
            why = "" if libraries else ": without says so"
            self.notes.append(f"{', '.join(names)} opens {what} not there{why}")
            return None
        failure, reason = self.found.inner[names[0]], self.causes[names[0]]
        self.advice.without |= set(libraries)
        lines = [("module", ", ".join(names)), ("error", _said(failure))]
        lines += self.origins.asked(self.origins.of_module(top))
        lines += self._why(reason, "")
        return Problem(promise="every module imports", lines=tuple(lines))

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
                *self.origins.asked(one.distribution),
                *self._why(reason, one.distribution),
            ]
            problems.append(Problem(promise="every console script starts", lines=tuple(lines)))
        return problems

    def _metadata(self) -> list[Problem]:
        promise = "every wheel says of itself what is so"
        return [Problem(promise=promise, lines=(("wrong", text),)) for text in self.found.metadata]


def _said(failure: Mapping[str, Any]) -> str:
    """Return an exception as its first lines, and those that led to it where it says less."""
    lines = str(failure["message"]).strip().splitlines()[:6]
    return f"{failure['type']}: " + "\n".join(lines)
