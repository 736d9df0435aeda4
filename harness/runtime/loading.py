"""From settings to a model: the declared functions, and the files that need none."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import formats
    from harness.runtime.formats import PICKLES, Unloadable
else:
    import formats
    from formats import PICKLES, Unloadable

__all__ = [
    "PICKLES",
    "Unloadable",
    "add_places",
    "enter",
    "function",
    "load",
    "methods",
    "settings",
    "step_aside",
]


def load(settings: Mapping[str, Any], artifact: Path, *, folder: Path) -> Any:
    """Return the model: what ``load`` of *settings* makes of *artifact*, or what a file holds.

    *settings* are those of ``model.json``; *folder* becomes the working directory and the first
    entry of the import path. Without ``load``, *artifact* must be a file of a kind that
    ``formats`` knows, or a folder with exactly one. A ``load`` that takes no argument is called
    without. ``object`` in *settings* names the model
    itself ("module:name"), or a function of no arguments that returns it. A library's own object
    that takes no frames is wrapped (``formats.usable``). Raises Unloadable, or whatever the
    model's own code raises.
    """
    enter(folder)
    if named := settings.get("object"):
        return formats.usable(_named(named))
    declared = settings.get("load")
    if declared:
        loader = function(declared, "load")
        return formats.usable(loader(artifact) if _takes_one(loader) else loader())
    return formats.usable(formats.open_file(_single(artifact)))


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where settings, code and artifact are; an image has them there."""
    parser.add_argument("--settings", type=Path, default=Path("/opt/model/model.json"))
    parser.add_argument("--folder", type=Path, default=Path("/app"), help="the model's code")
    parser.add_argument("--artifact", type=Path, default=Path("/artifact"))


def settings(path: Path) -> dict[str, Any]:
    """Return what ``model.json`` at *path* says."""
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def step_aside() -> None:
    """Take our own files off the import path and out of the loaded modules.

    Run as a script, a file of ours makes its folder the first entry of the path, and a model's
    own ``frame`` or ``serve`` would be hidden by it.
    """
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != own]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name != "__main__" and file and os.path.dirname(os.path.abspath(file)) == own:
            del sys.modules[name]


def enter(folder: Path) -> None:
    """Make *folder* the working directory and the first entry of the import path."""
    os.chdir(folder)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def function(address: str, setting: str) -> Callable[..., Any]:
    """Return the function at ``module:name``; raises Unloadable, or what importing it raises."""
    module, _, name = address.partition(":")
    if not module or not name:
        raise Unloadable(f'model.{setting} = {address!r}: expected "module:function"')
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Unloadable(
                f"model.{setting} = {address!r}: module {module} has no {name}"
            ) from None
    if not callable(found) and (setting != "object" or not hasattr(found, "predict")):
        raise Unloadable(f"model.{setting} = {address!r} is no function")
    return found  # type: ignore[no-any-return]


def methods(model: Any, outputs: Mapping[str, Any]) -> list[str]:
    """Return the methods that are checked, the one of the declared kind first.

    Probabilities are asked of ``predict_proba``, labels and numbers of ``predict``, both of the
    object itself (``call``) when it has no such method. A model with both has both checked, but
    numbers have no probabilities. Without a declared kind, all that it has. Raises Unloadable for
    an object that can do neither.
    """
    kind = outputs.get("kind")
    wanted = {"labels": ["predict", "predict_proba"], "regression": ["predict"]}.get(
        str(kind), ["predict_proba", "predict"]
    )
    found = [name for name in wanted if callable(getattr(model, name, None))]
    if wanted[0] in found or (found and kind is None):
        return found
    if callable(model):
        return ["call", *found]
    raise Unloadable(
        f"a model of {kind or 'any kind'} needs {wanted[0]} or must be callable; "
        f"{type(model).__module__}.{type(model).__qualname__} is neither"
    )


def _named(address: str) -> Any:
    """Return the model called "module:name": the object, or what it returns without arguments."""
    found = function(address, "object")
    if isinstance(found, type) or (_is_plain(found) and not _wanted(found)):
        return found()
    return found


def _is_plain(found: Any) -> bool:
    return inspect.isroutine(found) or type(found).__name__ == "partial"


def _wanted(found: Callable[..., Any]) -> int:
    """Return how many arguments a function can't do without; 1 for one that doesn't tell."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return 1
    by_position = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")
    return sum(p.default is p.empty and p.kind.name in by_position for p in parameters)


def _takes_one(found: Callable[..., Any]) -> bool:
    try:
        inspect.signature(found).bind(None)
    except TypeError:
        return bool(_wanted(found))  # it can't be called with one argument: it says so itself
    except ValueError:  # it doesn't tell
        pass
    return True


def _single(artifact: Path) -> Path:
    if not artifact.exists():
        raise Unloadable(f"there is no artifact at {artifact}")
    if artifact.is_dir() and not formats.format_of(artifact):
        files = sorted(path for path in artifact.iterdir() if path.is_file())
        models = files if len(files) == 1 else [p for p in files if formats.is_model_file(p)]
        if len(models) == 1:
            return models[0]
        raise Unloadable(
            f"the artifact is a folder of {len(files)} files, {len(models)} of them models; "
            'say how to load it: load = "module:function" under [model]'
        )
    return artifact
