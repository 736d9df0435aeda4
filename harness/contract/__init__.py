"""The contract: what a model claims, and every way in which it can break its claims.

A model repository's whole test file::

    from harness.contract import contract
    test_contract = contract("harness.toml")

Nothing heavy is imported before one of the names below is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.contract.collected import contract
    from harness.contract.promise import Settings as settings

__all__ = ["contract", "settings"]


def __getattr__(name: str) -> Any:
    """Return ``contract`` or ``settings``, imported at their first use (PEP 562)."""
    if name == "contract":
        from harness.contract.collected import contract

        return contract
    if name == "settings":
        from harness.contract.promise import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
