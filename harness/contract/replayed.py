"""``--contract-replay ID``: one kept row alone, whichever test of the session keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import pytest

from harness.core.errors import DataMissing, HarnessError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.contract.keep import Kept

OPTION = "--contract-replay"
ATTRIBUTE = "harness_keeper"
"""What a test function that keeps rows carries."""


class Keeper(Protocol):
    """What keeps rows for some items. *replayed* is the row to ask alone, once it is known."""

    replayed: Kept | None

    @property
    def rows_folder(self) -> Path:
        """Where they lie."""
        ...

    def check_of(self, item: pytest.Item) -> str:
        """Return the id of the check that *item* runs."""
        ...

    def kept(self) -> tuple[Kept, ...]:
        """Return what is kept; raises DataInvalid."""
        ...


def choose(
    items: Sequence[pytest.Item], replay: str
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the items that ask the kept row whose id begins with *replay*, and all others.

    Their keepers then ask that row alone. Raises DataMissing when no item or several rows fit, or
    what is wrong with a keeper's rows when no other one has the row.
    """
    kept: dict[int, tuple[Kept, ...]] = {}
    unread: HarnessError | None = None
    asking: dict[tuple[str, str, str], tuple[Kept, list[pytest.Item]]] = {}
    for item in items:
        keeper = keeper_of(item)
        if keeper is None:
            continue
        if id(keeper) not in kept:
            try:
                kept[id(keeper)] = keeper.kept()
            except HarnessError as error:
                kept[id(keeper)], unread = (), unread or error
        check = keeper.check_of(item)
        for entry in kept[id(keeper)]:
            if entry.check == check:
                key = (str(keeper.rows_folder), entry.check, entry.id)
                asking.setdefault(key, (entry, []))[1].append(item)
    fitting = [found for found in asking.values() if found[0].id.startswith(replay)]
    exact = [found for found in fitting if found[0].id == replay]
    if unread is not None and not fitting:
        raise unread
    if not replay or len(exact or fitting) != 1:
        raise _unfit(replay, [entry for entry, _ in fitting], kept.values())
    entry, chosen = (exact or fitting)[0]
    for item in chosen:
        keeper = keeper_of(item)
        assert keeper is not None
        keeper.replayed = entry
    asked = {id(item) for item in chosen}
    return chosen, [item for item in items if id(item) not in asked]


def keeper_of(item: pytest.Item) -> Keeper | None:
    """Return what keeps *item*'s rows, if anything does."""
    keeper: Keeper | None = getattr(getattr(item, "function", None), ATTRIBUTE, None)
    return keeper


def _unfit(replay: str, fitting: Sequence[Kept], kept: Iterable[Sequence[Kept]]) -> DataMissing:
    if fitting:
        return DataMissing(
            f"several kept rows begin with {replay}: {_listed(fitting)}",
            hint="give one id whole, or choose a test file",
        )
    every = list({(entry.id, entry.check): entry for found in kept for entry in found}.values())
    for entry in every:
        if replay and entry.id.startswith(replay):
            return DataMissing(
                f"row {entry.id} is kept for {entry.check}, and no chosen test runs that check",
                hint="leave out what chooses tests (-k, -m, a path)",
            )
    return DataMissing(
        f"no kept row has the id {replay} (there are: {_listed(every) or 'none'})",
        hint="rows are kept in .harness/rows when a check fails",
    )


def _listed(entries: Sequence[Kept]) -> str:
    return ", ".join(f"{entry.id} of {entry.check}" for entry in entries)
