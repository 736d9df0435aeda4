"""What to write into ``environment.toml`` for what the clean room lacks: the OS package that has a
library, the package that has a module, or what the environment can do without."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from harness.lock.deb_contents import Holder
from harness.lock.lock import Lock
from harness.stages.import_origin import Line
from harness.stages.stage import Problem

FINDER = "libc-bin"
"""The package with ``ldconfig``, without which ``ctypes.util.find_library`` finds nothing."""

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


class Advice:
    """The advice of one report in the making: who has the *wanted* libraries is asked once, and
    what is told of one of them is remembered for the lines to paste."""

    def __init__(self, outside: Outside, wanted: Collection[str]) -> None:
        self.outside = outside
        self.holders, self.silent = outside.holds(wanted) if wanted else ({}, "")
        self.os: set[str] = set()
        self.without: set[str] = set()

    def package(self, library: str) -> str:
        """Return the OS package that has exactly *library*, or ""."""
        holder = self.holders.get(library)
        return holder.package if holder and holder.library == library else ""

    def library(self, library: str) -> list[Line]:
        """Return who has *library*, which the linker was asked for or the code looked for."""
        holder = self.holders.get(library)
        if holder is None:
            return []
        if _serves(holder, library):
            self.os.add(holder.package)
            return [("debian", f"{holder.package} has {holder.library}")]
        if holder.package:
            said = f"has {holder.library} ({holder.package}), which is another version"
            return [("debian", said)]
        return [("debian", "no package of the suite has it")]

    def needed(self, library: str) -> list[Line]:
        """Return the same of *library* that an object needs: a plugin's can be done without."""
        holder = self.holders.get(library)
        if holder and not _serves(holder, library):
            self.without.add(library)
        return self.library(library)

    def absent(self, libraries: Iterable[str]) -> list[Holder]:
        """Return who has those of *libraries* that a package has which is not in the image."""
        lock = self.outside.lock
        here = {deb.name for deb in lock.debs} if lock else set()
        held = (self.holders.get(one) for one in libraries)
        return list(
            dict.fromkeys(one for one in held if one and one.package and one.package not in here)
        )

    def sought(self, libraries: Iterable[str], *, finder: bool) -> list[Line]:
        """Return who has those *libraries*, guessed from what code said, that a package has which
        is not in the image; with what finds them, unless the image has that *finder*."""
        lines: list[Line] = []
        for holder in self.absent(libraries):
            self.os.add(holder.package)
            lines.append(("debian", f"{holder.package} has {holder.library}"))
        if lines and not finder:
            self.os.add(FINDER)
            lines.append(("", f"find_library asks ldconfig, which {FINDER} has"))
        return lines

    def module(self, name: str, *, spared: bool) -> list[Line]:
        """Return what brings the top-level module *name*; it can be done without if *spared*."""
        if spared:
            self.without.add(name)
        lines = [("missing", f"nothing in the environment has the module {name}")]
        if package := BRINGS.get(name):
            lines.append(("paste", f'"{package}" among the requirements'))
        return lines

    def problem(self) -> list[Problem]:
        """Return the lines to paste, the whole list each, as a problem; none without advice."""
        lock, lines = self.outside.lock, []
        if self.os:
            every = sorted({*self.os, *(lock.os if lock else ())})
            lines.append(("paste", f"os = {json.dumps(every)}"))
        if self.without:
            every = sorted({*self.without, *self.outside.without})
            lines.append(("or paste", f"without = {json.dumps(every)}"))
            lines.append(("", "if nothing that you use needs it"))
        if self.silent:
            lines.append(("unknown", f"which packages have them: {self.silent}"))
        promise = "every OS package that is needed is in environment.toml"
        return [Problem(promise=promise, lines=tuple(lines))] if lines else []


def _serves(holder: Holder, library: str) -> bool:
    """Tell whether *holder* has *library* itself, or any version of one that names none."""
    return bool(holder.package) and (holder.library == library or ".so." not in library)
