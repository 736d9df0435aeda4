"""Numbers at which a model's own rules turn, found in scikit-learn's objects: values worth trying.

The rule: walk attributes, lists, tuples and dicts from the model; take the thresholds of trees
(``tree_``, and the nodes of histogram gradient boosting) and the numeric ``categories_`` of
encoders. A number belongs to a column only where it is certain that the object sees that column as
it came: it was fitted on named columns, and stands behind nothing that changes cells; in a
pipeline, ``passthrough``, imputers, and column transformers of these let columns through. All
others come under ``*``. A model of another kind has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

OBJECTS = 50_000
"""How many objects are looked at."""
KEPT = 64
"""How many numbers a column keeps, evenly spaced in their order."""
_LEAVES = str | bytes | int | float | complex | type | None
_FOREIGN = ("builtins", "numpy", "pandas", "pyarrow", "scipy")
Names = tuple[str, ...]  # "*" where a column's origin is not certain; () where no column's is
Seen = Names | None  # None: nobody knows yet; the object's own names, if it has any, are certain


def mine(model: Any) -> dict[str, list[float]]:
    """Return finite numbers by column name, ascending; ``*`` holds those of no certain column."""
    found: dict[str, set[float]] = {}
    for column, number in _walk(model):
        if math.isfinite(number):
            found.setdefault(column, set()).add(number)
    return {column: _spaced(sorted(found[column])) for column in sorted(found)}


def _spaced(numbers: list[float]) -> list[float]:
    if len(numbers) <= KEPT:
        return numbers
    return [numbers[i * (len(numbers) - 1) // (KEPT - 1)] for i in range(KEPT)]


def _walk(model: Any) -> Iterator[tuple[str, float]]:
    waiting: list[tuple[Any, Seen]] = [(model, None)]
    seen: dict[int, Any] = {}  # holds what it has seen, so that no id is used twice
    while waiting and len(seen) < OBJECTS:
        item, names = waiting.pop()
        if id(item) in seen or isinstance(item, _LEAVES):
            continue
        seen[id(item)] = item
        if isinstance(item, Mapping):
            waiting += [(value, None) for value in item.values()]
        elif isinstance(item, list | tuple):
            waiting += [(value, names) for value in item]
        elif getattr(getattr(item, "dtype", None), "kind", "") == "O" and hasattr(item, "tolist"):
            waiting.append((item.tolist(), names))  # gradient boosting keeps its trees in an array
        elif type(item).__module__.partition(".")[0] not in _FOREIGN:
            held = _attributes(item)
            yield from _numbers(item, held, _own(held, names))
            waiting += _children(held, names)


def _attributes(item: Any) -> dict[str, Any]:
    try:
        return dict(vars(item))
    except TypeError:
        return {}


def _own(held: Mapping[str, Any], seen: Seen) -> Names:
    # Behind a step that changes cells, an object's own names may name changed columns.
    return tuple(map(str, held.get("feature_names_in_", ()))) if seen is None else seen


def _children(held: Mapping[str, Any], seen: Seen) -> Iterator[tuple[Any, Seen]]:
    """Yield an object's attributes, each with the columns that it sees."""
    if isinstance(held.get("steps"), list):  # a Pipeline
        for _, step in held["steps"]:
            yield step, seen
            seen = _through(step, seen)
    elif isinstance(held.get("transformers_"), list):  # a ColumnTransformer
        for _, part, chosen in held["transformers_"]:
            yield part, _selected(chosen, _own(held, seen))
    else:
        # An ensemble hands its rows to its members as they are, unless it says otherwise.
        straight = "estimators_features_" not in held and held.get("_preprocessor") is None
        own = _own(held, seen) if straight else ()
        for key, value in held.items():
            if key in ("estimators_", "estimator_", "_predictors"):
                yield value, own
            else:
                yield value, () if seen == () else None


def _selected(chosen: Any, names: Names) -> Names:
    if isinstance(chosen, slice):
        return names[chosen]
    places = []
    for column in [chosen] if isinstance(chosen, str) else list(chosen):
        if isinstance(column, str) and column in names:
            places.append(column)
        elif isinstance(column, int) and not isinstance(column, bool) and names:
            places.append(names[column])
        else:
            return ()
    return tuple(places)


def _through(step: Any, seen: Seen) -> Seen:
    """Return which columns come out of *step* as they went in."""
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return seen
    held = _attributes(step)
    if type(step).__name__ == "FunctionTransformer" and held.get("func") is None:
        return seen  # what a fitted ColumnTransformer makes of "passthrough"
    if "statistics_" in held and not held.get("add_indicator"):  # a SimpleImputer
        gone = any(value is None or value != value for value in held["statistics_"].tolist())
        return () if gone else _own(held, seen)
    if isinstance(held.get("steps"), list):
        for _, inner in held["steps"]:
            seen = _through(inner, seen)
        return seen
    if isinstance(held.get("transformers_"), list):
        return _joined(held, _own(held, seen))
    return ()


def _joined(held: Mapping[str, Any], names: Names) -> Names:
    places = held.get("output_indices_") or {}
    out = ["*"] * max((place.stop for place in places.values()), default=0)
    for name, part, chosen in held["transformers_"]:
        place = places.get(name, slice(0, 0))
        straight = _through(part, _selected(chosen, names)) or ()
        if len(straight) == place.stop - place.start:
            out[place] = straight
    return tuple(out)


def _numbers(item: Any, held: Mapping[str, Any], names: Names) -> Iterator[tuple[str, float]]:
    tree: Any = held.get("tree_")
    if hasattr(tree, "threshold") and hasattr(tree, "feature"):
        for feature, threshold in zip(tree.feature.tolist(), tree.threshold.tolist(), strict=True):
            if feature >= 0:
                yield _name(names, feature), float(threshold)
    nodes: Any = getattr(item, "nodes", None)
    fields = getattr(getattr(nodes, "dtype", None), "names", None) or ()
    if {"num_threshold", "feature_idx", "is_leaf", "is_categorical"} <= set(fields):
        inner = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
        features, thresholds = inner["feature_idx"].tolist(), inner["num_threshold"].tolist()
        for feature, threshold in zip(features, thresholds, strict=True):
            yield _name(names, feature), float(threshold)
    categories = held.get("categories_")
    if isinstance(categories, list):
        for place, values in enumerate(categories):
            if getattr(getattr(values, "dtype", None), "kind", "") in ("i", "u", "f"):
                for value in values.tolist():
                    yield _name(names, place), float(value)


def _name(names: Sequence[str], place: int) -> str:
    return names[place] if place < len(names) else "*"
