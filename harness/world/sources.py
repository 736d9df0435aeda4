"""Where files come from: the user's configuration, else what this machine's pip and apt use.

Configuration, never code: no host is known here. ``[sources]`` in the user's configuration may
set ``debian`` (an archive's address), ``debian_keyring`` (a file), ``pypi`` (a simple index),
``advisories`` (a snapshot in OSV's format), and ``bundle`` (a file of ``harness bundle``), which
stands in for both an archive and an index.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness.core.errors import NetworkUnavailable, SourceMissing, SpecInvalid, ToolMissing
from harness.world import bundle, files, http, process
from harness.world.http import Connection, NotFound
from harness.world.store import Store

APT = Path("/etc/apt")
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
KEYS = ("debian", "debian_keyring", "pypi", "advisories", "bundle")


@dataclass(frozen=True, kw_only=True, slots=True)
class Debian:
    """A Debian archive, without a slash at its end, and the keys that its indices are signed by."""

    mirror: str
    keyring: Path
    connection: Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Python:
    """Where wheels come from: an index, and what else this machine's pip would look at.

    *index* is None where nothing is configured: pip then has a default of its own.
    """

    index: str | None
    extra: tuple[str, ...]
    links: tuple[str, ...]
    connection: Connection
    retries: int | None = None


def configured(file: Path | None = None) -> Mapping[str, str]:
    """Return ``[sources]`` of the user's configuration; raises SpecInvalid with every problem."""
    file = file or files.user_configuration()
    try:
        table = tomllib.loads(file.read_text()).get("sources", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise SpecInvalid(f"{file}: {broken}", hint="mend the file") from broken
    if not isinstance(table, dict):
        raise SpecInvalid(f"{file}: sources: expected a table", hint="write [sources]")
    problems = [f"sources.{key}: unknown setting" for key in table if key not in KEYS]
    problems += [
        f"sources.{key}: expected a text"
        for key in KEYS
        if key in table and not isinstance(table[key], str)
    ]
    if problems:
        raise SpecInvalid(
            f"{file}: " + "; ".join(problems), hint=f"[sources] may hold {', '.join(KEYS)}"
        )
    return table


def debian(suite: str, *, settings: Mapping[str, str] | None = None, apt: Path = APT) -> Debian:
    """Return the archive that offers *suite*; raises SourceMissing, NetworkUnavailable.

    A bundle that is set is the only source. Else the user's setting is taken as it is; of apt's
    sources the first is taken whose index of the suite says that it comes from Debian.
    """
    settings = configured() if settings is None else settings
    keyring = _keyring(settings)
    if folder := _bundle(settings):
        return Debian(mirror=(folder / "debian").as_uri(), keyring=keyring, connection=http.DIRECT)
    connection = Connection(proxy=_apt_proxy())
    if mirror := settings.get("debian"):
        return Debian(mirror=mirror.rstrip("/"), keyring=keyring, connection=connection)
    silent: NetworkUnavailable | None = None
    probe = replace(connection, attempts=2)  # another source may be next
    for candidate in apt_archives(apt):
        try:
            release = http.get(f"{candidate}/dists/{suite}/InRelease", using=probe)
        except NotFound:
            continue
        except NetworkUnavailable as unavailable:
            silent = silent or unavailable
            continue
        if re.search(rb"^Origin: Debian\s*$", release, re.MULTILINE):
            return Debian(mirror=candidate, keyring=keyring, connection=connection)
    if silent is not None:
        raise silent
    raise SourceMissing(
        f"no source of Debian packages for {suite} is configured on this machine",
        hint=f"set debian under [sources] in {files.user_configuration()} to a Debian mirror",
    )


def python(
    *, settings: Mapping[str, str] | None = None, pip: Mapping[str, str] | None = None
) -> Python:
    """Return where wheels come from, as the user's configuration and this machine's pip have it.

    *pip* is what ``pip config list`` says, by option; asked for when it isn't given. A bundle is
    the only source where one is set.
    """
    settings = configured() if settings is None else settings
    if folder := _bundle(settings):
        index = (folder / "simple").as_uri()
        return Python(index=index, extra=(), links=(), connection=http.DIRECT, retries=0)
    pip = pip_settings() if pip is None else pip
    timeout = pip.get("timeout") or pip.get("default-timeout")
    return Python(
        index=settings.get("pypi") or pip.get("index-url"),
        extra=tuple(pip.get("extra-index-url", "").split()),
        links=tuple(pip.get("find-links", "").split()),
        connection=Connection(
            proxy=pip.get("proxy"),
            certificates=pip.get("cert"),
            client=pip.get("client-cert"),
            trusted=tuple(pip.get("trusted-host", "").split()),
            timeout=float(timeout) if timeout else 60.0,
        ),
        retries=int(pip["retries"]) if "retries" in pip else None,
    )


def advisories(*, settings: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return where the user's configuration says that a snapshot of advisories lies; or nowhere."""
    settings = configured() if settings is None else settings
    named = settings.get("advisories")
    return (Path(named).expanduser(),) if named else ()


def pip_settings(lines: Iterable[str] | None = None) -> Mapping[str, str]:
    """Return pip's settings on this machine by option, the strongest last: environment over files.

    *lines* are those of ``pip config list``: ``global.cert='…'``, ``install.…``, ``:env:.…``.
    """
    if lines is None:
        asked = process.run([sys.executable, "-m", "pip", "config", "list"])
        if asked.code != 0:
            raise ToolMissing(
                f"pip can't be asked for its settings: {asked.tail}",
                hint=f"{sys.executable} -m ensurepip",
            )
        lines = asked.stdout.decode("utf-8", "replace").splitlines()
    strength = {"global": 0, "download": 1, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        section, dot, option = name.strip().rpartition(".")
        if not equals or not dot or section not in strength:
            continue
        option = option.lower().replace("_", "-")
        if option not in found or found[option][0] <= strength[section]:
            found[option] = (strength[section], str(ast.literal_eval(value.strip())))
    return {option: value for option, (_, value) in found.items()}


@cache
def pip_default_index() -> str:
    """Return the index that pip uses where none is configured; raises SourceMissing."""
    asked = process.run(
        [
            sys.executable,
            "-c",
            "from pip._internal.models import index; print(index.PyPI.simple_url)",
        ]
    )
    if asked.code != 0 or not asked.stdout.strip():
        raise SourceMissing(
            "no package index is configured, and pip does not tell its own",
            hint=f"set pypi under [sources] in {files.user_configuration()} to a simple index",
        )
    return asked.stdout.decode().strip()


def apt_archives(apt: Path = APT) -> tuple[str, ...]:
    """Return the archives that this machine's apt reads ``main`` from, security pools left out.

    Both forms of sources.list(5): one line each, and deb822 paragraphs.
    """
    found: list[str] = []
    parts = apt / "sources.list.d"
    for file in (apt / "sources.list", *sorted(parts.glob("*.list"))):
        found += _one_line(file)
    for file in sorted(parts.glob("*.sources")):
        found += _deb822(file)
    expanded = [address for found_one in found for address in _mirrors(found_one)]
    return tuple(dict.fromkeys(address.rstrip("/") for address in expanded))


def _one_line(file: Path) -> Iterator[str]:
    if not file.is_file():
        return
    for line in file.read_text(errors="replace").splitlines():
        words = re.sub(r"\[[^\]]*\]", " ", line.partition("#")[0]).split()
        if len(words) >= 4 and words[0] == "deb" and "main" in words[3:]:
            yield from _usable(words[1], [words[2]])


def _deb822(file: Path) -> Iterator[str]:
    text = "\n".join(
        line for line in file.read_text(errors="replace").splitlines() if not line.startswith("#")
    )
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, list[str]] = {}
        for line in re.sub(r"\n[ \t]+", " ", paragraph).splitlines():
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.split()
        on = fields.get("enabled", ["yes"]) not in (["no"], ["false"], ["0"], ["off"])
        if on and "deb" in fields.get("types", []) and "main" in fields.get("components", []):
            for address in fields.get("uris", []):
                yield from _usable(address, fields.get("suites", []))


def _usable(address: str, suites: list[str]) -> Iterator[str]:
    security = "security" in address or all(suite.endswith("-security") for suite in suites)
    if not security and re.match(r"(https?|file|mirror\+file):", address):
        yield address


def _mirrors(address: str) -> Iterator[str]:
    """Yield what *address* stands for: itself, or the lines of a list (apt-transport-mirror(1))."""
    if not address.startswith("mirror+file:"):
        yield address
        return
    path = Path("/" + address.removeprefix("mirror+file:").lstrip("/"))
    if path.is_file():
        for line in path.read_text(errors="replace").splitlines():
            if words := line.partition("#")[0].split():
                yield words[0]


def _bundle(settings: Mapping[str, str]) -> Path | None:
    """Return the folder of the bundle that is set; raises BundleInvalid."""
    if not (named := settings.get("bundle")):
        return None
    return bundle.unpacked(Path(named).expanduser(), Store(files.user_cache()))


def _keyring(settings: Mapping[str, str]) -> Path:
    if named := settings.get("debian_keyring"):
        if (path := Path(named).expanduser()).is_file():
            return path
        raise SourceMissing(
            f"the keyring {named} is not there", hint="mend debian_keyring under [sources]"
        )
    for path in KEYRINGS:
        if path.is_file():
            return path
    raise SourceMissing(
        "this machine has no keyring of Debian's archive",
        hint="install debian-archive-keyring, or set debian_keyring under [sources] "
        f"in {files.user_configuration()}",
    )


def _apt_proxy() -> str | None:
    """Return the proxy that apt is told to use, where there is an apt."""
    try:
        asked = process.run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"])
    except ToolMissing:
        return None
    match = re.fullmatch(r"PROXY='([^']+)'", asked.stdout.decode("utf-8", "replace").strip())
    return match[1] if match and match[1] != "DIRECT" else None
