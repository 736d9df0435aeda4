"""What a loaded model tells of itself without being asked: guesses for an unwritten contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import constants
else:
    import constants

KINDS = ("pandas", "numpy")
_REFUSALS = {
    "catboost": ("CatBoostError",),
    "lightgbm": ("LightGBMError",),
    "onnxruntime": ("Fail", "InvalidArgument", "RuntimeException"),
    "torch": ("RuntimeError",),
}
"""Errors by which a library refuses rows, and which are no ValueErrors."""


def input_kind(model: Any) -> str:
    """Return what *model* is likely to take: ``numpy`` where it was fitted on arrays, else
    ``pandas``. One of our wrappers knows; scikit-learn's ``n_features_in_`` without
    ``feature_names_in_`` tells that names were never seen."""
    known = _get(model, "input_kind")
    if known in KINDS:
        return str(known)
    seen = _get(model, "n_features_in_") is not None
    return "numpy" if seen and _names(model) is None else "pandas"


def about(model: Any) -> dict[str, Any]:
    """Return what *model* tells, for a frame's header: ``input``; ``kind`` of its outputs
    (``probabilities``, ``labels``, ``regression``, or nothing); ``features``, the names of its
    columns in order, or None; ``width``, how many it takes, 0 for unknown; ``refusals``, exceptions
    of libraries, its own or of an object that it holds, by which it refuses rows; ``remarks``, what
    a person should know."""
    width = _get(model, "n_features_in_") or _get(model, "width") or 0
    remarks = _get(model, "remarks")
    return {
        "input": input_kind(model),
        "kind": _output_kind(model),
        "features": _names(model),
        "width": int(width) if isinstance(width, int) else 0,
        "refusals": _refusals(model),
        "remarks": [str(line) for line in remarks] if isinstance(remarks, tuple) else [],
    }


def _refusals(model: Any) -> list[str]:
    known = _get(model, "refusals")  # one of our wrappers knows
    if isinstance(known, tuple):
        return sorted(str(name) for name in known)
    held = constants.libraries(model)
    return sorted({name for library in held for name in _REFUSALS.get(library, ())})


def _output_kind(model: Any) -> str:
    known = _get(model, "output_kind")
    if known:
        return str(known)
    kind = _get(model, "_estimator_type")  # scikit-learn, and all that follow it
    if kind is None:
        tags = getattr(type(model), "__sklearn_tags__", None)
        try:
            kind = getattr(tags(model), "estimator_type", None) if tags else None
        except Exception:  # code of the model's own
            kind = None
    if kind == "regressor":
        return "regression"
    if kind == "classifier":
        return "probabilities" if callable(_get(model, "predict_proba")) else "labels"
    return ""


def _names(model: Any) -> list[str] | None:
    for attribute in ("feature_names_in_", "feature_names"):
        found = _get(model, attribute)
        listed = found.tolist() if hasattr(found, "tolist") else found
        if isinstance(listed, list) and listed and all(isinstance(n, str) for n in listed):
            return listed
    return None


def _get(model: Any, attribute: str) -> Any:
    try:
        return getattr(model, attribute, None)
    except Exception:  # a property of the model's own may raise
        return None
