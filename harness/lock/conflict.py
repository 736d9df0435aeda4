"""The smallest set of requirements that can't hold together.

QuickXplain (Junker, 2004) with the resolver as its judge: of n requirements, k of which conflict,
it asks about k·log(n/k) times. The answer is minimal: without any one of it, the rest holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.lock.resolver import Question, Resolver, Unsolvable

ASKED = " is asked for"


def smallest(
    question: Question, resolver: Resolver, held: Mapping[str, str], *, needed: str = ""
) -> tuple[str, ...]:
    """Return the fewest of *question*'s requirements and *held* pins that can't hold together, in
    words; empty when they can. *needed* is a pin that is part of it by definition."""
    asked = [f"{text}{ASKED}" for text in sorted(question.requirements)]
    texts = dict(zip(asked, sorted(question.requirements), strict=True))
    pins = {f"{n}=={v} stays": f"{n}=={v}" for n, v in sorted(held.items()) if n != needed}
    fixed = (f"{needed}=={held[needed]}",) if needed else ()

    def holds(parts: Sequence[str]) -> bool:
        chosen = tuple(texts[part] for part in parts if part in texts)
        constraints = tuple(pins[part] for part in parts if part in pins)
        try:
            resolver.pins(
                replace(
                    question,
                    requirements=(*chosen, *fixed),
                    constraints=(*question.constraints, *constraints),
                )
            )
        except Unsolvable:
            return False
        return True

    found = quick_explain([*asked, *pins], holds)
    return tuple(found)


def told(
    unsolvable: Unsolvable, question: Question, resolver: Resolver, askers: Mapping[str, str]
) -> Unsolvable:
    """Return *unsolvable* with the fewest requirements that can't hold together, and who asks for
    each (*askers*, by its text)."""
    found = smallest(replace(question, keep={}), resolver, {})
    if not found:  # it holds without the bounds of --upgrade-package, or the index changed
        return unsolvable
    texts = [part.removesuffix(ASKED) for part in found]
    lines = [f"{text} ({askers.get(text, 'asked for')})" for text in texts]
    many = "these requirements can't hold together" if len(lines) > 1 else "this can't be had"
    hint = "loosen one of them"
    if "add" in askers.values() and len(lines) > 1:
        hint = "loosen one of them; replace = […] stands in for what the parent asks for"
    return Unsolvable(
        f"{many}:\n  " + "\n  ".join(lines) + f"\n{unsolvable.said}",
        hint=hint,
        said=unsolvable.said,
    )


def quick_explain(parts: Sequence[str], holds: Callable[[Sequence[str]], bool]) -> list[str]:
    """Return a minimal subset of *parts* for which *holds* is false; empty when it is true of all.

    *holds* must be monotone: what doesn't hold of a set doesn't hold of a larger one.
    """
    if holds(parts):
        return []

    def explain(background: list[str], changed: bool, rest: list[str]) -> list[str]:
        if changed and not holds(background):
            return []
        if len(rest) == 1:
            return rest
        half = len(rest) // 2
        left, right = rest[:half], rest[half:]
        second = explain([*background, *left], bool(left), right)
        first = explain([*background, *second], bool(second), left)
        return [*first, *second]

    return explain([], False, list(parts)) if parts else []
