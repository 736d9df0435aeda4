"""Numbers and words at which a model's own rules turn: values worth trying.

The rule: walk attributes, lists, tuples, dicts and closures from the model; take the thresholds of
trees (scikit-learn's ``tree_`` and the nodes of its histogram gradient boosting, the boosters of
xgboost and lightgbm, ONNX files), the ``categories_`` of encoders, and what the model's own source
names (``literals``). A number belongs to a column only where it is certain that the object sees
that column as it came: it was fitted on named columns, and stands behind nothing that changes
cells; in a pipeline, ``passthrough``, imputers, and column transformers of these let columns
through. All others come under ``*``. A model of another kind has none.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import literals, thresholds
else:
    import literals
    import thresholds

OBJECTS = 50_000
"""How many objects are looked at."""
KEPT = 64
"""How many numbers a column keeps, evenly spaced in their order; also how many words."""
_LEAVES = str | bytes | int | float | complex | type | None
_FOREIGN = ("builtins", "numpy", "pandas", "pyarrow", "scipy")
Names = tuple[str, ...]  # "*" where a column's origin is not certain; () where no column's is
Seen = Names | None  # None: nobody knows yet; the object's own names, if it has any, are certain
Found = tuple[Any, dict[str, Any], Names]  # an object, its attributes, the columns that it sees


def mine(model: Any) -> dict[str, list[float]]:
    """Return finite numbers by column name, ascending; ``*`` holds those of no certain column."""
    found: dict[str, set[float]] = {}
    objects = list(_walk(model))
    for item, held, names in objects:
        for column, number in _numbers(item, held, names):
            if math.isfinite(number):
                found.setdefault(column, set()).add(number)
    for literal in literals.literals(_modules(model, objects)):
        if isinstance(literal, int | float) and abs(literal) < 2**63:
            found.setdefault("*", set()).add(float(literal))
    return {column: _spaced(sorted(found[column])) for column in sorted(found)}


def words(model: Any) -> list[str]:
    """Return texts that the model's encoders know and its own source names, at most KEPT of them,
    those of encoders first, each part in order."""
    objects = list(_walk(model))
    known = {text for item, held, _ in objects for text in _categories(item, held)}
    named = {text for text in literals.literals(_modules(model, objects)) if isinstance(text, str)}
    return [*_spaced(sorted(known)), *sorted(named - known)][:KEPT]


def libraries(model: Any) -> set[str]:
    """Return the names of the libraries whose objects *model* holds, its own among them."""
    return {type(item).__module__.partition(".")[0] for item, _, _ in _walk(model)}


def _spaced(found: list[Any]) -> list[Any]:
    if len(found) <= KEPT:
        return found
    return [found[i * (len(found) - 1) // (KEPT - 1)] for i in range(KEPT)]


def _modules(model: Any, objects: Sequence[Found]) -> set[str]:
    found = set()
    for item in (model, *(item for item, _, _ in objects)):
        if isinstance(item, FunctionType):
            found.add(item.__module__)
        else:
            found.update(kind.__module__ for kind in type(item).__mro__)
    return {name for name in found if isinstance(name, str)}  # torch makes functions of no module


def _walk(model: Any) -> Iterator[Found]:
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
        elif isinstance(item, FunctionType | MethodType | functools.partial):
            yield item, {}, ()
            waiting += [(value, None) for value in _behind(item)]
        elif type(item).__module__.partition(".")[0] not in _FOREIGN:
            held = _attributes(item)
            own = _trained_on(item) if names is None else ()
            yield item, held, own or _own(held, names)
            waiting += _children(held, names)


def _behind(item: Any) -> Iterator[Any]:
    """Yield what a function, a bound method or a partial function holds on to."""
    if isinstance(item, MethodType):
        yield item.__self__
        yield item.__func__
    elif isinstance(item, functools.partial):
        yield from (item.func, *item.args, *item.keywords.values())
    else:
        for cell in item.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # a cell that nothing was put into yet
                continue


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
            elif key in ("booster", "_Booster"):  # it gets the rows of the object around it
                yield value, own or seen
            else:
                yield value, () if seen == () else None


def _trained_on(item: Any) -> Names:
    """Return the names of the columns that a booster was trained on; () where they are made up."""
    kind = f"{type(item).__module__}.{type(item).__qualname__}"
    if kind == "xgboost.core.Booster":
        return tuple(item.feature_names or ())
    if kind == "lightgbm.basic.Booster":
        names = tuple(item.feature_name())
        return () if names and names[0] == "Column_0" else names
    return ()


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
    yield from _boosted(item, held, names)
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


def _boosted(item: Any, held: Mapping[str, Any], names: Names) -> Iterator[tuple[str, float]]:
    kind = f"{type(item).__module__}.{type(item).__qualname__}"
    if kind == "xgboost.core.Booster":
        for place, number in thresholds.of_xgboost(item):
            yield _name(names, place), number
    elif kind == "lightgbm.basic.Booster":
        for place, number in thresholds.of_lightgbm(item):
            yield _name(names, place), number
    elif type(item).__name__ == "OnnxModel" and held.get("path") is not None:
        for number in thresholds.of_onnx(held["path"]):
            yield "*", number


def _categories(item: Any, held: Mapping[str, Any]) -> Iterator[str]:
    categories = held.get("categories_")
    known = [*categories] if isinstance(categories, list) else []
    if type(item).__module__ == "lightgbm.basic":
        known += held.get("pandas_categorical") or []
    for values in known:
        listed = values.tolist() if hasattr(values, "tolist") else values
        if isinstance(listed, list):
            yield from (value for value in listed if isinstance(value, str))


def _name(names: Sequence[str], place: int) -> str:
    return names[place] if place < len(names) else "*"
