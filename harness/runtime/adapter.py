"""The way into a model and back: columns in, its own input, one call, one column out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime.frame import Column
    from harness.runtime.inputs import Unbuildable, build
    from harness.runtime.loading import Unloadable, load, methods
    from harness.runtime.mutation import changes, snapshot, unchanged
    from harness.runtime.outputs import Output, take_apart
    from harness.runtime.table import read_table
    from harness.runtime.traits import about, input_kind
else:
    from frame import Column
    from inputs import Unbuildable, build
    from loading import Unloadable, load, methods
    from mutation import changes, snapshot, unchanged
    from outputs import Output, take_apart
    from table import read_table
    from traits import about, input_kind

__all__ = [
    "Unbuildable",
    "UnknownMethod",
    "Unloadable",
    "about",
    "ask",
    "build",
    "call",
    "classes",
    "declared",
    "failure",
    "input_kind",
    "load",
    "methods",
    "module",
    "read_table",
    "said",
    "told",
]

METHODS = ("predict_proba", "predict", "call")
MESSAGE = 2000
"""Characters of an exception's message that are told."""


class UnknownMethod(ValueError):
    """Not one of the ways in which a model is asked."""


def call(
    model: Any, method: str, inputs: Any, *, watch: bool = True
) -> tuple[dict[str, Any], Column | None]:
    """Return the header and the column of one answer; (header, None) when the model raised.

    An answered header has ``shape``, ``container``, ``names``, ``mutated`` and ``type``; one whose
    container is ``unknown`` has shape [] and one missing cell, and ``why`` tells what it was.
    ``mutated`` says whether *inputs* differ from what they were, when *watch* asks for it, and
    ``changed`` which of their columns do, by name or by position. Raises
    ValueError for another *method* than ``predict_proba``, ``predict`` or ``call``.
    """
    before = snapshot(inputs) if watch else inputs
    try:
        output = ask(model, method, inputs)
    except BaseException as raised:  # whatever a model raises is its answer, KeyboardInterrupt too
        if isinstance(raised, UnknownMethod):
            raise
        return {"status": "refused", "error": failure(raised)}, None
    header, column = told(output)
    if not unchanged(inputs, before):
        header |= {"mutated": True, "changed": changes(inputs, before)}
    return header, column


def told(output: Output) -> tuple[dict[str, Any], Column]:
    """Return the header and the column that tell *output*."""
    header = {
        "status": "answered",
        "shape": list(output.shape),
        "container": output.container,
        "names": output.names,
        "mutated": False,
        "type": output.type,
    }
    return header | ({"why": output.why} if output.why else {}), output.column


def ask(model: Any, method: str, inputs: Any) -> Output:
    """Return the model's answer taken apart; raises whatever the model raises."""
    return take_apart(said(model, method, inputs))


def said(model: Any, method: str, inputs: Any) -> Any:
    """Return the very object that the model answers with; raises whatever the model raises."""
    if method not in METHODS:
        raise UnknownMethod(f"method {method!r} is none of {', '.join(METHODS)}")
    return (model if method == "call" else getattr(model, method))(inputs)


def classes(model: Any) -> list[Any] | None:
    """Return the model's own labels in its own order (``classes_``), None where it tells none."""
    try:
        found: Any = getattr(model, "classes_", None)
        listed = found.tolist() if hasattr(found, "tolist") else found
    except Exception:  # a property of the model's own may raise
        return None
    if not isinstance(listed, list) or not listed:
        return None
    return listed if all(isinstance(item, str | int | float | bool) for item in listed) else None


def module(model: Any) -> str:
    """Return the module that *model*'s class, or the function that it is, was written in."""
    return str(getattr(model, "__module__", None) or type(model).__module__)


def failure(raised: BaseException) -> dict[str, Any]:
    """Return an exception as a frame's ``error``: its type, its classes' names, its message, and
    the module whose code raised it."""
    names = [kind.__name__ for kind in type(raised).__mro__ if kind is not object]
    try:
        message = str(raised)
    except Exception as unsayable:  # an exception's own __str__ may raise
        message = f"(its message can't be made: {type(unsayable).__name__})"
    if len(message) > MESSAGE:
        message = f"{message[:MESSAGE]}… ({len(message)} characters)"
    return {"type": names[0], "mro": names, "message": message, "module": _origin(raised)}


def _origin(raised: BaseException) -> str:
    trace, name = raised.__traceback__, ""
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return name


def declared(error: Mapping[str, Any], errors: Iterable[str]) -> bool:
    """Return whether *error* is one of the declared refusals, subclasses included."""
    return not set(error["mro"]).isdisjoint(errors)
