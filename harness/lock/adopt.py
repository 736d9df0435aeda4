"""What an existing description of packages becomes: an environment, its pins, and what was left.

The readers of each form (`adopt_pip`, `adopt_conda`, `adopt_project`, `adopt_installed`) return a
`Found`; nothing here reads or writes a file but the preferences beside an environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.core.errors import SpecInvalid
from harness.lock import toml
from harness.spec.environment import PYTHONS

PREFERENCES = "preferences.txt"
"""Beside ``environment.toml``: ``name==version`` lines that the first lock starts from."""

_MICRO = {"3.11": "3.11.2", "3.13": "3.13.5"}
"""The whole versions that bookworm and trixie ship; a stable suite keeps them."""

TOOLS = frozenset({"pip", "setuptools", "wheel", "distribute", "model-harness"})
"""What installs packages, or runs Harness: no image needs it unless a package requires it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """*what* was not carried over, *why*, and what to do about it; *where* it stood."""

    what: str
    why: str
    todo: str
    where: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a source says: *python* as it is written there (a version, or PEP 440 specifiers),
    *requirements* of PEP 508, *pins* by canonical name, Debian packages, and what was left."""

    python: str = ""
    requirements: tuple[str, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    os: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """An environment to be written: file names and texts, and what could not be carried over."""

    name: str
    python: str
    suite: str
    requirements: tuple[str, ...]
    pins: Mapping[str, str]
    os: tuple[str, ...]
    left: tuple[Left, ...]

    @property
    def files(self) -> dict[str, str]:
        """The text of each file, by its name in the environment's folder."""
        body: dict[str, object] = {
            "name": self.name,
            "version": 1,
            "python": self.python,
        }
        text = toml.dumps(body) + f'base = {{ debian = "{self.suite}" }}\n'
        rest: dict[str, object] = {"requirements": list(self.requirements)}
        if self.os:
            rest["os"] = list(self.os)
        files = {"environment.toml": text + toml.dumps(rest)}
        if self.pins:
            files[PREFERENCES] = "".join(
                f"{name}=={version}\n" for name, version in sorted(self.pins.items())
            )
        return files


def adopted(found: Found, *, name: str) -> Adopted:
    """Return the environment that *found* becomes.

    Requirements of one name and marker are joined; one whose marker is never true in an image is
    left, with its reason. The Python chooses the suite.
    """
    left = list(found.left)
    python, suite, note = _python(found.python)
    left += [note] if note else []
    kept: dict[tuple[str, str], Requirement] = {}
    for text in found.requirements:
        one = Requirement(text)
        canonical = canonicalize_name(one.name)
        if one.marker is not None and not applies(one, python):
            left.append(
                Left(
                    what=text,
                    why=f"its marker is never true in the image (Linux, CPython {python})",
                    todo="nothing, unless the image needs it: then add it without the marker",
                )
            )
            continue
        if not always(one, python):
            key = (canonical, str(one.marker))
        else:
            key = (canonical, "")
            one.marker = None
        if key in kept:
            kept[key].specifier &= one.specifier
            kept[key].extras |= one.extras
        else:
            kept[key] = one
    asked = {n: v for (n, _), one in kept.items() if (v := pinned(one))}
    pins = dict(found.pins) | asked  # of two pins with markers, the one whose marker holds
    return Adopted(
        name=name,
        python=python,
        suite=suite,
        requirements=tuple(sorted((str(one) for one in kept.values()), key=str.lower)),
        pins={n: v for n, v in sorted(pins.items()) if n not in TOOLS or (n, "") in kept},
        os=tuple(sorted(set(found.os))),
        left=tuple(left),
    )


def applies(one: Requirement, python: str) -> bool:
    """Return whether the marker of *one* may hold in an image: Linux, CPython, either machine."""
    return any(_held(one, python))


def always(one: Requirement, python: str) -> bool:
    """Return whether the marker of *one* holds in every image, whatever the machine."""
    return all(_held(one, python))


def _held(one: Requirement, python: str) -> list[bool]:
    return [
        one.marker is None
        or one.marker.evaluate(
            {
                "implementation_name": "cpython",
                "implementation_version": _MICRO.get(python, f"{python}.0"),
                "os_name": "posix",
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                "platform_release": "",
                "platform_system": "Linux",
                "platform_version": "",
                "python_full_version": _MICRO.get(python, f"{python}.0"),
                "python_version": python,
                "sys_platform": "linux",
                "extra": "",
            }
        )
        for machine in ("x86_64", "aarch64")
    ]


def preferences(folder: Path) -> dict[str, str]:
    """Return the pins that the first lock of the environment in *folder* starts from, by canonical
    name; none when there is no such file. Raises SpecInvalid for a line that is no pin."""
    path = folder / PREFERENCES
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        match = re.fullmatch(r"([A-Za-z0-9][\w.-]*)\s*==\s*(\S+)", text)
        version = plain_version(match[2]) if match else None
        if match is None or version is None:
            raise SpecInvalid(
                f"{path}:{number}: {text!r} is no pin", hint="write name==version, or remove it"
            )
        found[canonicalize_name(match[1])] = version
    return found


def requirement(text: str, where: str) -> Iterator[Requirement | Left]:
    """Yield the requirement in *text* without what a lock can't hold, and what was left of it.

    Raises SpecInvalid for text that is no requirement of PEP 508.
    """
    try:
        one = Requirement(text)
    except InvalidRequirement as broken:
        raise SpecInvalid(
            f"{where}: {text!r} is no requirement: {str(broken).splitlines()[0]}",
            hint="mend the line; nothing was written",
        ) from broken
    if one.url is not None:
        vcs = one.url.startswith(("git+", "hg+", "svn+", "bzr+"))
        yield Left(
            what=text,
            why="it names a repository" if vcs else "it names a place, and a lock names files",
            todo=f"build a wheel of {one.name}, put it into your index, and require it by name",
            where=where,
        )
        return
    local = [s for s in one.specifier if s.operator == "==" and "+" in s.version]
    if local:
        public = [f"=={s.version.split('+')[0]}" if s in local else str(s) for s in one.specifier]
        one.specifier = SpecifierSet(",".join(public))
        yield Left(
            what=text,
            why=f"the build +{local[0].version.split('+')[1]} is in no plain index; images are CPU",
            todo=f"kept as {one}; check that this build does what you need",
            where=where,
        )
    yield one


def pinned(one: Requirement) -> str | None:
    """Return the version that *one* pins with ``==``, normalised; None for a range."""
    for specifier in one.specifier:
        if specifier.operator in ("==", "===") and "*" not in specifier.version:
            return plain_version(specifier.version)
    return None


def plain_version(text: str) -> str | None:
    """Return *text* as PEP 440 writes it, without a local build; None for no version."""
    try:
        return Version(text).public
    except InvalidVersion:
        return None


def compatible(name: str, version: str) -> str:
    """Return a requirement that an installed *version* and its later minor releases meet."""
    parsed = Version(version)
    if parsed.is_prerelease or parsed.is_devrelease:
        return f"{name}=={parsed.public}"
    if len(parsed.release) < 2:
        return f"{name}>={parsed.public}"
    return f"{name}~={parsed.release[0]}.{parsed.release[1]}"


def one_version(
    versions: Iterable[tuple[str, str]], where: str
) -> tuple[dict[str, str], list[Left]]:
    """Return the pins among (name, version) pairs; a name with several versions is left."""
    seen: dict[str, set[str]] = {}
    for name, text in versions:
        version = plain_version(text)
        if version is not None:
            seen.setdefault(canonicalize_name(name), set()).add(version)
    left = [
        Left(
            what=name,
            why=f"{where} pins several versions of it: {', '.join(sorted(found))}",
            todo="the first lock chooses; write a bound into requirements if one must hold",
            where=where,
        )
        for name, found in sorted(seen.items())
        if len(found) > 1
    ]
    return {name: min(found) for name, found in seen.items() if len(found) == 1}, left


def _python(wanted: str) -> tuple[str, str, Left | None]:
    suites = {python: suite for suite, python in PYTHONS.items()}
    known = sorted(suites, key=Version)
    if not wanted:
        python = known[0]
        return python, suites[python], None
    text = f"=={wanted}" if re.fullmatch(r"[\d.]+(\.\*)?", wanted) else wanted
    if match := re.fullmatch(r"==(\d+\.\d+)(\.\d+)?(\.\*)?", text):
        text = f"=={match[1]}.*"
    try:
        specifiers = SpecifierSet(text)
    except InvalidSpecifier as broken:
        raise SpecInvalid(f"{wanted!r} is no version of Python", hint="write 3.11") from broken
    for python in known:
        # Any patch release: `>=3.11.4` is met by some 3.11.
        if any(specifiers.contains(f"{python}.{patch}") for patch in range(40)):
            return python, suites[python], None
    numbers = [int(found) for found in re.findall(r"\b3\.(\d+)", wanted)]
    minor = numbers[0] if numbers else 0
    python = min(known, key=lambda p: (abs(int(p.split(".")[1]) - minor), -int(p.split(".")[1])))
    return (
        python,
        suites[python],
        Left(
            what=f"Python {wanted}",
            why=f"no Debian suite ships it: {', '.join(f'{s} {p}' for s, p in PYTHONS.items())}",
            todo=f"{python} is the nearest; pins without a wheel for it move when you lock",
        ),
    )
