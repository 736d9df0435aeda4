"""Who asks for a package: the shortest chain from what was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.core.digest import of_bytes
from harness.lock import chain
from harness.lock.lock import Lock, Wheel


def lock(requirements: tuple[str, ...], **needs: tuple[str, ...]) -> Lock:
    return Lock(
        name="thing",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture="amd64",
        spec=of_bytes(b""),
        released=datetime(2026, 1, 1, tzinfo=UTC),
        requirements=requirements,
        packages=tuple(
            Wheel(
                name=name,
                version="1.0",
                filename=f"{name}-1.0-py3-none-any.whl",
                digest=of_bytes(name.encode()),
                dependencies=needed,
            )
            for name, needed in sorted(needs.items())
        ),
        debs=(),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app", ("app",)),
        ("mid", ("mid", "app")),
        ("low", ("low", "mid", "app")),
        ("ring", ("ring", "low", "mid", "app")),
        ("stranger", ()),
        ("unasked", ()),
    ],
)
def test_the_chain_is_the_shortest_one_to_what_was_asked_for(
    name: str, expected: tuple[str, ...]
) -> None:
    there = lock(
        ("App[extra]>=1",),
        app=("mid", "other"),
        other=("long",),
        long=("low",),
        mid=("low",),
        low=("ring",),
        ring=("low",),
        unasked=(),
    )

    assert expected == chain.chain(there, name)


def test_a_chain_reads_from_the_package_to_the_person() -> None:
    there = lock(("app",), app=("low",), low=())

    assert "low 1.0 ← app ← asked for" == chain.told(there, "low")
    assert "app 1.0 ← asked for" == chain.told(there, "app")
    assert "x, which nothing of the lock asks for" == chain.told(there, "x")
