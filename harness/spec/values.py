"""What one value of a specification may be: names, functions, sizes, requirements.

Annotated types for the forms; each says what is wrong with a value in its own words.
"""

from __future__ import annotations

import keyword
import re
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BeforeValidator, Field

from harness.spec import image_name, size
from harness.spec.nearest import did_you_mean
from harness.spec.problem import NotYet


def _name(value: str) -> str:
    # The path component of the OCI distribution specification ("Pulling manifests"): the name
    # becomes an image's.
    if len(value) > 100 or not re.fullmatch(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", value):
        raise ValueError(
            f'"{value}" is no name: lower-case letters and digits, with ".", "_" or "-" between'
        )
    return value


def _reference(value: str) -> str:
    name, colon, version = value.partition(":")
    if not colon or not re.fullmatch(r"[1-9][0-9]*", version):
        raise ValueError(f'"{value}" names no version: write it like "tabular:3"')
    _name(name)
    return value


def _function(value: str) -> str:
    module, colon, function = value.partition(":")
    parts = [*module.split("."), *function.split(".")]
    if not colon or not all(p.isidentifier() and not keyword.iskeyword(p) for p in parts):
        raise ValueError(f'"{value}" is not "module:function"')
    return value


def _expect(value: str) -> str:
    if value in ("equal", "up", "down"):
        return value
    if ":" not in value:
        raise ValueError(f'expected "equal", "up", "down" or "module:function", found "{value}"')
    return _function(value)


def _calibration(value: Any) -> Any:
    if isinstance(value, bool):
        return CALIBRATION if value else None
    return value


def _below(value: str) -> str:
    parts = value.replace("\\", "/").split("/")
    if not value.strip("./\\") or parts[0] == "" or ".." in parts or parts[0] == ".harness":
        raise ValueError(f'"{value}" is not a path below this folder')
    return value


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _unique(values: list[Any]) -> list[Any]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"{value!r} is listed twice")
    return values


def _labels(values: list[Any]) -> list[Any]:
    if len(values) < 2:
        raise ValueError("two labels at least")
    kinds = {type(value) for value in values}
    if len(kinds) > 1 or not kinds <= {str, int, bool}:
        raise ValueError("labels are strings, whole numbers or booleans, all of one type")
    return _unique(values)


def _requirement(value: str) -> str:
    try:
        requirement = Requirement(value)
    except InvalidRequirement as invalid:
        reason = str(invalid).splitlines()[0]
        raise ValueError(f'"{value}" is no requirement of PEP 508: {reason}') from invalid
    if requirement.url:
        raise ValueError(f'"{value}" names a place: a lock names files and hashes, never hosts')
    return str(requirement)


def _debian_name(value: str) -> str:
    # Debian Policy §5.6.1
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise ValueError(f'"{value}" is no name of a Debian package (its version is the lock\'s)')
    return value


def _exception(value: str) -> str:
    if not value.isidentifier():
        raise ValueError(f'"{value}" is no name of an exception, like "ValueError"')
    return value


def _size(value: str) -> str:
    size.parse(value)
    return value


def _package_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value):
        raise ValueError(f'"{value}" is no name of a Python package (without a version)')
    return canonicalize_name(value)


def _platform(value: str) -> str:
    if value not in PLATFORMS:
        raise ValueError(
            f'"{value}" is none of {", ".join(PLATFORMS)}{did_you_mean(value, PLATFORMS)}'
        )
    return value


def _some(values: list[Any]) -> list[Any]:
    if not values:
        raise ValueError("one at least")
    return values


def _source(value: str) -> str:
    if _scheme(value) and not re.fullmatch(r"oci://[^/\s]+/\S+", value):
        raise ValueError(f'"{value}" is neither a folder nor like "oci://registry/envs"')
    return _said(value)


def _image(value: str) -> str:
    image_name.named(value)
    return value


def _later(value: Any) -> Any:
    raise NotYet("not built yet")


def _resolver(value: str) -> str:
    if value not in RESOLVERS:
        known = " or ".join(f'"{name}"' for name in RESOLVERS)
        raise ValueError(f'expected {known}, found "{value}"{did_you_mean(value, RESOLVERS)}')
    return value


def _ledger_file(value: str) -> str:
    if _scheme(value):
        raise NotYet(f'"{value}" is not built yet; a file is')
    return _said(value)


def _scheme(value: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", value) is not None


def _policy(value: str) -> str:
    if value != "frozen":
        raise NotYet(f'"{value}" is not built yet; "frozen" is')
    return value


RESOLVERS = ("pip-tools", "uv")

PLATFORMS = ("x86_64", "aarch64")
"""Machines that an environment can be locked for, as ``platform_machine`` names them (PEP 508)."""

CALIBRATION = 0.05
"""How far a probability may be off where ``calibration = true``."""

Text = Annotated[str, AfterValidator(_said)]
Name = Annotated[str, AfterValidator(_name)]
Function = Annotated[str, AfterValidator(_function)]
Expect = Annotated[str, AfterValidator(_expect)]
Calibration = Annotated[Annotated[float, Field(gt=0, lt=1)] | None, BeforeValidator(_calibration)]
Allowance = Annotated[float, Field(ge=0)]
Later = Annotated[Any, AfterValidator(_later)]
Columns = Annotated[list[Text], AfterValidator(_unique)]
Reference = Annotated[str, AfterValidator(_reference)]
Requirements = list[Annotated[str, AfterValidator(_requirement)]]
DebianNames = Annotated[list[Annotated[str, AfterValidator(_debian_name)]], AfterValidator(_unique)]
PackageNames = Annotated[
    list[Annotated[str, AfterValidator(_package_name)]], AfterValidator(_unique)
]
Platforms = Annotated[
    list[Annotated[str, AfterValidator(_platform)]], AfterValidator(_unique), AfterValidator(_some)
]
Source = Annotated[str, AfterValidator(_source)]
Image = Annotated[str, AfterValidator(_image)]
Exceptions = Annotated[list[Annotated[str, AfterValidator(_exception)]], AfterValidator(_unique)]
Labels = Annotated[list[Any], AfterValidator(_labels)]
Size = Annotated[str, AfterValidator(_size)]
PathBelow = Annotated[str, AfterValidator(_below)]
LedgerFile = Annotated[str, AfterValidator(_ledger_file)]
Resolver = Annotated[str, AfterValidator(_resolver)]
Policy = Annotated[str, AfterValidator(_policy)]
