"""What ``harness check WHAT`` names: a project, a model's file or folder, an object, a server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import SpecInvalid, SpecMissing, UntrustedPickle
from harness.runtime import formats

KINDS = ("auto", "pandas", "numpy", "pyarrow")
_OBJECT = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
_LOADERS = ("load", "get", "make", "build", "open", "create", "read", "restore")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A model without a project. *settings* are those that its process gets (``model.json``);
    with a *url* it has none, and *headers* go with every request."""

    name: str
    settings: Mapping[str, Any]
    artifact: Path
    folder: Path
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def is_project(what: str, *, data: bool = False) -> bool:
    """Return whether *what* is a project: a folder with harness.toml, or a file of that kind.

    A folder without one is a project that is lacking its file, unless *data* are given too.
    """
    if _is_url(what):
        return False
    path = Path(what)
    if path.is_dir():
        return (path / "harness.toml").is_file() or not (formats.format_of(path) or data)
    return path.suffix == ".toml"


def target(
    what: str,
    *,
    trust: bool = False,
    kind: str = "auto",
    artifact: Path | None = None,
    headers: Mapping[str, str] | None = None,
) -> Target:
    """Return what *what* names. *kind* is what the model takes (``auto``: found out), *artifact*
    what a function "module:function" reads.

    Raises UntrustedPickle for a file whose loading may run code, without *trust*; SpecMissing for
    what isn't there, SpecInvalid for what can't be understood.
    """
    if kind not in KINDS:
        raise SpecInvalid(f"--input {kind}: expected one of {', '.join(KINDS)}")
    if _is_url(what):
        return _served(what, headers or {})
    path = Path(what)
    if path.exists():
        if needs_trust(path) and not trust:
            raise UntrustedPickle(_why(path), hint="--trust, if you know where it is from")
        path = path.resolve()
        settings = {"name": path.stem, "load": None, "input": kind}
        return Target(name=path.stem, settings=settings, artifact=path, folder=path.parent)
    if _OBJECT.fullmatch(what):
        return _named(what, kind, artifact)
    raise SpecMissing(
        f"{what} is not there",
        hint="give a folder with harness.toml, a model's file or folder, module:function, "
        "or http://HOST/v2/models/NAME",
    )


def needs_trust(path: Path) -> bool:
    """Return whether loading the model in *path* may run what its author put into it.

    A folder's model is its only file of a known kind.
    """
    if path.is_dir() and not formats.format_of(path):
        files = [file for file in sorted(path.iterdir()) if file.is_file()]
        models = [file for file in files if formats.is_model_file(file)]
        return any(formats.runs_code(file) for file in models)
    return bool(formats.format_of(path)) and formats.runs_code(path)


def _why(path: Path) -> str:
    match formats.format_of(path):
        case "torchscript":
            return f"{path.name} is TorchScript, a program: it may write files"
        case "torch":
            return f"{path.name} is a torch file, which may hold a pickle: loading it runs code"
        case "mlflow":
            return f"{path.name} is an MLflow model that holds code or a pickle: loading it runs it"
        case _:
            return f"{path.name} is a pickle: loading it runs whatever its author put into it"


def _is_url(what: str) -> bool:
    return what.startswith(("http://", "https://"))


def _served(url: str, headers: Mapping[str, str]) -> Target:
    # Imported here: most checks need no sockets.
    from harness.contract.http import endpoint

    at = endpoint(url, headers)
    here = Path.cwd()
    return Target(
        name=at.name,
        settings={"name": at.name, "input": "auto"},
        artifact=here,
        folder=here,
        url=at.url,
        headers=at.headers,
    )


def _named(address: str, kind: str, artifact: Path | None) -> Target:
    here = Path.cwd()
    name = address.rpartition(":")[2].rpartition(".")[2]
    if artifact is not None:
        if not artifact.exists():
            raise SpecMissing(f"--artifact {artifact} is not there")
        settings = {"name": name, "load": address, "input": kind}
        return Target(name=name, settings=settings, artifact=artifact.resolve(), folder=here)
    settings = {"name": name, "object": address, "input": kind}
    return Target(name=name, settings=settings, artifact=here, folder=here)


def is_loader(target: Target) -> bool:
    """Return whether *target* is an object whose name says that it loads a model."""
    return "object" in target.settings and target.name.lower().startswith(_LOADERS)
