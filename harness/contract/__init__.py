"""The contract: what a model claims, and every way in which it can break its claims.

A model repository's whole test file::

    from harness.contract import contract
    test_contract = contract("harness.toml")

Nothing heavy is imported before one of the names below is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.contract.budget import settings
    from harness.contract.collected import contract
    from harness.contract.given import given_rows

__all__ = ["contract", "given_rows", "settings"]
_PLACES = {"contract": "collected", "given_rows": "given", "settings": "budget"}


def __getattr__(name: str) -> Any:
    """Return one of the names above, imported at its first use (PEP 562)."""
    if name in _PLACES:
        return getattr(importlib.import_module(f"harness.contract.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
