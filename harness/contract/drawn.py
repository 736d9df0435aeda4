"""A row as Hypothesis draws it: the strategy, and the choices by which it would draw a given row.

The format of a choice sequence and of the example database is Hypothesis' own affair; what is used
of it stands in ``_inside``, and a row is handed over only after it was drawn again from its
choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from harness.contract.batch import moment, moment_text
from harness.contract.domain import Domain
from harness.contract.stamps import date_text
from harness.core.errors import HypothesisUnknown, RowUndrawable

_DAY = 86_400_000_000
Choices = list[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """One way to draw a cell. *choices* returns those that draw a value, None where none do."""

    strategy: Any
    choices: Callable[[Any], Choices | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """The *strategy* of one row, and the *ways* in which it draws each cell."""

    strategy: Any
    ways: Mapping[str, tuple[Branch, ...]]


def of(domains: Sequence[Domain], seen: Mapping[str, Sequence[str]]) -> Drawn:
    """Return how a row of *domains* is drawn; *seen* are known texts of open columns."""
    from hypothesis import strategies as st

    ways = {domain.name: _branches(domain, seen.get(domain.name, ())) for domain in domains}
    cells = [st.one_of(*(branch.strategy for branch in ways[name])) for name in ways]
    row = st.tuples(*cells)  # fixed_dictionaries would draw an order of its keys, too
    return Drawn(strategy=row.map(lambda held: dict(zip(ways, held, strict=True))), ways=ways)


def choices_of(drawn: Drawn, row: Mapping[str, Any]) -> Choices:
    """Return the choices by which *row* is drawn; raises RowUndrawable."""
    if set(row) != set(drawn.ways):
        raise RowUndrawable("the row has other columns than the schema")
    found: Choices = []
    for name, branches in drawn.ways.items():
        for number, branch in enumerate(branches):
            choices = branch.choices(row[name])
            if choices is not None:
                found += [number, *choices] if len(branches) > 1 else choices
                break
        else:
            raise RowUndrawable(f"the schema's strategy can't draw the row's {name}")
    return found


def save(
    test: Callable[..., Any], drawn: Drawn, row: Mapping[str, Any], *, item: bytes = b""
) -> bool:
    """Put *row*, as *drawn*, into the database of *test*, under its second key: what lies there is
    tried first and shrunk. *item* tells the cases of one parametrized test apart.

    Returns False where the test has no database. Raises RowUndrawable, HypothesisUnknown.
    """
    choices = choices_of(drawn, row)
    inside = _inside()
    try:
        database = test._hypothesis_internal_use_settings.database  # type: ignore[attr-defined]
        inner = test.hypothesis.inner_test  # type: ignore[attr-defined]
        data = inside.ConjectureData.for_choices(choices)
        with inside.BuildContext(data, wrapped_test=test):
            again = data.draw(drawn.strategy)
        key = _key(inside, inner, item)
        written = inside.choices_to_bytes(choices)
    except (Exception, inside.StopTest) as changed:  # what another version makes of these calls
        raise _unknown(f"{type(changed).__name__}: {changed}") from changed
    if not _same(again, row):
        raise _unknown("it draws another row from the same choices")
    if database is None:
        return False
    database.save(key, written)
    return True


def own_key(item: Any) -> bool:
    """Return whether Hypothesis' pytest plugin gives *item* a key of its own (one of several cases
    of a test)."""
    return hasattr(item, "callspec")


def _key(inside: SimpleNamespace, inner: Any, item: bytes) -> bytes:
    name = "_hypothesis_internal_add_digest"
    before = getattr(inner, name, None)
    if item:
        setattr(inner, name, item)
    try:
        digest: bytes = inside.function_digest(inner)
    finally:
        if before is not None:
            setattr(inner, name, before)
        elif item:
            delattr(inner, name)
    return digest + b".secondary"


def _inside() -> SimpleNamespace:
    """Return what is used of Hypothesis' inside; raises HypothesisUnknown when it has moved."""
    try:
        from hypothesis.control import BuildContext
        from hypothesis.database import choices_to_bytes
        from hypothesis.errors import StopTest
        from hypothesis.internal.conjecture.data import ConjectureData
        from hypothesis.internal.reflection import function_digest
    except ImportError as moved:
        raise _unknown(str(moved)) from moved
    return SimpleNamespace(
        BuildContext=BuildContext,
        choices_to_bytes=choices_to_bytes,
        ConjectureData=ConjectureData,
        StopTest=StopTest,
        function_digest=function_digest,
    )


def _unknown(why: str) -> HypothesisUnknown:
    from hypothesis import __version__

    return HypothesisUnknown(
        f"Hypothesis {__version__} stores examples in a way that is not known here: {why}",
        hint="the printed @example(...) and @kept_examples work with every version",
    )


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(
        one[name] == value and isinstance(one[name], bool) == isinstance(value, bool)
        for name, value in other.items()
    )


def _branches(domain: Domain, seen: Sequence[str]) -> tuple[Branch, ...]:
    from hypothesis import strategies as st

    found = []
    if domain.nullable:
        found.append(Branch(strategy=st.none(), choices=lambda v: [] if v is None else None))
    if domain.closed:
        return (*found, _one_of(domain.values))
    match domain.kind:
        case "boolean":
            found.append(Branch(strategy=st.booleans(), choices=_if(bool)))
        case "number" | "integer":
            found.append(_number(domain))
        case "date" | "datetime":
            found.append(_moment(domain))
        case _:
            known = tuple(dict.fromkeys([*domain.values, *seen]))
            if known:
                found.append(_one_of(known))
            found.append(_text(domain))
    return tuple(found)


def _one_of(values: Sequence[Any]) -> Branch:
    from hypothesis import strategies as st

    def choices(value: Any) -> Choices | None:
        for number, known in enumerate(values):
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return [number] if len(values) > 1 else []
        return None

    one = st.just(values[0]) if len(values) == 1 else st.sampled_from(list(values))
    return Branch(strategy=one, choices=choices)


def _number(domain: Domain) -> Branch:
    from hypothesis import strategies as st

    low, high, step = domain.low, domain.high, domain.multiple_of
    if step:
        first, last = -int(-low // step), int(high // step)

        def multiple(value: Any) -> Choices | None:
            if not _if(int, float)(value) or not low <= value <= high:
                return None
            count = round(value / step)
            return [count] if count * step == value else None

        return Branch(
            strategy=st.integers(first, last).map(lambda count: count * step), choices=multiple
        )
    if domain.kind == "integer":

        def whole(value: Any) -> Choices | None:
            fine = _if(int, float)(value) and low <= value <= high and int(value) == value
            return [int(value)] if fine else None

        return Branch(strategy=st.integers(int(low), int(high)), choices=whole)

    def number(value: Any) -> Choices | None:
        fine = _if(int, float)(value) and low <= value <= high and float(value) == value
        return [float(value)] if fine else None

    strategy = st.floats(float(low), float(high), allow_nan=False, allow_infinity=False)
    return Branch(strategy=strategy, choices=number)


def _moment(domain: Domain) -> Branch:
    from hypothesis import strategies as st

    whole_days = domain.kind == "date"
    unit = _DAY if whole_days else 1
    first, last = -(-int(domain.low) // unit), int(domain.high) // unit

    def text(place: int) -> str:
        return date_text(place * unit) if whole_days else moment_text(place)

    def choices(value: Any) -> Choices | None:
        try:
            place = moment(value) // unit
        except (TypeError, ValueError):
            return None
        return [place] if first <= place <= last and text(place) == value else None

    return Branch(strategy=st.integers(first, last).map(text), choices=choices)


def _text(domain: Domain) -> Branch:
    from hypothesis import strategies as st

    if domain.pattern is not None:
        return Branch(strategy=st.from_regex(domain.pattern), choices=lambda value: None)

    def choices(value: Any) -> Choices | None:
        fine = isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)
        fine = fine and len(value) >= domain.shortest
        fine = fine and (domain.longest is None or len(value) <= domain.longest)
        return [value] if fine else None

    strategy = st.text(min_size=domain.shortest, max_size=domain.longest)
    return Branch(strategy=strategy, choices=choices)


def _if(*kinds: type) -> Callable[[Any], Choices | None]:
    """Return what gives the choice of a value of one of *kinds*; a boolean is no number."""

    def choices(value: Any) -> Choices | None:
        fine = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        return [value] if fine else None

    return choices
